/**
 * Delivery: every accepted command reaches the log, now or later, in the order in which it was accepted.
 *
 * Room: publish. In: log, spool, Write, Drain, Keep, Lanes. Out: Publisher.
 *
 * Commands of one history come one batch at a time (`Lanes`).
 *
 * Two modes. `Direct`: the log answers, and every lane writes to it. `Spooling`: the log failed once or took longer
 * than our patience; from then on every command goes to the spool without asking the log, and one fiber drains it.
 * Decision: not Effect's CircuitBreaker, because its probe is the next caller's own command, which would overtake
 * those that wait in the spool and would make that caller wait. Here the oldest spooled command is the probe.
 */
import { Clock, Deferred, Effect, Exit, Latch, Random, Result, Scope, Semaphore } from "effect";
import type { Sequence } from "../domain/History.ts";
import { decide, evolve, type IllegalTransition, isTaskEventName } from "../domain/Task.ts";
import { type AppendRefused, EventLog, type LogUnavailable } from "../log/EventLog.ts";
import { type Command, Spool } from "../spool/Spool.ts";
import { drainStep } from "./Drain.ts";
import { bytesOf, Keep, type NotAccepted } from "./Keep.ts";
import * as Lanes from "./Lanes.ts";
import { KnownTasks, write, writeTogether, type WriteError, type Written } from "./Write.ts";

/**
 * What became of a command.
 *
 * - `Appended`: the log has it, on disk. `Unchanged`: the task was there already, nothing was added
 * - `Spooled`: on this machine's disk; it reaches the log when the log is back, also without this process
 * - `Held`: in this process's memory only, because the disk is unusable too; lost if the process dies first
 */
export type Delivered =
  | { readonly _tag: "Appended"; readonly sequence: Sequence }
  | { readonly _tag: "Unchanged"; readonly sequence: Sequence }
  | { readonly _tag: "Spooled" }
  | { readonly _tag: "Held" };

export type DeliveryError = AppendRefused | IllegalTransition | NotAccepted;

export interface Options {
  /** How long a command waits for the log before it goes to the spool. Default 250. */
  readonly patienceMillis?: number | undefined;
}

export interface Waiting {
  readonly mode: "direct" | "spooling";
  /** Calls that have not returned yet. */
  readonly outstanding: number;
  /** Commands on disk and in memory that the log does not have; those on disk may be of other processes too. */
  readonly spooled: number;
  readonly held: number;
}

const defaultPatienceMillis = 250;
/** What is large is given the time to travel: 16 MB/s is a slow disk or a wireless network. */
const slowestBytesPerMilli = 16_000;
const firstPauseMillis = 50;
/** A log that is away for hours costs a look every 5 s. */
const longestPauseMillis = 5_000;
/**
 * A log slower than our patience stays behind the spool, so that callers need not wait for it; after this long without
 * a slow answer it is tried again, at the cost of one caller's patience.
 */
const slowLogMillis = 5_000;
/** How often somebody who waits for the drain looks. */
const drainedLookMillis = 10;
/** How often a process looks whether another one has emptied the spool, or whether a slow log has had its time. */
const idlePauseMillis = 100;
/** Closing waits this long for outstanding calls; each takes at most our patience and one write to disk. */
const closeMillis = 5_000;

type Fate = Lanes.Fate<Delivered, DeliveryError>;

export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const log = yield* EventLog;
  const spool = yield* Spool;
  const random = yield* Random.Random;
  const fibers = yield* Scope.make();
  const delivery = new Delivery({
    log,
    spool,
    fibers,
    owner: `${process.pid}-${random.nextDoubleUnsafe().toString(36).slice(2)}`,
    patienceMillis: options.patienceMillis ?? defaultPatienceMillis,
  });
  yield* delivery.begin;
  yield* Effect.addFinalizer(() =>
    delivery.flush.pipe(
      Effect.timeoutOption(closeMillis),
      Effect.andThen(Scope.close(fibers, Exit.void)),
      Effect.andThen(delivery.end),
    ),
  );
  return delivery;
});

interface Parts {
  readonly log: EventLog["Service"];
  readonly spool: Spool["Service"];
  readonly fibers: Scope.Closeable;
  readonly owner: string;
  readonly patienceMillis: number;
}

