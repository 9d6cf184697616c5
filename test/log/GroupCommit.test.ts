/** Which appends go alone and which together, and what each of them is told. */
import { assert, describe, it } from "@effect/vitest";
import { Context, Effect, Exit, Fiber, Layer, Result } from "effect";
import { type Append, EventLog } from "../../src/log/EventLog.ts";
import type * as EventLogNats from "../../src/log/EventLogNats.ts";
import { mostAppends } from "../../src/log/append/GroupCommitNats.ts";
import { NatsConnection } from "../../src/log/connection/NatsConnectionNats.ts";
import { event, events, fresh, freshId } from "../contract/EventLogContract.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { logAt } from "./natsLayers.ts";
import { proxy } from "./proxy.ts";

const open = (url: string, options: EventLogNats.Options = {}) =>
  Effect.map(Layer.build(logAt(url, options)), (context) => ({
    log: Context.get(context, EventLog),
    connection: Context.get(context, NatsConnection),
  }));

const atOnce = (log: EventLog["Service"], appends: ReadonlyArray<Append>) =>
  Effect.forEach(appends, (append) => Effect.result(log.append(append)), { concurrency: "unbounded" });

/** The batch in which the server got the message at a sequence; an empty text for one that came alone. */
const batchOf = ({ jsm }: NatsConnection["Service"], sequence: number) =>
  Effect.promise(async () =>
    (await jsm.streams.getMessage("RECOLLECT", { seq: sequence }))?.header.get("Nats-Batch-Id"),
  );

const sequencesOf = (results: ReadonlyArray<Result.Result<{ readonly sequence: number }, unknown>>) =>
  results.map((result) => (Result.isSuccess(result) ? result.success.sequence : 0));

const appendTo = (history = fresh(), expected: Append["expected"] = 0): Append => ({
  history,
  events: [event()],
  expected,
});

