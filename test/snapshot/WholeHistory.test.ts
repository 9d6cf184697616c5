import { assert, describe, it } from "@effect/vitest";
import { Effect, Result, Schema, Stream } from "effect";
import type { RecordedEvent } from "../../src/domain/Event.ts";
import { thread } from "../../src/domain/History.ts";
import { EventLog, LogUnavailable } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import * as HistorySource from "../../src/snapshot/HistorySource.ts";
import * as WholeHistory from "../../src/snapshot/WholeHistory.ts";
import { append, sayNew } from "./ThreadWorld.ts";

/** What may be wrong with a copy. */
const Fault = Schema.Literals([
  "none",
  "away",
  "away in the middle",
  "behind",
  "cut short",
  "reversed",
  "one twice",
  "an event of another history",
  "beyond its reach",
  "of another stream",
  "of another time",
  "its end is another history's",
]);

interface Asked {
  reads: number;
}

const away = new HistorySource.SourceUnavailable({ reason: "away" });

/** A copy of these events with a fault at some place. */
const copyOf = (
  all: ReadonlyArray<RecordedEvent>,
  options: { readonly fault: typeof Fault.Type; readonly place: number; readonly page: number; readonly asked: Asked },
): HistorySource.HistorySource => {
  const { asked, fault, page, place } = options;
  const at = Math.floor(place * all.length);
  const held = fault === "behind" ? all.slice(0, at) : all;
  const told = (events: ReadonlyArray<RecordedEvent>): ReadonlyArray<RecordedEvent> => {
    const [one] = events.slice(at);
    if (one === undefined) return events;
    if (fault === "cut short") return events.slice(0, at);
    if (fault === "reversed") return [...events.slice(0, at), ...events.slice(at).toReversed()];
    if (fault === "one twice") return [...events.slice(0, at), one, ...events.slice(at)];
    if (fault === "an event of another history")
      return [...events.slice(0, at), { ...one, history: thread("another") }, ...events.slice(at + 1)];
    if (fault === "beyond its reach") return [...events, { ...one, sequence: 1_000_000 }];
    return events;
  };
  return {
    reach: () => {
      if (fault === "away") return Effect.fail(away);
      const last = held.at(-1);
      if (last === undefined) return Effect.succeed(undefined);
      const reach = { sequence: last.sequence, eventId: last.id, recordedAt: last.recordedAt };
      const ofAnother = { created: -1, sequence: last.sequence };
      if (fault === "of another stream") return Effect.succeed({ ...reach, eventId: "another", of: ofAnother });
      if (fault === "of another time") return Effect.succeed({ ...reach, recordedAt: reach.recordedAt - 1 });
      return Effect.succeed(reach);
    },
    read: ({ after, upTo }) => {
      asked.reads++;
      const wanted = told(held.filter(({ sequence }) => sequence > after && sequence <= upTo));
      // Disorder over several pages cannot be told from a hole.
      const given = Stream.fromIterable(wanted).pipe(Stream.rechunk(fault === "reversed" ? 100 : page));
      return fault === "away in the middle" ? Stream.concat(Stream.take(given, at), Stream.fail(away)) : given;
    },
  };
};

const lies = (fault: typeof Fault.Type) => fault === "of another stream" || fault === "of another time";

const sequences = (events: ReadonlyArray<RecordedEvent>) => events.map(({ sequence }) => sequence);

