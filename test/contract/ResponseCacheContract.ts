/** The promises of `ResponseCache`, as one suite for every wire. Each test has a tenant of its own. */
import { assert } from "@effect/vitest";
import { Context, Deferred, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect";
import { CacheSharing } from "../../src/coordination/cache/CacheSharing.ts";
import * as Configuration from "../../src/coordination/config/Configuration.ts";
import * as RequestKey from "../../src/coordination/cache/RequestKey.ts";
import * as ResponseCache from "../../src/coordination/cache/ResponseCache.ts";
import { thread } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Publisher from "../../src/publish/Publisher.ts";
import type { Spool } from "../../src/spool/Spool.ts";
import { withWall } from "../support/wallClock.ts";
import { settings as bucketSettings } from "./BucketContract.ts";

type Needs = CacheSharing | EventLog | Spool | Scope.Scope;
type Tester = (name: string, test: () => Effect.Effect<void, unknown, Needs>) => void;

/** A cache as a process of that tenant has it. */
export const process = (tenant: string) =>
  Effect.gen(function* () {
    const given = Layer.merge(Configuration.layer({ tenant }), Publisher.layer({ tenant, patienceMillis: 10_000 }));
    const built = yield* Layer.build(Layer.provideMerge(ResponseCache.layer({ patienceMillis: 10_000 }), given));
    const cache = Context.get(built, ResponseCache.ResponseCache);
    const config = Context.get(built, Configuration.Configuration);
    return { ...cache, config, publisher: Context.get(built, Publisher.Publisher) };
  });

const search = (request: unknown, more: Partial<ResponseCache.Asked> = {}): ResponseCache.Asked => ({
  kind: "tool",
  name: "search",
  request,
  ...more,
});

/** Asked so often; each answer says which it is. */
const source = () => {
  let asked = 0;
  const ask = Effect.sync(() => ({ answer: ++asked }));
  return { ask, asked: () => asked };
};

/** Where an answer lay, once it has been kept. */
const until = <A, E, R>(look: Effect.Effect<A, E, R>, isSo: (found: A) => boolean) =>
  Effect.gen(function* () {
    for (;;) {
      const found = yield* look;
      if (isSo(found)) return found;
      yield* Effect.sleep(5);
    }
  });

export const suite = (test: Tester) => {
  test("gives an answer again to an equal request, in this process and in another, however it is written", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* process("equal"), yield* process("equal")];
      const { ask, asked } = source();
      const fresh = yield* first.reuse(search({ q: "x", n: [1, { b: 2, a: undefined }] }), ask);
      assert.deepStrictEqual([fresh.value, fresh.reusedFrom], [{ answer: 1 }, undefined]);
      const again = yield* first.reuse(search({ n: [1, { b: 2 }], q: "x" }), ask);
      assert.deepStrictEqual([again.value, again.reusedFrom], [{ answer: 1 }, "process"]);
      assert.strictEqual(again.answeredAt, fresh.answeredAt);
      const elsewhere = yield* until(second.find(search({ n: [1, { b: 2 }], q: "x" })), (found) => found !== undefined);
      assert.deepStrictEqual([elsewhere?.value, elsewhere?.reusedFrom], [{ answer: 1 }, "shared"]);
      assert.strictEqual(asked(), 1);
    }));

  test("has one shape from its first giving on, and is each caller's own", () =>
    Effect.gen(function* () {
      const cache = yield* process("shapes");
      const given = { at: new Date(0), list: [1], nothing: undefined };
      const shape = { at: "1970-01-01T00:00:00.000Z", list: [1] };
      for (let asked = 0; asked < 3; asked++) {
        const { value } = yield* cache.reuse(search("shape"), Effect.succeed(given));
        assert.deepStrictEqual(value, shape);
        (value as typeof shape).list.push(2);
      }
      assert.deepStrictEqual((yield* cache.reuse(search("nothing"), Effect.succeed(undefined))).value, null);
      // Not allowed to be given again, it has that shape all the same.
      const once = search("shape", { allowedBy: "configuration" });
      assert.deepStrictEqual((yield* cache.reuse(once, Effect.succeed(given))).value, shape);
    }));

  test("refuses an answer that is no plain JSON, each time and for each caller", () =>
    Effect.gen(function* () {
      const cache = yield* process("odd answers");
      const cycle: { self?: unknown } = {};
      cycle.self = cycle;
      for (const [at, odd] of [new Map([[1, 2]]), { of: [new Set([1])] }, 1n, { n: Number.NaN }, cycle].entries()) {
        for (let asked = 0; asked < 2; asked++) {
          const refused = yield* Effect.flip(cache.reuse(search(at), Effect.succeed(odd)));
          assert.deepInclude(refused, { _tag: "AnswerRefused", name: "search" });
        }
      }
    }));

  test("does not take one request, tool, kind or tenant for another", () =>
    Effect.gen(function* () {
      const [cache, other] = [yield* process("apart"), yield* process("apart-other")];
      const { ask, asked } = source();
      yield* cache.reuse(search({ q: 1 }), ask);
      for (const request of [{ q: "1" }, { q: 1, r: null }, [], null]) yield* cache.reuse(search(request), ask);
      yield* cache.reuse({ kind: "tool", name: "find", request: { q: 1 } }, ask);
      yield* cache.reuse({ kind: "model", name: "search", request: { q: 1 } }, ask);
      yield* other.reuse(search({ q: 1 }), ask);
      assert.strictEqual(asked(), 8);
    }));

  test("gives no answer beyond its life where the clock is set back", () =>
    Effect.gen(function* () {
      let wall = Date.now();
      const cache = yield* process("set back").pipe(withWall(() => wall));
      const { ask, asked } = source();
      const brief = search("brief", { ttlMillis: 50 });
      yield* cache.reuse(brief, ask);
      yield* Effect.sleep(60);
      wall -= 3_600_000;
      yield* cache.reuse(brief, ask);
      assert.strictEqual(asked(), 2);
    }));

  test("never keeps a failure, nor what is too large, and gives both", () =>
    Effect.gen(function* () {
      const cache = yield* process("failures");
      let asked = 0;
      const fails = Effect.suspend(() => Effect.fail(`no ${++asked}`));
      assert.strictEqual(yield* Effect.flip(cache.reuse(search("f"), fails)), "no 1");
      assert.strictEqual(yield* Effect.flip(cache.reuse(search("f"), fails)), "no 2");
      const large = "x".repeat(ResponseCache.maxAnswerBytes);
      for (let at = 0; at < 2; at++) {
        assert.strictEqual((yield* cache.reuse(search("l"), Effect.succeed(large))).value, large);
      }
      assert.deepInclude(yield* cache.counts, { asked: 4, failed: 2, tooLarge: 2, answers: 0 });
    }));

  test("asks once for a hundred who ask at the same time", () =>
    Effect.gen(function* () {
      const cache = yield* process("flight");
      const { ask, asked } = source();
      const answers = yield* Effect.forEach(
        Array.from({ length: 100 }),
        () => cache.reuse(search("same"), Effect.andThen(Effect.yieldNow, ask)),
        { concurrency: "unbounded" },
      );
      assert.strictEqual(asked(), 1);
      assert.strictEqual(answers.filter(({ reusedFrom }) => reusedFrom === "flight").length, 99);
      // Each has a copy of its own.
      assert.strictEqual(new Set(answers.map(({ value }) => value)).size, 100);
    }));

  test("asks once for processes that ask at the same time, and again when that failed", () =>
    Effect.gen(function* () {
      const processes = yield* Effect.forEach([1, 2, 3, 4], () => process("processes"));
      const { ask, asked } = source();
      const isAsked = yield* Deferred.make<void>();
      const answered = yield* Deferred.make<void>();
      const slow = Effect.andThen(Deferred.succeed(isAsked, undefined), Effect.andThen(Deferred.await(answered), ask));
      const all = processes.flatMap(({ reuse }) => [1, 2].map(() => reuse(search("same"), slow)));
      const asking = yield* Effect.forkScoped(Effect.all(all, { concurrency: "unbounded" }));
      yield* Deferred.await(isAsked);
      yield* Deferred.succeed(answered, undefined);
      const answers = yield* Fiber.join(asking);
      assert.strictEqual(asked(), 1);
      assert.deepStrictEqual(new Set(answers.map(({ value }) => JSON.stringify(value))), new Set(['{"answer":1}']));
      assert.lengthOf(
        answers.filter(({ reusedFrom }) => reusedFrom === undefined),
        1,
      );
      let attempts = 0;
      const fails = Effect.suspend(() => Effect.fail(`no ${++attempts}`));
      const failures = yield* Effect.all(
        processes.map(({ reuse }) => Effect.flip(reuse(search("fails"), fails))),
        { concurrency: "unbounded" },
      );
      assert.strictEqual(new Set(failures).size, 4, "no process is given the failure of another");
    }));

  test("asks anew when the process that asked died in the middle, as soon as its claim is over", () =>
    Effect.gen(function* () {
      const dying = yield* Scope.make();
      const [first, second] = [yield* Scope.provide(process("dies"), dying), yield* process("dies")];
      const isAsked = yield* Deferred.make<void>();
      yield* Effect.forkScoped(
        first.reuse(search("dies"), Effect.andThen(Deferred.succeed(isAsked, undefined), Effect.never)),
      );
      yield* Deferred.await(isAsked);
      const { buckets } = (yield* CacheSharing).shared() ?? (yield* Effect.die("nothing is shared"));
      const bucket = yield* buckets.open({ ...bucketSettings, name: "RECOLLECT_FLIGHTS", storage: "memory" });
      const ours = Effect.map(bucket.entries(">"), (all) => all.filter(({ key }) => key.includes("dies")));
      const [claim] = yield* until(ours, ({ length }) => length === 1);
      yield* Scope.close(dying, Exit.void);
      // As a process leaves it that is killed: it stands until it is over.
      yield* bucket.put(claim?.key ?? "", Uint8Array.of(1), { ttlMillis: 1_000 });
      let standing: number | undefined;
      const ask = Effect.map(ours, ({ length }) => (standing = length));
      assert.strictEqual((yield* second.reuse(search("dies"), Effect.as(Effect.orDie(ask), 1))).value, 1);
      // Its own claim, and no other's.
      assert.strictEqual(standing, 1);
    }));

  test("a caller whose patience with a request under way is over asks by itself, in any process", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* process("patience"), yield* process("patience")];
      const hangs = yield* Deferred.make<void>();
      const asked = search("hangs", { joinMillis: 50 });
      yield* Effect.forkScoped(first.reuse(asked, Effect.andThen(Deferred.succeed(hangs, undefined), Effect.never)));
      yield* Deferred.await(hangs);
      for (const { reuse } of [first, second]) {
        assert.strictEqual((yield* reuse(asked, Effect.succeed(1))).value, 1);
      }
    }));

  test("ends an answer when its time is over, by the call or by the configuration of the moment", () =>
    Effect.gen(function* () {
      const cache = yield* process("ends");
      const { ask, asked } = source();
      yield* cache.reuse(search("now", { ttlMillis: 0 }), ask);
      yield* cache.reuse(search("now", { ttlMillis: 0 }), ask);
      assert.strictEqual(asked(), 2);
      yield* cache.reuse(search("later"), ask);
      // What was kept for an hour is too old for who wants it young.
      yield* cache.reuse(search("later", { ttlMillis: 0 }), ask);
      assert.strictEqual(asked(), 4);
      yield* cache.config.set({ "cache.responses.processBytes": 0 });
      yield* cache.reuse(search("bounded"), ask);
      assert.deepInclude(yield* cache.counts, { answers: 0, bytes: 0 });
    }));

  test("reuses the answers of tools that the configuration names, as long as it does, and for as long as it says", () =>
    Effect.gen(function* () {
      const cache = yield* process("configured");
      const { ask, asked } = source();
      const configured = search("c", { allowedBy: "configuration" });
      const twice = Effect.andThen(cache.reuse(configured, ask), cache.reuse(configured, ask));
      assert.strictEqual((yield* twice).reusedFrom, undefined);
      assert.isUndefined(yield* cache.find(configured));
      yield* cache.config.set({ "cache.responses.tools.other": {} });
      assert.strictEqual((yield* twice).reusedFrom, undefined);
      assert.deepInclude(yield* cache.counts, { requests: 0, answers: 0 });
      yield* cache.config.set({ "cache.responses.tools.search": {} });
      assert.strictEqual((yield* twice).reusedFrom, "process");
      assert.strictEqual(asked(), 5);
      yield* cache.config.set({ "cache.responses.tools.search": { ttlMillis: 1_000 } });
      yield* until(cache.find(configured), (found) => found === undefined);
      // For who allows it by the call, the tool's time holds as well, unless the call says another.
      assert.isUndefined(yield* cache.find(search("c")));
      assert.isDefined(yield* cache.find(search("c", { ttlMillis: 3_600_000 })));
      assert.strictEqual((yield* twice).reusedFrom, "process");
      yield* cache.config.set({ "cache.responses.tools.search": undefined });
      assert.strictEqual((yield* twice).reusedFrom, undefined);
      yield* cache.keep(configured, { value: 1, tookMillis: 0 });
      assert.isUndefined(yield* cache.find(configured));
      const model = { ...configured, kind: "model" } as const;
      yield* Effect.andThen(cache.reuse(model, ask), cache.reuse(model, ask));
      assert.strictEqual(asked(), 10);
    }));

  test("does not give who wants a young answer the old one that others are content with", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* process("young"), yield* process("young")];
      const { ask, asked } = source();
      yield* first.reuse(search("y"), ask);
      yield* until(second.find(search("y")), (found) => found !== undefined);
      const third = yield* process("young");
      const [content, young] = yield* Effect.all(
        [third.reuse(search("y"), ask), third.reuse(search("y", { ttlMillis: 0 }), ask)],
        { concurrency: "unbounded" },
      );
      assert.deepStrictEqual([content.value, young.value], [{ answer: 1 }, { answer: 2 }]);
      assert.isUndefined(yield* (yield* process("young")).find(search("y", { ttlMillis: Number.NaN })));
      assert.strictEqual(asked(), 2);
    }));

  test("records each answer that it gives again as an event of the thread it was given in", () =>
    Effect.gen(function* () {
      const cache = yield* process("recorded");
      const { ask } = source();
      yield* cache.reuse(search("r", { thread: "t", callId: "c1" }), ask);
      yield* cache.reuse(search("r", { thread: "t", callId: "c2" }), ask);
      yield* cache.reuse(search("r"), ask);
      yield* cache.publisher.flush;
      const log = yield* EventLog;
      const events = yield* Stream.runCollect(log.read({ history: thread("t", "recorded") }));
      assert.deepStrictEqual(
        events.map(({ type }) => type),
        ["thread.response_reused"],
      );
      const data: object = JSON.parse(Buffer.from(events[0]?.body ?? []).toString("utf8"));
      assert.deepInclude(data, { kind: "tool", name: "search", callId: "c2", from: "process" });
      const said = ["answeredAt", "bytes", "callId", "from", "key", "kind", "name", "savedMillis"];
      assert.deepStrictEqual(Object.keys(data).toSorted(), said);
    }));

  test("forgets one tool or everything, in every process, and nothing beside", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* process("forget"), yield* process("forget")];
      const find = { kind: "tool", name: "find", request: 1 } as const;
      const { ask } = source();
      for (const asked of [search(1), find]) {
        yield* first.reuse(asked, ask);
        yield* until(second.find(asked), (found) => found !== undefined);
      }
      assert.isTrue(yield* first.forget({ kind: "tool", name: "search" }));
      assert.isUndefined(yield* second.find(search(1)));
      assert.strictEqual((yield* second.find(find))?.reusedFrom, "process");
      assert.isTrue(yield* first.forget("all"));
      assert.isUndefined(yield* second.find(find));
    }));

  test("does not keep an answer that was asked for before everything was forgotten", () =>
    Effect.gen(function* () {
      const cache = yield* process("late");
      const { ask } = source();
      const late = Effect.andThen(cache.forget("all"), ask);
      assert.deepStrictEqual((yield* cache.reuse(search("late"), late)).value, { answer: 1 });
      assert.isUndefined(yield* cache.find(search("late")));
      // Also one that was asked for elsewhere.
      yield* cache.keep(search("late"), { value: 1, tookMillis: 60_000 });
      assert.isUndefined(yield* cache.find(search("late")));
    }));

  test("refuses a request that can have no key, before anything is asked", () =>
    Effect.gen(function* () {
      const cache = yield* process("refused");
      const cycle: { self?: unknown } = {};
      cycle.self = cycle;
      const { ask, asked } = source();
      // What JSON would make one of: two maps are `{}`, and what is no number is `null`.
      const alike = [
        new Map([["q", 1]]),
        { q: new Set([1]) },
        [/a/],
        { q: Number.NaN },
        [1 / 0],
        { f: () => 1 },
        [Symbol("s")],
      ];
      for (const request of [cycle, 1n, "x".repeat(RequestKey.maxRequestLength), ...alike]) {
        assert.strictEqual((yield* Effect.flip(cache.reuse(search(request), ask)))._tag, "RequestRefused");
      }
      const nameless = cache.reuse({ kind: "tool", name: "", request: 1 }, ask);
      assert.strictEqual((yield* Effect.flip(nameless))._tag, "RequestRefused");
      assert.strictEqual(asked(), 0);
    }));
};
