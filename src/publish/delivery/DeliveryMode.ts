/**
 * The delivery mode, direct or spooling: whether callers write to the log or to the spool, and the way back to the log.
 *
 * Room: publish.
 *
 * `spoolFromNowOn` is a word of Delivery's, when the log did not answer. One fiber then drains until nothing waits
 * that was accepted before or by this process, and sends callers to the log again.
 */
import { Clock, Effect, Fiber, Latch, Result, Schedule, Schema, type Semaphore } from "effect";
import { elapsed } from "../../log/connection/Elapsed.ts";
import { type AccessDenied, deniedIn, type LogUnavailable } from "../../log/EventLog.ts";
import { type Spool, SpoolUnavailable } from "../../spool/Spool.ts";
import { untilAnswered } from "../../log/connection/Backoff.ts";
import type { Drainer, DrainStep } from "../drain/Drain.ts";
import type { SpoolOrMemory } from "./SpoolOrMemory.ts";
import type { Arrivals } from "../../log/connection/LogArrivals.ts";
import { SpoolBackpressure } from "./SpoolBackpressure.ts";

/** Large commands get time to travel: 16 MB/s is a slow disk or a wireless network. */
const slowestBytesPerMilli = 16_000;
/**
 * A log slower than our patience stays behind the spool, so that callers need not wait for it; after this long without
 * a slow answer it is tried again, at the cost of one caller's patience.
 */
const slowLogMillis = 5_000;
/** Poll interval for a spool emptied by another process, and for a slow log's pause, milliseconds. */
const idlePauseMillis = 100;
/** Patience for a spool that another process locks, milliseconds; then we go on without what is in it. */
const busyMillis = 10_000;
/**
 * Callers are kept waiting for the last ones to be delivered for as long as they wait for the log, because a log whose
 * answers take that long is one they are sent to. After a wait in vain the next one comes two seconds later, so that it
 * costs callers a ninth of their time at most.
 */
const closeUpRestMillis = 2_000;
/** Poll interval while waiting for another process to deliver, milliseconds. */
const closeUpLookMillis = 5;
/** Poll interval for leftovers of other processes while callers write directly, and the age of a leftover, milliseconds. */
const strayLookMillis = 1_000;
const strayMillis = 2_000;
/** Poll interval of a spool that is empty and unchanged, milliseconds. */
const emptyMillis = 30_000;

interface Parts {
  readonly spool: Spool["Service"];
  readonly drainer: Drainer;
  readonly keep: SpoolOrMemory;
  /** Reason to ask the log again before the pause is over. */
  readonly arrivals: Arrivals;
  /** Held while a command goes to the spool, and while it is decided that nothing waits any more. */
  readonly gate: Semaphore.Semaphore;
  readonly patienceMillis: number;
}

/** Patience for the log to take so many bytes, milliseconds. */
export const patienceFor = ({ patienceMillis }: { readonly patienceMillis: number }, bytes: number): number =>
  patienceMillis + bytes / slowestBytesPerMilli;

