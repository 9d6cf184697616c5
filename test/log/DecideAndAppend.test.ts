import { assert, describe, it } from "@effect/vitest";
import { Effect, Result } from "effect";
import type { NewEvent } from "../../src/domain/Event.ts";
import * as History from "../../src/domain/History.ts";
import { decideAndAppend } from "../../src/log/DecideAndAppend.ts";
import { EventLog, LogUnavailable, SequenceConflict } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";

const history = History.task("t");
const event = (id: string): NewEvent => ({
  id,
  type: "t",
  schemaVersion: 1,
  occurredAt: 0,
  source: "test",
  body: "{}",
});
type Log = EventLog["Service"];

/** Counts the events of the history; appends one while there are fewer than `until`. */
const counting = (log: Log, id: string, until = 100) => ({
  log,
  history,
  known: { state: 0, upTo: 0 },
  evolve: (count: number) => count + 1,
  decide: (count: number) => Effect.succeed(count < until ? [event(id)] : []),
});

const onLog = <A, E>(test: (log: Log) => Effect.Effect<A, E>) =>
  Effect.flatMap(EventLog, test).pipe(Effect.provide(EventLogMemory.layer));

describe("deciding on a history and appending to it", () => {
  it.effect("decides again on what somebody quicker has written", () =>
    onLog((log) =>
      Effect.gen(function* () {
        yield* log.append({ history, events: [event("a"), event("b")], expected: 0 });
        const decided = yield* decideAndAppend(counting(log, "c"));
        assert.deepStrictEqual(decided, { state: 3, upTo: 3, isNew: true, sequence: 3 });
        const full = yield* decideAndAppend({ ...counting(log, "d", 3), readsFirst: true });
        assert.deepStrictEqual(full, { state: 3, upTo: 3, isNew: false, sequence: 3 });
      }),
    ),
  );

  it.effect("lets of many who decide at the same moment as many through as the rule allows", () =>
    onLog((log) =>
      Effect.gen(function* () {
        const all = Array.from({ length: 8 }, (_, index) => decideAndAppend(counting(log, `w${index}`, 5)));
        const decided = yield* Effect.all(all, { concurrency: "unbounded" });
        assert.lengthOf(
          decided.filter(({ isNew }) => isNew),
          5,
        );
        assert.strictEqual((yield* log.info).lastSequence, 5);
      }),
    ),
  );

  it.effect("finds what it had written without hearing of it, and writes it once", () =>
    onLog((log) =>
      Effect.gen(function* () {
        let isLost = true;
        const losing: Log = {
          ...log,
          append: (append) =>
            Effect.flatMap(log.append(append), (appended) => {
              if (!isLost) return Effect.succeed(appended);
              isLost = false;
              return new SequenceConflict({ history, expected: 0, actual: appended.sequence });
            }),
        };
        const decided = yield* decideAndAppend(counting(losing, "once"));
        assert.deepStrictEqual(decided, { state: 1, upTo: 1, isNew: true, sequence: 1 });
        assert.strictEqual((yield* log.info).lastSequence, 1);
        const again = yield* decideAndAppend({ ...counting(log, "once"), readsFirst: true, id: "once" });
        assert.deepStrictEqual([again.isNew, again.sequence], [true, 1]);
      }),
    ),
  );

  it.live("gives up when others are always quicker, and asks an unreachable log as often as it is told", () =>
    onLog((log) =>
      Effect.gen(function* () {
        let appends = 0;
        const quicker: Log = {
          ...log,
          append: () => Effect.suspend(() => (appends++, new SequenceConflict({ history, expected: 0 }))),
        };
        const refused = yield* Effect.flip(decideAndAppend(counting(quicker, "a")));
        assert.match((refused as LogUnavailable).reason, /10 writers in a row were quicker/);
        assert.strictEqual(appends, 10);
        appends = 0;
        const away: Log = {
          ...log,
          append: () => Effect.suspend(() => (appends++, new LogUnavailable({ reason: "away" }))),
        };
        assert.isTrue(Result.isFailure(yield* Effect.result(decideAndAppend({ ...counting(away, "a"), tries: 2 }))));
        assert.strictEqual(appends, 3);
      }),
    ),
  );
});
