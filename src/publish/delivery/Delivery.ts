/**
 * Delivery: every accepted command reaches the log, now or later, in the order in which it was accepted.
 *
 * Room: publish.
 *
 * Commands of one history come one batch at a time (`PerHistoryQueue`).
 *
 * Two modes. `Direct`: the log answers, and every lane writes to it. `Spooling`: the log failed once or took longer
 * than our patience; from then on every command goes to the spool without asking the log, and one fiber drains it.
 * Decision: these two modes are the circuit breaker, and not Effect's (`effect/persistence`), because that one closes
 * at the first call which succeeds, where ours must keep callers out until everything that waits has been delivered, or
 * they would overtake it. Around the drain alone it would be a second state beside ours, and its pauses are those of
 * the Schedule that the drain repeats by (`Backoff`).
 */
import { Deferred, Effect, Exit, Random, Result, Scope, Semaphore } from "effect";
import { type History, keyOf } from "../../domain/History.ts";
import { decide, evolve, moveOf, type TaskRefusal } from "../../domain/task/Task.ts";
import { type AccessDenied, type AppendRefused, EventLog, type LogUnavailable } from "../../log/EventLog.ts";
import { type Command, type Owner, Spool } from "../../spool/Spool.ts";
import * as AtExit from "./AtExit.ts";
import type { Delivered, DeliveryError, Options, Waiting } from "./Delivered.ts";
import { Denials, type WhenDenied } from "./Denials.ts";
import { DirectWrites } from "./DirectWrites.ts";
import { Drainer } from "../drain/Drain.ts";
import { SpoolOrMemory, notInLog } from "./SpoolOrMemory.ts";
import { StreamEndSeen } from "./StreamEndSeen.ts";
import { type Fate as CallFate, PerHistoryQueue } from "./PerHistoryQueue.ts";
import { type Arrivals, LogArrivals } from "../../log/connection/LogArrivals.ts";
import { DeliveryMode } from "./DeliveryMode.ts";
import { KnownTasks } from "../write/WriteCommand.ts";

export type { Delivered, DeliveryError, Options, Waiting } from "./Delivered.ts";

const defaultPatienceMillis = 250;
/** Before the server has answered once: a dial and a name take several round trips, and may end in a refusal. */
const firstPatienceMillis = 1_000;
/** Poll interval while waiting for the drain, milliseconds. */
const drainedLookMillis = 10;
/** Closing waits this long for outstanding calls; each takes at most our patience and one write to disk. */
const closeMillis = 5_000;

type Fate = CallFate<Delivered, DeliveryError>;

const missed: Fate = Result.fail(notInLog);

export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const log = yield* EventLog;
  const spool = yield* Spool;
  const random = yield* Random.Random;
  const fibers = yield* Scope.make();
  const delivery = new Delivery({
    log,
    spool,
    arrivals: yield* LogArrivals,
    fibers,
    owner: { pid: process.pid, name: random.nextDoubleUnsafe().toString(36).slice(2) },
    patienceMillis: options.patienceMillis ?? defaultPatienceMillis,
    firstPatienceMillis: options.patienceMillis ?? firstPatienceMillis,
    whenDenied: options.whenDenied,
  });
  yield* delivery.begin;
  yield* Effect.acquireRelease(
    Effect.sync(() => AtExit.register(() => delivery.rescue())),
    (forget) => Effect.sync(forget),
  );
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => delivery.hurry()).pipe(
      Effect.andThen(delivery.flush),
      Effect.timeoutOption(closeMillis),
      Effect.andThen(delivery.close),
      Effect.andThen(Scope.close(fibers, Exit.void)),
      // The disk may be usable again. From here on the end of the process brings nothing there any more.
      Effect.andThen(Effect.sync(() => delivery.rescue())),
      Effect.andThen(delivery.end),
    ),
  );
  return delivery;
});

interface Parts {
  readonly log: EventLog["Service"];
  readonly spool: Spool["Service"];
  readonly arrivals: Arrivals;
  readonly fibers: Scope.Closeable;
  readonly owner: Owner;
  readonly patienceMillis: number;
  readonly firstPatienceMillis: number;
  readonly whenDenied: WhenDenied;
}

