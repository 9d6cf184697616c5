/**
 * Back-pressure: slows callers that enqueue faster than the spool drains. No effect while nothing is delivered.
 *
 * Room: publish.
 *
 * Promises, each a test in `test/publish/SpoolBackpressure.test.ts`:
 * - a caller waits for nothing while nothing is delivered, and for a log that falls silent for our patience, once;
 * - it waits when half of what was delivered has been put, and is let in by the next delivery, in order;
 * - for two seconds from its call on at most, though more and more is delivered; then the command goes to the disk all the same;
 * - it is let go at once by an interruption, when callers are sent to the log, and when the publisher closes;
 * - however many processes put, what waits becomes less.
 *
 * Deliveries of other processes count like our own: only the shared spool is looked at.
 * With each delivery callers may put a share of it, so that what waits becomes less until they can be sent to the log.
 *
 * Decision: callers wait, instead of larger or parallel parts alone, because a log that answers in 150 ms takes 500
 * commands in one answer, 3,300/s, and one caller who never pauses puts 5,000/s: whatever the drain does, more comes in,
 * and the spool would grow to its bound and refuse every caller.
 */
import { Effect, Option, Semaphore } from "effect";
import { elapsed } from "../../log/connection/Elapsed.ts";
import type { Spool, SpoolUnavailable } from "../../spool/Spool.ts";

/**
 * Longest wait of a call. The command then goes to the disk, as while the log is away: before those
 * give up who end with their last calls and have 5 s for it (a wrapped server), or the publisher closes.
 */
export const longestTurnMillis = 2_000;
/** Poll interval of the deliveries, milliseconds. */
const lookMillis = 10;
/** A process may put half of what is delivered meanwhile; less where several do so. */
const mostShare = 1 / 2;
const leastShare = 1 / 128;
/**
 * The number of writing processes is unknown. Where what waits has become less by this part of what was delivered, a process
 * may put twice its share; where by less than that one, half of it. Both are so far apart, because else all of them
 * would take twice as much as soon as it is a little less, and in the end it would become more.
 */
const muchLess = 5 / 8;
const hardlyLess = 1 / 4;

export interface Options {
  readonly spool: Pick<Spool["Service"], "range">;
  /** A log that takes nothing for so long counts as away: the same as callers wait for it. */
  readonly patienceMillis: number;
  /** True while callers are sent to the log and do not wait. */
  readonly isDirect: () => boolean;
}

export class SpoolBackpressure {
  readonly #options: Options;
  /** The first who waits looks, the others wait for him: in the order in which they came. */
  readonly #turnstile = Semaphore.makeUnsafe(1);
  #isOpen = false;
  /** The oldest position that waits, and the newest that ever did, as last seen. */
  #seen: { readonly oldest: number; readonly newest: number } | undefined;
  /** Number of waiting commands at the last delivery. */
  #waited = Number.POSITIVE_INFINITY;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #deliveredAt = Number.NEGATIVE_INFINITY;
  #share = mostShare;
  /** Commands admitted before the next delivery; below 0 when a turn was larger. */
  #allowed = 0;

  constructor(options: Options) {
    this.#options = options;
  }

  /** The log has just been found away: nothing holds that was seen before. */
  begin(): void {
    this.#seen = undefined;
    this.#waited = Number.POSITIVE_INFINITY;
    this.#lookedAt = Number.NEGATIVE_INFINITY;
    this.#deliveredAt = Number.NEGATIVE_INFINITY;
    this.#share = mostShare;
    this.#allowed = 0;
  }

  /** Ends all waiting: closing wants everything on disk. */
  open(): void {
    this.#isOpen = true;
  }

  /**
   * Returns when so many commands may be put, of which the first was called at `since` (`elapsed`): at once while the
   * log is away, `longestTurnMillis` after that call at the latest, so that those behind it do not wait for its wait.
   */
  turn(commands: number, since: number): Effect.Effect<void> {
    const take = Effect.sync(() => {
      this.#allowed -= commands;
    });
    const inTurn = Effect.gen({ self: this }, function* () {
      while (!(yield* this.#mayPut)) yield* Effect.sleep(lookMillis);
      yield* take;
    }).pipe(this.#turnstile.withPermits(1));
    return Effect.flatMap(elapsed, (now) =>
      Effect.timeoutOrElse(inTurn, { duration: Math.max(0, since + longestTurnMillis - now), orElse: () => take }),
    );
  }

  get #mayPut(): Effect.Effect<boolean> {
    return Effect.gen({ self: this }, function* () {
      if (this.#isOpen || this.#options.isDirect()) return true;
      const now = yield* elapsed;
      if (now - this.#lookedAt >= lookMillis) {
        this.#lookedAt = now;
        // A disk that cannot be looked at is left to the put: it knows what to do without one.
        if (Option.isNone(yield* Effect.option(this.#look(now)))) return true;
      }
      return this.#allowed > 0 || now - this.#deliveredAt >= this.#options.patienceMillis;
    });
  }

  #look(now: number): Effect.Effect<void, SpoolUnavailable> {
    return Effect.map(this.#options.spool.range, (range) => {
      const before = this.#seen;
      const newest = Math.max(range?.newest ?? 0, before?.newest ?? 0);
      const oldest = range?.oldest ?? newest + 1;
      this.#seen = { oldest, newest };
      const delivered = before === undefined ? 0 : oldest - before.oldest;
      if (delivered <= 0) return;
      const waiting = newest + 1 - oldest;
      const less = (this.#waited - waiting) / delivered;
      if (less >= muchLess) this.#share = Math.min(mostShare, 2 * this.#share);
      else if (less < hardlyLess) this.#share = Math.max(leastShare, this.#share / 2);
      this.#waited = waiting;
      this.#deliveredAt = now;
      this.#allowed = Math.min(0, this.#allowed) + Math.max(1, Math.floor(delivered * this.#share));
    });
  }
}
