/**
 * Facts: what an event means, in one language for our own events and for every foreign format.
 *
 * Room: domain.
 *
 * Events are what was written; facts are what is read out of them. A canonical event decodes into facts directly,
 * a foreign entry through its format's interpreter. Folds (the thread snapshot, the read models) see facts only,
 * so a new format needs an interpreter and nothing else.
 */
import type { Part, Program, TokenUsage } from "./thread/Content.ts";
import type { TaskRequest } from "./task/TaskEvents.ts";

type Optional<T> = T | undefined;

/**
 * Kind of a message, whatever its format calls the role: a person's `prompt` or `command` to the program, a `task` that
 * an agent gave to a sub-agent, an `answer` of a model, a `tool_result`, a `notice` of the program, `instructions`.
 */
export const messageKinds = ["prompt", "command", "task", "answer", "tool_result", "notice", "instructions"] as const;
export type MessageKind = (typeof messageKinds)[number];

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
  /** Relation to its parent: another way on from a point of it, or work that it was given by it. */
  readonly relation?: Optional<"fork" | "sub-agent">;
  readonly tagsAdded?: Optional<ReadonlyArray<string>>;
  readonly tagsRemoved?: Optional<ReadonlyArray<string>>;
  readonly archived?: Optional<boolean>;
}

/** The thread is hidden, will be, or is shown again. Absent fields say nothing; present ones replace. */
export interface VisibilityChanged {
  readonly _tag: "VisibilityChanged";
  readonly isDeleted?: Optional<boolean>;
  /** Epoch milliseconds; 0: never. */
  readonly expiresAt?: Optional<number>;
}

/**
 * The other thread's holding of the same thing, where an agent copied it from there (a fork, a sub-agent): the id or key
 * it has there. Counted there, once that thread holds it; until then here. So the order of imports changes nothing.
 */
interface Copied {
  readonly copyOf?: Optional<string>;
  readonly twin?: Optional<Twin>;
}

/**
 * A name of the same thing that is equal in all threads that hold it, where a program copies threads and does not say whose.
 * Counted in one of the threads that hold it: where `isOriginal` is true, else in the one that told of it first.
 */
export interface Twin {
  readonly name: string;
  /** False for a copy, and for what may be one. Originals of one name never take each other's place. */
  readonly isOriginal: boolean;
}

/**
 * Told by a second witness: Codex's `exec --json` output repeats what its rollout says. Counted only in threads
 * where it is not told first-hand, whichever came first.
 */
interface Witnessed {
  readonly secondHand?: Optional<boolean>;
}

/**
 * A person, model or tool said something: not a notice of the program. `messageId` is unique in its thread.
 * `role` is the format's own word, `author` a speaker's own name.
 *
 * A message may come in pieces (Claude Code writes one as several lines): each has a `segment`, unique in the
 * message; a new segment adds its parts, the same segment again replaces them. A whole message has segment "".
 */
export interface MessageSaid extends Witnessed, Copied {
  readonly _tag: "MessageSaid";
  readonly messageId: string;
  readonly segment: string;
  readonly role: string;
  /** Kind, where the interpreter knows better than role and parts say (`MessageKind.ts`). */
  readonly kind?: Optional<MessageKind>;
  readonly parts: ReadonlyArray<Part>;
  readonly author?: Optional<string>;
  readonly parentMessageId?: Optional<string>;
  readonly tool?: Optional<string>;
  readonly provider?: Optional<string>;
  readonly model?: Optional<string>;
  readonly stopReason?: Optional<string>;
  readonly cwd?: Optional<string>;
  readonly branch?: Optional<string>;
  /** Path of the conversation that it stands on, where it was taken up at an earlier point; absent on the first. */
  readonly path?: Optional<number>;
  /** A side chain (a sub-agent's words inside its parent's transcript), or words of the harness, not of a person. */
  readonly isSidechain?: Optional<boolean>;
  readonly isMeta?: Optional<boolean>;
}

