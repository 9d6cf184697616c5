/**
 * Writes that took longer than a caller's patience, for callers whose event must be in the log: the next attempt waits for
 * the write that is on its way, and adds none.
 *
 * Room: publish.
 *
 * Decision: by event id and only for `durable: "log"`, because a log that is slow for a moment became one that never
 * recovered: each attempt looked for its event and wrote it again, so that of 256 callers who waited for their appends each
 * cost ten times its processor time, and some were refused after five seconds.
 */
import { type Effect, Result } from "effect";
import type { Command } from "../../spool/Spool.ts";
import type { WriteError, Written } from "../write/WriteCommand.ts";

/** Outcome of a write; undefined: it has to be written again, by itself. */
export type LateWrite = Effect.Effect<Result.Result<Written, WriteError> | undefined>;

/** A write is waited for so long, milliseconds: a connection that was cut gives no answer. Then it is written again. */
const lateMillis = 2_000;

interface Late {
  readonly write: LateWrite;
  /** Time at which it was missed first (`elapsed`). */
  readonly since: number;
}

export class LateWrites {
  readonly #late = new Map<string, Late>();

  /** Keeps the write of a command that is tried again. */
  keep({ durable, event }: Command, write: LateWrite, since: number): void {
    if (durable === "log") this.#late.set(event.id, { write, since });
  }

  /** The write that is on its way; undefined for a command without one, and for one that is too old to be answered. */
  of({ event }: Command, now: number): LateWrite | undefined {
    const late = this.#late.get(event.id);
    return late !== undefined && now - late.since < lateMillis ? late.write : undefined;
  }

  /** Called when it has ended, and when its caller does not wait any more. */
  forget(eventId: string): void {
    this.#late.delete(eventId);
  }
}

/** The part of one command in a write of several. */
export const partOf = <E extends WriteError>(
  together: Result.Result<ReadonlyArray<Written> | undefined, E>,
  index: number,
): Result.Result<Written, WriteError> | undefined => {
  if (Result.isFailure(together)) return Result.fail(together.failure);
  const written = together.success?.[index];
  return written === undefined ? undefined : Result.succeed(written);
};
