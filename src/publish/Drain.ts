/**
 * From the spool into the log: oldest first, in the order of acceptance for each history, harmless when repeated.
 *
 * Room: publish. In: log, spool, Write. Out: Delivery.
 *
 * A command is forgotten only after the log has acknowledged it. A process killed in between delivers it again, and
 * the log knows its id.
 */
import { Clock, Effect, Result } from "effect";
import { type History, keyOf } from "../domain/History.ts";
import { type EventLog, LogUnavailable, maxEventsPerAppend } from "../log/EventLog.ts";
import type { Spool, SpooledCommand, SpoolUnavailable } from "../spool/Spool.ts";
import { bytesOf } from "./Keep.ts";
import { type KnownTasks, putBlobs, write } from "./Write.ts";

export interface Draining {
  readonly log: EventLog["Service"];
  readonly spool: Spool["Service"];
  readonly tasks: KnownTasks;
  /** Names this process among those that share the spool. */
  readonly owner: string;
}

export type DrainStep =
  /** Nothing waits. */
  | { readonly _tag: "Empty" }
  /** Another process delivers at the moment. */
  | { readonly _tag: "NotLeading" }
  /** Commands have left the spool; `lastWrite` is what the log was given last, and how long its answer took. */
  | { readonly _tag: "Drained"; readonly lastWrite: Written };

export interface Written {
  readonly bytes: number;
  readonly millis: number;
}

/** One atomic batch: large enough to be cheap, small enough to be staged and answered in well under a second. */
const batchCommands = Math.min(500, maxEventsPerAppend);
const batchBytes = 4 * 1024 * 1024;
/** A log that answers at all answers within this; nobody is waiting for a drain. */
const writeTimeoutMillis = 10_000;
/** Two writes may time out before another process takes over. */
const leadMillis = 3 * writeTimeoutMillis;

const timed = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const began = yield* Clock.monotonicTimeNanos;
  const value = yield* Effect.timeoutOrElse(effect, {
    duration: writeTimeoutMillis,
    orElse: () => Effect.fail(new LogUnavailable({ reason: `no answer within ${writeTimeoutMillis} ms` })),
  });
  return { value, millis: Number((yield* Clock.monotonicTimeNanos) - began) / 1e6 };
});

/** One by one: whoever can never be written steps aside, so that the others get through. */
const drainOne = Effect.fnUntraced(function* (
  { log, spool, tasks }: Draining,
  command: SpooledCommand,
): Effect.fn.Return<Written, LogUnavailable | SpoolUnavailable> {
  const { value, millis } = yield* timed(write({ log, command, tasks, mayBeThere: true }).pipe(Effect.result));
  const written = { bytes: bytesOf(command), millis };
  if (Result.isSuccess(value)) {
    yield* spool.forget([command.position]);
    return written;
  }
  if (value.failure._tag === "LogUnavailable") return yield* value.failure;
  const reason = value.failure._tag === "AppendRefused" ? value.failure.reason : value.failure.hint;
  yield* Effect.logWarning(`The log refused a spooled ${command.event.type}: ${reason}; it is set aside in the spool`);
  yield* spool.setAside({ position: command.position, reason: `${value.failure._tag}: ${reason}` });
  return written;
});

/** As many as fit into one batch, from the front: a task is decided alone, so it ends the batch. */
const leadingPlain = (commands: ReadonlyArray<SpooledCommand>): ReadonlyArray<SpooledCommand> => {
  const firstTask = commands.findIndex(({ history }) => history.kind === "task");
  return firstTask < 0 ? commands : commands.slice(0, firstTask);
};

const byHistory = (commands: ReadonlyArray<SpooledCommand>) => {
  const grouped = new Map<string, { readonly history: History; readonly events: Array<SpooledCommand["event"]> }>();
  for (const { history, event } of commands) {
    const key = keyOf(history);
    const group = grouped.get(key) ?? { history, events: [] };
    group.events.push(event);
    grouped.set(key, group);
  }
  return [...grouped.values()].map(({ history, events }) => ({ history, events, expected: "any" as const }));
};

/** Many histories in one batch; each keeps its own order. */
const drainTogether = Effect.fnUntraced(function* (draining: Draining, commands: ReadonlyArray<SpooledCommand>) {
  const { log, spool } = draining;
  const batch = Effect.andThen(putBlobs(log, commands), log.appendAll(byHistory(commands)));
  const { value, millis } = yield* timed(batch.pipe(Effect.result));
  let written: Written = { bytes: commands.reduce((sum, command) => sum + bytesOf(command), 0), millis };
  if (Result.isSuccess(value)) {
    yield* spool.forget(commands.map(({ position }) => position));
    return written;
  }
  if (value.failure._tag === "LogUnavailable") return yield* value.failure;
  // One of them is refused, or was already written before the log went away: which one shows one by one.
  for (const command of commands) written = yield* drainOne(draining, command);
  return written;
});

/** Delivers one batch. */
export const drainStep = Effect.fnUntraced(function* (
  draining: Draining,
): Effect.fn.Return<DrainStep, LogUnavailable | SpoolUnavailable> {
  const { log, spool, owner } = draining;
  const { waiting } = yield* spool.state;
  if (waiting === 0) return { _tag: "Empty" };
  // Who cannot reach the log must not keep the others from delivering.
  yield* timed(log.info);
  if (!(yield* spool.lead({ owner, millis: leadMillis }))) return { _tag: "NotLeading" };
  const commands = yield* spool.oldest({ limit: batchCommands, maxBytes: batchBytes });
  const plain = leadingPlain(commands);
  const [first] = commands;
  if (first === undefined) return { _tag: "Empty" };
  const lastWrite = plain.length > 1 ? yield* drainTogether(draining, plain) : yield* drainOne(draining, first);
  return { _tag: "Drained", lastWrite };
});
