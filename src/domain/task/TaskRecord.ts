/**
 * A task as its history tells it: what was asked, who holds it, which attempt, how it ended. Pure.
 *
 * Room: domain.
 *
 * A lease is held from a claim to whatever ends it: a release, an end, or another claim. Its token is the sequence of
 * the claim, so of two leases the later one has the larger token, and a move that names an earlier one is refused.
 */
import { Result } from "effect";
import { believed } from "../EntryTimes.ts";
import type { EventData, RecordedEvent } from "../Event.ts";
import type { TaskStatus } from "../Fact.ts";
import type { Sequence } from "../History.ts";
import * as Task from "./Task.ts";
import type { TaskPriority, TaskQueueing } from "./TaskEvents.ts";
import { decodeData } from "../Upcast.ts";

export interface Lease extends Task.Held {
  readonly attempt: number;
  readonly worker: string | undefined;
}

/** Request for input: a question of a task to a person or an agent. */
export interface InputRequest {
  readonly message: string | null;
  /** A JSON Schema for the answer's value. */
  readonly schema: Readonly<Record<string, unknown>> | null;
}

export interface Answer {
  readonly message: string | null;
  readonly value: unknown;
}

export interface TaskEnd {
  readonly output?: unknown;
  readonly outputBlob?: EventData<"task.completed">["outputBlob"];
  /** With a blob: whether the output is its text, or what the text says as JSON. */
  readonly outputIsText?: boolean;
  readonly error?: EventData<"task.failed">["error"] | undefined;
  readonly deadLetter: boolean;
  /** Epoch milliseconds, by the writer's clock unless that was ahead. */
  readonly at: number;
}

export interface TaskRecord extends Task.TaskState {
  /** The last sequence of the history that is in here. */
  readonly upTo: Sequence;
  readonly submitted: EventData<"task.submitted"> | undefined;
  /** Claims so far, without those that were given back. */
  readonly attempt: number;
  /** Deferrals so far. */
  readonly deferrals: number;
  readonly lease: Lease | undefined;
  /** Worker that had it last. */
  readonly worker: string | undefined;
  /** The earliest moment of the next claim, epoch milliseconds; 0: at once. */
  readonly notBefore: number;
  /** Last words: progress, a question, an answer. */
  readonly said: { readonly message?: string; readonly progress?: number; readonly total?: number };
  /** Open requests, by key; with the last question under a key. */
  readonly requests: Readonly<Record<string, InputRequest>>;
  /** Answers of this attempt, by key. */
  readonly answers: Readonly<Record<string, Answer>>;
  readonly end: TaskEnd | undefined;
  /** Time of its end, or of its last restore after that, epoch milliseconds; undefined while it has not. */
  readonly recentSince: number | undefined;
}

export const empty: TaskRecord = {
  ...Task.notSubmitted,
  upTo: 0,
  submitted: undefined,
  attempt: 0,
  deferrals: 0,
  lease: undefined,
  worker: undefined,
  notBefore: 0,
  said: {},
  requests: {},
  answers: {},
  end: undefined,
  recentSince: undefined,
};

/** A task that dies three times in three hands is more likely the cause than they are. */
export const defaultMaxAttempts = 3;
const defaultBackoffMillis = 1_000;

/** Queueing of the task, with defaults for what the submitter left open. */
export const queueingOf = (queue: TaskQueueing | null | undefined) => ({
  priority: queue?.priority ?? ("normal" satisfies TaskPriority as TaskPriority),
  maxAttempts: queue?.maxAttempts ?? defaultMaxAttempts,
  backoffMillis: queue?.backoffMillis ?? defaultBackoffMillis,
  notBefore: queue?.notBefore ?? 0,
  startBy: queue?.startBy ?? Infinity,
});

export const isLastAttempt = (record: TaskRecord): boolean =>
  record.attempt >= queueingOf(record.submitted?.queue).maxAttempts;

/** A task whose history holds its submission and nothing more. */
export interface Submitted {
  readonly upTo: Sequence;
  readonly submitted: EventData<"task.submitted">;
}

/** The record of a task that was only submitted, as `evolve` makes it of that one event. */
export const recordOf = ({ submitted, upTo }: Submitted): TaskRecord => {
  const { notBefore } = queueingOf(submitted.queue);
  return { ...empty, status: "pending", upTo, submitted, notBefore };
};

/** Undefined when anything has happened to the task after it was submitted. */
export const onlySubmitted = (record: TaskRecord): Submitted | undefined => {
  const { attempt, deferrals, notBefore, status, submitted, upTo, worker } = record;
  if (submitted === undefined || status !== "pending" || worker !== undefined || attempt + deferrals > 0)
    return undefined;
  return notBefore === queueingOf(submitted.queue).notBefore ? { upTo, submitted } : undefined;
};

/** Ids of a batch's tasks follow from its own, so that everyone finds them. */
export const idInBatch = (batchId: string, index: number): string => `${batchId}.${index}`;

/** A batch is submitted all or none, in one atomic batch of the log, which has at most so many events. */
export const maxBatch = 1_000;

/** Its place in its batch. An impossible one, in a foreign event, is none: the task is alone. */
export const placeOf = (submitted: EventData<"task.submitted"> | undefined) => {
  const { batchId, place } = submitted ?? {};
  if (batchId == null || place == null) return undefined;
  const { atOnce, failFast, index, size } = place;
  if (atOnce < 1 || index >= size || size > maxBatch) return undefined;
  return { batchId, index, size, atOnce, failFast: failFast === true };
};

