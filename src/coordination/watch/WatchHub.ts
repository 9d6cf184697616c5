/**
 * One follower of the log for all watchers of a process: what it reads is handed to each of them, and it waits for none.
 *
 * Room: coordination.
 *
 * Begun with the first watcher and ended with the last. Plain and mutable, because it runs for every event of the log.
 *
 * Decision: it follows the whole log, also for one watcher of one thread, because the server has one consumer for a
 * process then, however many watchers come and go; for one history and nothing else there is `EventLog.follow`.
 */
import { Deferred, Effect, Fiber, Schedule, type Scope, Stream } from "effect";
import { isMisfit, type LogEntry } from "../../domain/Event.ts";
import { type History, keyOf, type Sequence } from "../../domain/History.ts";
import type { EventLog, LogDamaged } from "../../log/EventLog.ts";

/** Target of a watcher: one history, everything of a tenant, or everything, misfits too. */
export type Watchable = { readonly history: History } | { readonly tenant: string } | "everything";

export interface Limits {
  /** Entries, and bytes of their bodies, that wait for one watcher. */
  readonly maxWaiting: number;
  readonly maxWaitingBytes: number;
}

const placeOf = (what: Watchable): string => {
  if (what === "everything") return "";
  return "history" in what ? `h${keyOf(what.history)}` : `t${what.tenant}`;
};

/** Places at which watchers of an entry stand. */
const placesOf = (entry: LogEntry): ReadonlyArray<string> =>
  isMisfit(entry) ? [""] : ["", `t${entry.history.tenant}`, `h${keyOf(entry.history)}`];

/** Entries that wait for one watcher. When they are too many they are dropped, and the watcher reads them from the log. */
export class Waiting {
  private entries: Array<LogEntry> = [];
  private bytes = 0;
  private wake: (() => void) | undefined;
  private failure: LogDamaged | undefined;
  private readonly limits: Limits;
  /** True when something was dropped; nothing is taken in until `begin`. */
  isBehind = true;

  constructor(limits: Limits) {
    this.limits = limits;
  }

  /** Takes in what comes from now on. */
  begin(): void {
    this.entries = [];
    this.bytes = 0;
    this.isBehind = false;
  }

  offer(entry: LogEntry): void {
    if (this.isBehind) return;
    const bytes = this.bytes + entry.body.byteLength;
    const { maxWaiting, maxWaitingBytes } = this.limits;
    // One entry always has room, or it would never be seen.
    if (this.entries.length > 0 && (this.entries.length >= maxWaiting || bytes > maxWaitingBytes)) {
      this.entries = [];
      this.isBehind = true;
    } else {
      this.entries.push(entry);
      this.bytes = bytes;
    }
    this.wake?.();
  }

  fail(failure: LogDamaged): void {
    this.failure = failure;
    this.wake?.();
  }

  /** Entries that wait; returns when there is one, or `isBehind` holds. */
  readonly take: Effect.Effect<ReadonlyArray<LogEntry>, LogDamaged> = Effect.suspend(() => {
    if (this.entries.length > 0 || this.isBehind) {
      const { entries } = this;
      this.entries = [];
      this.bytes = 0;
      return Effect.succeed(entries);
    }
    return this.failure === undefined ? Effect.andThen(this.something, this.take) : Effect.fail(this.failure);
  });

  private readonly something = Effect.callback<void>((resume) => {
    if (this.entries.length > 0 || this.isBehind || this.failure !== undefined) return resume(Effect.void);
    this.wake = () => resume(Effect.void);
    return Effect.sync(() => (this.wake = undefined));
  });
}

/** From the first watcher to the last one. */
interface Run {
  readonly watchers: Map<string, Set<Waiting>>;
  /** Completes when `position` is known. */
  readonly began: Deferred.Deferred<void, LogDamaged>;
  fiber: Fiber.Fiber<void> | undefined;
  /** The last sequence that was handed on. */
  position: Sequence;
  count: number;
}

export interface Joined {
  readonly waiting: Waiting;
  /** The last sequence that was handed on to every watcher: what comes into `waiting` lies behind it. */
  readonly position: () => Sequence;
}

export interface Hub {
  /** Until the scope closes. Returns when the log could be asked how far it reaches. */
  readonly join: (what: Watchable, limits: Limits) => Effect.Effect<Joined, LogDamaged, Scope.Scope>;
  readonly watchers: () => number;
}

/** The log is asked again while it is unreachable, for as long as there is a watcher. */
export const patience = Schedule.min([Schedule.exponential(20), Schedule.spaced(2_000)]).pipe(Schedule.jittered);

export const make = Effect.fnUntraced(function* (log: EventLog["Service"]) {
  const scope = yield* Effect.scope;
  let current: Run | undefined;

  const handOn = (run: Run, entries: ReadonlyArray<LogEntry>) =>
    Effect.sync(() => {
      for (const entry of entries) {
        run.position = entry.sequence;
        for (const place of placesOf(entry)) run.watchers.get(place)?.forEach((waiting) => waiting.offer(entry));
      }
    });

  const follow = (run: Run) =>
    Effect.gen(function* () {
      run.position = (yield* Effect.retry(log.info, patience)).lastSequence;
      yield* Deferred.succeed(run.began, undefined);
      const events = Stream.suspend(() => log.follow({ after: run.position }));
      yield* Stream.runForEachArray(events, (entries) => handOn(run, entries)).pipe(
        Effect.retry({ schedule: patience, while: ({ _tag }) => _tag === "LogUnavailable" }),
      );
    }).pipe(
      Effect.catchTag("LogDamaged", (damage) =>
        Effect.suspend(() => {
          if (current === run) current = undefined;
          for (const waiting of run.watchers.values()) waiting.forEach((one) => one.fail(damage));
          return Deferred.fail(run.began, damage);
        }),
      ),
      Effect.ignore,
    );

  const newRun = (): Run => ({
    watchers: new Map(),
    began: Deferred.makeUnsafe<void, LogDamaged>(),
    fiber: undefined,
    position: 0,
    count: 0,
  });

  const enter = Effect.fnUntraced(function* (place: string, waiting: Waiting) {
    const isFirst = current === undefined;
    const run = (current ??= newRun());
    run.count++;
    const there = run.watchers.get(place) ?? new Set();
    run.watchers.set(place, there.add(waiting));
    if (isFirst) run.fiber = yield* Effect.forkIn(follow(run), scope);
    return run;
  });

  const leave = (run: Run, place: string, waiting: Waiting) =>
    Effect.suspend(() => {
      const there = run.watchers.get(place);
      there?.delete(waiting);
      if (there?.size === 0) run.watchers.delete(place);
      if (--run.count > 0) return Effect.void;
      if (current === run) current = undefined;
      return run.fiber === undefined ? Effect.void : Fiber.interrupt(run.fiber);
    });

  const self: Hub = {
    join: Effect.fnUntraced(function* (what, limits) {
      const place = placeOf(what);
      const waiting = new Waiting(limits);
      const run = yield* Effect.acquireRelease(enter(place, waiting), (entered) => leave(entered, place, waiting));
      yield* Deferred.await(run.began);
      return { waiting, position: () => run.position };
    }),
    watchers: () => current?.count ?? 0,
  };
  return self;
});
