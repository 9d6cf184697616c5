/**
 * Selection of tasks in a list; what is not said selects nothing.
 *
 * Room: query.
 */
export interface TaskFilter {
  readonly status?: string;
  /** Only those that failed because their last attempt did. */
  readonly deadLetters?: "only";
  readonly batchId?: string;
  readonly parentTaskId?: string;
  readonly tenant?: string | undefined;
  readonly agentType?: string | undefined;
  readonly errorType?: string | undefined;
  /** Ended at or after this, epoch milliseconds. */
  readonly endedSince?: number | undefined;
  /** Only those without another try. */
  readonly retried?: "not yet";
  /** Without what has been over, and not restored, since before this; with `archived` only that. Epoch milliseconds. */
  readonly recentSince?: number;
  readonly archived?: "only";
  readonly limit?: number;
}
