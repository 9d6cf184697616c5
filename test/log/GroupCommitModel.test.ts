/**
 * Whatever happens to many appends at once, each has an outcome that it could have had alone.
 *
 * A run is a few rounds. In each, appends of several callers start in one turn while another process writes to the same
 * histories and the network does something. Afterwards the stream itself is the witness: read from end to end, it must
 * explain every outcome.
 */
import { assert, layer as withLayer } from "@effect/vitest";
import { Context, Effect, Exit, Fiber, Layer, Option, Schema, Stream } from "effect";
import { randomBytes } from "node:crypto";
import * as EventId from "../../src/domain/EventId.ts";
import { isMisfit } from "../../src/domain/Event.ts";
import { type History, keyOf } from "../../src/domain/History.ts";
import { type Append, type AppendError, type Appended, EventLog, type Expected } from "../../src/log/EventLog.ts";
import { NatsConnection } from "../../src/log/connection/NatsConnectionNats.ts";
import { event, fresh, freshId } from "../contract/EventLogContract.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { logAt } from "./natsLayers.ts";
import { proxy } from "./proxy.ts";

type Log = EventLog["Service"];

class World extends Context.Service<
  World,
  {
    /** Through a proxy that can lose answers and cut. */
    readonly log: Log;
    /** Another process, directly. */
    readonly other: Log;
    readonly between: Effect.Success<ReturnType<typeof proxy>>;
    readonly connection: NatsConnection["Service"];
    /** Over all runs, so that none of the cases is missing. */
    readonly seen: Map<string, number>;
  }
>()("recollect/test/World") {}

/** An attempt to write waits this long for its answer, and a read before it asks again. */
const answerMillis = 300;

const world = Layer.effect(
  World,
  Effect.gen(function* () {
    const server = yield* NatsServer.make();
    const between = yield* proxy(server.url);
    const direct = yield* Layer.build(logAt(server.url));
    const proxied = yield* Layer.build(logAt(between.url, { answerMillis, silenceMillis: answerMillis }));
    return World.of({
      log: Context.get(proxied, EventLog),
      other: Context.get(direct, EventLog),
      between,
      connection: Context.get(direct, NatsConnection),
      seen: new Map(),
    });
  }),
);

/** One call: its appends are written together or not at all. */
interface Call {
  readonly appends: ReadonlyArray<Append>;
  /** Which process called. Calls are kept in their order. */
  readonly by: "log" | "other";
  readonly exit: Exit.Exit<ReadonlyArray<Appended>, AppendError>;
}

/** Groups form best in a round without a fault; answers that are lost are what every run must have come to. */
const faults = ["none", "answers are lost", "cut after a write", "cut at once", "none", "answers are lost"] as const;
const ids = [freshId, () => freshId(Date.now() - 3_600_000), () => EventId.fromContent(randomBytes(8))] as const;

const Step = Schema.Struct({
  history: Schema.Natural,
  size: Schema.Natural,
  expect: Schema.Natural,
  kind: Schema.Natural,
  other: Schema.Natural,
});
/** Enough calls to make groups, and more than one. */
const Round = Schema.Struct({
  fault: Schema.Natural,
  steps: Schema.Array(Step).check(Schema.isMinLength(12), Schema.isMaxLength(40)),
});
const Rounds = Schema.Array(Round).check(Schema.isMinLength(1), Schema.isMaxLength(3));

const pick = <A>(from: ReadonlyArray<A>, number: number): A => {
  const picked = from[number % from.length];
  assert.isDefined(picked);
  return picked;
};

/** What one caller asks for: a new append, one of two histories, or one that was asked for before. */
const ask = (
  step: typeof Step.Type,
  before: ReadonlyArray<Call>,
  histories: ReadonlyArray<History>,
  lasts: ReadonlyMap<string, number>,
): ReadonlyArray<Append> => {
  const old = before[step.kind % (before.length * 3 + 1)];
  if (old !== undefined) return old.appends;
  const one = (history: History): Append => {
    const last = lasts.get(keyOf(history)) ?? 0;
    const expected = pick<Expected>(["any", last, "any", last, last + 1, 0], step.expect);
    const make = pick(ids, step.kind);
    return { history, expected, events: Array.from({ length: 1 + (step.size % 3) }, () => event(make())) };
  };
  const first = pick(histories, step.history);
  const second = pick(histories, step.history + 1);
  return step.size % 7 === 6 ? [one(first), one(second)] : [one(first)];
};

const until = (condition: Effect.Effect<boolean, unknown>): Effect.Effect<void> =>
  Effect.flatMap(
    Effect.orElseSucceed(condition, () => false),
    (done) =>
      done
        ? Effect.void
        : Effect.andThen(
            Effect.sleep(2),
            Effect.suspend(() => until(condition)),
          ),
  );