describe("appends that wait at the same time", () => {
  it.live("go as one batch when they are many, and plainly when they are few or one", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const { connection, log } = yield* open(server.url);
      for (const [count, batches] of [
        [1, 0],
        [5, 0],
        [40, 1],
      ] as const) {
        const results = yield* atOnce(
          log,
          Array.from({ length: count }, () => appendTo()),
        );
        const sequences = sequencesOf(results);
        const ids = yield* Effect.forEach(sequences, (sequence) => batchOf(connection, sequence));
        assert.strictEqual(new Set(ids.filter((id) => id !== "")).size, batches);
        // Who came first is first.
        assert.deepEqual(
          sequences,
          sequences.toSorted((a, b) => a - b),
        );
      }
    }),
  );

  it.live("go on while those before them are being told: a full group that waits does not wait for that", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const { connection, log } = yield* open(server.url);
      yield* log.append(appendTo());
      const sent = () => connection.nc.stats().outMsgs;
      const before = sent();
      const first = yield* Effect.raceAll(
        Array.from({ length: 1_100 }, () => Effect.map(log.append(appendTo()), () => sent() - before)),
      );
      assert.isAtLeast(first, 1_000);
    }),
  );

  it.live("are all written but those that conflict, which are told so", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const { connection, log } = yield* open(server.url);
      const taken = fresh();
      const { sequence } = yield* log.append(appendTo(taken));
      const appends = Array.from({ length: 30 }, (_, index) => appendTo(index % 10 === 3 ? taken : fresh()));
      const results = yield* atOnce(log, appends);
      const written = sequencesOf(results).filter((one) => one > 0);
      assert.lengthOf(written, 27);
      for (const result of results) {
        if (Result.isSuccess(result)) continue;
        assert.deepInclude(result.failure, { _tag: "SequenceConflict", expected: 0, actual: sequence });
      }
      // The others were not sent one by one because of it.
      const ids = yield* Effect.forEach(written, (one) => batchOf(connection, one));
      assert.notInclude(ids, "");
      assert.strictEqual(new Set(ids).size, 1);
    }),
  );

  it.live("are all written but those that are there already, which are told where", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const { log } = yield* open(server.url);
      for (const expected of [0, "any"] as const) {
        const old = Array.from({ length: 3 }, () => appendTo(fresh(), expected));
        const before = sequencesOf(yield* atOnce(log, old));
        const fresh_ = Array.from({ length: 20 }, () => appendTo(fresh(), expected));
        const results = yield* atOnce(log, [...fresh_, ...old]);
        assert.deepEqual(sequencesOf(results).slice(20), before);
        assert.deepEqual(
          results.map((result) => Result.isSuccess(result) && result.success.duplicate),
          [...fresh_.map(() => false), ...old.map(() => true)],
        );
      }
    }),
  );

  it.live("to one history are one batch in the callers' order when they expect nothing", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const { connection, log } = yield* open(server.url);
      for (const make of [freshId, () => freshId(Date.now() - 3_600_000)]) {
        const history = fresh();
        const appends = Array.from({ length: 50 }, (): Append => ({
          history,
          events: [event(make())],
          expected: "any",
        }));
        const sequences = sequencesOf(yield* atOnce(log, appends));
        assert.deepEqual(
          sequences,
          sequences.map((_, index) => (sequences[0] ?? 0) + index),
        );
        // Old ids are looked for first, each when its turn has come: in order, and in as many batches as that takes.
        if (make !== freshId) continue;
        assert.strictEqual(
          yield* batchOf(connection, sequences[10] ?? 0),
          yield* batchOf(connection, sequences[49] ?? 0),
        );
      }
    }),
  );

  it.live("to one history are one winner and conflicts when all expect the same", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const { log } = yield* open(server.url);
      const history = fresh();
      const results = yield* atOnce(
        log,
        Array.from({ length: 40 }, () => appendTo(history)),
      );
      const [first, ...rest] = results;
      assert.isTrue(first !== undefined && Result.isSuccess(first), "the first caller wins");
      assert.isTrue(rest.every((one) => Result.isFailure(one) && one.failure._tag === "SequenceConflict"));
    }),
  );

  it.live("are written also when one of them was given up before it was sent, which is not", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const { log } = yield* open(server.url);
      const appends = Array.from({ length: 20 }, () => appendTo());
      const fibers = yield* Effect.forEach(appends, (append) =>
        Effect.forkChild(log.append(append), { startImmediately: true }),
      );
      const [given, ...others] = fibers;
      if (given !== undefined) yield* Fiber.interrupt(given);
      yield* Effect.forEach(others, Fiber.join);
      const there = yield* Effect.forEach(appends, ({ history }) => log.last(history));
      assert.deepEqual(
        there.map((one) => one !== undefined),
        appends.map((_, index) => index > 0),
      );
    }),
  );

  it.live("are bounded: who waits too long is told so and not written, and later ones find room again", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make({ sync: "2m" });
      const between = yield* proxy(server.url);
      const { log } = yield* open(between.url, { answerMillis: 100 });
      const direct = yield* open(server.url);
      yield* between.mute;
      const appends = Array.from({ length: mostAppends + 200 }, () => appendTo());
      const exits = yield* Effect.forEach(appends, (append) => Effect.exit(log.append(append)), {
        concurrency: "unbounded",
      });
      const reasons = exits.map((exit) => {
        const error = Exit.isFailure(exit) ? exit.cause.reasons[0] : undefined;
        assert.isTrue(error?._tag === "Fail" && error.error._tag === "LogUnavailable");
        return error?._tag === "Fail" && error.error._tag === "LogUnavailable" ? error.error : undefined;
      });
      const late = reasons.flatMap((error, index) => (/waited too long/.test(error?.reason ?? "") ? [index] : []));
      assert.isAtLeast(late.length, 200, "what came last must have waited too long");
      assert.isNotEmpty(reasons[late[0] ?? 0]?.hint ?? "");
      assert.isUndefined(yield* direct.log.last(appends[late.at(-1) ?? 0]?.history ?? fresh()));
      yield* between.unmute;
      yield* log.append(appendTo(fresh(), "any")).pipe(Effect.retry({ times: 20 }));
    }),
  );

  it.live("of several histories keep together what belongs together", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const { log } = yield* open(server.url);
      const taken = fresh();
      yield* log.append(appendTo(taken));
      const pairs = Array.from({ length: 12 }, (_, index): ReadonlyArray<Append> => [
        { history: fresh(), events: events(2), expected: 0 },
        { history: index % 4 === 0 ? taken : fresh(), events: events(2), expected: 0 },
      ]);
      const exits = yield* Effect.forEach(pairs, (pair) => Effect.exit(log.appendAll(pair)), {
        concurrency: "unbounded",
      });
      for (const [index, exit] of exits.entries()) {
        assert.strictEqual(Exit.isSuccess(exit), index % 4 !== 0);
        const first = yield* log.last(pairs[index]?.[0]?.history ?? taken);
        assert.strictEqual(first !== undefined, index % 4 !== 0);
      }
    }),
  );
});
