/**
 * The events of an agent task and of a session.
 *
 * Room: domain.
 *
 * Environment variables are deliberately absent from a task's request: they hold secrets and are never stored.
 */
import { Schema } from "effect";
import { BlobReference, maybe, Program } from "../thread/Content.ts";
import { ToolError } from "../thread/ThreadEvents.ts";

const Text = Schema.String;
const Names = Schema.Array(Schema.String);
const Facts = Schema.Record(Schema.String, Schema.Unknown);
const Millis = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0));

export const TaskRequest = Schema.Struct({
  agentType: Text,
  description: maybe(Text),
  message: maybe(Text),
  agentArgs: maybe(Names),
  timeoutSeconds: maybe(Schema.Finite),
  workingDirectory: maybe(Text),
  files: maybe(Names),
  model: maybe(Text),
  systemPrompt: maybe(Text),
  temperature: maybe(Schema.Finite),
  maxTokens: maybe(Schema.Natural),
  workflow: maybe(Text),
  workflowParams: maybe(Facts),
});
export type TaskRequest = typeof TaskRequest.Type;

export const TaskPriority = Schema.Literals(["high", "normal", "low"]);
export type TaskPriority = typeof TaskPriority.Type;

/** After an error of one kind: no further attempt, or a pause of its own, milliseconds, doubled with each attempt. */
export const AfterError = Schema.Union([Schema.Literal("never"), Millis]);

/**
 * Queueing of a task; only a task that has this is in the work queue. `maxAttempts` counts claims;
 * `backoffMillis` is the pause after the first failed one, doubled with each; `notBefore` is in epoch milliseconds.
 */
export const TaskQueueing = Schema.Struct({
  priority: maybe(TaskPriority),
  maxAttempts: maybe(Schema.Natural),
  backoffMillis: maybe(Millis),
  notBefore: maybe(Millis),
  /** Epoch milliseconds: a task without a counted attempt fails then, as `expired`. */
  startBy: maybe(Millis),
  /** By the error's type. */
  onError: maybe(Schema.Record(Text, AfterError)),
  /** Deduplication key: one task of its agent type and key is open at a time. */
  dedupKey: maybe(Text),
});
export type TaskQueueing = typeof TaskQueueing.Type;

/** The task's place among the tasks of its batch: `index` from 0, and task `index - atOnce` must have ended first. */
export const TaskPlace = Schema.Struct({
  index: Schema.Natural,
  size: Schema.Natural,
  atOnce: Schema.Natural,
  failFast: maybe(Schema.Boolean),
  /** Places of the batch whose tasks name this one in their `after`. */
  next: maybe(Schema.Array(Schema.Natural)),
});

export const TaskSubmitted = Schema.Struct({
  request: TaskRequest,
  threadId: maybe(Text),
  batchId: maybe(Text),
  parentTaskId: maybe(Text),
  /** The task of which this one is another try. */
  retryOf: maybe(Text),
  queue: maybe(TaskQueueing),
  place: maybe(TaskPlace),
  /** Ids of tasks that must have ended before this one is claimed. */
  after: maybe(Names),
  /** One of those that did not complete: it is cancelled (`cancel`, the default), or runs all the same (`run`). */
  whenFailed: maybe(Schema.Literals(["cancel", "run"])),
});
/**
 * A worker has taken the task and prepares to run it. The sequence of this event is the fencing token of its lease:
 * later events name it as their `claim`. `holder` is where the worker's process can be asked whether it is alive.
 */
export const TaskClaimed = Schema.Struct({
  worker: maybe(Text),
  attempt: maybe(Schema.Natural),
  holder: maybe(Text),
  /** True: the worker has begun with it, and no `task.started` follows. Absent: it prepares. */
  begun: maybe(Schema.Boolean),
});
/**
 * The lease is over and the task waits for the next one. `reason`: `lapsed` (no heartbeat), `interrupted` (its worker
 * gave it back), `deferred` (its worker wants it later; neither counts as an attempt) or `failed` (with the error). The next
 * claim comes `pauseMillis` after the log recorded this at the earliest, whatever the worker's clock says; `notBefore`,
 * epoch milliseconds by the worker's clock, is how it was said before and may still be.
 */
