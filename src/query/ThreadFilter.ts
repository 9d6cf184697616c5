/**
 * Filters of lists of threads.
 *
 * Room: query.
 */

/** Conditions on a thread, the same at every door. */
export interface ThreadConditions {
  /** A working directory, one below it, or its last name. */
  readonly project?: string | undefined;
  readonly branch?: string | undefined;
  /** The agent's program or its beginning: `claude` for `claude-code`. */
  readonly agent?: string | undefined;
  /** The model of the thread, or one that spoke in it: a part of its name. */
  readonly model?: string | undefined;
  /** A role in which something was said in it. */
  readonly role?: string | undefined;
  /** The agent tool of the thread, or a tool that was called in it. */
  readonly tool?: string | undefined;
  /** It read this file or named it to a tool. */
  readonly file?: string | undefined;
  /** A call in it failed. */
  readonly hasError?: boolean | undefined;
  /** Only threads that work for no other one: sub-agents are left out. */
  readonly isMain?: boolean | undefined;
  /** Active at or after this time, epoch milliseconds. */
  readonly since?: number | undefined;
  /** Begun at or before this time, epoch milliseconds. */
  readonly until?: number | undefined;
}

/**
 * The filters that lists and searches of threads take at every door, by their words there. Each door lists its own
 * parameters as `satisfies Record<ThreadFilterName, …>`, so that one that is missing is an error of the types.
 */
export const threadFilterNames = [
  "project",
  "branch",
  "agent",
  "model",
  "role",
  "tool",
  "file",
  "hasError",
  "main",
  "since",
  "until",
] as const;

export type ThreadFilterName = (typeof threadFilterNames)[number];

export interface ThreadFilter extends ThreadConditions {
  /** Default 50, at most `maxPage`. */
  readonly limit?: number;
  readonly after?: string;
  /** Threads to leave out, the newest first. */
  readonly skip?: number;
  readonly tenant?: string;
  /** Only those that are deleted or expired, which all other lists and searches leave out. */
  readonly deleted?: "only";
  /** Characters of the title or the first words. */
  readonly title?: string;
  /** Only forks and sub-agents of this thread. */
  readonly parent?: string;
  /** Words that all stand in one part of a message; in double quotes, a phrase; with `*` behind, a beginning. */
  readonly text?: string;
  /** Also counts all threads that match. */
  readonly isCounted?: boolean;
}
