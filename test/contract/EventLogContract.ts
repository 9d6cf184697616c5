/**
 * The promises of the event log, each a test, run on every layer.
 *
 * A layer brings `ByHand` with it: what a publisher that is not ours could write into the stream.
 */
import { assert, layer as withLayer } from "@effect/vitest";
import { Context, Deferred, Effect, Exit, Fiber, type Layer, Result, Schema, Stream } from "effect";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { isMisfit, type LogEntry, type NewEvent, type RecordedEvent } from "../../src/domain/Event.ts";
import * as EventId from "../../src/domain/EventId.ts";
import * as History from "../../src/domain/History.ts";
import { maxEventBytes } from "../../src/log/append/AppendCheck.ts";
import type { Headers } from "../../src/log/Envelope.ts";
import {
  type Append,
  type AppendError,
  type Appended,
  type Expected,
  EventLog,
  maxEventsPerAppend,
} from "../../src/log/EventLog.ts";

export class ByHand extends Context.Service<
  ByHand,
  {
    readonly publish: (message: {
      readonly subject: string;
      readonly headers: Headers;
      readonly body: Uint8Array;
    }) => Effect.Effect<number>;
  }
>()("recollect/test/ByHand") {}

/** An id as our own publishers make them: of this moment, or of `millis`. */
export const freshId = (millis = Date.now()): string => {
  const [first = 0, second = 0, third = 0] = crypto.getRandomValues(new Uint32Array(3));
  return EventId.fromTime(millis, [first, second, third]);
};

export const event = (id = freshId(), more: Partial<NewEvent> = {}): NewEvent => ({
  id,
  type: "thread.renamed",
  schemaVersion: 1,
  source: "test",
  occurredAt: 1_700_000_000_000,
  body: JSON.stringify({ title: id }),
  ...more,
});

export const events = (count: number): ReadonlyArray<NewEvent> => Array.from({ length: count }, () => event());

/** A history that nobody else has. */
export const fresh = (): History.History => History.thread(randomUUID());

export const idsOf = (history: History.History, after = 0) =>
  Effect.gen(function* () {
    const log = yield* EventLog;
    const found = yield* Stream.runCollect(log.read({ history, after }));
    return found.map(({ id }) => id);
  });

const ascending = (sequences: ReadonlyArray<number>) =>
  sequences.every((sequence, index) => index === 0 || sequence > (sequences[index - 1] ?? 0));

/** An append as a careful writer makes it: on a conflict it reads on and tries again. */
export const appendUntilWritten = (
  history: History.History,
  one: NewEvent,
): Effect.Effect<Appended, AppendError, EventLog> =>
  Effect.gen(function* () {
    const log = yield* EventLog;
    for (;;) {
      const last = yield* log.last(history);
      const tried = yield* log.append({ history, events: [one], expected: last?.sequence ?? 0 }).pipe(Effect.result);
      if (tried._tag === "Success") return tried.success;
      if (tried.failure._tag !== "SequenceConflict") return yield* tried.failure;
    }
  });

const failure = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error);

interface ContractOptions {
  /** Whether the whole suite is run, or only what depends on how many servers there are. */
  readonly extent?: "whole" | "appends";
  readonly timeoutMillis?: number;
}

