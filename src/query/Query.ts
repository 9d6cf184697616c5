/**
 * Questions to the read models: lists, one thread, search, and whatever SQL an analyst writes.
 *
 * Room: query.
 *
 * Reads only, and never waits for a writer. Answers are as new as the projector's last commit. Times are epoch
 * milliseconds; field names are the views' column names in camel case, and `v_dictionary` says what they mean.
 */
import { Context, type Effect, type Scope } from "effect";
import type { Sequence } from "../domain/History.ts";
import type { MessageUsage } from "../domain/Tokens.ts";
import type { HistoryFilter, HistoryPage } from "./HistoryList.ts";
import type { Integrity } from "../projection/verify/Integrity.ts";
import type { Condition } from "../projection/ProjectorCondition.ts";
import type { SearchAnswer, SearchFilter } from "./search/Search.ts";
import type { Tried } from "../projection/TryAgainSqlite.ts";
import type { TaskFilter } from "./TaskFilter.ts";
import type { ThreadFilter } from "./ThreadFilter.ts";
import type { QueryRefused, QueryStopped, Selected, SqlOptions, SqlParameters, SqlResult } from "./Sql.ts";
import type { StorageTrouble } from "../projection/ReadModel.ts";
import type { WaitingTasks } from "./WaitingTasks.ts";

export type { ThreadFilter } from "./ThreadFilter.ts";

export interface ThreadRow {
  readonly threadId: string;
  readonly tenant: string;
  readonly title: string | null;
  /** The first words of a person: what a thread without a title is known by. */
  readonly opening: string | null;
  readonly source: string | null;
  readonly client: string | null;
  readonly clientVersion: string | null;
  readonly tool: string | null;
  readonly provider: string | null;
  readonly model: string | null;
  readonly cwd: string | null;
  readonly branch: string | null;
  readonly session: string | null;
  readonly parentThreadId: string | null;
  readonly parentRelation: string | null;
  /** Null where no entry gives a time. */
  readonly openedAt: number | null;
  readonly lastActivityAt: number | null;
  /** The same, with the file's time where no entry gives one. */
  readonly listedAt: number;
  readonly archivedAt: number | null;
  readonly deletedAt: number | null;
  readonly expiresAt: number | null;
  readonly messages: number;
  readonly prompts: number;
  readonly answers: number;
  readonly toolCalls: number;
  /** Names of models that spoke in it, with commas between them. */
  readonly models: string | null;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  /** Reported, US dollars. */
  readonly costUsd: number | null;
  /** Calls that failed. */
  readonly errors: number;
  readonly files: number;
  readonly firstSequence: Sequence;
  readonly lastSequence: Sequence;
  readonly deadLetters: number;
}

/** A place where the words were found: the first matching part, with `[` and `]` around each word. */
export interface Hit {
  readonly messageId: string;
  readonly sequence: Sequence;
  readonly snippet: string;
  /** Matching parts in the thread. */
  readonly parts: number;
}

export interface ThreadPage {
  readonly threads: ReadonlyArray<ThreadRow & { readonly hit?: Hit }>;
  /** Value of `after` for the next page; absent on the last. */
  readonly next?: string;
  /** Threads on all pages, where it was asked for (`isCounted`). */
  readonly total?: number;
}

export interface PartRow {
  readonly messageId: string;
  readonly type: string;
  readonly text: string | null;
  readonly contentBytes: number;
  readonly refersTo: string | null;
}

export interface MessageRow {
  readonly threadId: string;
  readonly messageId: string;
  readonly sequence: Sequence;
  readonly role: string;
  readonly kind: string;
  readonly author: string | null;
  readonly text: string | null;
  readonly model: string | null;
  readonly provider: string | null;
  readonly tool: string | null;
  readonly parentMessageId: string | null;
  readonly stopReason: string | null;
  readonly isSidechain: number;
  readonly isMeta: number;
  /** 1 when the conversation was taken up at an earlier point and goes on without it. */
  readonly isAbandoned: number;
  /** 1 when it is a copy of a message of `copiedFrom`, which is here too. */
  readonly isCopied: number;
  readonly copiedFrom: string | null;
  /** Null where no time is known; `assumedAt` is then that of its neighbours or its file. */
  readonly occurredAt: number | null;
  readonly assumedAt: number | null;
  /** Tokens that its provider counted for it, as this thread told of them first; null where nothing says so. */
  readonly usage: MessageUsage | null;
  readonly parts: ReadonlyArray<PartRow>;
}

export interface ToolCallRow {
  readonly threadId: string;
  readonly toolCallId: string;
  readonly callKey: string;
  readonly messageId: string | null;
  readonly toolName: string;
  readonly server: string | null;
  readonly arguments: string | null;
  readonly argumentsBytes: number;
  readonly outcome: "ok" | "error" | "unknown";
  readonly errorType: string | null;
  readonly errorMessage: string | null;
  readonly result: string | null;
  readonly resultBytes: number | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly durationMillis: number | null;
  readonly sequence: Sequence;
  readonly resultSequence: Sequence | null;
}