const ends = (data: Partial<TaskEnd>, at: number): Partial<TaskRecord> => ({
  lease: undefined,
  end: { deadLetter: false, ...data, at },
  recentSince: at,
});

const said = (data: { message?: string | null; progress?: number | null; total?: number | null }) => ({
  said: {
    ...(data.message == null ? {} : { message: data.message }),
    ...(data.progress == null ? {} : { progress: data.progress }),
    ...(data.total == null ? {} : { total: data.total }),
  },
});

const without = <A>(entries: Readonly<Record<string, A>>, key: string): Readonly<Record<string, A>> =>
  Object.fromEntries(Object.entries(entries).filter(([other]) => other !== key));

/**
 * The earliest moment of the next claim after a release, epoch milliseconds; undefined: at once. A pause begins when the log
 * heard of it, by the log's clock; one that a worker gave an end by its own clock is as long as it was by that.
 */
export const pausedUntil = (
  { notBefore, pauseMillis }: EventData<"task.released">,
  event: Pick<RecordedEvent, "occurredAt" | "recordedAt">,
): number | undefined => {
  if (pauseMillis != null) return event.recordedAt + pauseMillis;
  return notBefore == null ? undefined : notBefore - (event.occurredAt - event.recordedAt);
};

/** Changes of an event beside the status. */
const changes = (record: TaskRecord, event: RecordedEvent): Partial<TaskRecord> => {
  const decoded = Result.getOrUndefined(decodeData(event));
  if (decoded?._tag !== "Known") return {};
  const at = believed(event.occurredAt, event.recordedAt);
  switch (decoded.type) {
    case "task.submitted":
      return { submitted: decoded.data, notBefore: queueingOf(decoded.data.queue).notBefore };
    case "task.claimed": {
      const { attempt = null, holder, worker } = decoded.data;
      const lease = {
        token: event.sequence,
        attempt: attempt ?? record.attempt + 1,
        worker: worker ?? undefined,
        holder: holder ?? undefined,
      };
      return { lease, attempt: lease.attempt, worker: lease.worker, said: {}, requests: {}, answers: {} };
    }
    case "task.released": {
      const isDeferred = decoded.data.reason === "deferred";
      // A worker that gives its task back has not failed at it: the attempt does not count.
      const isCounted = !isDeferred && decoded.data.reason !== "interrupted";
      const attempt = isCounted ? record.attempt : Math.max(0, record.attempt - 1);
      const deferrals = record.deferrals + (isDeferred ? 1 : 0);
      return { lease: undefined, attempt, deferrals, notBefore: pausedUntil(decoded.data, event) ?? 0 };
    }
    case "task.progressed":
      return said(decoded.data);
    case "task.input_requested": {
      const { key = null, message = null, schema = null } = decoded.data;
      const asked = { ...record.requests, [key ?? Task.onlyInput]: { message, schema } };
      return { ...said(decoded.data), requests: asked, answers: without(record.answers, key ?? Task.onlyInput) };
    }
    case "task.resumed": {
      const { key = null, message = null, value } = decoded.data;
      const keys = key === null ? record.asked : [key];
      const answered = keys.map((one) => [one, { message, value: value ?? message }] as const);
      return {
        ...said(decoded.data),
        requests: keys.reduce(without<InputRequest>, record.requests),
        answers: { ...record.answers, ...Object.fromEntries(answered) },
      };
    }
    case "task.completed": {
      const { output, outputBlob = null, outputIsText } = decoded.data;
      return ends({ output, outputBlob, outputIsText: outputIsText !== false }, at);
    }
    case "task.failed": {
      const { error, output, deadLetter } = decoded.data;
      return ends({ error, output, deadLetter: deadLetter === true }, at);
    }
    case "task.timed_out": {
      const { afterMillis } = decoded.data;
      const message = afterMillis == null ? null : `no end within ${afterMillis} ms`;
      return ends({ error: { type: "timeout", message } }, at);
    }
    case "task.cancelled":
      return ends({ error: { type: "cancelled", message: decoded.data.reason ?? null } }, at);
    case "task.restored":
      return { recentSince: at };
    default:
      return {};
  }
};

/** The record after an event. Total: an event that cannot be read moves nothing but `upTo`. */
export const evolve = (record: TaskRecord, event: RecordedEvent): TaskRecord => {
  const { asked, endKey, status } = Task.evolve(record, event);
  return { ...record, ...changes(record, event), status, endKey, asked, upTo: event.sequence };
};

export const hasEnded = (record: TaskRecord): boolean => Task.hasEnded(record.status);

/** The refusal of a move under a lease that does not stand; undefined when it stands. */
export const lostLease = (options: {
  readonly taskId: string;
  readonly record: TaskRecord;
  readonly token: Sequence;
}): Task.LeaseLost | undefined => {
  const { taskId, record, token } = options;
  if (record.lease?.token === token) return undefined;
  const { lease } = record;
  const reason =
    lease === undefined
      ? `the lease of task ${taskId} is over: the task is ${record.status ?? "not submitted"}`
      : `task ${taskId} was claimed again, by ${lease.worker ?? "another worker"} (attempt ${lease.attempt})`;
  const hint = "Stop working on it; whoever holds the task now settles it.";
  return new Task.LeaseLost({ taskId, token, status: record.status ?? "new", reason, hint });
};

/** The five states of MCP's tasks. */
export type McpTaskStatus = "working" | "input_required" | "completed" | "failed" | "cancelled";

export const mcpStatusOf = (status: TaskStatus): McpTaskStatus => {
  switch (status) {
    case "pending":
    case "starting":
    case "running":
      return "working";
    case "timeout":
      return "failed";
    default:
      return status;
  }
};
