/** The promises of watching, as one suite for every log. */
import { assert } from "@effect/vitest";
import { Deferred, Effect, Fiber, type Scope, Stream } from "effect";
import { type Seen, Watch, type Watchable, type Watching } from "../../src/coordination/watch/Watch.ts";
import { isMisfit, type NewEvent } from "../../src/domain/Event.ts";
import { type History, keyOf, task, thread } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import { newId } from "../../src/publish/write/NewEvent.ts";
import { eventsOf, until } from "../publish/World.ts";

type Tester = (name: string, test: () => Effect.Effect<void, unknown, Watch | EventLog | Scope.Scope>) => void;

/** Appends events to histories, one after another; returns the sequence of the last. */
export const write = Effect.fnUntraced(function* (histories: ReadonlyArray<History>, bytes = 0) {
  const log = yield* EventLog;
  let last = 0;
  for (const history of histories) {
    const type = history.kind === "task" ? "task.progressed" : "thread.renamed";
    const body = JSON.stringify({ title: "x".repeat(bytes) });
    const event: NewEvent = { id: yield* newId, type, schemaVersion: 1, occurredAt: 1, source: "test", body };
    last = (yield* log.append({ history, events: [event], expected: "any" })).sequence;
  }
  return last;
});

export interface Watcher {
  readonly seen: Array<Seen>;
  readonly fiber: Fiber.Fiber<void, unknown>;
}

/** Sequences of events, in the order in which they were seen. */
export const sequences = ({ seen }: Watcher): ReadonlyArray<number> =>
  seen.flatMap((one) => (one._tag === "Event" ? [one.entry.sequence] : []));

/** A watcher with a pace: it takes the next only when `pace` is over. */
export const watching = Effect.fnUntraced(function* (
  what: Watchable,
  options: Watching = {},
  pace: (one: Seen) => Effect.Effect<void> = () => Effect.void,
) {
  const { watch } = yield* Watch;
  const seen: Array<Seen> = [];
  const take = (one: Seen) => Effect.suspend(() => (seen.push(one), pace(one)));
  const fiber = yield* Effect.forkScoped(Stream.runForEach(watch(what, options), take));
  return { seen, fiber } satisfies Watcher;
});

export const isCaughtUp = ({ seen }: Watcher) => seen.some(({ _tag }) => _tag === "CaughtUp");

/** Returns when everybody has seen the event at the sequence. */
export const allSaw = (watchers: ReadonlyArray<Watcher>, sequence: number) =>
  until(Effect.sync(() => watchers.every((watcher) => sequences(watcher).includes(sequence))));

