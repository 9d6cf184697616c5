/**
 * Filters of lists of threads.
 *
 * Room: query.
 */

export interface ThreadFilter {
  /** Default 50, at most `maxPage`. */
  readonly limit?: number;
  readonly after?: string;
  readonly tenant?: string;
  /** The agent tool of the thread, or a tool that was called in it. */
  readonly tool?: string;
  /** The model of the thread, or one that spoke in it. */
  readonly model?: string;
  /** Only those that are deleted or expired, which all other lists and searches leave out. */
  readonly deleted?: "only";
  /** A working directory, one below it, or its last name. */
  readonly project?: string;
  readonly branch?: string;
  /** The agent's program or its beginning: `claude` for `claude-code`. */
  readonly agent?: string;
  /** A role in which something was said in it. */
  readonly role?: string;
  /** It read this file or named it to a tool. */
  readonly file?: string;
  /** A call in it failed. */
  readonly hasError?: boolean;
  /** Only threads that work for no other one: sub-agents are left out. */
  readonly isMain?: boolean;
  /** Active at or after this time. */
  readonly since?: number;
  /** Begun at or before this time. */
  readonly until?: number;
  /** Words that all stand in one part of a message; in double quotes, a phrase; with `*` behind, a beginning. */
  readonly text?: string;
}
