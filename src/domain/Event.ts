/**
 * An event: a fact, in the past tense, that is never changed. The catalogue of all types stands here.
 *
 * Room: domain.
 *
 * A wire name is never reused and never changes its meaning. A new shape gets the next schema version and an
 * upcaster in `Upcast.ts`, so that what was written once can be read for ever.
 */
import type { Schema } from "effect";
import * as Config from "./ConfigEvents.ts";
import type { History, HistoryKind, Sequence } from "./History.ts";
import * as Store from "./StoreEvents.ts";
import * as Task from "./task/TaskEvents.ts";
import * as Thread from "./thread/ThreadEvents.ts";

interface EventType<S extends Schema.Top> {
  /** Kind of the histories that it may stand in. */
  readonly kind: HistoryKind;
  /** Today's schema version; older ones are upcast. */
  readonly version: number;
  readonly data: S;
}

const define = <S extends Schema.Top>(kind: HistoryKind, version: number, data: S): EventType<S> => ({
  kind,
  version,
  data,
});

/** Every event type this version writes, by wire name. */
export const eventTypes = {
  "thread.opened": define("thread", 1, Thread.ThreadOpened),
  "thread.message_appended": define("thread", 2, Thread.MessageAppended),
  "thread.tool_called": define("thread", 1, Thread.ToolCalled),
  "thread.tool_returned": define("thread", 1, Thread.ToolReturned),
  "thread.file_read": define("thread", 1, Thread.FileRead),
  "thread.response_reused": define("thread", 1, Thread.ResponseReused),
  "thread.renamed": define("thread", 1, Thread.ThreadRenamed),
  "thread.tagged": define("thread", 1, Thread.ThreadTagged),
  "thread.forked": define("thread", 1, Thread.ThreadForked),
  "thread.archived": define("thread", 1, Thread.ThreadArchived),
  "thread.deleted": define("thread", 1, Thread.ThreadDeleted),
  "thread.expires": define("thread", 1, Thread.ThreadExpires),
  "thread.restored": define("thread", 1, Thread.ThreadRestored),
  "thread.entry_recorded": define("thread", 1, Thread.EntryRecorded),
  "source.described": define("source", 1, Thread.SourceDescribed),
  "task.submitted": define("task", 1, Task.TaskSubmitted),
  "task.claimed": define("task", 1, Task.TaskClaimed),
  "task.released": define("task", 1, Task.TaskReleased),
  "task.started": define("task", 1, Task.TaskStarted),
  "task.progressed": define("task", 1, Task.TaskProgressed),
  "task.logged": define("task", 1, Task.TaskLogged),
  "task.input_requested": define("task", 1, Task.TaskInputRequested),
  "task.resumed": define("task", 1, Task.TaskResumed),
  "task.completed": define("task", 1, Task.TaskCompleted),
  "task.failed": define("task", 1, Task.TaskFailed),
  "task.timed_out": define("task", 1, Task.TaskTimedOut),
  "task.cancelled": define("task", 1, Task.TaskCancelled),
  "task.restored": define("task", 1, Task.TaskRestored),
  "session.started": define("session", 1, Task.SessionStarted),
  "session.resumed": define("session", 1, Task.SessionResumed),
  "session.message_sent": define("session", 1, Task.SessionMessageSent),
  "session.calls_refused": define("session", 1, Task.SessionCallsRefused),
  "session.ended": define("session", 1, Task.SessionEnded),
  "config.changed": define("config", 1, Config.ConfigChanged),
  "recollect.event_lost": define("store", 1, Store.EventLost),
  "recollect.loss_accepted": define("store", 1, Store.LossAccepted),
  "recollect.healed": define("store", 1, Store.Healed),
} as const;

export type EventTypes = typeof eventTypes;
export type EventTypeName = keyof EventTypes;
export type EventData<Name extends EventTypeName> = EventTypes[Name]["data"]["Type"];

export const isEventTypeName = (name: string): name is EventTypeName => Object.hasOwn(eventTypes, name);

/**
 * A vendor's event type: `x.<vendor>.<name>`, with any JSON as data, in any history. It is kept, followed and read
 * like every event, never interpreted, and never shown as a message.
 */
export type VendorTypeName = `x.${string}.${string}`;

/** CloudEvents wants reverse-DNS-like names; a type goes into a header and into a column of names. */
const vendorType = /^x(?:\.[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?){2,}$/;
const maxTypeLength = 128;

export const isVendorTypeName = (name: string): name is VendorTypeName =>
  name.length <= maxTypeLength && vendorType.test(name);

/** Origin of an event, as an auditor asks for it: actor, source, cause. All but `source` may be unknown. */
export interface Provenance {
  /** Writer of the event: a program and, for imports, the format (CloudEvents `source`). */
  readonly source: string;
  readonly actor?: string | undefined;
  readonly session?: string | undefined;
  /** Id of the whole chain of events; beside it the event that caused this one. */
  readonly correlationId?: string | undefined;
  readonly causationId?: string | undefined;
  /** W3C trace context. */
  readonly traceparent?: string | undefined;
}

/** An event that is not yet in the log. `body` is its data as JSON, in UTF-8. */
export interface NewEvent extends Provenance {
  /** Unique for ever: the same id twice is one event. UUIDv7, or UUIDv8 when derived from content (`EventId.ts`). */
  readonly id: string;
  readonly type: string;
  readonly schemaVersion: number;
  /** Time of the event, epoch milliseconds, by the writer's clock. */
  readonly occurredAt: number;
  readonly body: string | Uint8Array;
  /** Further CloudEvents extension attributes (lower-case letters and digits), kept as they are. */
  readonly extensions?: Readonly<Record<string, string>> | undefined;
}

/** An event as the log gives it back. */
export interface RecordedEvent extends NewEvent {
  readonly sequence: Sequence;
  /** Time of recording, epoch milliseconds, by the log's clock. */
  readonly recordedAt: number;
  readonly history: History;
  readonly body: Uint8Array;
  /** SHA-256 of what is stored (`src/log/Digest.ts`), where the reader asked the log for it. */
  readonly digest?: Uint8Array | undefined;
  /** The `ce-` headers as they are stored, where writing the event anew would spell them otherwise. */
  readonly wire?: Readonly<Record<string, string>> | undefined;
}

/** A stored message that is no event: foreign headers, a broken subject. Kept, numbered, and parked with its reason. */
export interface Misfit {
  readonly sequence: Sequence;
  readonly recordedAt: number;
  readonly subject: string;
  /** Fault, as one sentence. */
  readonly problem: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** As with an event. */
  readonly digest?: Uint8Array | undefined;
}

/** Entry of the log at one sequence. */
export type LogEntry = RecordedEvent | Misfit;

export const isMisfit = (entry: LogEntry): entry is Misfit => "problem" in entry;