/** Whatever the network does in a round. `isWritten`: something of it is in the stream. */
const play = (
  fault: (typeof faults)[number],
  between: World["Service"]["between"],
  isWritten: Effect.Effect<void>,
): Effect.Effect<void> => {
  switch (fault) {
    case "none":
      return Effect.void;
    case "cut at once":
      return between.cut;
    case "answers are lost":
      return Effect.andThen(isWritten, between.unmute);
    case "cut after a write":
      return Effect.andThen(isWritten, Effect.andThen(between.cut, between.unmute));
  }
};

const call = (log: Log, appends: ReadonlyArray<Append>): Effect.Effect<ReadonlyArray<Appended>, AppendError> => {
  const [only, ...more] = appends;
  return only !== undefined && more.length === 0
    ? Effect.map(log.append(only), (one) => [one])
    : log.appendAll(appends);
};

/** All calls of a round, started in one turn and in order. Every ninth is interrupted at once. */
const playRound = Effect.fnUntraced(function* (
  round: typeof Round.Type,
  before: Array<Call>,
  histories: ReadonlyArray<History>,
) {
  const { between, log, other } = yield* World;
  const lasts = new Map<string, number>();
  for (const history of histories) lasts.set(keyOf(history), (yield* other.last(history))?.sequence ?? 0);
  const asked = round.steps.map((step) => ({ step, appends: ask(step, before, histories, lasts) }));
  const fault = pick(faults, round.fault);
  const { lastSequence } = yield* other.info;
  if (fault === "answers are lost" || fault === "cut after a write") yield* between.mute;
  const started = yield* Effect.forEach(asked, ({ appends, step }) =>
    Effect.gen(function* () {
      const by = step.other % 6 === 5 ? "other" : "log";
      const fiber = yield* Effect.forkChild(call(by === "log" ? log : other, appends), { startImmediately: true });
      if (step.other % 9 === 8) yield* Effect.forkChild(Fiber.interrupt(fiber));
      return { appends, by, fiber } as const;
    }),
  );
  const settled = Effect.forEach(started, ({ fiber }) => Fiber.await(fiber));
  const isWritten = until(
    Effect.gen(function* () {
      if (started.every(({ fiber }) => fiber.pollUnsafe() !== undefined)) return true;
      return (yield* other.info).lastSequence > lastSequence;
    }),
  );
  yield* play(fault, between, isWritten);
  const exits = yield* settled;
  for (const [index, { appends, by }] of started.entries()) {
    const exit = exits[index];
    assert.isDefined(exit);
    before.push({ appends, by, exit });
  }
});

/** What the stream says, by event id: where it is, and what was before it in its history. */
interface Witness {
  readonly at: ReadonlyMap<string, number>;
  readonly histories: ReadonlyMap<string, ReadonlyArray<number>>;
}

const readWitness = Effect.fnUntraced(function* (from: number) {
  const { other } = yield* World;
  const { lastSequence } = yield* other.info;
  const at = new Map<string, number>();
  const histories = new Map<string, Array<number>>();
  const entries = yield* other
    .follow({ after: from })
    .pipe(Stream.take(lastSequence - from), Stream.runCollect)
    .pipe(Effect.orDie);
  for (const entry of entries) {
    assert.isFalse(isMisfit(entry));
    if (isMisfit(entry)) continue;
    assert.isFalse(at.has(entry.id), `${entry.id} is in the stream twice`);
    at.set(entry.id, entry.sequence);
    const key = keyOf(entry.history);
    histories.set(key, [...(histories.get(key) ?? []), entry.sequence]);
  }
  return { at, histories } satisfies Witness;
});

const sequencesOf = (append: Append, { at }: Witness) => append.events.map(({ id }) => at.get(id));

/** Present as a whole and side by side, or not at all. */
const isThere = (append: Append, witness: Witness): boolean => {
  const sequences = sequencesOf(append, witness);
  const [first] = sequences;
  if (first === undefined) {
    assert.deepEqual(
      sequences,
      sequences.map(() => undefined),
      "an append is there in part",
    );
    return false;
  }
  assert.deepEqual(
    sequences,
    sequences.map((_, index) => first + index),
    "an append is there in part, or not side by side",
  );
  return true;
};

const explainSuccess = (append: Append, appended: Appended, witness: Witness) => {
  assert.isTrue(isThere(append, witness), "what was acknowledged is not there");
  assert.strictEqual(appended.sequence, sequencesOf(append, witness).at(-1), "it is not at the sequence told");
  if (appended.duplicate || append.expected === "any") return;
  const first = sequencesOf(append, witness)[0] ?? 0;
  const before = (witness.histories.get(keyOf(append.history)) ?? []).findLast((sequence) => sequence < first) ?? 0;
  assert.strictEqual(before, append.expected, "it was written although its history did not end where it expected");
};

