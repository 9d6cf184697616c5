/**
 * Patience of the log for NATS, before it fails as unavailable.
 *
 * Room: log.
 */
import { Effect } from "effect";
import { elapsed } from "./Elapsed.ts";
import { LogUnavailable } from "../EventLog.ts";
import type { Link } from "./LinkNats.ts";
import type { LogCondition } from "./LogCondition.ts";
import type { NoAnswer } from "./RepliesNats.ts";

/**
 * A connection that was lost less than this ago is waited for: a server that is restarted is back in 0.1 to 1 s. One
 * that has been away for longer makes every append fail at once, so that the caller can spool it without delay.
 */
export const lostPatienceMillis = 2_000;

/** Pauses between two attempts: quick at first, because most of what is busy is so for milliseconds. */
export const retryPauseMillis = (attempt: number): number => Math.min(5 * 2 ** attempt, 500);

export const unavailable = (reason: string, hint?: string) =>
  Effect.fail(new LogUnavailable({ reason, ...(hint === undefined ? {} : { hint }) }));

/** For a server that is there and is not believed to hold the log, or does not let us. */
export const because = ({ denied, hint, message, name }: LogCondition) =>
  Effect.fail(
    new LogUnavailable({ reason: message, hint, condition: name, ...(denied === undefined ? {} : { denied }) }),
  );
/** The same, of a question that has no answer: a right that is missing is named. */
export const unanswered = ({ denied, reason }: NoAnswer) =>
  Effect.fail(new LogUnavailable({ reason, ...(denied === undefined ? {} : { denied }) }));

const away = unavailable(
  "NATS is away",
  "The connection is dialled again for ever; `recollect status` shows when it is back.",
);

/** Returns when the connection is there. Fails when it has been away for longer than patience lasts. */
export const awaitLink = Effect.fnUntraced(function* (link: Link) {
  while (!link.connected) {
    if (link.refused !== undefined) return yield* because(link.refused);
    const now = yield* elapsed;
    if (now - (link.lostAt ?? now) >= lostPatienceMillis) return yield* away;
    // Polling, because the client tells of a reconnect only some time after it can be used.
    yield* Effect.sleep(10);
  }
});
