/**
 * The events of a thread: what is said in a conversation and what is done to it.
 *
 * Room: domain.
 */
import { Schema } from "effect";
import { BlobReference, maybe, Part, Program, TokenUsage } from "./Content.ts";
import { Normalised } from "./RepeatedText.ts";
import { ConversationDiff } from "./ConversationDiff.ts";

const Text = Schema.String;
const Names = Schema.Array(Schema.String);
const Facts = Schema.Record(Schema.String, Schema.Unknown);

/** A thread begins, or is described further. Every field is optional: a thread exists from its first event on. */
export const ThreadOpened = Schema.Struct({
  title: maybe(Text),
  tool: maybe(Text),
  client: maybe(Program),
  provider: maybe(Text),
  model: maybe(Text),
  cwd: maybe(Text),
  branch: maybe(Text),
  session: maybe(Text),
  parentThreadId: maybe(Text),
  tags: maybe(Names),
  initialContext: maybe(Facts),
});

/** A message of a person, model or tool. `messageId` is unique in its thread; the same id again replaces the message's content. */
export const MessageAppended = Schema.Struct({
  messageId: Text,
  role: Text,
  parts: Schema.Array(Part),
  author: maybe(Text),
  parentMessageId: maybe(Text),
  tool: maybe(Text),
  provider: maybe(Text),
  model: maybe(Text),
  providerMessageId: maybe(Text),
  requestId: maybe(Text),
  stopReason: maybe(Text),
  usage: maybe(TokenUsage),
  files: maybe(Names),
  images: maybe(Names),
  cwd: maybe(Text),
  branch: maybe(Text),
  metadata: maybe(Facts),
  /** One of its texts repeated the thread: what of it is kept as references, and how to have it back. */
  normalised: maybe(Normalised),
  /** It came with a history that its client had changed. */
  resent: maybe(ConversationDiff),
});

/** The first shape of `thread.message_appended`: a plain turn, content as one string. Upcast to parts. */
export const MessageAppendedV1 = Schema.Struct({
  messageId: Text,
  role: Text,
  content: Text,
  files: maybe(Names),
  images: maybe(Names),
  tool_name: maybe(Text),
  model_provider: maybe(Text),
  model_name: maybe(Text),
  model_metadata: maybe(Facts),
});

/**
 * A tool is asked for. Written before the tool runs, so that a call without an answer is seen.
 * With an `argumentsBlob` (their JSON text in UTF-8) `arguments` is the head of that text, as a string.
 */
export const ToolCalled = Schema.Struct({
  callId: Text,
  name: Text,
  server: maybe(Text),
  arguments: maybe(Schema.Unknown),
  argumentsBlob: maybe(BlobReference),
  messageId: maybe(Text),
  /** Level of recording, where the audit policy keeps less than everything. */
  auditLevel: maybe(Text),
});

export const ToolError = Schema.Struct({ type: Text, message: maybe(Text) });

/**
 * The tool answered, or failed. `durationMillis` is measured by the caller.
 * With a `resultBlob` (a text result as it is, any other as its JSON text) `result` is the head of that text.
 */
export const ToolReturned = Schema.Struct({
  callId: Text,
  outcome: Schema.Literals(["ok", "error"]),
  result: maybe(Schema.Unknown),
  resultBlob: maybe(BlobReference),
  /** Bytes of the whole result, where `result` does not hold it. */
  resultBytes: maybe(Schema.Natural),
  error: maybe(ToolError),
  durationMillis: maybe(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))),
  /** Level of recording, where the audit policy keeps less than everything. */
  auditLevel: maybe(Text),
});

/**
 * A version of a file was read in this thread: what a model saw of it can be shown later, whatever became of the file.
 * `blob` is the whole content, kept for as long as the event; with `fromLine` and `toLine` (from 1, both included) only
 * those lines of it were given to the model. `modifiedAt` is the file's own time, epoch milliseconds.
 */
export const FileRead = Schema.Struct({
  path: Text,
  blob: BlobReference,
  modifiedAt: maybe(Schema.Finite),
  machine: maybe(Text),
  fromLine: maybe(Schema.Natural),
  toLine: maybe(Schema.Natural),
  callId: maybe(Text),
  messageId: maybe(Text),
});

/**
 * An earlier answer was given again in place of a new one. `key` is the SHA-256 of what was asked, `kind` is `tool` or
 * `model`, `name` is whose answer it is; `answeredAt` is when it was given first, epoch milliseconds, and `savedMillis` how
 * long that had taken. `from` is where it lay: in the process, in what processes share, or still under way for another.
 */
export const ResponseReused = Schema.Struct({
  key: Text,
  kind: Text,
  name: Text,
  answeredAt: maybe(Schema.Finite),
  savedMillis: maybe(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))),
  bytes: maybe(Schema.Natural),
  from: maybe(Schema.Literals(["process", "shared", "flight"])),
  callId: maybe(Text),
  messageId: maybe(Text),
});

export const ThreadRenamed = Schema.Struct({ title: Text });
export const ThreadTagged = Schema.Struct({ add: maybe(Names), remove: maybe(Names) });
/** This thread continues another from a point in it. */
export const ThreadForked = Schema.Struct({
  fromThreadId: Text,
  atSequence: maybe(Schema.Natural),
  atMessageId: maybe(Text),
});
export const ThreadArchived = Schema.Struct({ reason: maybe(Text) });

/** The thread is hidden from lists, searches and reads until it is restored. Its events stay in the log. */
export const ThreadDeleted = Schema.Struct({ reason: maybe(Text) });
/** The thread is hidden as if deleted from this time on, epoch milliseconds. The latest such event holds. */
export const ThreadExpires = Schema.Struct({ at: Schema.Natural });
/** Ends a deletion and an expiry: the thread is shown again. */
export const ThreadRestored = Schema.Struct({});

/**
 * A foreign entry, as it came: a transcript line, or one element of a chat file.
 *
 * Exactly one of `entry` (valid JSON), `text` (a line that is not JSON), `base64` (bytes that are not UTF-8) and
 * `blob` (in the object store) is present. `place` says how the entry stood in its file, for a lossless export:
 * absent is a line of its own; `joined` follows the entry before it on the same line; `frame` is the object
 * around the other entries; `element` is one of them.
 */
export const EntryRecorded = Schema.Struct({
  format: Text,
  place: maybe(Schema.Literals(["joined", "frame", "element"])),
  entry: Schema.optionalKey(Schema.Unknown),
  text: maybe(Text),
  base64: maybe(Text),
  blob: maybe(BlobReference),
});
export type EntryRecorded = typeof EntryRecorded.Type;

/** Content of an imported file beside its conversations: run settings, task lists. Its history is of kind `source`. */
export const SourceDescribed = Schema.Struct({
  format: Text,
  name: maybe(Text),
  entry: Schema.optionalKey(Schema.Unknown),
  blob: maybe(BlobReference),
});