export const TaskReleased = Schema.Struct({
  reason: Text,
  worker: maybe(Text),
  attempt: maybe(Schema.Natural),
  claim: maybe(Schema.Natural),
  error: maybe(ToolError),
  pauseMillis: maybe(Millis),
  notBefore: maybe(Millis),
});
export const TaskStarted = Schema.Struct({
  claim: maybe(Schema.Natural),
  worker: maybe(Text),
  agentPort: maybe(Schema.Natural),
  processId: maybe(Schema.Natural),
});
export const TaskProgressed = Schema.Struct({
  claim: maybe(Schema.Natural),
  message: maybe(Text),
  progress: maybe(Schema.Finite),
  total: maybe(Schema.Finite),
});
/** Text that the program of a task wrote to one of its streams, in order. At most 1 MiB an attempt: the middle is left out. */
export const TaskLogged = Schema.Struct({
  claim: maybe(Schema.Natural),
  attempt: maybe(Schema.Natural),
  stream: Schema.Literals(["stdout", "stderr"]),
  text: Text,
  /** Bytes that were left out before this text. */
  omittedBytes: maybe(Schema.Natural),
});
/**
 * The task waits for a person or another agent; `task.resumed` says that it goes on. Several requests may be open at once,
 * each with a `key` of its own; without one it is `input`. `schema` is a JSON Schema that the answer's value is to fit.
 */
export const TaskInputRequested = Schema.Struct({
  message: maybe(Text),
  claim: maybe(Schema.Natural),
  key: maybe(Text),
  schema: maybe(Facts),
});
/**
 * An answer: to the open request of that `key`, without one to all that are open. `value` is the answer where it is more
 * than words. `stillOpen` counts the requests that are open after it: the task runs on when it is 0 or absent.
 */
export const TaskResumed = Schema.Struct({
  message: maybe(Text),
  key: maybe(Text),
  value: maybe(Schema.Unknown),
  stillOpen: maybe(Schema.Natural),
});
/** With an `outputBlob` (a text output as it is, any other as its JSON text) `output` is the head of that text. */
export const TaskCompleted = Schema.Struct({
  claim: maybe(Schema.Natural),
  output: maybe(Schema.Unknown),
  outputBlob: maybe(BlobReference),
  /** With an `outputBlob`: true when the output is that text, false when the text is its JSON. */
  outputIsText: maybe(Schema.Boolean),
  messages: maybe(Schema.Array(Schema.Unknown)),
  durationMillis: maybe(Millis),
});
/** `deadLetter`: it failed because its last attempt did; it can be retried by hand, as another task. */
export const TaskFailed = Schema.Struct({
  error: ToolError,
  deadLetter: maybe(Schema.Boolean),
  claim: maybe(Schema.Natural),
  output: maybe(Schema.Unknown),
  durationMillis: maybe(Millis),
});
export const TaskTimedOut = Schema.Struct({ afterMillis: maybe(Millis), claim: maybe(Schema.Natural) });
export const TaskCancelled = Schema.Struct({ reason: maybe(Text) });
/** A restored task: one that has ended is among the recent ones again, and its time until it is archived begins anew. */
export const TaskRestored = Schema.Struct({ reason: maybe(Text) });

/** A client and a server begin to talk. For a wrapped MCP server: who they are, which protocol, which thread is written. */
export const SessionStarted = Schema.Struct({
  client: maybe(Program),
  server: maybe(Program),
  protocolVersion: maybe(Text),
  transport: maybe(Text),
  threadId: maybe(Text),
  cwd: maybe(Text),
  command: maybe(Names),
  /** Machine that it runs on. */
  machine: maybe(Text),
  processId: maybe(Schema.Natural),
  /** Lease of its heartbeats: a silence this long is its end. Absent: silence says nothing. */
  leaseMillis: maybe(Millis),
});
/** A session whose lease had run out is there after all: its machine slept, or its network was cut. */
export const SessionResumed = Schema.Struct({ reason: maybe(Text) });
/** An agent has written to another, by name. The event's id is the message's. */
export const SessionMessageSent = Schema.Struct({
  from: Text,
  to: Text,
  body: Schema.Unknown,
  /** The message that it answers. */
  inReplyTo: maybe(Text),
  expiresAfterMillis: maybe(Millis),
});
/**
 * Calls of a tool were refused, because a limit was used up or could not be asked: the tool has not heard of them. One
 * event for all of one tool and limit in a while, because who is refused asks again, and the log must not be flooded.
 */
export const SessionCallsRefused = Schema.Struct({
  tool: Text,
  /** Name of the limit in the configuration. */
  limit: Text,
  user: maybe(Text),
  /** Number of them, from the first to the last. */
  count: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
  firstAt: Millis,
  lastAt: Millis,
});
export const SessionEnded = Schema.Struct({
  reason: Text,
  exitCode: maybe(Schema.Int),
  signal: maybe(Text),
});