/**
 * A tool was asked for. `callId` is the id as written; `callKey` is what makes it one call in its tenant.
 *
 * The key is the provider's id where that is unique in the world (Claude's `toolu_…`: a resumed session that sends
 * it again adds no call), thread and id where it is not, and thread, id and entry where a thread reuses ids for
 * different calls (tau-bench: 1,024 calls share 955 pairs of thread and id).
 */
export interface ToolWasCalled extends Witnessed, Copied {
  readonly _tag: "ToolWasCalled";
  readonly callKey: string;
  readonly callId: string;
  readonly name: string;
  readonly server?: Optional<string>;
  /** The arguments as JSON text. */
  readonly arguments: string;
  readonly messageId?: Optional<string>;
}

/** A tool answered the call of that key. `resultBytes` counts the whole result in UTF-8. The first answer holds. */
export interface ToolHasReturned extends Witnessed, Copied {
  readonly _tag: "ToolHasReturned";
  readonly callKey: string;
  readonly callId: string;
  readonly outcome: "ok" | "error";
  readonly errorType?: Optional<string>;
  readonly errorMessage?: Optional<string>;
  readonly resultBytes: number;
  /** The readable form of the result. */
  readonly result?: Optional<string>;
  readonly durationMillis?: Optional<number>;
}

/**
 * A provider counted tokens. `usageKey` is what makes it one count in its tenant (Claude: message id and request
 * id). Told again, the larger number holds: a message that is still being streamed is told with less.
 */
export interface TokensUsed extends Witnessed, Copied {
  readonly _tag: "TokensUsed";
  readonly usageKey: string;
  readonly providerMessageId: string;
  readonly requestId?: Optional<string>;
  readonly messageId?: Optional<string>;
  readonly provider?: Optional<string>;
  readonly model?: Optional<string>;
  /** The provider's own numbers; `Tokens.ts` makes one meaning of them. */
  readonly usage: TokenUsage;
  /** Cost as the transcript says it, US dollars. */
  readonly costUsd?: Optional<number>;
  /** Spender, where a model plays the person too (tau2). */
  readonly spender?: Optional<"agent" | "user">;
  readonly isSidechain?: Optional<boolean>;
}

/** A version of a file was read in the thread. */
export interface FileWasRead {
  readonly _tag: "FileWasRead";
  readonly path: string;
  /** Of the whole content, which lies in the object store; of what was shown where that is all there is. */
  readonly sha256: string;
  readonly bytes: number;
  /** Content as far as a transcript shows it: that is all there is then. */
  readonly shown?: Optional<string>;
  readonly modifiedAt?: Optional<number>;
  readonly machine?: Optional<string>;
  readonly fromLine?: Optional<number>;
  readonly toLine?: Optional<number>;
  readonly callId?: Optional<string>;
  readonly messageId?: Optional<string>;
}

/** An earlier answer was given again. `callKey` is that of the tool call which it answered, where there is one. */
export interface ResponseWasReused {
  readonly _tag: "ResponseWasReused";
  readonly key: string;
  readonly kind: string;
  readonly name: string;
  readonly answeredAt?: Optional<number>;
  readonly savedMillis?: Optional<number>;
  readonly bytes?: Optional<number>;
  readonly from?: Optional<string>;
  readonly callKey?: Optional<string>;
  readonly messageId?: Optional<string>;
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
  /** It ends with its batch when another task of that does not complete. */
  readonly failFast?: Optional<boolean>;
  readonly parentTaskId?: Optional<string>;
  readonly retryOf?: Optional<string>;
  readonly priority?: Optional<string>;
  /** Most claims; beside it the number of this claim, from 1. */
  readonly maxAttempts?: Optional<number>;
  readonly attempt?: Optional<number>;
  /** The earliest moment of its next claim, epoch milliseconds. */
  readonly notBefore?: Optional<number>;
  /** It names tasks that must have ended before it. */
  readonly isOrdered?: Optional<boolean>;
  /** It fails when it has not begun by then, epoch milliseconds. */
  readonly startBy?: Optional<number>;
  /** It failed because its last attempt did. */
  readonly deadLetter?: Optional<boolean>;
  /** It has ended, and is among the recent ones again from now on. */
  readonly restored?: Optional<boolean>;
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
  readonly moment: "started" | "resumed" | "ended";
  readonly client?: Optional<Program>;
  readonly server?: Optional<Program>;
  readonly protocolVersion?: Optional<string>;
  readonly transport?: Optional<string>;
  readonly threadId?: Optional<string>;
  readonly cwd?: Optional<string>;
  readonly command?: Optional<ReadonlyArray<string>>;
  readonly machine?: Optional<string>;
  readonly processId?: Optional<number>;
  readonly leaseMillis?: Optional<number>;
  readonly reason?: Optional<string>;
  readonly exitCode?: Optional<number>;
  readonly signal?: Optional<string>;
}