export const eventLogContract = <E>(
  name: string,
  layer: Layer.Layer<EventLog | ByHand, E>,
  options: ContractOptions = {},
) => {
  const timeout = options.timeoutMillis ?? 30_000;
  withLayer(layer, { excludeTestServices: true, timeout })(name, (it) => {
    it.effect("gives back what was appended, in every field", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const history = fresh();
        const full = event(freshId(), {
          actor: "ada",
          session: "s 1",
          correlationId: "c",
          causationId: "k",
          traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
          extensions: { partition: "7", origin: 'a "b" % ü' },
          occurredAt: 1_600_000_000_123,
          schemaVersion: 3,
        });
        const { duplicate, sequence } = yield* log.append({ history, events: [full], expected: 0 });
        assert.isFalse(duplicate);
        const [read, ...more] = yield* Stream.runCollect(log.read({ history }));
        assert.lengthOf(more, 0);
        const { body, recordedAt, ...rest } = read as RecordedEvent;
        const { body: _text, ...written } = full;
        assert.deepEqual(rest, { ...written, sequence, history });
        assert.strictEqual(Buffer.from(body).toString(), full.body);
        assert.isAtMost(Math.abs(recordedAt - Date.now()), 60_000);
      }),
    );

    it.effect("appends several events in order, side by side", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const history = fresh();
        const ten = events(10);
        const { sequence } = yield* log.append({ history, events: ten, expected: 0 });
        const read = yield* Stream.runCollect(log.read({ history }));
        assert.deepEqual(
          read.map((one) => one.id),
          ten.map((one) => one.id),
        );
        assert.deepEqual(
          read.map((one) => one.sequence),
          ten.map((_, index) => sequence - 9 + index),
        );
      }),
    );

    it.effect("lets exactly one of several writers win that expect the same sequence", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const history = fresh();
        const { sequence } = yield* log.append({ history, events: [event()], expected: 0 });
        for (const size of [1, 3]) {
          const expected = (yield* log.last(history))?.sequence ?? 0;
          const tried = yield* Effect.forEach(
            Array.from({ length: 8 }),
            () => log.append({ history, events: events(size), expected }).pipe(Effect.result),
            { concurrency: "unbounded" },
          );
          assert.lengthOf(
            tried.filter(({ _tag }) => _tag === "Success"),
            1,
          );
          const last = yield* log.last(history);
          for (const one of tried) {
            if (one._tag === "Success") continue;
            assert.strictEqual(one.failure._tag, "SequenceConflict");
            if (one.failure._tag === "SequenceConflict") {
              assert.deepEqual(
                [one.failure.expected, one.failure.actual, one.failure.history],
                [expected, last?.sequence, history],
              );
            }
          }
        }
        assert.lengthOf(yield* idsOf(history, sequence), 4);
      }),
    );

    it.effect("calls the same append again a duplicate and says where it has been all along", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const history = fresh();
        let expected = 0;
        for (const size of [1, 4]) {
          const append = { history, events: events(size), expected };
          const first = yield* log.append(append);
          assert.deepEqual(yield* log.append(append), { ...first, duplicate: true });
          const later = yield* log.append({ history, events: [event()], expected: first.sequence });
          assert.deepEqual(yield* log.append(append), { ...first, duplicate: true });
          expected = later.sequence;
        }
        assert.lengthOf(yield* idsOf(history), 7);
      }),
    );

    it.effect("refuses an id that stands with other content, and takes another time of the same for a duplicate", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const given = [freshId(), freshId(Date.now() - 7 * 24 * 3_600_000), `given ${randomUUID()}`];
        for (const id of given) {
          for (const expected of [0, "any"] as const) {
            const history = fresh();
            const once = event(expected === 0 ? id : `${id} again`);
            const { sequence } = yield* log.append({ history, events: [once], expected });
            for (const other of [{ body: '{"another":"text"}' }, { type: "another.type" }]) {
              const refused = yield* Effect.flip(log.append({ history, events: [{ ...once, ...other }], expected }));
              assert.strictEqual(refused._tag, "AppendRefused");
              assert.include(refused.message, `stands at sequence ${sequence}`);
            }
            const later = { ...once, occurredAt: once.occurredAt + 1 };
            assert.deepEqual(yield* log.append({ history, events: [later], expected }), { sequence, duplicate: true });
          }
        }
        const history = fresh();
        const several = events(3);
        yield* log.append({ history, events: several, expected: 0 });
        const changed = several.map((one, index) => (index === 1 ? { ...one, body: '{"n":"changed"}' } : one));
        assert.strictEqual(
          (yield* Effect.flip(log.append({ history, events: changed, expected: 0 })))._tag,
          "AppendRefused",
        );
        // Derived from what it is: two that derive one mean one event.
        const derived = event(EventId.fromContent(randomBytes(8)));
        const first = yield* log.append({ history: fresh(), events: [derived], expected: "any" });
        assert.isFalse(first.duplicate);
      }),
    );

    const kinds: ReadonlyArray<readonly [string, () => string]> = [
      ["of this moment", freshId],
      ["of last week", () => freshId(Date.now() - 7 * 24 * 3_600_000)],
      ["of next week", () => freshId(Date.now() + 7 * 24 * 3_600_000)],
      ["derived from content", () => EventId.fromContent(randomBytes(8))],
      ["of a foreign form", () => `ünique id ${randomUUID()}`],
    ];
    for (const [kind, make] of kinds) {
      it.effect(`writes an event with an id ${kind} once, however often and by however many it is appended`, () =>
        Effect.gen(function* () {
          const log = yield* EventLog;
          for (const size of [1, 3]) {
            const history = fresh();
            yield* log.append({ history, events: [event()], expected: 0 });
            const append = {
              history,
              events: Array.from({ length: size }, () => event(make())),
              expected: "any" as const,
            };
            const results = yield* Effect.all(
              Array.from({ length: 5 }, () => log.append(append)),
              { concurrency: "unbounded" },
            );
            assert.lengthOf(
              results.filter(({ duplicate }) => !duplicate),
              1,
            );
            yield* log.append({ history, events: [event()], expected: "any" });
            const again = yield* log.append(append);
            assert.isTrue(again.duplicate);
            assert.deepEqual(new Set(results.map(({ sequence }) => sequence)), new Set([again.sequence]));
            assert.lengthOf(yield* idsOf(history), size + 2);
          }
        }),
      );
    }

    it.effect("writes nothing when some events of an append are there and some are not", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const history = fresh();
        const [a, b, c] = [event(), event(), event(EventId.fromContent(randomBytes(8)))];
        yield* log.append({ history, events: [a], expected: 0 });
        for (const expected of [0, "any"] satisfies ReadonlyArray<Expected>) {
          for (const part of [
            [a, b],
            [c, a],
          ]) {
            const error = yield* failure(log.append({ history, events: part, expected }));
            assert.strictEqual(error._tag, "SequenceConflict");
          }
        }
        assert.deepEqual(yield* idsOf(history), [a.id]);
      }),
    );

    it.effect("appends to several histories all or none", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const [a, b, c] = [fresh(), fresh(), fresh()];
        yield* log.append({ history: b, events: [event()], expected: 0 });
        const conflicting = [
          { history: a, events: events(2), expected: 0 },
          { history: b, events: events(2), expected: 0 },
        ];
        const error = yield* failure(log.appendAll(conflicting));
        assert.deepInclude(error, { _tag: "SequenceConflict", history: b });
        assert.lengthOf(yield* idsOf(a), 0);

        const good = [
          { history: a, events: events(2), expected: 0 },
          { history: b, events: events(1), expected: "any" as const },
          { history: c, events: events(3), expected: 0 },
        ];
        const first = yield* log.appendAll(good);
        assert.deepEqual(
          first.map(({ duplicate }) => duplicate),
          [false, false, false],
        );
        for (const [index, { events: written, history }] of good.entries()) {
          const last = yield* log.last(history);
          assert.deepInclude(last, { sequence: first[index]?.sequence ?? 0, id: written.at(-1)?.id ?? "" });
        }
        const again = yield* log.appendAll(good);
        assert.deepEqual(
          again,
          first.map((one) => ({ ...one, duplicate: true })),
        );
        assert.deepEqual([(yield* idsOf(a)).length, (yield* idsOf(b)).length, (yield* idsOf(c)).length], [2, 2, 3]);
      }),
    );

    it.effect("writes the rest when some of several appends are there already", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const [a, b] = [fresh(), fresh()];
        const there = { history: a, events: events(2), expected: 0 };
        const before = yield* log.append(there);
        const missing = { history: b, events: events(2), expected: 0 };
        const [first, second] = yield* log.appendAll([there, missing]);
        assert.deepEqual(first, { ...before, duplicate: true });
        assert.isFalse(second?.duplicate);
        assert.deepEqual([(yield* idsOf(a)).length, (yield* idsOf(b)).length], [2, 2]);
      }),
    );

    it.effect("sees what was just appended, in every way of reading", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const history = fresh();
        let expected = 0;
        for (let count = 1; count <= 30; count++) {
          const one = event();
          const { sequence } = yield* log.append({ history, events: [one], expected });
          assert.deepInclude(yield* log.last(history), { sequence, id: one.id });
          assert.deepInclude(yield* log.at(sequence), { sequence, id: one.id });
          assert.deepEqual(yield* idsOf(history, expected), [one.id]);
          assert.isAtLeast((yield* log.info).lastSequence, sequence);
          expected = sequence;
        }
        assert.lengthOf(yield* idsOf(history), 30);
      }),
    );

    it.effect("gives each of many appends at once the outcome it could have had alone", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const [taken, shared] = [fresh(), fresh()];
        const { sequence: last } = yield* log.append({ history: taken, events: [event()], expected: 0 });
        const there = { history: fresh(), events: events(2), expected: 0 };
        const before = yield* log.append(there);
        const inOrder = events(12);
        const appends = Array.from({ length: 12 }, (_, index): ReadonlyArray<Append> => [
          { history: fresh(), events: events(1 + (index % 2)), expected: 0 },
          { history: shared, events: inOrder.slice(index, index + 1), expected: "any" },
          ...(index % 4 === 1 ? [{ history: taken, events: [event()], expected: 0 }] : []),
          ...(index % 4 === 2 ? [there] : []),
        ]).flat();
        const results = yield* Effect.forEach(appends, (append) => Effect.result(log.append(append)), {
          concurrency: "unbounded",
        });
        for (const [index, result] of results.entries()) {
          const { events: written, history } = appends[index] ?? there;
          if (history === taken) {
            assert.isTrue(Result.isFailure(result));
            if (Result.isSuccess(result)) continue;
            assert.deepInclude(result.failure, { _tag: "SequenceConflict", history, expected: 0, actual: last });
          } else if (history === there.history) {
            assert.deepEqual(Result.getOrUndefined(result), { ...before, duplicate: true });
          } else {
            const appended = Result.getOrUndefined(result);
            assert.isFalse(appended?.duplicate);
            assert.deepInclude(yield* log.at(appended?.sequence ?? 0), { history, id: written.at(-1)?.id ?? "" });
            if (history !== shared) assert.lengthOf(yield* idsOf(history), written.length);
          }
        }
        assert.deepEqual(
          yield* idsOf(shared),
          inOrder.map(({ id }) => id),
        );
        assert.lengthOf(yield* idsOf(taken), 1);
      }),
    );

    it.effect("keeps every event of writers that get in each other's way, once and in each writer's order", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const history = fresh();
        const writers = Array.from({ length: 4 }, () => events(12));
        yield* Effect.forEach(
          writers,
          (mine, writer) =>
            Effect.forEach(mine, (one, index) =>
              // Half of them know what they expect, half do not; every third append is made twice.
              Effect.gen(function* () {
                const knows = writer % 2 === 0;
                yield* knows
                  ? appendUntilWritten(history, one)
                  : log.append({ history, events: [one], expected: "any" });
                if (index % 3 === 0) {
                  const again = yield* log.append({ history, events: [one], expected: knows ? 0 : "any" });
                  assert.isTrue(again.duplicate);
                }
              }),
            ),
          { concurrency: "unbounded", discard: true },
        );
        const found = yield* idsOf(history);
        assert.lengthOf(found, 48);
        for (const mine of writers) {
          const ids = new Set(mine.map(({ id }) => id));
          assert.deepEqual(
            found.filter((id) => ids.has(id)),
            [...ids],
          );
        }
      }),
    );

    if (options.extent === "appends") return;

    it.effect("refuses what can never be written, with a reason", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const history = fresh();
        const twice = event();
        const refused: ReadonlyArray<readonly [RegExp, Parameters<typeof log.append>[0]]> = [
          [/without events/, { history, events: [], expected: 0 }],
          [/1001 events/, { history, events: events(maxEventsPerAppend + 1), expected: 0 }],
          [/twice/, { history, events: [twice, twice], expected: 0 }],
          [/bytes/, { history, events: [event(freshId(), { body: "x".repeat(maxEventBytes) })], expected: 0 }],
          [
            /bytes/,
            {
              history,
              events: Array.from({ length: 3 }, () => event(freshId(), { body: "x".repeat(maxEventBytes * 0.9) })),
              expected: 0,
            },
          ],
          [/history/, { history: History.thread(""), events: [event()], expected: 0 }],
          [/history/, { history: History.thread("x".repeat(201)), events: [event()], expected: 0 }],
          [/history/, { history: History.thread("lone \ud800"), events: [event()], expected: 0 }],
          [/expected/, { history, events: [event()], expected: -1 }],
          [/id is empty/, { history, events: [event("")], expected: 0 }],
          [/type is empty/, { history, events: [event(freshId(), { type: "" })], expected: 0 }],
          [/schemaVersion/, { history, events: [event(freshId(), { schemaVersion: 0 })], expected: 0 }],
          [/occurredAt/, { history, events: [event(freshId(), { occurredAt: Number.NaN })], expected: 0 }],
          [/occurredAt/, { history, events: [event(freshId(), { occurredAt: 253_402_300_800_000 })], expected: 0 }],
          [/surrogate/, { history, events: [event(freshId(), { actor: "\udc00" })], expected: 0 }],
          [/extension/, { history, events: [event(freshId(), { extensions: { "Not Legal": "x" } })], expected: 0 }],
          [/extension/, { history, events: [event(freshId(), { extensions: { id: "x" } })], expected: 0 }],
        ];
        for (const [reason, append] of refused) {
          const error = yield* failure(log.append(append));
          assert.strictEqual(error._tag, "AppendRefused", String(reason));
          if (error._tag === "AppendRefused") assert.match(error.reason, reason);
        }
        assert.strictEqual((yield* failure(log.appendAll([])))._tag, "AppendRefused");
        const same = { history, events: events(1), expected: 0 };
        assert.strictEqual(
          (yield* failure(log.appendAll([same, { ...same, events: events(1) }])))._tag,
          "AppendRefused",
        );
        assert.strictEqual(
          (yield* failure(log.appendAll([same, { ...same, history: fresh() }])))._tag,
          "AppendRefused",
        );
        const many = [fresh(), fresh()].map((one) => ({ history: one, events: events(501), expected: 0 }));
        assert.strictEqual((yield* failure(log.appendAll(many)))._tag, "AppendRefused");
        assert.lengthOf(yield* idsOf(history), 0);
      }),
    );

    it.effect("refuses an id that is another history's event", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const [here, there] = [fresh(), fresh()];
        const taken = event();
        yield* log.append({ history: there, events: [taken], expected: 0 });
        for (const expected of [0, "any"] satisfies ReadonlyArray<Expected>) {
          for (const written of [[taken], [event(), taken]]) {
            assert.strictEqual(
              (yield* failure(log.append({ history: here, events: written, expected })))._tag,
              "AppendRefused",
            );
          }
        }
        assert.lengthOf(yield* idsOf(here), 0);
      }),
    );

    it.effect("takes the largest append that is allowed", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const history = fresh();
        yield* log.append({ history, events: events(maxEventsPerAppend), expected: 0 });
        const large = event(freshId(), { body: "x".repeat(maxEventBytes - 2_000) });
        const { sequence } = yield* log.append({ history, events: [large], expected: "any" });
        const last = yield* log.last(history);
        assert.strictEqual(last?.body.byteLength, maxEventBytes - 2_000);
        assert.strictEqual(last?.sequence, sequence);
      }),
    );

    it.effect("reads a history from where it is asked to, and only that history", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const [mine, other] = [fresh(), fresh()];
        const sequences: Array<number> = [];
        let expected = 0;
        for (const one of events(5)) {
          expected = (yield* log.append({ history: mine, events: [one], expected })).sequence;
          sequences.push(expected);
          yield* log.append({ history: other, events: [event()], expected: "any" });
        }
        const read = (after: number) =>
          Effect.map(Stream.runCollect(log.read({ history: mine, after })), (found) =>
            found.map(({ sequence }) => sequence),
          );
        assert.deepEqual(yield* read(0), sequences);
        assert.deepEqual(yield* read(sequences[1] ?? 0), sequences.slice(2));
        assert.deepEqual(yield* read(sequences[4] ?? 0), []);
        assert.deepEqual(yield* read(1e9), []);
        assert.deepEqual(yield* idsOf(fresh()), []);
        assert.isUndefined(yield* log.last(fresh()));
        assert.isUndefined(yield* log.at(0));
        assert.isUndefined(yield* log.at(1e9));
      }),
    );

    it.effect("reads a history of 5,000 events, complete and in order, and stops where it began", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const history = fresh();
        const all = events(5_000);
        let expected = 0;
        for (let start = 0; start < all.length; start += 1_000) {
          expected = (yield* log.append({ history, events: all.slice(start, start + 1_000), expected })).sequence;
        }
        // While it is read the history grows: a read ends where the history ended when it began.
        const read: Array<RecordedEvent> = [];
        let grown = 0;
        yield* Stream.runForEachArray(log.read({ history }), (chunk) =>
          Effect.gen(function* () {
            read.push(...chunk);
            grown++;
            yield* log.append({ history, events: [event()], expected: "any" });
          }),
        );
        assert.isAtLeast(grown, 1);
        assert.deepEqual(
          read.map(({ id }) => id),
          all.map(({ id }) => id),
        );
        assert.isTrue(ascending(read.map(({ sequence }) => sequence)));
      }),
    );

    it.effect("follows what is there and then what comes, without a hole and without a duplicate", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const { lastSequence: after } = yield* log.info;
        const [a, b] = [fresh(), fresh()];
        yield* log.append({ history: a, events: events(20), expected: 0 });
        const caughtUp = yield* Deferred.make<void>();
        const total = 20 + 4 * 15;
        const everything = yield* log.follow({ after }).pipe(
          Stream.tap(() => Deferred.succeed(caughtUp, undefined)),
          Stream.take(total),
          Stream.runCollect,
          Effect.forkChild,
        );
        const onlyB = yield* log
          .follow({ after, history: b })
          .pipe(Stream.take(30), Stream.runCollect, Effect.forkChild);
        yield* Deferred.await(caughtUp);
        yield* Effect.forEach(
          [a, b, a, b],
          (history) => Effect.forEach(events(15), (one) => log.append({ history, events: [one], expected: "any" })),
          { concurrency: "unbounded" },
        );
        const seen = yield* Fiber.join(everything);
        assert.deepEqual(
          seen.map(({ sequence }) => sequence),
          Array.from({ length: total }, (_, index) => after + 1 + index),
        );
        const found = yield* Fiber.join(onlyB);
        assert.deepEqual(
          found.map((entry) => (isMisfit(entry) ? "" : entry.id)),
          yield* idsOf(b),
        );
        const again = yield* log.follow({ after: after + 30 }).pipe(Stream.take(total - 30), Stream.runCollect);
        assert.deepEqual(again, seen.slice(30));
      }),
    );

    it.effect("ends at once where everything up to the end that is asked for lies before the beginning", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        yield* log.append({ history: fresh(), events: events(2), expected: 0 });
        const { lastSequence: after } = yield* log.info;
        for (const until of [after, after - 1, 0])
          assert.lengthOf(yield* Stream.runCollect(log.follow({ after, until })), 0);
      }),
    );

    it.effect("tells a reader who is ahead of the stream that it was rolled back", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const { lastSequence } = yield* log.info;
        const error = yield* failure(Stream.runDrain(log.follow({ after: lastSequence + 100 })));
        assert.deepInclude(error, { _tag: "LogDamaged", sequence: lastSequence + 100 });
        assert.match(error.reason, /rolled back/);
      }),
    );

    it.effect("shows what is no event with its problem, leaves it out of histories, and goes on after it", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const { publish } = yield* ByHand;
        const history = fresh();
        const first = yield* log.append({ history, events: [event()], expected: 0 });
        const good = {
          "ce-specversion": "1.0",
          "ce-id": freshId(),
          "ce-type": "thread.renamed",
          "ce-source": "by-hand",
          "ce-time": "2026-01-02T03:04:05Z",
        };
        const body = Buffer.from("{}");
        const subject = `recollect.default.thread.${history.id}`;
        const { "ce-type": _type, ...untyped } = good;
        const bad: ReadonlyArray<readonly [RegExp, string, Headers]> = [
          [/names no history/, "recollect.default.nonsense.x", good],
          [/names no history/, "recollect.default.thread.=ZZ", good],
          [/ce-type is missing/, subject, untyped],
          [/ce-id.* is missing/, subject, {}],
          [/ce-time/, subject, { ...good, "ce-time": "yesterday" }],
          [/ce-schemaversion/, subject, { ...good, "ce-schemaversion": "x" }],
        ];
        for (const [, where, headers] of bad) yield* publish({ subject: where, headers, body });
        const entries = yield* log.follow({ after: first.sequence }).pipe(Stream.take(bad.length), Stream.runCollect);
        for (const [index, [problem, where]] of bad.entries()) {
          const entry = entries[index] as LogEntry;
          assert.isTrue(isMisfit(entry));
          if (!isMisfit(entry)) continue;
          assert.match(entry.problem, problem);
          assert.strictEqual(entry.subject, where);
          assert.strictEqual(entry.sequence, first.sequence + 1 + index);
          assert.strictEqual(Buffer.from(entry.body).toString(), "{}");
          assert.deepEqual(yield* log.at(entry.sequence), entry);
        }
        assert.lengthOf(yield* idsOf(history), 1);
        assert.strictEqual((yield* log.last(history))?.sequence, first.sequence);
        // The writer saw the history up to its last event; misfits behind it are no conflict.
        const next = yield* log.append({ history, events: [event()], expected: first.sequence });
        assert.strictEqual((yield* log.last(history))?.sequence, next.sequence);
        const third = yield* log.append({ history, events: events(2), expected: next.sequence });
        assert.lengthOf(yield* idsOf(history), 4);
        assert.strictEqual(third.sequence, next.sequence + 2);

        // And what is an event, though by hand, is one like any other.
        const sequence = yield* publish({ subject, headers: good, body });
        assert.deepInclude(yield* log.at(sequence), {
          history,
          id: good["ce-id"],
          source: "by-hand",
          schemaVersion: 1,
        });
        assert.deepInclude(yield* log.last(history), { sequence });
      }),
    );

    it.effect.prop(
      "gives back any tenant, any id and any text in an attribute as it was",
      {
        tenant: Schema.String,
        id: Schema.String,
        text: Schema.String,
        occurredAt: Schema.Int,
        body: Schema.Uint8Array,
      },
      ({ body, id, occurredAt, tenant, text }) =>
        Effect.gen(function* () {
          const log = yield* EventLog;
          const odd = "😀 a.b/c:d*>\u0000\r\n%=";
          const clean = (value: string, most: number) => Array.from(value.toWellFormed()).slice(0, most).join("");
          const history = {
            tenant: `t${clean(tenant, 8)}${odd}`,
            kind: "task" as const,
            id: `${randomUUID()}${clean(id, 20)}${odd}`,
          };
          const one: NewEvent = {
            id: `${freshId()}${clean(text, 20)}${odd}`,
            type: `x${clean(text, 9)}`,
            source: `${odd}${clean(text, 50)}`,
            actor: text.toWellFormed(),
            session: ` ${odd} `,
            schemaVersion: 1,
            // The years that RFC 3339 can write, and no minus zero.
            occurredAt: (occurredAt % 6e13) + 0,
            body,
            extensions: { note: text.toWellFormed() },
          };
          const { sequence } = yield* log.append({ history, events: [one], expected: 0 });
          const back = yield* log.at(sequence);
          assert.isFalse(back === undefined || isMisfit(back));
          const {
            history: there,
            id: sameId,
            type,
            source,
            actor,
            session,
            extensions,
            occurredAt: when,
            body: bytes,
          } = back as RecordedEvent;
          assert.deepEqual(
            { history: there, id: sameId, type, source, actor, session, extensions, when },
            {
              history,
              id: one.id,
              type: one.type,
              source: one.source,
              actor: one.actor,
              session: one.session,
              extensions: one.extensions,
              when: one.occurredAt,
            },
          );
          assert.deepEqual(Buffer.from(bytes), Buffer.from(body));
          assert.deepEqual(yield* idsOf(history), [one.id]);
        }),
      { arbitrary: { runs: 60 } },
    );

    it.effect.prop(
      "is, after any series of appends, what a simple model of it is",
      {
        steps: Schema.Array(
          Schema.Struct({
            history: Schema.Natural,
            size: Schema.Natural,
            expect: Schema.Natural,
            repeat: Schema.Natural,
          }),
        ),
      },
      ({ steps }) =>
        Effect.gen(function* () {
          const log = yield* EventLog;
          const histories = [fresh(), fresh()];
          const model = histories.map(() => [] as Array<string>);
          const lasts = [0, 0];
          const made: Array<{
            readonly index: number;
            readonly events: ReadonlyArray<NewEvent>;
            readonly expected: Expected;
            readonly result: Appended;
          }> = [];
          for (const { expect, history: which, repeat, size } of steps.slice(0, 12)) {
            const old = made[repeat % (made.length + 2)];
            if (old !== undefined) {
              const history = histories[old.index] ?? fresh();
              assert.deepEqual(yield* log.append({ history, events: old.events, expected: old.expected }), {
                ...old.result,
                duplicate: true,
              });
              continue;
            }
            const index = which % 2;
            const history = histories[index] ?? fresh();
            const last = lasts[index] ?? 0;
            const expected: Expected = expect % 3 === 0 ? "any" : expect % 3 === 1 ? last : last + 1;
            const written = events(1 + (size % 3));
            const tried = yield* Effect.exit(log.append({ history, events: written, expected }));
            assert.strictEqual(Exit.isSuccess(tried), expected !== last + 1);
            if (!Exit.isSuccess(tried)) continue;
            model[index]?.push(...written.map(({ id }) => id));
            lasts[index] = tried.value.sequence;
            made.push({ index, events: written, expected, result: tried.value });
          }
          for (const [index, history] of histories.entries()) assert.deepEqual(yield* idsOf(history), model[index]);
        }),
      { arbitrary: { runs: 25 } },
    );

    it.effect("counts what it holds", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        yield* log.append({ history: fresh(), events: [event()], expected: 0 });
        const before = yield* log.info;
        const { sequence } = yield* log.append({ history: fresh(), events: events(3), expected: 0 });
        const after = yield* log.info;
        assert.deepInclude(after, {
          created: before.created,
          firstSequence: 1,
          lastSequence: sequence,
          messages: before.messages + 3,
        });
        assert.isAbove(after.bytes, before.bytes);
        assert.isAtMost(Math.abs(after.created - Date.now()), 120_000);
      }),
    );

    it.effect("keeps a blob once under its hash and gives it back as it was", () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        for (const size of [0, 1, 128 * 1024, 700_001]) {
          const bytes = new Uint8Array(randomBytes(size));
          const sha256 = createHash("sha256").update(bytes).digest("hex");
          assert.isUndefined(size === 0 ? undefined : yield* log.getBlob(sha256));
          assert.deepEqual(yield* log.putBlob(bytes), { sha256, bytes: size });
          assert.deepEqual(yield* log.putBlob(bytes), { sha256, bytes: size });
          assert.deepEqual(yield* log.getBlob(sha256), bytes);
        }
        assert.isUndefined(yield* log.getBlob("not a hash"));
      }),
    );
  });
};
