/**
 * Commands into the log: blobs first, tasks by decision, everything else merged with what others wrote.
 *
 * Room: publish.
 */
import { Effect, Result } from "effect";
import { type History, keyOf, type Sequence } from "../../domain/History.ts";
import { decide, evolve, moveOf, notSubmitted, type TaskRefusal, type TaskState } from "../../domain/task/Task.ts";
import { decideAndAppend, type Known } from "../../log/DecideAndAppend.ts";
import { AppendRefused, type EventLog, type LogUnavailable, type SequenceConflict } from "../../log/EventLog.ts";
import type { Command } from "../../spool/Spool.ts";

type Log = EventLog["Service"];

/** `isNew` is false when the task was there already and nothing was added. */
export interface Written {
  readonly sequence: Sequence;
  readonly isNew: boolean;
}

export type WriteError = AppendRefused | LogUnavailable | TaskRefusal;

/** Known state of a task, up to a sequence. */
export type KnownTask = Known<TaskState>;

/** States of the tasks this process has written, the most recent ones: it need not read them again to decide. */
export class KnownTasks {
  readonly #tasks = new Map<string, KnownTask>();
  /** A task costs about 200 bytes here and one read of its history when it is not. */
  readonly #limit = 10_000;

  get(history: History): KnownTask | undefined {
    return this.#tasks.get(keyOf(history));
  }

  set(history: History, task: KnownTask): void {
    const key = keyOf(history);
    this.#tasks.delete(key);
    this.#tasks.set(key, task);
    for (const oldest of this.#tasks.keys()) {
      if (this.#tasks.size <= this.#limit) break;
      this.#tasks.delete(oldest);
    }
  }
}

export const putBlobs = (log: Log, commands: ReadonlyArray<Command>): Effect.Effect<void, LogUnavailable> => {
  const blobs = new Map(
    commands.flatMap(({ blobs: own, history: { tenant } }) =>
      own.map(({ bytes, sha256 }) => [sha256, { bytes, tenant }] as const),
    ),
  );
  return Effect.forEach(blobs.values(), ({ bytes, tenant }) => log.putBlob(bytes, tenant), { discard: true });
};

/** A conflict without an expectation: a log that broke its promise. The command is kept for a person to look at. */
const impossible = (conflict: SequenceConflict) =>
  new AppendRefused({
    reason: `the log reports a conflict although nothing was expected (${JSON.stringify(conflict)})`,
  });

/** One command of a thread, session or source: whatever others wrote meanwhile, it comes after. */
const writePlain = Effect.fnUntraced(function* (log: Log, command: Command): Effect.fn.Return<Written, WriteError> {
  yield* putBlobs(log, [command]);
  const { after, history, event } = command;
  const { sequence } = yield* log
    .append({ history, events: [event], expected: "any", after })
    .pipe(Effect.catchTag("SequenceConflict", (conflict) => Effect.fail(impossible(conflict))));
  return { sequence, isNew: true };
});

/** One command of a thread, if it ends at `expected`. */
export const writeExpecting = Effect.fnUntraced(function* (log: Log, command: Command, expected: Sequence) {
  yield* putBlobs(log, [command]);
  return yield* log.append({ history: command.history, events: [command.event], expected });
});

/** One command of a task: read what happened, decide by the rule book, append with the expected sequence. */
export const writeTask = Effect.fnUntraced(function* (options: {
  readonly log: Log;
  readonly command: Command;
  /** Start of the read. Undefined: the beginning, which also finds the command when it is there already. */
  readonly known: KnownTask | undefined;
}): Effect.fn.Return<Written & { readonly known: KnownTask }, WriteError> {
  const { log, command } = options;
  const { history, event } = command;
  const move = moveOf(event);
  if (move === undefined) return yield* new AppendRefused({ reason: `${event.type} is no event of a task` });
  yield* putBlobs(log, [command]);
  const { isNew, sequence, state, upTo } = yield* decideAndAppend({
    log,
    history,
    known: options.known ?? { state: notSubmitted, upTo: 0 },
    readsFirst: true,
    evolve,
    decide: (current) =>
      Effect.map(Effect.fromResult(decide({ taskId: history.id, state: current, move })), (decided) =>
        decided === "add" ? [event] : [],
      ),
    id: event.id,
  });
  return { sequence, isNew, known: { state, upTo } };
});

/** One command, by the rule of its history. `tasks` remembers what was decided upon. */
export const write = Effect.fnUntraced(function* (options: {
  readonly log: Log;
  readonly command: Command;
  readonly tasks: KnownTasks;
  /** True for a command that may be in the log already: a task is then read from its beginning. */
  readonly mayBeThere: boolean;
}): Effect.fn.Return<Written, WriteError> {
  const { log, command, tasks, mayBeThere } = options;
  const { history } = command;
  if (history.kind !== "task") return yield* writePlain(log, command);
  const written = yield* writeTask({ log, command, known: mayBeThere ? undefined : tasks.get(history) });
  tasks.set(history, written.known);
  return written;
});

/**
 * Several commands of one history (no task) in one append. Undefined when they must be written one by one: one of
 * them was refused, or some of them are in the log already.
 */
export const writeTogether = Effect.fnUntraced(function* (
  log: Log,
  commands: ReadonlyArray<Command>,
): Effect.fn.Return<ReadonlyArray<Written> | undefined, LogUnavailable> {
  const [first] = commands;
  if (first === undefined) return [];
  yield* putBlobs(log, commands);
  const events = commands.map(({ event }) => event);
  const appended = yield* log.append({ history: first.history, events, expected: "any" }).pipe(Effect.result);
  if (Result.isFailure(appended)) {
    return appended.failure._tag === "LogUnavailable" ? yield* appended.failure : undefined;
  }
  const { sequence: last, duplicate } = appended.success;
  // Events of one append stand next to each other in the stream; duplicates stand where they always stood.
  return duplicate
    ? undefined
    : events.map((_, index) => ({ sequence: last - (events.length - 1 - index), isNew: true }));
});
