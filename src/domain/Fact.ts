/**
 * Facts: what an event means, in one language for our own events and for every foreign format.
 *
 * Room: domain. In: Content, Event. Out: snapshot, projection, projections, query, edge.
 *
 * Events are what was written; facts are what is read out of them. A canonical event decodes into facts directly,
 * a foreign entry through its format's interpreter. Folds (the thread snapshot, the read models) see facts only,
 * so a new format needs an interpreter and nothing else.
 */
import type { Part, Program, TokenUsage } from "./Content.ts";
import type { TaskRequest } from "./TaskEvents.ts";

type Optional<T> = T | undefined;

/** Something is known about the thread as a whole. Absent fields say nothing; present ones replace. */
export interface ThreadDescribed {
  readonly _tag: "ThreadDescribed";
  readonly title?: Optional<string>;
  readonly tool?: Optional<string>;
  readonly client?: Optional<Program>;
  readonly provider?: Optional<string>;
  readonly model?: Optional<string>;
  readonly cwd?: Optional<string>;
  readonly branch?: Optional<string>;
  readonly session?: Optional<string>;
  readonly parentThreadId?: Optional<string>;
  readonly tagsAdded?: Optional<ReadonlyArray<string>>;
  readonly tagsRemoved?: Optional<ReadonlyArray<string>>;
  readonly archived?: Optional<boolean>;
}

/**
 * A person, model or tool said something. The same `messageId` again adds its parts to the message
 * (Claude Code writes one message as several lines). `role` is the format's own word.
 */
export interface MessageSaid {
  readonly _tag: "MessageSaid";
  readonly messageId: string;
  readonly role: string;
  readonly parts: ReadonlyArray<Part>;
  readonly author?: Optional<string>;
  readonly parentMessageId?: Optional<string>;
  readonly tool?: Optional<string>;
  readonly provider?: Optional<string>;
  readonly model?: Optional<string>;
  readonly stopReason?: Optional<string>;
  readonly cwd?: Optional<string>;
  readonly branch?: Optional<string>;
  /** A side chain (a sub-agent's words inside its parent's transcript), or words of the harness, not of a person. */
  readonly isSidechain?: Optional<boolean>;
  readonly isMeta?: Optional<boolean>;
}

/** A tool was asked for. One call per call id and thread; a second one with the same id adds nothing. */
export interface ToolWasCalled {
  readonly _tag: "ToolWasCalled";
  readonly callId: string;
  readonly name: string;
  readonly server?: Optional<string>;
  /** The arguments as JSON text. */
  readonly arguments: string;
  readonly messageId?: Optional<string>;
}

/** A tool answered. `resultBytes` counts the whole result in UTF-8; `preview` is its readable beginning. */
export interface ToolHasReturned {
  readonly _tag: "ToolHasReturned";
  readonly callId: string;
  readonly outcome: "ok" | "error";
  readonly errorType?: Optional<string>;
  readonly errorMessage?: Optional<string>;
  readonly resultBytes: number;
  readonly durationMillis?: Optional<number>;
}

/** A provider counted tokens. The last one seen for a (providerMessageId, requestId) holds; earlier ones are replaced. */
export interface TokensUsed {
  readonly _tag: "TokensUsed";
  readonly providerMessageId: string;
  readonly requestId?: Optional<string>;
  readonly messageId?: Optional<string>;
  readonly provider?: Optional<string>;
  readonly model?: Optional<string>;
  readonly usage: TokenUsage;
}

export type TaskStatus =
  | "pending"
  | "starting"
  | "running"
  | "input_required"
  | "completed"
  | "failed"
  | "timeout"
  | "cancelled";

/** A task moved to a status, or reported progress without moving (`status` absent). */
export interface TaskMoved {
  readonly _tag: "TaskMoved";
  readonly status?: Optional<TaskStatus>;
  readonly request?: Optional<TaskRequest>;
  readonly threadId?: Optional<string>;
  readonly batchId?: Optional<string>;
  readonly parentTaskId?: Optional<string>;
  readonly worker?: Optional<string>;
  readonly message?: Optional<string>;
  readonly progress?: Optional<number>;
  readonly total?: Optional<number>;
  /** The output as JSON text. */
  readonly output?: Optional<string>;
  readonly errorType?: Optional<string>;
  readonly errorMessage?: Optional<string>;
  readonly durationMillis?: Optional<number>;
}

export interface SessionSeen {
  readonly _tag: "SessionSeen";
  readonly started: boolean;
  readonly client?: Optional<Program>;
  readonly server?: Optional<Program>;
  readonly protocolVersion?: Optional<string>;
  readonly transport?: Optional<string>;
  readonly threadId?: Optional<string>;
  readonly cwd?: Optional<string>;
  readonly command?: Optional<ReadonlyArray<string>>;
  readonly reason?: Optional<string>;
  readonly exitCode?: Optional<number>;
  readonly signal?: Optional<string>;
}

/** The entry is known and is none of the above: a notice, a progress tick, a file snapshot. */
export interface Noted {
  readonly _tag: "Noted";
  readonly kind: string;
}

/** Nobody here knows this event or entry: kept as it came, counted, understood by a later version. */
export interface NotUnderstood {
  readonly _tag: "NotUnderstood";
  readonly what: string;
}

export type Fact =
  | ThreadDescribed
  | MessageSaid
  | ToolWasCalled
  | ToolHasReturned
  | TokensUsed
  | TaskMoved
  | SessionSeen
  | Noted
  | NotUnderstood;
