/**
 * Dead letters as a whole: which are to be tried again, and their other try.
 *
 * Room: coordination.
 *
 * The plan is read off the read models and may be behind; trying again is decided by the log, and twice is once.
 */
import { Effect, Result } from "effect";
import { maxPage, Query } from "../../query/Query.ts";
import { Tasks } from "./Tasks.ts";

/** Dead letters that have no other try yet. A filter that is left out passes all. */
export interface DeadLetters {
  readonly agentType?: string | undefined;
  /** Type of the last error. */
  readonly errorType?: string | undefined;
  /** Ended at or after this, epoch milliseconds. */
  readonly since?: number | undefined;
  /** Default and most: 1,000. */
  readonly limit?: number | undefined;
}

export interface DeadLetter {
  readonly taskId: string;
  readonly agentType: string | null;
  readonly errorType: string | null;
  readonly endedAt: number | null;
}

/** Its other try; null where it could not be, and why. */
export interface Retried extends DeadLetter {
  readonly retry: string | null;
  readonly refused: string | null;
}

const atOnce = 16;

/** Tasks that a retry would submit again, latest first. */
export const find = ({ limit = maxPage, since, ...which }: DeadLetters, tenant: string) =>
  Query.use((query) =>
    query.tasks({ ...which, tenant, limit, deadLetters: "only", retried: "not yet", endedSince: since }),
  ).pipe(
    Effect.map((rows): ReadonlyArray<DeadLetter> =>
      rows.map(({ agentType, endedAt, errorType, taskId }) => ({ taskId, agentType, errorType, endedAt })),
    ),
  );

/** Tries each again; one that cannot be is no obstacle to the others. */
export const retry = (letters: ReadonlyArray<DeadLetter>) =>
  Tasks.use((tasks) =>
    Effect.forEach(
      letters,
      (letter) =>
        Effect.map(Effect.result(tasks.retry(letter.taskId)), (tried): Retried =>
          Result.isSuccess(tried)
            ? { ...letter, retry: tried.success.taskId, refused: null }
            : { ...letter, retry: null, refused: tried.failure.message },
        ),
      { concurrency: atOnce },
    ),
  );