/** A conflict is real when the history once ended elsewhere, or has a part of the append by another call. */
const explainConflict = (
  appends: ReadonlyArray<Append>,
  error: Extract<AppendError, { readonly _tag: "SequenceConflict" }>,
  witness: Witness,
) => {
  const append = appends.find(({ history }) => keyOf(history) === keyOf(error.history));
  assert.isDefined(append);
  if (append === undefined) return;
  const sequences = witness.histories.get(keyOf(append.history)) ?? [];
  assert.isTrue(error.actual === 0 || sequences.includes(error.actual ?? 0), "the history never ended there");
  if (append.expected === "any") {
    // Only ids that are there in part stop an append that expects nothing.
    assert.isTrue(append.events.some(({ id }) => witness.at.has(id)));
    return;
  }
  assert.strictEqual(error.expected, append.expected);
  assert.notStrictEqual(error.actual, append.expected, "a conflict with what was expected");
  assert.isTrue(
    sequences.some((sequence) => sequence > Number(append.expected)) || !sequences.includes(append.expected),
    "the history ends where it was expected to",
  );
};

const explain = (calls: ReadonlyArray<Call>, witness: Witness, count: (what: string) => void) => {
  /** Ids of calls that may have been written: acknowledged, interrupted or without an answer. */
  const allowed = new Set<string>();
  for (const { appends, exit } of calls) {
    const there = appends.map((append) => isThere(append, witness));
    const failed = Exit.findErrorOption(exit);
    if (Exit.isSuccess(exit)) {
      for (const [index, append] of appends.entries()) {
        const appended: Appended | undefined = exit.value[index];
        assert.isDefined(appended);
        if (appended === undefined) continue;
        count(appended.duplicate ? "duplicate" : "written");
        explainSuccess(append, appended, witness);
      }
    } else if (Option.isNone(failed)) {
      count("interrupted");
      assert.isTrue(Exit.hasInterrupts(exit), String(exit.cause));
    } else {
      count(failed.value._tag);
      if (failed.value._tag === "SequenceConflict") explainConflict(appends, failed.value, witness);
      // Ids are unique and sizes small: nothing here can ever be refused.
      else assert.strictEqual(failed.value._tag, "LogUnavailable", String(failed.value));
    }
    const isRefused = Option.isSome(failed) && failed.value._tag === "SequenceConflict";
    if (!isRefused) for (const append of appends) for (const { id } of append.events) allowed.add(id);
    if (!isRefused && appends.length > 1) assert.strictEqual(new Set(there).size, 1, "appends are there in part");
  }
  for (const id of witness.at.keys()) assert.isTrue(allowed.has(id), "what was refused is there");
};

/** Of one caller's successful appends to a history, the earlier call is earlier in the stream. */
const explainOrder = (calls: ReadonlyArray<Call>, witness: Witness) => {
  const asked = new Map<string, number>();
  for (const { appends } of calls) {
    for (const { events } of appends) for (const { id } of events) asked.set(id, (asked.get(id) ?? 0) + 1);
  }
  const reached = new Map<string, number>();
  for (const { appends, by, exit } of calls) {
    if (!Exit.isSuccess(exit)) continue;
    for (const append of appends) {
      // What was asked for twice was written by either call.
      if (append.events.some(({ id }) => asked.get(id) !== 1)) continue;
      const key = `${by} ${keyOf(append.history)}`;
      const [first] = sequencesOf(append, witness);
      assert.isAbove(first ?? 0, reached.get(key) ?? 0, "a later call overtook an earlier one of its history");
      reached.set(key, sequencesOf(append, witness).at(-1) ?? 0);
    }
  }
};

withLayer(world, { excludeTestServices: true, timeout: 120_000 })("many appends at once", (it) => {
  it.effect.prop(
    "each have an outcome that they could have had alone, whatever the network and other writers do",
    { rounds: Rounds },
    ({ rounds }) =>
      Effect.gen(function* () {
        const { connection, log, other, seen } = yield* World;
        const { lastSequence } = yield* other.info;
        const histories = [fresh(), fresh(), fresh(), fresh()];
        const calls: Array<Call> = [];
        for (const round of rounds) yield* playRound(round, calls, histories);
        // Who got no answer asks again when the network is well: then everything has an outcome.
        yield* until(Effect.as(log.info, true));
        const unanswered = calls.filter(({ exit }) => {
          const failed = Exit.findErrorOption(exit);
          return Option.isSome(failed) && failed.value._tag === "LogUnavailable";
        });
        for (const { appends } of unanswered) {
          const again = yield* Effect.exit(call(log, appends));
          calls.push({ appends, by: "log", exit: again });
        }
        const witness = yield* readWitness(lastSequence);
        const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
        explain(calls, witness, count);
        explainOrder(calls, witness);
        for (const sequence of [...witness.at.values()].slice(0, 20)) {
          const message = yield* Effect.promise(() =>
            connection.jsm.streams.getMessage("RECOLLECT", { seq: sequence }),
          );
          count(message?.header.has("Nats-Batch-Id") ? "in a batch" : "alone");
        }
      }),
    { arbitrary: { runs: 24 }, timeout: 120_000 },
  );

  it.effect("came to every kind of outcome there", () =>
    Effect.gen(function* () {
      const { seen } = yield* World;
      for (const what of [
        "written",
        "duplicate",
        "SequenceConflict",
        "LogUnavailable",
        "interrupted",
        "in a batch",
        "alone",
      ]) {
        assert.isAtLeast(seen.get(what) ?? 0, 1, what);
      }
    }),
  );
});