/** Commands on their way to the disk. */
interface Keeping {
  readonly commands: ReadonlyArray<Command>;
  readonly logFailed: boolean;
  readonly kept: Deferred.Deferred<ReadonlyArray<Fate>>;
}

export class Delivery {
  readonly #parts: Parts;
  readonly #keep: SpoolOrMemory;
  readonly #tasks = new KnownTasks();
  readonly #direct: DirectWrites;
  readonly #drainer: Drainer;
  readonly #mode: DeliveryMode;
  readonly #lanes: PerHistoryQueue<Delivered, AccessDenied | AppendRefused | TaskRefusal | LogUnavailable>;
  /** Held while a command goes to the spool, and while the drain decides that nothing waits any more. */
  readonly #gate = Semaphore.makeUnsafe(1);
  /** Commands that the next write to disk takes along. */
  readonly #keeping: Array<Keeping> = [];
  /** Commands that were brought onto the disk because the process ends. */
  readonly #rescued = new WeakSet<Command>();
  /** Lower bound of the stream's end, as this process knows it. */
  readonly #end: StreamEndSeen;
  readonly #denials: Denials;
  /** The log has answered once, or did not in time. */
  #isMet = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#denials = new Denials(parts.whenDenied);
    this.#keep = new SpoolOrMemory(parts.spool);
    this.#end = new StreamEndSeen(parts.log);
    this.#direct = new DirectWrites({ ...parts, tasks: this.#tasks, end: this.#end, denials: this.#denials });
    this.#drainer = new Drainer({ ...parts, tasks: this.#tasks, end: this.#end });
    this.#mode = new DeliveryMode({ ...parts, drainer: this.#drainer, keep: this.#keep, gate: this.#gate });
    this.#lanes = new PerHistoryQueue({
      settle: (commands, since) => this.#settle(commands, since),
      fibers: parts.fibers,
    });
  }

  /** Commands that an earlier process left in the spool come first. */
  get begin(): Effect.Effect<void> {
    const { spool, fibers } = this.#parts;
    return Effect.gen({ self: this }, function* () {
      const state = yield* Effect.result(spool.state);
      if (Result.isSuccess(state) && state.success.waiting > 0) {
        this.#keep.reach(state.success.newest);
        this.#end.begin(yield* Effect.orElseSucceed(spool.newestEnd, () => undefined));
        this.#mode.spoolFromNowOn();
      }
      yield* Effect.forkIn(this.#mode.run, fibers);
      yield* Effect.forkIn(this.#end.learn, fibers, { startImmediately: true });
    });
  }

  get end(): Effect.Effect<void> {
    return this.#drainer.resign;
  }

  /** Accepts a command at its place in its history; returns what became of it. */
  deliver(command: Command): Effect.Effect<Delivered, DeliveryError> {
    return this.#lanes.call(command);
  }

  /** A command that was missed and is not tried again: its caller does not wait any more. */
  forget(eventId: string): void {
    this.#direct.forget(eventId);
  }

  /**
   * Keeps commands of one batch, all or none, for a log that its caller has found away: from here on everything goes to
   * the spool, until the log has all of it.
   */
  keepBatch(commands: ReadonlyArray<Command>): Effect.Effect<void, DeliveryError> {
    return Effect.flatMap(this.#keepRest(commands, true), ([first]) =>
      first === undefined ? Effect.void : Effect.asVoid(Effect.fromResult(first)),
    );
  }

  /** Returns when every call made so far has returned. */
  get flush(): Effect.Effect<void> {
    return this.#lanes.flush;
  }

  /** Ends back-pressure: commands that have not returned go to the disk at once. */
  hurry(): void {
    this.#mode.hurry();
  }

  /**
   * The process ends now: brings every call that has not returned onto the disk, in one transaction. A command that may be on
   * its way to the log is looked for there before it is written again.
   */
  rescue(): void {
    const called = this.#lanes.commands.filter(({ durable }) => durable !== "log");
    // A signal that the program handles is often followed by its exit.
    const commands = [...this.#keep.held, ...called].filter((command) => !this.#rescued.has(command));
    if (commands.length === 0) return;
    AtExit.putNow(
      this.#parts.spool,
      commands.map((command) => ({ ...command, isNew: undefined })),
    );
    for (const command of commands) this.#rescued.add(command);
  }

  /** Refuses every later call, and those that have not returned by now. */
  get close(): Effect.Effect<void> {
    return this.#lanes.close;
  }

  /** Returns when the log has everything that this machine accepted for it. */
  get drained(): Effect.Effect<void> {
    const nothingWaits = Effect.gen({ self: this }, function* () {
      if (this.#lanes.outstanding > 0 || this.#keep.held.length > 0) return false;
      if (this.#mode.isDirect) return true;
      const state = yield* Effect.result(this.#parts.spool.state);
      return Result.isSuccess(state) && state.success.waiting === 0;
    });
    return Effect.gen(function* () {
      while (!(yield* nothingWaits)) yield* Effect.sleep(drainedLookMillis);
    });
  }

  get isDirect(): boolean {
    return this.#mode.isDirect;
  }

  /** Accepted commands of a history that the log may not have yet. A spool that cannot be read gives none. */
  waitingFor(history: History): Effect.Effect<ReadonlyArray<Command>> {
    const held = this.#keep.held.filter((command) => keyOf(command.history) === keyOf(history));
    return Effect.map(Effect.result(this.#parts.spool.waitingFor(history)), (onDisk) =>
      Result.isSuccess(onDisk) ? [...onDisk.success, ...held] : held,
    );
  }

  /** The bytes of a blob whose command waits; undefined when none does. */
  waitingBlob(sha256: string): Effect.Effect<Uint8Array | undefined> {
    const held = this.#keep.held.flatMap(({ blobs }) => blobs).find((blob) => blob.sha256 === sha256);
    return held === undefined
      ? Effect.orElseSucceed(this.#parts.spool.blob(sha256), () => undefined)
      : Effect.succeed(held.bytes);
  }

  get state(): Effect.Effect<Waiting> {
    return Effect.map(Effect.result(this.#parts.spool.state), (spooled) => ({
      mode: this.#mode.isDirect ? "direct" : "spooling",
      outstanding: this.#lanes.outstanding,
      spooled: Result.isSuccess(spooled) ? spooled.success.waiting : 0,
      held: this.#keep.held.length,
    }));
  }

  /** Outcomes of these commands, which are of one history. */
  #settle(commands: ReadonlyArray<Command>, since: number): Effect.Effect<ReadonlyArray<Fate>> {
    return Effect.gen({ self: this }, function* () {
      const results: Array<Fate> = [];
      let placed = commands;
      while (results.length < commands.length) {
        const wasMet = this.#isMet;
        if (!wasMet) yield* this.#meet;
        const isDirect = this.#mode.isDirect;
        const mayTry = isDirect && (wasMet ? yield* this.#knowsEnd : this.#end.now !== undefined);
        // None of these was attempted yet, or it has its end since then.
        const { now } = this.#end;
        placed = placed.map((command) =>
          command.isNew === true && command.after === undefined ? { ...command, after: now } : command,
        );
        if (mayTry) results.push(...(yield* this.#direct.write(placed.slice(results.length))));
        if (results.length === commands.length) break;
        const denied = this.#denials.failure(mayTry ? undefined : (this.#mode.denied ?? this.#end.denied));
        if (denied !== undefined) {
          while (results.length < commands.length) results.push(Result.fail(denied));
          break;
        }
        const rest = placed.slice(results.length);
        const spoolable = rest.filter(({ durable }) => durable !== "log");
        if (!isDirect) yield* this.#mode.turn(spoolable.length, since);
        const kept = spoolable.length === 0 ? [] : yield* this.#keepRest(spoolable, isDirect);
        // The log has come back meanwhile.
        if (kept.length < spoolable.length) continue;
        const fates = kept[Symbol.iterator]();
        results.push(...rest.map(({ durable }) => (durable === "log" ? missed : (fates.next().value ?? missed))));
      }
      return results;
    });
  }

  /** Waits for the log's first answer, so that a denied permission is an error of the first call, too. */
  get #meet(): Effect.Effect<void> {
    return Effect.suspend(() => this.#direct.patiently([], this.#end.learn)).pipe(
      Effect.andThen(Effect.sync(() => (this.#isMet = true))),
    );
  }

  /** True once the stream's end is known. Asks when it is not, so that nothing is attempted before. */
  get #knowsEnd(): Effect.Effect<boolean> {
    return Effect.suspend(() =>
      this.#end.now === undefined
        ? Effect.map(this.#direct.patiently([], this.#end.learn), () => this.#end.now !== undefined)
        : Effect.succeed(true),
    );
  }

  /**
   * Keeps commands until the log is back; nothing is kept when it has come back meanwhile. `logFailed`: it just did
   * not answer, so from here on every command is kept: in one step with this one, or the drain could find the spool
   * empty in between and send us back to the log.
   *
   * All lanes that wait at the same moment share one write to disk, as they would share one in the log.
   */
  #keepRest(commands: ReadonlyArray<Command>, logFailed: boolean): Effect.Effect<ReadonlyArray<Fate>> {
    return Effect.suspend(() => {
      const kept = Deferred.makeUnsafe<ReadonlyArray<Fate>>();
      this.#keeping.push({ commands, logFailed, kept });
      const keepAll = Effect.suspend(() => {
        const all = this.#keeping.splice(0);
        if (all.length === 0) return Effect.void;
        // Whatever ends it ends it for all of them, or the others would wait for ever.
        return Effect.onError(this.#keepAll(all), (cause) =>
          Effect.sync(() => all.forEach(({ kept: other }) => Deferred.doneUnsafe(other, Effect.failCause(cause)))),
        );
      });
      // Lanes that are ready to run come first: they join.
      const inTurn = this.#gate.withPermits(1)(Effect.andThen(Effect.yieldNow, keepAll));
      return Effect.andThen(inTurn, Deferred.await(kept));
    });
  }

  #keepAll(all: ReadonlyArray<Keeping>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      if (all.some(({ logFailed }) => logFailed)) this.#mode.spoolFromNowOn();
      const accepted: Array<Keeping & { readonly remember: () => void }> = [];
      for (const one of all) {
        // Commands of a task come one at a time (PerHistoryQueue), so the first one stands for all.
        const foreseen = this.#foresee(one.commands[0]);
        if (this.#mode.isDirect) Deferred.doneUnsafe(one.kept, Effect.succeed([]));
        else if (Result.isFailure(foreseen)) {
          Deferred.doneUnsafe(one.kept, Effect.succeed([Result.fail(foreseen.failure)]));
        } else accepted.push({ ...one, remember: foreseen.success });
      }
      const onDisk = yield* this.#keep.settle(accepted.flatMap(({ commands }) => commands));
      for (const { commands, kept, remember } of accepted) {
        // Without the disk each is held, or refused, by itself: one that is too much must not take others along.
        const put = onDisk ? Result.succeed("Spooled" as const) : yield* Effect.result(this.#keep.put(commands));
        if (Result.isSuccess(put)) remember();
        const fate = Result.map(put, (_tag): Delivered => ({ _tag }));
        Deferred.doneUnsafe(kept, Effect.succeed(commands.map(() => fate)));
      }
    });
  }

  /** A task that we know is decided on what we know, of others the drain decides. The success remembers the decision. */
  #foresee(command: Command | undefined): Result.Result<() => void, TaskRefusal> {
    const known = command === undefined ? undefined : this.#tasks.get(command.history);
    const move = command === undefined ? undefined : moveOf(command.event);
    if (command === undefined || known === undefined || move === undefined) return Result.succeed(() => undefined);
    const { history, event } = command;
    return Result.map(decide({ taskId: history.id, state: known.state, move }), () => () => {
      this.#tasks.set(history, { ...known, state: evolve(known.state, { ...event, sequence: known.upTo + 1 }) });
    });
  }
}