export class Delivery {
  readonly #parts: Parts;
  readonly #keep: Keep;
  readonly #tasks = new KnownTasks();
  readonly #lanes: Lanes.Lanes<Delivered, AppendRefused | IllegalTransition>;
  /** Open while spooling. */
  readonly #spooling = Latch.makeUnsafe(false);
  /** Held while a command goes to the spool, and while the drain decides that nothing waits any more. */
  readonly #gate = Semaphore.makeUnsafe(1);
  #direct = true;
  /** Epoch milliseconds until which the log counts as too slow for callers to wait for. */
  #slowUntil = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#keep = new Keep(parts.spool);
    this.#lanes = new Lanes.Lanes({ settle: (commands) => this.#settle(commands), fibers: parts.fibers });
  }

  /** What an earlier process left in the spool comes first. */
  get begin(): Effect.Effect<void> {
    const { spool, fibers } = this.#parts;
    return Effect.gen({ self: this }, function* () {
      const state = yield* Effect.result(spool.state);
      if (Result.isSuccess(state) && state.success.waiting > 0) this.#spoolFromNowOn();
      yield* Effect.forkIn(this.#drainForEver, fibers);
    });
  }

  get end(): Effect.Effect<void> {
    const { spool, owner } = this.#parts;
    return Effect.ignore(spool.resign(owner));
  }

  /** Accepts a command at its place in its history; returns what became of it. */
  deliver(command: Command): Effect.Effect<Delivered, DeliveryError> {
    return this.#lanes.call(command);
  }

  /** Returns when every call made so far has returned. */
  get flush(): Effect.Effect<void> {
    return this.#lanes.flush;
  }

  /** Returns when the log has everything that this machine accepted for it. */
  get drained(): Effect.Effect<void> {
    const nothingWaits = Effect.gen({ self: this }, function* () {
      if (this.#lanes.outstanding > 0 || this.#keep.held.length > 0) return false;
      if (this.#direct) return true;
      const state = yield* Effect.result(this.#parts.spool.state);
      return Result.isSuccess(state) && state.success.waiting === 0;
    });
    return Effect.gen(function* () {
      while (!(yield* nothingWaits)) yield* Effect.sleep(drainedLookMillis);
    });
  }

  get isDirect(): boolean {
    return this.#direct;
  }

  get state(): Effect.Effect<Waiting> {
    return Effect.map(Effect.result(this.#parts.spool.state), (spooled) => ({
      mode: this.#direct ? "direct" : "spooling",
      outstanding: this.#lanes.outstanding,
      spooled: Result.isSuccess(spooled) ? spooled.success.waiting : 0,
      held: this.#keep.held.length,
    }));
  }

  /** What becomes of each of these commands, which are of one history. */
  #settle(commands: ReadonlyArray<Command>): Effect.Effect<ReadonlyArray<Fate>> {
    return Effect.gen({ self: this }, function* () {
      const results: Array<Fate> = [];
      while (results.length < commands.length) {
        const isDirect = this.#direct;
        if (isDirect) results.push(...(yield* this.#writeDirect(commands)));
        if (results.length === commands.length) break;
        results.push(...(yield* this.#keepRest(commands.slice(results.length), isDirect)));
      }
      return results;
    });
  }

  /** Results from the front: as many as the log answered in time. */
  #writeDirect(commands: ReadonlyArray<Command>): Effect.Effect<ReadonlyArray<Fate>> {
    const { log } = this.#parts;
    return Effect.gen({ self: this }, function* () {
      if (commands.length > 1) {
        const together = yield* this.#patiently(commands, Effect.result(writeTogether(log, commands)));
        if (together === undefined || Result.isFailure(together)) return [];
        if (together.success !== undefined)
          return together.success.map((written) => Result.succeed(asDelivered(written)));
      }
      const results: Array<Fate> = [];
      for (const command of commands) {
        const one = write({ log, command, tasks: this.#tasks, mayBeThere: false });
        const written = yield* this.#patiently([command], Effect.result(one));
        const known = written === undefined ? undefined : asResult(written);
        if (known === undefined) break;
        results.push(known);
      }
      return results;
    });
  }

  #patienceFor(bytes: number): number {
    return this.#parts.patienceMillis + bytes / slowestBytesPerMilli;
  }

  /**
   * Undefined when there is no answer in time. The write is left to itself then: interrupting it could take as long as
   * the log takes, and should it succeed after all, the drain finds its id in the log.
   */
  #patiently<A>(commands: ReadonlyArray<Command>, effect: Effect.Effect<A>): Effect.Effect<A | undefined> {
    const patienceMillis = this.#patienceFor(commands.reduce((sum, command) => sum + bytesOf(command), 0));
    return Effect.gen({ self: this }, function* () {
      const answer = Deferred.makeUnsafe<A>();
      yield* Effect.forkIn(Deferred.into(effect, answer), this.#parts.fibers, { startImmediately: true });
      const inTime = yield* Effect.timeoutOption(Deferred.await(answer), patienceMillis);
      return inTime._tag === "Some" ? inTime.value : undefined;
    });
  }

  /**
   * Keeps commands until the log is back; nothing is kept when it has come back meanwhile. `logFailed`: it just did
   * not answer, so from here on every command is kept: in one step with this one, or the drain could find the spool
   * empty in between and send us back to the log.
   */
  #keepRest(commands: ReadonlyArray<Command>, logFailed: boolean): Effect.Effect<ReadonlyArray<Fate>> {
    const keep = Effect.gen({ self: this }, function* (): Effect.fn.Return<ReadonlyArray<Fate>> {
      if (logFailed) this.#spoolFromNowOn();
      else if (this.#direct) return [];
      // Commands of a task come one at a time (Lanes), so the first one stands for all.
      const foreseen = this.#foresee(commands[0]);
      if (Result.isFailure(foreseen)) return [Result.fail(foreseen.failure)];
      const kept = yield* Effect.result(this.#keep.put(commands));
      if (Result.isSuccess(kept)) foreseen.success();
      const fate = Result.map(kept, (_tag): Delivered => ({ _tag }));
      return commands.map(() => fate);
    });
    return this.#gate.withPermits(1)(keep);
  }

  /** A task that we know is decided on what we know, of others the drain decides. The success remembers the decision. */
  #foresee(command: Command | undefined): Result.Result<() => void, IllegalTransition> {
    const known = command === undefined ? undefined : this.#tasks.get(command.history);
    if (command === undefined || known === undefined || !isTaskEventName(command.event.type)) {
      return Result.succeed(() => undefined);
    }
    const { history, event } = command;
    const move = command.event.type;
    return Result.map(decide({ taskId: history.id, state: known.state, move }), () => () => {
      this.#tasks.set(history, { ...known, state: evolve(known.state, event) });
    });
  }

  #spoolFromNowOn(): void {
    this.#direct = false;
    Latch.openUnsafe(this.#spooling);
  }

  /** Drains whenever something waits; never ends, never fails. */
  get #drainForEver(): Effect.Effect<never> {
    return Effect.gen({ self: this }, function* () {
      let failures = 0;
      for (;;) {
        yield* Latch.await(this.#spooling);
        const step = yield* Effect.result(this.#drainOnce);
        if (Result.isFailure(step)) {
          const pause = Math.min(firstPauseMillis * 2 ** failures++, longestPauseMillis);
          const jitter = 0.5 + (yield* Random.next) / 2;
          yield* Effect.sleep(pause * jitter);
          continue;
        }
        failures = 0;
        if (step.success === "idle" && !this.#direct) yield* Effect.sleep(idlePauseMillis);
      }
    });
  }

  /** One batch, or "idle" when there was nothing to do for us. */
  get #drainOnce(): Effect.Effect<"drained" | "idle", LogUnavailable> {
    const { log, spool, owner } = this.#parts;
    const tasks = this.#tasks;
    return Effect.gen({ self: this }, function* () {
      const step = yield* drainStep({ log, spool, tasks, owner }).pipe(
        // With an unreadable spool what we hold in memory can still be delivered.
        Effect.catchTag("SpoolUnavailable", () => Effect.succeed({ _tag: "Empty" as const })),
      );
      const now = yield* Clock.currentTimeMillis;
      if (step._tag === "Drained") {
        const { bytes, millis } = step.lastWrite;
        this.#slowUntil = millis > this.#patienceFor(bytes) ? now + slowLogMillis : 0;
        return "drained";
      }
      if (step._tag === "NotLeading") return "idle";
      yield* this.#drainHeld;
      if (now >= this.#slowUntil) yield* this.#gate.withPermits(1)(this.#returnToDirect);
      return "idle";
    });
  }

  /** The spool has nothing before what is held. It goes to the disk if there is one again, else straight to the log. */
  get #drainHeld() {
    const { log } = this.#parts;
    const tasks = this.#tasks;
    return Effect.gen({ self: this }, function* () {
      if (this.#keep.held.length === 0) return;
      if (yield* this.#gate.withPermits(1)(this.#keep.settle([]))) return;
      for (const command of this.#keep.held) {
        const written = yield* Effect.result(write({ log, command, tasks, mayBeThere: true }));
        if (Result.isFailure(written)) {
          if (written.failure._tag === "LogUnavailable") return yield* written.failure;
          yield* Effect.logWarning(`The log refused a ${command.event.type} that was held in memory`, written.failure);
        }
        this.#keep.drop(command);
      }
    });
  }

  /** When nothing waits any more, on disk or in memory. */
  get #returnToDirect() {
    const { spool, owner } = this.#parts;
    return Effect.gen({ self: this }, function* () {
      const state = yield* Effect.result(spool.state);
      const isEmpty = Result.isFailure(state) || state.success.waiting === 0;
      if (!isEmpty || this.#keep.held.length > 0) return;
      yield* Effect.ignore(spool.resign(owner));
      this.#direct = true;
      Latch.closeUnsafe(this.#spooling);
    });
  }
}

const asDelivered = ({ sequence, isNew }: Written): Delivered => ({ _tag: isNew ? "Appended" : "Unchanged", sequence });

/** Undefined when the log did not answer. */
const asResult = (written: Result.Result<Written, WriteError>): Fate | undefined => {
  if (Result.isSuccess(written)) return Result.succeed(asDelivered(written.success));
  return written.failure._tag === "LogUnavailable" ? undefined : Result.fail(written.failure);
};