/** A compaction: a summary replaced, for the model, what was said so far. */
export interface CompactionRow {
  readonly threadId: string;
  readonly sequence: Sequence;
  readonly trigger: string | null;
  readonly tokensBefore: number | null;
  readonly summary: string | null;
  readonly occurredAt: number | null;
}

/** A file that a thread has read, in one version. */
export interface FileRow {
  readonly threadId: string;
  readonly path: string;
  readonly sha256: string;
  readonly contentBytes: number;
  /** 1: hash and size are of what a transcript shows of it. */
  readonly isShown: number;
  readonly isChanged: number;
  readonly modifiedAt: number | null;
  readonly machine: string | null;
  readonly fromLine: number | null;
  readonly toLine: number | null;
  readonly toolCallId: string | null;
  readonly messageId: string | null;
  readonly readAt: number;
  readonly sequence: Sequence;
}

export interface MessageFilter {
  readonly threadId: string;
  readonly tenant?: string;
  /** Messages that began after this sequence. */
  readonly after?: Sequence;
  /**
   * The conversation as it was then: messages, parts and results that had come up to this sequence, or up to the last
   * event that had happened by this time. A part that came again stands with its latest text.
   */
  readonly upToSequence?: Sequence;
  readonly upToTime?: number;
  /** Default and most: `maxPage`. The items of one sequence are never divided, so there may be a few more. */
  readonly limit?: number;
}

export interface TaskRow {
  readonly taskId: string;
  readonly tenant: string;
  readonly threadId: string | null;
  readonly agentType: string | null;
  readonly description: string | null;
  readonly model: string | null;
  readonly cwd: string | null;
  readonly status: string;
  readonly worker: string | null;
  readonly batchId: string | null;
  readonly failFast: number;
  readonly parentTaskId: string | null;
  readonly retryOf: string | null;
  readonly priority: string | null;
  readonly attempt: number | null;
  readonly maxAttempts: number | null;
  readonly notBefore: number | null;
  readonly startBy: number | null;
  readonly deadLetter: number;
  readonly restoredAt: number | null;
  readonly message: string | null;
  readonly progress: number | null;
  readonly progressTotal: number | null;
  readonly request: string | null;
  readonly output: string | null;
  readonly errorType: string | null;
  readonly errorMessage: string | null;
  readonly submittedAt: number | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly durationMillis: number | null;
  readonly lastActivityAt: number;
  readonly firstSequence: Sequence;
  readonly lastSequence: Sequence;
}

export interface TransitionRow {
  readonly taskId: string;
  readonly fromStatus: string | null;
  readonly toStatus: string | null;
  readonly movedAt: number;
  readonly sequence: Sequence;
  readonly worker: string | null;
  readonly message: string | null;
  readonly progress: number | null;
  readonly progressTotal: number | null;
}

export interface SessionRow {
  readonly sessionId: string;
  readonly tenant: string;
  readonly threadId: string | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly client: string | null;
  readonly clientVersion: string | null;
  readonly server: string | null;
  readonly serverVersion: string | null;
  readonly transport: string | null;
  readonly machine: string | null;
  readonly processId: number | null;
  readonly leaseMillis: number | null;
  readonly reason: string | null;
  readonly exitCode: number | null;
  readonly firstSequence: Sequence;
}

/** State of the database. The log knows how far the stream reaches beyond it. */
export interface ReadModelStatus {
  readonly projections: ReadonlyArray<{
    readonly name: string;
    readonly version: number;
    readonly checkpoint: Sequence;
    /** Time of recording of the event at the checkpoint, epoch milliseconds. */
    readonly recordedAt: number;
    readonly appliedAt: number;
    readonly deadLetters: number;
  }>;
  /** Obstacle that the projector noted last; absent without one. */
  /** Or, when nothing did, the worst that the scrubber has found. */
  readonly condition?: Condition;
  readonly integrity: Integrity;
  /** History of the store itself, oldest first: losses that were accepted, heals; lost events are counted as one. */
  readonly history: ReadonlyArray<{
    readonly sequence: Sequence;
    readonly type: string;
    readonly occurredAt: number;
    readonly actor: string | null;
    readonly reason: string | null;
    readonly events: number | null;
  }>;
  readonly threads: number;
  readonly events: number;
  readonly unknown: number;
}

/** Most rows of a page. */
export const maxPage = 1000;