export class DeliveryMode {
  readonly #parts: Parts;
  readonly #pace: SpoolBackpressure;
  /** Open while spooling. */
  readonly #spooling = Latch.makeUnsafe(false);
  #direct = true;
  /** The spool's mark when it had nothing, and until when (`elapsed`) that is believed without a look. */
  #emptyMark: string | undefined;
  #emptyUntil = 0;
  /** Until when (`elapsed`) the log counts as too slow for callers to wait for. */
  #slowUntil = 0;
  /** From when on (`elapsed`) callers may be kept waiting again. */
  #closeUpFrom = 0;
  #denied: AccessDenied | undefined;
  /** Since when another process has kept us from the spool (`elapsed`). */
  #busySince: number | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#pace = new SpoolBackpressure({ ...parts, isDirect: () => this.#direct });
  }

  get isDirect(): boolean {
    return this.#direct;
  }

  /** Reason of the last drain's refusal by the server; undefined when it delivered, or the server was unreachable. */
  get denied(): AccessDenied | undefined {
    return this.#denied;
  }

  /** Returns when so many commands may go to the spool, which have waited since that moment. */
  turn(commands: number, since: number): Effect.Effect<void> {
    return this.#pace.turn(commands, since);
  }

  /** Ends the waiting for turns. */
  hurry(): void {
    this.#pace.open();
  }

  spoolFromNowOn(): void {
    if (this.#direct) this.#pace.begin();
    this.#direct = false;
    Latch.openUnsafe(this.#spooling);
  }

  /** Drains whenever something waits; never ends, never fails. */
  get run(): Effect.Effect<never> {
    const spooling = Latch.await(this.#spooling);
    return Effect.gen({ self: this }, function* () {
      for (;;) {
        const awoken = yield* Effect.timeoutOption(spooling, strayLookMillis);
        const once = this.#drainOnce.pipe(
          Effect.tap(() => Effect.sync(() => (this.#denied = undefined))),
          Effect.tapError((error) => {
            const isLog = error._tag === "LogUnavailable";
            this.#denied = isLog ? deniedIn(error) : undefined;
            return Effect.logDebug(`cannot drain the spool now: ${isLog ? error.reason : error.message}`);
          }),
        );
        const work = awoken._tag === "Some" ? untilAnswered(once, this.#parts.arrivals) : this.#drainStray;
        const step = yield* work.pipe(
          // A fault of ours must not end the delivery of everything that comes after it.
          Effect.catchCause((cause) => Effect.as(Effect.logError("cannot drain the spool", cause), "idle" as const)),
        );
        if (step === "idle" && !this.#direct) yield* Effect.sleep(idlePauseMillis);
      }
    });
  }

  /** One batch, or "idle" when there was nothing to do for us. */
  get #drainOnce(): Effect.Effect<"drained" | "idle", LogUnavailable | SpoolUnavailable> {
    return Effect.gen({ self: this }, function* () {
      const step = yield* this.#step;
      const now = yield* elapsed;
      if (step._tag === "Drained") {
        const { bytes, millis } = step.lastWrite;
        this.#slowUntil = millis > patienceFor(this.#parts, bytes) ? now + slowLogMillis : 0;
      }
      if (step._tag === "Empty") yield* this.#drainHeld;
      if (now >= this.#slowUntil) {
        if (step._tag === "Empty" || now < this.#closeUpFrom)
          yield* this.#parts.gate.withPermits(1)(this.#returnToDirect);
        else if (step._tag === "NotLeading") yield* this.#closeUp(this.#deliveredByOthers);
        else if (step.isTail) yield* this.#closeUp(this.#step);
      }
      return step._tag === "Drained" ? "drained" : "idle";
    });
  }

  get #step(): Effect.Effect<DrainStep, LogUnavailable | SpoolUnavailable> {
    return this.#readable(this.#parts.drainer.step, { _tag: "Empty" as const }).pipe(
      // Another process that reaches the log need not wait for us.
      Effect.tapError(() => this.#parts.drainer.resign),
    );
  }

  /**
   * The last ones, while callers wait: those who put as fast as they are delivered would else never find the spool
   * empty. A log that needs longer is left alone, and callers go on to the disk; the delivery itself goes on too,
   * because what is interrupted would have to be looked for in the log. It comes to that also when callers put more than
   * a drain delivers: `SpoolBackpressure` slows them down.
   */
  #closeUp(delivering: Effect.Effect<unknown, LogUnavailable | SpoolUnavailable>) {
    return Effect.gen({ self: this }, function* () {
      const { delivery, returned } = yield* this.#parts.gate.withPermits(1)(
        Effect.gen({ self: this }, function* () {
          const fiber = yield* Effect.forkChild(delivering, { startImmediately: true });
          yield* Effect.timeoutOption(Fiber.await(fiber), this.#parts.patienceMillis);
          const result = yield* Effect.result(this.#returnToDirect);
          if (!this.#direct) this.#closeUpFrom = (yield* elapsed) + closeUpRestMillis;
          return { delivery: fiber, returned: result };
        }),
      );
      yield* Fiber.join(delivery);
      yield* Effect.fromResult(returned);
    });
  }

  /** Returns when whoever leads has delivered what we have accepted, or callers have waited for long enough. */
  get #deliveredByOthers() {
    return this.#isDelivered.pipe(
      Effect.repeat({ until: (delivered) => delivered, schedule: Schedule.spaced(closeUpLookMillis) }),
      Effect.timeoutOption(this.#parts.patienceMillis),
    );
  }

  /** Leftovers of others while we were direct: of processes killed before they could deliver. */
  get #drainStray(): Effect.Effect<"drained" | "idle", LogUnavailable | SpoolUnavailable> {
    const { spool } = this.#parts;
    return Effect.gen({ self: this }, function* () {
      const now = yield* elapsed;
      const mark = spool.mark();
      if (mark === this.#emptyMark && now < this.#emptyUntil) return "idle";
      const { oldestAt } = yield* spool.state;
      if (oldestAt === undefined) [this.#emptyMark, this.#emptyUntil] = [mark, now + emptyMillis];
      if (oldestAt === undefined) return "idle";
      // One of the future was accepted before the clock was set back: it is no younger than that.
      const age = (yield* Clock.currentTimeMillis) - oldestAt;
      if (age >= 0 && age < strayMillis) return "idle";
      const step = yield* this.#parts.drainer.step;
      if (step._tag !== "NotLeading") yield* this.#parts.drainer.resign;
      return step._tag === "Drained" ? "drained" : "idle";
    }).pipe(Effect.orElseSucceed(() => "idle" as const));
  }

  /**
   * Decision: a spool that cannot be read counts as empty, because commands that it alone has are delivered when it
   * can be read again, and until then memory would fill and callers be refused although the log is there. A process that is only
   * kept waiting by another process waits, so that nothing is overtaken; for `busyMillis`, because a process that was
   * stopped in the middle of a transaction may never go on.
   */
  #readable<A, E>(
    effect: Effect.Effect<A, E | SpoolUnavailable>,
    otherwise: A,
  ): Effect.Effect<A, E | SpoolUnavailable> {
    return Effect.gen({ self: this }, function* () {
      const result = yield* Effect.result(effect);
      const now = yield* elapsed;
      if (Result.isSuccess(result)) {
        this.#busySince = undefined;
        return result.success;
      }
      if (!isSpoolUnavailable(result.failure)) return yield* Effect.fail(result.failure);
      if (result.failure.reason !== "busy") return otherwise;
      this.#busySince ??= now;
      return now - this.#busySince < busyMillis ? yield* Effect.fail(result.failure) : otherwise;
    });
  }

  /** The spool has nothing before what is held. It goes to the disk if there is one again, else straight to the log. */
  get #drainHeld(): Effect.Effect<void, LogUnavailable> {
    return Effect.gen({ self: this }, function* () {
      if (this.#parts.keep.held.length === 0) return;
      if (yield* this.#parts.gate.withPermits(1)(this.#parts.keep.settle([]))) return;
      for (const command of this.#parts.keep.held) {
        const outcome = yield* this.#parts.drainer.deliver(command);
        if (outcome._tag === "Refused") {
          // There is no disk to set it aside on: what it says is kept where warnings are.
          const { history, event } = command;
          yield* Effect.logError(`Not appended, and not on disk: ${JSON.stringify({ history, event })}`);
        }
        this.#parts.keep.drop(command);
      }
    });
  }

  /**
   * Returns when everything is delivered that we have accepted, and all that was accepted before it. Commands that other processes have
   * put behind it are theirs to deliver.
   */
  get #returnToDirect(): Effect.Effect<void, LogUnavailable | SpoolUnavailable> {
    return Effect.gen({ self: this }, function* () {
      if (!(yield* this.#isDelivered) || this.#parts.keep.held.length > 0) return;
      yield* this.#parts.drainer.resign;
      this.#direct = true;
      Latch.closeUnsafe(this.#spooling);
    });
  }

  /** True once the spool has none of the commands accepted up to now. */
  get #isDelivered(): Effect.Effect<boolean, LogUnavailable | SpoolUnavailable> {
    return Effect.suspend(() => this.#readable(this.#parts.drainer.isEmpty(this.#parts.keep.reached), true));
  }
}

const isSpoolUnavailable = Schema.is(SpoolUnavailable);