/** An agent has written to another, by name. */
export interface AgentWrote {
  readonly _tag: "AgentWrote";
  readonly from: string;
  readonly to: string;
  /** As JSON. */
  readonly body: string;
  readonly inReplyTo?: Optional<string>;
}

/** Calls of a tool were refused by a limit, and the tool has not heard of them. Epoch milliseconds. */
export interface CallsRefused {
  readonly _tag: "CallsRefused";
  readonly tool: string;
  readonly limit: string;
  readonly user?: Optional<string>;
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

/** Fields of a configuration have other values from here on. */
export interface ConfigurationChanged {
  readonly _tag: "ConfigurationChanged";
  /** `value` as JSON text; absent: the field falls back to what it is without this history. */
  readonly changes: ReadonlyArray<{ readonly field: string; readonly value?: Optional<string> }>;
  readonly why?: Optional<string>;
  readonly rolledBackTo?: Optional<number>;
}

/**
 * The conversation is taken up at an earlier point (an edit, a rewind), or goes on there. `path` is numbered from 1 in
 * its thread; `from` is the line or message it follows, absent for the beginning of the thread.
 */
export interface PathTaken {
  readonly _tag: "PathTaken";
  readonly path: number;
  readonly from?: Optional<string>;
  /** `from` itself is left too. */
  readonly isInclusive?: Optional<boolean>;
  /** From here on this is the path that is shown; told again when an older one goes on. */
  readonly isCurrent: boolean;
}

/** A line has an id of its own, by which other lines refer to its message. */
export interface LineKnown {
  readonly _tag: "LineKnown";
  readonly lineId: string;
  readonly messageId: string;
}

/** A title for the thread that holds a line, whichever that is. */
export interface LineTitled {
  readonly _tag: "LineTitled";
  readonly lineId: string;
  readonly title: string;
}

/** A compaction: a summary replaced, for the model, all that was said so far. */
export interface Compacted {
  readonly _tag: "Compacted";
  readonly summary?: Optional<string>;
  /** The format's word: auto, manual. */
  readonly trigger?: Optional<string>;
  readonly tokensBefore?: Optional<number>;
}

/** The head of a file says which models its conversations were held with, where these do not say it themselves. */
export interface SourceDescribed {
  readonly _tag: "SourceDescribed";
  readonly agentModel?: Optional<string>;
  /** The model that plays the person. */
  readonly userModel?: Optional<string>;
}

/** The entry is known and is none of the above: a notice, a progress tick, a file snapshot. */
export interface Noted {
  readonly _tag: "Noted";
  readonly kind: string;
  /** Words a reader may want to see beside the messages: a thought (kind `thinking`), a warning, a compaction's summary. */
  readonly text?: Optional<string>;
}

/** An unknown event or entry: kept as it came, counted, understood by a later version. */
export interface NotUnderstood {
  readonly _tag: "NotUnderstood";
  readonly what: string;
}

/** Time of the fact, epoch milliseconds; absent where none is said. `factsOf` gives a fact its event's time. */
interface Timed {
  readonly at?: Optional<number>;
}

export type Fact = (
  | ThreadDescribed
  | VisibilityChanged
  | MessageSaid
  | ToolWasCalled
  | ToolHasReturned
  | TokensUsed
  | FileWasRead
  | ResponseWasReused
  | TaskMoved
  | SessionSeen
  | AgentWrote
  | CallsRefused
  | ConfigurationChanged
  | PathTaken
  | LineKnown
  | LineTitled
  | Compacted
  | SourceDescribed
  | Noted
  | NotUnderstood
) &
  Timed;