export const suite = (test: Tester) => {
  test("gives the history of a thread, says that it is caught up, and goes on live", () =>
    Effect.gen(function* () {
      const one = thread("history then live");
      yield* write([one, thread("another"), one]);
      const watcher = yield* watching({ history: one });
      yield* until(Effect.sync(() => isCaughtUp(watcher)));
      const tags = watcher.seen.map(({ _tag }) => _tag);
      assert.deepStrictEqual(tags, ["Event", "Event", "CaughtUp"]);
      yield* allSaw([watcher], yield* write([one, thread("another"), one]));
      assert.deepStrictEqual(
        sequences(watcher),
        (yield* eventsOf(one)).map(({ sequence }) => sequence),
      );
    }));

  test("begins where it is told to, or with what comes from now on", () =>
    Effect.gen(function* () {
      const one = task("begins");
      const first = yield* write([one]);
      const second = yield* write([one]);
      const after = yield* watching({ history: one }, { after: first });
      const now = yield* watching({ history: one }, { after: "now" });
      yield* until(Effect.sync(() => isCaughtUp(after) && isCaughtUp(now)));
      const third = yield* write([one]);
      yield* allSaw([after, now], third);
      assert.deepStrictEqual([sequences(after), sequences(now)], [[second, third], [third]]);
    }));

  test("watchers that come and are slow while others write see each event of theirs once and in order", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      const [a, b, c] = [thread("seam a"), task("seam b"), thread("seam c", "seam tenant")];
      const from = (yield* log.info).lastSequence;
      const writer = yield* Effect.forkScoped(write(Array.from({ length: 600 }, (_, n) => [a, b, c][n % 3] ?? a)));
      const whats: ReadonlyArray<Watchable> = [{ history: a }, { history: b }, { tenant: "seam tenant" }, "everything"];
      const watchers: Array<{ readonly what: Watchable; readonly watcher: Watcher }> = [];
      for (let n = 0; n < 24; n++) {
        const what = whats[n % whats.length] ?? "everything";
        const limits = n % 3 === 0 ? { maxWaiting: 3, maxWaitingBytes: 1_000_000 } : undefined;
        let count = 0;
        // Stands still from its twentieth on until all is written: more than may wait for it, however slow the writer is.
        const pace = () => (n % 3 === 0 && ++count === 20 ? Effect.asVoid(Fiber.await(writer)) : Effect.void);
        watchers.push({ what, watcher: yield* watching(what, { after: from, limits }, pace) });
        yield* Effect.sleep(n % 5);
      }
      yield* Fiber.join(writer);
      const ends = new Map<History, number>();
      for (const history of [a, b, c]) ends.set(history, yield* write([history]));
      const head = Math.max(...ends.values());
      const all = yield* log.follow({ after: from }).pipe(
        Stream.takeUntil(({ sequence }) => sequence >= head),
        Stream.runCollect,
      );
      let slow = 0;
      for (const { watcher, what } of watchers) {
        const expected = all.filter((entry) => {
          if (what === "everything") return true;
          if (isMisfit(entry)) return false;
          return "tenant" in what ? entry.history.tenant === what.tenant : keyOf(entry.history) === keyOf(what.history);
        });
        yield* allSaw([watcher], expected.at(-1)?.sequence ?? 0);
        assert.deepStrictEqual(
          sequences(watcher),
          expected.map(({ sequence }) => sequence),
        );
        slow += watcher.seen.filter(({ _tag }) => _tag === "Slow").length;
      }
      assert.isAbove(slow, 0, "some of them were slow");
    }));

  test("a watcher that stands still holds nobody up, is told that it was slow, and misses nothing", () =>
    Effect.gen(function* () {
      const one = thread("stands still");
      const first = yield* write([one]);
      const goOn = yield* Deferred.make<void>();
      const limits = { maxWaiting: 10, maxWaitingBytes: 1_000_000 };
      const still = yield* watching({ history: one }, { limits }, ({ _tag }) =>
        _tag === "CaughtUp" ? Deferred.await(goOn) : Effect.void,
      );
      const quick = yield* watching({ history: one }, { limits: { ...limits, maxWaiting: 1_000 } });
      yield* until(Effect.sync(() => isCaughtUp(still) && isCaughtUp(quick)));
      const last = yield* write(Array.from({ length: 50 }, () => one));
      yield* allSaw([quick], last);
      assert.deepStrictEqual(sequences(still), [first]);
      yield* Deferred.succeed(goOn, undefined);
      yield* allSaw([still], last);
      assert.deepStrictEqual(sequences(still), sequences(quick));
      const slow = still.seen.findIndex(({ _tag }) => _tag === "Slow");
      assert.deepStrictEqual(still.seen[slow], { _tag: "Slow", after: first });
      assert.isFalse(quick.seen.some(({ _tag }) => _tag === "Slow"));
      yield* until(Effect.sync(() => still.seen.slice(slow).some(({ _tag }) => _tag === "CaughtUp")));
    }));

  test("bounds what waits for a watcher by bytes too, and an event of any size is still seen", () =>
    Effect.gen(function* () {
      const one = thread("large");
      const goOn = yield* Deferred.make<void>();
      const limits = { maxWaiting: 1_000, maxWaitingBytes: 10_000 };
      const still = yield* watching({ history: one }, { limits }, ({ _tag }) =>
        _tag === "CaughtUp" ? Deferred.await(goOn) : Effect.void,
      );
      yield* until(Effect.sync(() => isCaughtUp(still)));
      const quick = yield* watching({ history: one });
      yield* until(Effect.sync(() => isCaughtUp(quick)));
      yield* allSaw([quick], yield* write([one], 50_000));
      yield* allSaw([quick], yield* write([one, one, one], 4_000));
      yield* Deferred.succeed(goOn, undefined);
      const last = yield* write([one], 50_000);
      yield* allSaw([still, quick], last);
      assert.deepStrictEqual(sequences(still), sequences(quick));
      assert.isTrue(still.seen.some(({ _tag }) => _tag === "Slow"));
    }));

  test("says that the log was rolled back when a watcher has seen more than there is", () =>
    Effect.gen(function* () {
      const { fiber } = yield* watching({ history: thread("rolled back") }, { after: 1_000_000_000 });
      const error = yield* Effect.flip(Fiber.join(fiber));
      assert.deepInclude(error, { _tag: "LogDamaged", sequence: 1_000_000_000 });
    }));

  test("refuses to begin where no sequence is, and bounds that are none", () =>
    Effect.gen(function* () {
      const { watch, watchers } = yield* Watch;
      const history = thread("odd");
      for (const options of [
        ...[-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY].map((after) => ({ after })),
        ...[0, -1, Number.NaN, 1e9].flatMap((bound) => [
          { limits: { maxWaiting: bound, maxWaitingBytes: 1 } },
          { limits: { maxWaiting: 1, maxWaitingBytes: bound } },
        ]),
      ]) {
        assert.strictEqual((yield* Effect.flip(Stream.runDrain(watch({ history }, options))))._tag, "WatchRefused");
      }
      yield* until(Effect.map(watchers, (count) => count === 0));
    }));

  test("begins behind what was appended this moment, however far the shared subscription has come", () =>
    Effect.gen(function* () {
      const one = thread("appended this moment");
      const before = yield* watching("everything");
      yield* until(Effect.sync(() => isCaughtUp(before)));
      const late: Array<Watcher> = [];
      for (let n = 0; n < 20; n++) late.push(yield* watching({ history: one }, { after: yield* write([one]) }));
      const last = yield* write([one]);
      yield* allSaw(late, last);
      const expected = sequences(late[0] ?? { seen: [], fiber: before.fiber });
      assert.strictEqual(expected.length, 20);
      for (const [n, watcher] of late.entries()) assert.deepStrictEqual(sequences(watcher), expected.slice(n));
    }));

  test("refuses to watch what nobody can ever write", () =>
    Effect.gen(function* () {
      const { watch } = yield* Watch;
      for (const id of ["", "x".repeat(201), "half a character \ud800"]) {
        for (const what of [{ history: thread(id) }, { tenant: id }]) {
          assert.strictEqual((yield* Effect.flip(Stream.runDrain(watch(what))))._tag, "WatchRefused");
        }
      }
    }));

  test("refuses a watcher too many, and takes one again when another has left", () =>
    Effect.gen(function* () {
      const { watch, watchers } = yield* Watch;
      const one = thread("crowd");
      yield* until(Effect.map(watchers, (count) => count === 0));
      yield* Effect.scoped(
        Effect.gen(function* () {
          for (let n = 0; n < 1_000; n++) yield* watching({ history: one }, { after: "now" });
          yield* until(Effect.map(watchers, (count) => count === 1_000));
          const error = yield* Effect.flip(Stream.runDrain(watch({ history: one })));
          assert.strictEqual(error._tag, "WatchRefused");
        }),
      );
      assert.strictEqual(yield* watchers, 0);
      const again = yield* watching({ history: one });
      yield* allSaw([again], yield* write([one]));
    }));
};