export class Query extends Context.Service<
  Query,
  {
    /** Newest activity first; threads without a time come last. */
    readonly threads: (filter: ThreadFilter) => Effect.Effect<ThreadPage, QueryRefused | StorageTrouble>;
    /** Newest activity first; without threads that are deleted or expired. */
    readonly histories: (filter: HistoryFilter) => Effect.Effect<HistoryPage, QueryRefused | StorageTrouble>;
    /** The last sequence that all read models have; 0 before the first. */
    readonly checkpoint: Effect.Effect<Sequence, StorageTrouble>;
    /** The best threads for some words, with their best hits. */
    readonly search: (filter: SearchFilter) => Effect.Effect<SearchAnswer, QueryRefused | StorageTrouble>;
    /**
     * Ids of threads that begin so, in order; at most `limit`. An id in full is the only one; threads below one that begins
     * so (`ID/agent-…`) are left out.
     */
    readonly threadIds: (options: {
      readonly beginning: string;
      readonly ending?: string;
      readonly tenant?: string;
      readonly limit?: number;
    }) => Effect.Effect<ReadonlyArray<string>, StorageTrouble>;
    readonly thread: (options: {
      readonly threadId: string;
      readonly tenant?: string;
    }) => Effect.Effect<ThreadRow | undefined, StorageTrouble>;
    /** The messages of one thread in order, with their parts. */
    readonly messages: (filter: MessageFilter) => Effect.Effect<ReadonlyArray<MessageRow>, StorageTrouble>;
    /** The tool calls of one thread in order; `after` and `upTo…` look at where the call stands. */
    readonly toolCalls: (filter: MessageFilter) => Effect.Effect<ReadonlyArray<ToolCallRow>, StorageTrouble>;
    /** The compactions of one thread in order. */
    readonly compactions: (filter: MessageFilter) => Effect.Effect<ReadonlyArray<CompactionRow>, StorageTrouble>;
    /** The files that one thread has read, in order. */
    readonly files: (filter: MessageFilter) => Effect.Effect<ReadonlyArray<FileRow>, StorageTrouble>;
    /** Latest activity first. */
    readonly tasks: (filter: TaskFilter) => Effect.Effect<ReadonlyArray<TaskRow>, StorageTrouble>;
    /** Tasks of a tenant by age, recent and archived as `recentSince` divides those that have ended. */
    readonly taskCounts: (options: {
      readonly tenant: string;
      readonly recentSince: number;
    }) => Effect.Effect<{ readonly open: number; readonly recent: number; readonly archived: number }, StorageTrouble>;
    /** Tasks that wait to be claimed: what fills the work queue. */
    readonly waiting: WaitingTasks;
    /** Tenants that have or had schedules. */
    readonly scheduledTenants: Effect.Effect<ReadonlyArray<string>, StorageTrouble>;
    /** The value that a tenant's configuration gave a field last, as JSON text; undefined when it has none. */
    readonly configured: (field: string, tenant: string) => Effect.Effect<string | undefined, StorageTrouble>;
    /** One task with its transitions in order, or undefined. Without a tenant any that has a task of this id. */
    readonly task: (
      taskId: string,
      tenant?: string | undefined,
    ) => Effect.Effect<
      { readonly task: TaskRow; readonly transitions: ReadonlyArray<TransitionRow> } | undefined,
      StorageTrouble
    >;
    /** Latest first. */
    readonly sessions: (filter: {
      readonly limit?: number;
    }) => Effect.Effect<ReadonlyArray<SessionRow>, StorageTrouble>;
    /** Sessions with a lease that have not ended, in the order in which they began after `after`; at most `maxPage`. */
    readonly leasedSessions: (after: Sequence) => Effect.Effect<ReadonlyArray<SessionRow>, StorageTrouble>;
    readonly status: Effect.Effect<ReadModelStatus, StorageTrouble>;
    /** Refusals of an event by the projections of today, none where they would take it; undefined where there is no such event. */
    readonly tryAgain: (sequence: Sequence) => Effect.Effect<Tried | undefined, StorageTrouble>;
    /**
     * One foreign SELECT, WITH, VALUES or EXPLAIN, in a process of its own: it cannot write, reaches nothing but the
     * read models, and ends with the scope, whatever it is at. Costs 50 ms before the first row.
     */
    readonly sql: (
      text: string,
      parameters?: SqlParameters,
      options?: SqlOptions,
    ) => Effect.Effect<SqlResult, QueryRefused | QueryStopped | StorageTrouble, Scope.Scope>;
    /**
     * A statement of our own, known to be quick, in this process: nothing ends it. All rows at once. `zone`: whose days
     * `localtime` has; absent: this process's.
     */
    readonly select: (
      text: string,
      parameters?: SqlParameters,
      zone?: string,
    ) => Effect.Effect<Selected, QueryRefused | StorageTrouble>;
    /** The same for one that may take long, a minute at most: a daemon answers it in a process beside it. */
    readonly selectLong: (
      text: string,
      parameters?: SqlParameters,
      zone?: string,
    ) => Effect.Effect<Selected, QueryRefused | StorageTrouble>;
    /**
     * A copy of the database as it is now (VACUUM INTO), to a file that must not exist: whole or not at all, while others
     * read and write.
     */
    readonly copyInto: (file: string) => Effect.Effect<void, QueryRefused | QueryStopped | StorageTrouble>;
  }
>()("recollect/query/Query") {}
