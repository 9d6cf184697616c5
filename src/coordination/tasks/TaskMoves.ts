/**
 * Reading a task's history, and adding to it what its state allows, whoever else adds at the same moment.
 *
 * Room: coordination.
 */
import { Effect, Result, Stream } from "effect";
import type { EventData, NewEvent, Provenance, RecordedEvent } from "../../domain/Event.ts";
import * as History from "../../domain/History.ts";
import type { TaskEventName } from "../../domain/Task.ts";
import { empty, evolve, type TaskRecord } from "../../domain/TaskRecord.ts";
import { type AppendRefused, type EventLog, LogUnavailable } from "../../log/EventLog.ts";
import { backoff } from "../../log/connection/Backoff.ts";
import { compose, type Given, type InvalidEvent, newId } from "../../publish/write/NewEvent.ts";
import { putBlobs } from "../../publish/write/WriteCommand.ts";

/** An event that is to be added. */
export type Step = {
  readonly [Name in TaskEventName]: { readonly type: Name; readonly data: Given<EventData<Name>> };
}[TaskEventName];

/** Where the history stands, and who writes to it. */
export interface Desk {
  readonly log: EventLog["Service"];
  readonly tenant: string;
  readonly speaks: Provenance;
}

export interface Moved {
  readonly record: TaskRecord;
  /** False when there was nothing to add. */
  readonly isNew: boolean;
}

export type MoveError = InvalidEvent | AppendRefused | LogUnavailable;

/** With pauses of 50 ms to 5 s this is half a minute, as long as a lease: later somebody else has the task anyway. */
const patientTries = 12;
/** Of so many writers on one task at the same moment at least one has won each time: somebody is looping. */
const maxConflicts = 10;
/** The longest move: a lapsed lease ends, and the next one is taken and begun. */
const maxSteps = 3;

/** A log that is away for a moment costs a task nothing: the same append with the same ids is safe. */
const patiently = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>, tries: number) =>
  Effect.retry(effect, { schedule: backoff, times: tries, while: (error) => error._tag === "LogUnavailable" });

/** The record as it is now, read on from an older one. `found`: whether an event of that id came along. */
const readOn = ({ log, tenant }: Desk, taskId: string, from: TaskRecord, id?: string) =>
  log.read({ history: History.task(taskId, tenant), after: from.upTo }).pipe(
    Stream.runFold(
      () => ({ record: from, found: false }),
      ({ found, record }, event) => ({ record: evolve(record, event), found: found || event.id === id }),
    ),
  );

/** The task as its history tells it; `status` is undefined for one that was never submitted. */
export const load = (desk: Desk, taskId: string, from: TaskRecord = empty): Effect.Effect<TaskRecord, LogUnavailable> =>
  Effect.map(readOn(desk, taskId, from), ({ record }) => record);

/** The same, waiting for a log that is away, for half a minute. */
export const loadPatiently = (desk: Desk, taskId: string) => patiently(load(desk, taskId), patientTries);

const utf8 = new TextEncoder();

/** The record after an append of ours, of which `last` is the last sequence. */
export const after = (
  record: TaskRecord,
  history: History.History,
  events: ReadonlyArray<NewEvent>,
  last: History.Sequence,
): TaskRecord =>
  // Events of one append stand next to each other in the stream.
  events
    .map((event, index): RecordedEvent => {
      const body = typeof event.body === "string" ? utf8.encode(event.body) : event.body;
      const sequence = last - (events.length - 1 - index);
      return { ...event, body, history, sequence, recordedAt: event.occurredAt };
    })
    .reduce(evolve, record);

/**
 * Adds what `decide` says to a history, all or none, if nobody has written to it since the record was read; else reads
 * on and decides again. `decide` sees the task as it is; an empty answer adds nothing.
 */
export const move = Effect.fnUntraced(function* <E>(options: {
  readonly desk: Desk;
  readonly taskId: string;
  /** What the caller knows of the task. */
  readonly known: TaskRecord;
  readonly decide: (record: TaskRecord) => Effect.Effect<ReadonlyArray<Step>, E>;
  /** `patient` waits for a log that is away, for half a minute; the default says so after the log's own patience. */
  readonly patience?: "patient" | undefined;
  /** The id of the first event that is added. Default: a new one. */
  readonly id?: string | undefined;
}): Effect.fn.Return<Moved, E | MoveError> {
  const { decide, desk, taskId } = options;
  const tries = options.patience === "patient" ? patientTries : 0;
  const history = History.task(taskId, desk.tenant);
  // The ids are given before anything is tried, so that an append whose answer was lost is found again.
  const [made, ...more] = yield* Effect.replicateEffect(newId, maxSteps);
  const ids = [options.id ?? made, ...more];
  let record = options.known;
  for (let conflicts = 0; conflicts < maxConflicts; conflicts++) {
    const steps = yield* decide(record);
    if (steps.length === 0) return { record, isNew: false };
    const commands = yield* Effect.forEach(steps, ({ data, type }, index) =>
      compose({ ...desk.speaks, history, type, data, id: ids[index] }, desk.speaks.source),
    );
    const events = commands.map(({ event }) => event);
    const append = Effect.andThen(
      putBlobs(desk.log, commands),
      desk.log.append({ history, events, expected: record.upTo }),
    );
    const appended = yield* patiently(append, tries).pipe(Effect.result);
    if (Result.isSuccess(appended)) {
      return { record: after(record, history, events, appended.success.sequence), isNew: true };
    }
    if (appended.failure._tag !== "SequenceConflict") return yield* appended.failure;
    const now = yield* patiently(readOn(desk, taskId, record, events.at(-1)?.id), tries);
    record = now.record;
    if (now.found) return { record, isNew: true };
  }
  return yield* new LogUnavailable({ reason: `${maxConflicts} writers in a row were quicker on task ${taskId}` });
});
