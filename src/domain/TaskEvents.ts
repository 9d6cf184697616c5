/**
 * The events of an agent task and of a session.
 *
 * Room: domain. In: Content, ThreadEvents. Out: Event.
 *
 * Environment variables are deliberately absent from a task's request: they hold secrets and are never stored.
 */
import { Schema } from "effect";
import { BlobReference, maybe, Program } from "./Content.ts";
import { ToolError } from "./ThreadEvents.ts";

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

export const TaskSubmitted = Schema.Struct({
  request: TaskRequest,
  threadId: maybe(Text),
  batchId: maybe(Text),
  parentTaskId: maybe(Text),
});
/** A worker has taken the task and prepares to run it. */
export const TaskClaimed = Schema.Struct({ worker: maybe(Text) });
export const TaskStarted = Schema.Struct({
  worker: maybe(Text),
  agentPort: maybe(Schema.Natural),
  processId: maybe(Schema.Natural),
});
export const TaskProgressed = Schema.Struct({
  message: maybe(Text),
  progress: maybe(Schema.Finite),
  total: maybe(Schema.Finite),
});
/** The task waits for a person or another agent; `task.resumed` says that it goes on. */
export const TaskInputRequested = Schema.Struct({ message: maybe(Text) });
export const TaskResumed = Schema.Struct({ message: maybe(Text) });
/** With an `outputBlob` (a text output as it is, any other as its JSON text) `output` is the head of that text. */
export const TaskCompleted = Schema.Struct({
  output: maybe(Schema.Unknown),
  outputBlob: maybe(BlobReference),
  messages: maybe(Schema.Array(Schema.Unknown)),
  durationMillis: maybe(Millis),
});
export const TaskFailed = Schema.Struct({
  error: ToolError,
  output: maybe(Schema.Unknown),
  durationMillis: maybe(Millis),
});
export const TaskTimedOut = Schema.Struct({ afterMillis: maybe(Millis) });
export const TaskCancelled = Schema.Struct({ reason: maybe(Text) });

/** A client and a server begin to talk. For a wrapped MCP server: who they are, which protocol, which thread is written. */
export const SessionStarted = Schema.Struct({
  client: maybe(Program),
  server: maybe(Program),
  protocolVersion: maybe(Text),
  transport: maybe(Text),
  threadId: maybe(Text),
  cwd: maybe(Text),
  command: maybe(Names),
  /** Where it runs. */
  machine: maybe(Text),
  processId: maybe(Schema.Natural),
  /** It says so often that it is there that this long a silence is its end. Absent: nobody can tell from silence. */
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
export const SessionEnded = Schema.Struct({
  reason: Text,
  exitCode: maybe(Schema.Int),
  signal: maybe(Text),
});
