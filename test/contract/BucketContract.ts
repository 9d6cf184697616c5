/** The promises of `Buckets`, as one suite for every layer. Each test has keys of its own. */
import { assert } from "@effect/vitest";
import { Effect, Fiber, Option, Queue, Stream } from "effect";
import {
  type Bucket,
  type BucketError,
  Buckets,
  type Entry,
  keyOf,
  type Settings,
} from "../../src/coordination/bucket/Bucket.ts";

type Tester = (name: string, test: () => Effect.Effect<void, unknown, Buckets>) => void;

export const settings: Settings = {
  name: "TEST",
  description: "A bucket for tests.",
  storage: "memory",
  maxBytes: 4 * 1024 * 1024,
  maxValueBytes: 1024,
  whenFull: "refuse",
};

export const bytes = (text: string): Uint8Array => Buffer.from(text);
export const textOf = (entry: Entry): string | undefined =>
  entry.value === undefined ? undefined : Buffer.from(entry.value).toString();

const opened = <A, E, R>(use: (bucket: Bucket) => Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.flatMap(Buckets, (buckets) => Effect.flatMap(buckets.open(settings), use)));

/** What a watch tells, one by one. */
export const watching = Effect.fnUntraced(function* (bucket: Bucket, filter: string) {
  const told = yield* Queue.unbounded<Entry | "caughtUp">();
  yield* Effect.forkScoped(Stream.runForEach(bucket.watch(filter), (one) => Queue.offer(told, one)));
  return Effect.map(Queue.take(told), (one) => (one === "caughtUp" ? one : `${one.key}=${textOf(one) ?? "gone"}`));
});

