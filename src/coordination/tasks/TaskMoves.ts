/**
 * Reading a task's history, and adding to it what its state allows, whoever else adds at the same moment.
 *
 * Room: coordination.
 */
import { Effect } from "effect";
import type { EventData, NewEvent, Provenance } from "../../domain/Event.ts";
import * as History from "../../domain/History.ts";
import type { TaskEventName } from "../../domain/task/Task.ts";
import { empty, evolve, type TaskRecord } from "../../domain/task/TaskRecord.ts";
import { afterAppend, decideAndAppend, readOn } from "../../log/DecideAndAppend.ts";
import type { AppendRefused, EventLog, LogUnavailable } from "../../log/EventLog.ts";
import { backoff } from "../../log/connection/Backoff.ts";
import type { Policy } from "../../publish/storing/StoragePolicy.ts";
import { compose, type Given, newId, type Writing } from "../../publish/write/NewEvent.ts";
import { type InvalidEvent } from "../../publish/write/InvalidEvent.ts";
import { putBlobs } from "../../publish/write/WriteCommand.ts";

/** An event that is to be added. */
export type Step = {
  readonly [Name in TaskEventName]: { readonly type: Name; readonly data: Given<EventData<Name>> };
}[TaskEventName];

/** Position of the history, and its writer. */
export interface Desk {
  readonly log: EventLog["Service"];
  readonly tenant: string;
  readonly speaks: Provenance;
  /** Policy of what may be stored, as it holds now. */
  readonly policy: () => Policy;
}

export interface Moved {
  readonly record: TaskRecord;
  /** False when there was nothing to add. */
  readonly isNew: boolean;
}

export type MoveError = InvalidEvent | AppendRefused | LogUnavailable;

/** With pauses of 50 ms to 5 s this is half a minute, as long as a lease: later another worker has the task anyway. */
const patientTries = 12;

/** By whom and how an event of this desk is made. */
export const writingOf = ({ policy, speaks }: Desk): Writing => ({ source: speaks.source, policy: policy() });

const where = ({ log, tenant }: Desk, taskId: string) => ({ log, history: History.task(taskId, tenant), evolve });

/** The task as its history tells it; `status` is undefined for one that was never submitted. */
export const load = (desk: Desk, taskId: string, from: TaskRecord = empty): Effect.Effect<TaskRecord, LogUnavailable> =>
  Effect.map(readOn(where(desk, taskId), { state: from, upTo: from.upTo }), ({ state }) => state);

/** The same, waiting for a log that is away, for half a minute. */
export const loadPatiently = (desk: Desk, taskId: string) =>
  Effect.retry(load(desk, taskId), { schedule: backoff, times: patientTries });

/** The record after an append of ours, of which `last` is the last sequence. */
export const after = (
  record: TaskRecord,
  history: History.History,
  events: ReadonlyArray<NewEvent>,
  last: History.Sequence,
): TaskRecord => afterAppend({ evolve, history }, record, events, last);

/**
 * Adds what `decide` says to a history, all or none, if no other writer came since the record was read; else reads
 * on and decides again. `decide` sees the task as it is; an empty answer adds nothing. The rule book has the last word.
 */
export const move = Effect.fnUntraced(function* <E>(options: {
  readonly desk: Desk;
  readonly taskId: string;
  /** The caller's knowledge of the task. */
  readonly known: TaskRecord;
  readonly decide: (record: TaskRecord) => Effect.Effect<ReadonlyArray<Step>, E>;
  /** `patient` waits for a log that is away, for half a minute; the default says so after the log's own patience. */
  readonly patience?: "patient" | undefined;
  /** The id of the first event that is added. Default: a new one. */
  readonly id?: string | undefined;
}): Effect.fn.Return<Moved, E | MoveError> {
  const { decide, desk, known, taskId } = options;
  const at = where(desk, taskId);
  /** Given once, whatever is tried, so that an append whose answer was lost is found again. */
  const ids = options.id === undefined ? [] : [options.id];
  const { isNew, state } = yield* decideAndAppend({
    ...at,
    known: { state: known, upTo: known.upTo },
    tries: options.patience === "patient" ? patientTries : 0,
    decide: Effect.fnUntraced(function* (record: TaskRecord) {
      const steps = yield* decide(record);
      while (ids.length < steps.length) ids.push(yield* newId);
      const commands = yield* Effect.forEach(steps, ({ data, type }, index) =>
        compose({ ...desk.speaks, history: at.history, type, data, id: ids[index] }, writingOf(desk)),
      );
      yield* putBlobs(desk.log, commands);
      return commands.map(({ event }) => event);
    }),
  });
  return { record: state, isNew };
});