describe("a whole history", () => {
  it.effect.prop(
    "is what the log says, whatever is wrong with the copy",
    {
      fault: Fault,
      place: Schema.Literals([0, 0.3, 0.6, 0.99]),
      page: Schema.Literals([1, 3, 100]),
      length: Schema.Literals([0, 1, 7, 20]),
      from: Schema.Literals([0, 0.5, 1]),
      to: Schema.Literals([0.2, 0.7, 1, 2]),
    },
    ({ fault, place, page, length, from, to }) =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const history = thread("t");
        yield* append(
          history,
          Array.from({ length }, () => sayNew()),
        );
        const all = yield* Stream.runCollect(log.read({ history }));
        const copied = all.slice(0, Math.ceil(length * 0.8));
        const asked = { reads: 0 };
        const source =
          fault === "its end is another history's"
            ? copyOf(yield* Stream.runCollect(log.read({ history: thread("other than t") })), {
                fault,
                place,
                page,
                asked,
              })
            : copyOf(copied, { fault, place, page, asked });
        const after = from === 0 ? 0 : (all[Math.floor(from * (length - 1))]?.sequence ?? 0);
        const upTo = to === 2 ? undefined : (all[Math.floor(to * (length - 1))]?.sequence ?? 0);
        const read = yield* Stream.runCollect(WholeHistory.read({ log, source, history, after, upTo }));
        const truth = all.filter(({ sequence }) => sequence > after && sequence <= (upTo ?? Infinity));
        assert.deepStrictEqual(read, truth);
        if (lies(fault) || fault === "its end is another history's") assert.strictEqual(asked.reads, 0);
      }).pipe(Effect.provide(EventLogMemory.layer)),
  );

  it.effect(
    "fails where the stream has lost an event that the copy has, and does not where the copy is of an older stream",
    () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const history = thread("t");
        yield* append(history, [sayNew(), sayNew()]);
        const all = yield* Stream.runCollect(log.read({ history }));
        const { created } = yield* log.info;
        const reaching = (sequence: number, recordedAt: number): HistorySource.HistorySource => ({
          ...HistorySource.none,
          reach: () => Effect.succeed({ sequence, eventId: "lost", recordedAt }),
        });
        const readOf = (source: HistorySource.HistorySource) =>
          Effect.result(Stream.runCollect(WholeHistory.read({ log, source, history })));
        const lost = yield* readOf(reaching(1_000_000, created + 1));
        assert.deepInclude("failure" in lost ? lost.failure : lost, { condition: "streamDamaged" });
        const older = yield* readOf(reaching(1_000_000, created - 1));
        assert.deepStrictEqual("success" in older ? older.success : older, all);
      }).pipe(Effect.provide(EventLogMemory.layer)),
  );

  it.effect("fails where the stream has another event at the place of one that the copy of this very stream has", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      const history = thread("t");
      yield* append(history, [sayNew(), sayNew()]);
      const { created } = yield* log.info;
      const all = yield* Stream.runCollect(log.read({ history }));
      const sequence = all[1]?.sequence ?? 0;
      const reaching = (of: number): HistorySource.HistorySource => ({
        ...HistorySource.none,
        // A stream that was made anew keeps the times of its events.
        reach: () =>
          Effect.succeed({ sequence, eventId: "written over", recordedAt: 0, of: { created: of, sequence } }),
      });
      const readOf = (source: HistorySource.HistorySource) =>
        Effect.result(Stream.runCollect(WholeHistory.read({ log, source, history })));
      const over = yield* readOf(reaching(created));
      assert.deepInclude("failure" in over ? over.failure : over, { condition: "streamDamaged" });
      const older = yield* readOf(reaching(created - 1));
      assert.deepStrictEqual("success" in older ? older.success : older, all);
    }).pipe(Effect.provide(EventLogMemory.layer)),
  );

  it.effect(
    "fails where the stream lacks events of a stretch that no copy vouches for, and is whole where one does",
    () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const history = thread("t");
        yield* append(
          history,
          Array.from({ length: 5 }, () => sayNew()),
        );
        const all = yield* Stream.runCollect(log.read({ history }));
        const { created, lastSequence } = yield* log.info;
        // The third is gone without a trace: the server does not count it.
        const gone = all[2]?.sequence ?? 0;
        const lacking = EventLog.of({
          ...log,
          read: (options) => Stream.filter(log.read(options), ({ sequence }) => sequence !== gone),
          whole: (after = 0) =>
            after < gone ? Effect.fail(new LogUnavailable({ reason: "it lacks one" })) : Effect.void,
        });
        const readWith = (source: HistorySource.HistorySource) =>
          Effect.result(Stream.runCollect(WholeHistory.read({ log: lacking, source, history })));
        assert.isTrue(Result.isFailure(yield* readWith(HistorySource.none)));
        const asked = { reads: 0 };
        const cut = yield* readWith(copyOf(all, { fault: "cut short", place: 0.3, page: 100, asked }));
        assert.isTrue(Result.isFailure(cut));
        const whole = copyOf(all, { fault: "none", place: 0, page: 100, asked });
        const vouched = yield* readWith(whole);
        assert.deepStrictEqual("success" in vouched ? vouched.success : vouched, all);
        // An early history, of which the copy has all there is: what is missing behind is of others.
        const early = all.slice(0, 2);
        const copy = copyOf(early, { fault: "none", place: 0, page: 100, asked });
        const upTo = early[1]?.sequence;
        const reading = (of: number | undefined) =>
          WholeHistory.read({
            log: { ...lacking, read: () => Stream.empty },
            source: {
              ...copy,
              reach: (which) =>
                Effect.map(copy.reach(which), (reach) =>
                  reach === undefined || of === undefined ? reach : { ...reach, of: { created, sequence: of } },
                ),
            },
            history,
          });
        assert.isTrue(Result.isFailure(yield* Effect.result(Stream.runCollect(reading(upTo)))));
        assert.deepStrictEqual(yield* Stream.runCollect(reading(lastSequence)), early);
      }).pipe(Effect.provide(EventLogMemory.layer)),
  );

  it.effect("is the log's whatever the copy says beyond its reach", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      const history = thread("t");
      yield* append(
        history,
        Array.from({ length: 10 }, () => sayNew()),
      );
      const all = yield* Stream.runCollect(log.read({ history }));
      for (const page of [1, 100]) {
        const source = copyOf(all.slice(0, 7), { fault: "beyond its reach", place: 0, page, asked: { reads: 0 } });
        const read = yield* Stream.runCollect(WholeHistory.read({ log, source, history }));
        assert.deepStrictEqual(read, all);
      }
    }).pipe(Effect.provide(EventLogMemory.layer)),
  );

  it.effect("comes from the copy as far as that goes, and from the log beyond", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      const history = thread("t");
      yield* append(
        history,
        Array.from({ length: 10 }, () => sayNew()),
      );
      const all = yield* Stream.runCollect(log.read({ history }));
      const from: Array<number> = [];
      const tapped = EventLog.of({
        ...log,
        read: (options) => {
          from.push(options.after ?? 0);
          return log.read(options);
        },
      });
      const source = copyOf(all.slice(0, 7), { fault: "none", place: 0, page: 2, asked: { reads: 0 } });
      const read = yield* Stream.runCollect(WholeHistory.read({ log: tapped, source, history }));
      assert.deepStrictEqual(sequences(read), sequences(all));
      assert.deepStrictEqual(from, [all[6]?.sequence]);
      from.length = 0;
      const upTo = all[4]?.sequence;
      const then = yield* Stream.runCollect(WholeHistory.read({ log: tapped, source, history, upTo }));
      assert.deepStrictEqual(sequences(then), sequences(all).slice(0, 5));
      assert.deepStrictEqual(from, []);
    }).pipe(Effect.provide(EventLogMemory.layer)),
  );
});