export const suite = (test: Tester) => {
  test("gives back what was put, with its revision, and nothing under revision 0 for what never was", () =>
    opened(
      Effect.fnUntraced(function* (bucket) {
        const none = { key: "put", value: undefined, revision: 0, writtenAt: 0 };
        assert.deepStrictEqual(yield* bucket.get("put"), none);
        const revision = yield* bucket.put("put", bytes("one"));
        const found = yield* bucket.get("put");
        assert.strictEqual(textOf(found), "one");
        assert.strictEqual(found.revision, revision);
        assert.isAbove(yield* bucket.put("put", bytes("two")), revision);
        assert.isAtMost(Math.abs(found.writtenAt - (yield* bucket.now)), 60_000);
      }),
    ));

  test("replaces only the revision that was expected: of two writers exactly one wins", () =>
    opened(
      Effect.fnUntraced(function* (bucket) {
        const first = yield* bucket.replace("race", bytes("first"), 0);
        assert.isUndefined(yield* bucket.replace("race", bytes("late"), 0));
        const both = yield* Effect.forEach(["a", "b"], (text) => bucket.replace("race", bytes(text), first ?? -1), {
          concurrency: "unbounded",
        });
        assert.lengthOf(
          both.filter((revision) => revision !== undefined),
          1,
        );
      }),
    ));

  test("gives what follows a revision page by page, and clears what has a revision or an earlier one", () =>
    opened(
      Effect.fnUntraced(function* (bucket) {
        const texts = ["a", "b", "c"];
        const revisions = yield* Effect.forEach(texts, (text) => bucket.put(keyOf("pages", text), bytes(text)));
        const [first = 0, second = 0] = revisions;
        const page = yield* bucket.next("pages.*", { most: 2 });
        assert.deepStrictEqual([page.entries.map(textOf), page.more], [["a", "b"], 1]);
        const rest = yield* bucket.next("*.c", { after: second, most: 2 });
        assert.deepStrictEqual([rest.entries.map(textOf), rest.more], [["c"], 0]);
        const again = yield* bucket.put("pages.a", bytes("A"));
        assert.strictEqual(yield* bucket.clear("pages.a", first), 0, "it has a later revision");
        assert.strictEqual(yield* bucket.clear("*.a", again), 1);
        assert.strictEqual(yield* bucket.clear("pages.*"), 2);
        assert.deepStrictEqual(yield* bucket.next("pages.*", { most: 1 }), { entries: [], more: 0 });
      }),
    ));

  test("leaves no mark of a removal where that is wanted", () =>
    opened(
      Effect.fnUntraced(function* (bucket) {
        const revision = yield* bucket.put("unmarked.a", bytes("a"));
        assert.isFalse(yield* bucket.remove("unmarked.a", revision + 1_000, "dropped"));
        assert.isTrue(yield* bucket.remove("unmarked.a", revision, "dropped"));
        const { entries } = yield* Effect.repeat(bucket.next("unmarked.*", { most: 1 }), {
          until: (found) => found.entries.length === 0,
        });
        assert.lengthOf(entries, 0);
      }),
    ));

  test("tells that something may have been written, first as soon as it listens", () =>
    opened(
      Effect.fnUntraced(function* (bucket) {
        const told = yield* Queue.unbounded<void>();
        yield* Effect.forkScoped(Stream.runForEach(bucket.touched("touched.*"), () => Queue.offer(told, undefined)));
        yield* Queue.take(told);
        yield* bucket.put("touched.a", bytes("a"));
        yield* Queue.take(told);
        yield* bucket.remove("touched.a");
        yield* Queue.take(told);
        assert.strictEqual((yield* Effect.flip(Stream.runDrain(bucket.touched(".")))).key, ".");
      }),
    ));

  test("has nothing after a removal, and takes a new value over the mark that it left", () =>
    opened(
      Effect.fnUntraced(function* (bucket) {
        const revision = yield* bucket.put("remove", bytes("one"));
        assert.isFalse(yield* bucket.remove("remove", revision + 1_000));
        assert.isTrue(yield* bucket.remove("remove", revision));
        const gone = yield* bucket.get("remove");
        assert.isUndefined(gone.value);
        assert.isUndefined(yield* bucket.replace("remove", bytes("two"), 0));
        assert.isDefined(yield* bucket.replace("remove", bytes("two"), gone.revision));
        assert.strictEqual(textOf(yield* bucket.get("remove")), "two");
      }),
    ));

  test("lists what matches, oldest first and without what was removed", () =>
    opened(
      Effect.fnUntraced(function* (bucket) {
        for (const key of ["list.a.1", "list.b.1", "list.a.2", "list.c"]) yield* bucket.put(key, bytes(key));
        yield* bucket.put("list.a.1", bytes("again"));
        yield* bucket.remove("list.b.1");
        const keys = (filter: string) => Effect.map(bucket.entries(filter), (found) => found.map(({ key }) => key));
        assert.deepStrictEqual(yield* keys("list.>"), ["list.a.2", "list.c", "list.a.1"]);
        assert.deepStrictEqual(yield* keys("list.*.1"), ["list.a.1"]);
        assert.deepStrictEqual(yield* keys("list.none.>"), []);
      }),
    ));

  test("lists more than one answer of the server holds", () =>
    opened(
      Effect.fnUntraced(function* (bucket) {
        const keys = Array.from({ length: 1_203 }, (_, at) => `many.${at}`);
        yield* Effect.forEach(keys, (key) => bucket.put(key, bytes(key)), { concurrency: 100, discard: true });
        const found = yield* bucket.entries("many.*");
        assert.deepStrictEqual(found.map(({ key }) => key).toSorted(), keys.toSorted());
      }),
    ));

  test("tells a watcher what is there, that this was all, and then every change", () =>
    opened((bucket) =>
      Effect.scoped(
        Effect.gen(function* () {
          yield* bucket.put("watch.a", bytes("1"));
          const next = yield* watching(bucket, "watch.*");
          assert.deepStrictEqual([yield* next, yield* next], ["watch.a=1", "caughtUp"]);
          yield* bucket.put("elsewhere", bytes("2"));
          yield* bucket.put("watch.b", bytes("2"));
          assert.strictEqual(yield* next, "watch.b=2");
          yield* bucket.put("watch.a", bytes("3"));
          assert.strictEqual(yield* next, "watch.a=3");
          yield* bucket.remove("watch.b");
          assert.strictEqual(yield* next, "watch.b=gone");
        }),
      ),
    ));

  test("tells a watcher of nothing that this was all", () =>
    opened((bucket) =>
      Effect.scoped(
        Effect.gen(function* () {
          const next = yield* watching(bucket, "nothing.>");
          assert.strictEqual(yield* next, "caughtUp");
        }),
      ),
    ));

  test("refuses a key, a filter and a value that cannot be, in a sentence and before anything is written", () =>
    opened(
      Effect.fnUntraced(function* (bucket) {
        for (const key of ["", "a..b", "a b", "é", ".a", "a.", "*", "a.>", "a".repeat(2_001)]) {
          const uses = [bucket.get(key), bucket.put(key, bytes("x")), bucket.remove(key)].map((use) =>
            Effect.asVoid<unknown, BucketError, never>(use),
          );
          for (const refused of uses) assert.strictEqual((yield* Effect.flip(refused))._tag, "BucketRefused", key);
        }
        for (const filter of ["", "a..b", ">.a", "a*"]) {
          assert.strictEqual((yield* Effect.flip(bucket.entries(filter)))._tag, "BucketRefused", filter);
          const watched = yield* Effect.flip(Stream.runHead(bucket.watch(filter)));
          assert.strictEqual(watched._tag, "BucketRefused", filter);
        }
        const large = yield* Effect.flip(bucket.put("large", new Uint8Array(1_025)));
        assert.strictEqual(large._tag, "BucketRefused");
        assert.isUndefined((yield* bucket.get("large")).value);
        yield* bucket.put("large", new Uint8Array(1_024));
      }),
    ));

  test("has a key for every text", () =>
    opened(
      Effect.fnUntraced(function* (bucket) {
        const names = ["a.b", "a/b", "a b", "*", ">", "=2E", "😀é\u0000", "$KV"];
        for (const name of names) yield* bucket.put(keyOf("texts", name), bytes(name));
        const found = yield* bucket.entries("texts.*");
        assert.deepStrictEqual(found.map(textOf), names);
      }),
    ));

  test("opened twice under one name is one bucket", () =>
    opened((bucket) =>
      opened(
        Effect.fnUntraced(function* (again) {
          yield* bucket.put("twice", bytes("one"));
          assert.strictEqual(textOf(yield* again.get("twice")), "one");
          const watched = yield* Effect.forkChild(
            again.watch("twice").pipe(
              Stream.filter((one) => one !== "caughtUp" && textOf(one) === "two"),
              Stream.runHead,
            ),
          );
          yield* bucket.put("twice", bytes("two"));
          assert.isTrue(Option.isSome(yield* Fiber.join(watched)));
        }),
      ),
    ));
};
