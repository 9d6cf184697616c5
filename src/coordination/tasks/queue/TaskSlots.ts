/**
 * Places: how many tasks of an agent type run at once, over all workers of all processes and machines.
 *
 * Room: coordination.
 *
 * `tasks.concurrency` says how many (`{"reviewer": 2}`); a type that is not in it has no bound and costs nothing. Each place
 * that is taken is a value in a bucket, under its number, with the process that has it and a token that it answers for. A
 * place is taken when there is an entry for it, and never by a worker that only waits.
 *
 * Promises, each a test in `test/contract/TasksContract.ts`:
 * - no more tasks of a type run than are configured, however many claim at the same moment;
 * - a type that has no place free holds up no other type;
 * - the places of a process that died are taken by another one within a lease.
 *
 * Decision: places and not `max_ack_pending` of the queue's consumer, because the server counts entries that wait for
 * their delay among those it has handed out, and a type has a consumer for each priority.
 * Decision: the lowest number that is free, conditional on its revision: of claims that saw the same, one takes it and the
 * others look again, also while more are taken than are configured by now.
 * Decision: a claim that finds all places taken asks for their tokens, as for leases, and a place has no end of its own: so a
 * server that was away for longer than a lease costs no place of a worker that lives, no heartbeats are written, and what
 * a lost answer left behind is found like the place of a process that died.
 */
import { Clock, Context, Effect, Layer, Random, Semaphore, Stream } from "effect";
import { defaultTenant } from "../../../domain/History.ts";
import { decodeToken } from "../../../log/Subject.ts";
import { type BucketError, Buckets, type Entry, keyOf } from "../../bucket/Bucket.ts";
import { Configuration } from "../../config/Configuration.ts";
import { TaskQueue } from "./TaskQueue.ts";

export const settings = {
  name: "RECOLLECT_TASK_SLOTS",
  description: "Recollect: which processes run tasks of bounded agent types. May be deleted when no worker runs.",
  storage: "durable",
  maxBytes: 16 * 1024 * 1024,
  maxValueBytes: 1024,
  whenFull: "refuse",
} as const;

/** Values and marks that are read at once: as many as a type can have places. */
const readAtOnce = 1_000;
/** Questions for tokens that are on their way together. */
const askedAtOnce = 32;

/** A place for one task, or nothing that had to be taken. Leaving it twice is leaving it once. */
export interface Slot {
  readonly leave: Effect.Effect<void>;
}

const unbounded: Slot = { leave: Effect.void };

/** Knowledge of this process of an agent type. */
interface Known {
  readonly agentType: string;
  readonly one: Semaphore.Semaphore;
  /** Places whose process did not answer for them, by key and revision, and since when. */
  readonly silent: Map<string, number>;
  /** All places were taken, and until when that is believed; epoch milliseconds. */
  fullUntil: number;
  /** Number of times at which a place may have come free. */
  freed: number;
  readonly waiting: Set<() => void>;
}

interface Task {
  readonly agentType: string;
  readonly leaseMillis: number;
}

export class TaskSlots extends Context.Service<
  TaskSlots,
  {
    /** A place for a task of that type; undefined when all are taken, and then `isFull` for a while. */
    readonly enter: (task: Task) => Effect.Effect<Slot | undefined>;
    /** True when all places of a type were taken a moment ago. */
    readonly isFull: (agentType: string) => Effect.Effect<boolean>;
    /** Returns when one of these types, which are full, may have a place. */
    readonly freed: (agentTypes: ReadonlyArray<string>) => Effect.Effect<void>;
  }
>()("recollect/coordination/TaskSlots") {}

export interface Options {
  readonly tenant?: string | undefined;
}

const make = Effect.fnUntraced(function* ({ tenant = defaultTenant }: Options) {
  const queue = yield* TaskQueue;
  const config = yield* Configuration;
  const bucket = yield* (yield* Buckets).open(settings);
  const scope = yield* Effect.scope;
  const types = new Map<string, Known>();
  let isWatched = false;

  const knownOf = (agentType: string): Known => {
    const sets = { silent: new Map<string, number>(), waiting: new Set<() => void>() };
    const made = { agentType, ...sets, one: Semaphore.makeUnsafe(1), fullUntil: 0, freed: 0 };
    const known = types.get(agentType) ?? made;
    types.set(agentType, known);
    return known;
  };
  const freed = (known: Known) => {
    known.fullUntil = 0;
    known.freed++;
    // Those that are woken may wait again at once.
    const woken = [...known.waiting];
    known.waiting.clear();
    for (const wake of woken) wake();
  };

  /** Hears of places that are left. Begun with the first bounded type. */
  const watch = Effect.suspend(() => {
    if (isWatched) return Effect.void;
    isWatched = true;
    const hear = (entry: Entry | "caughtUp") => {
      if (entry === "caughtUp") return types.forEach(freed);
      const known = types.get(decodeToken(entry.key.split(".")[1] ?? "") ?? "");
      // A place that another process has taken wakes no waiting claim.
      if (known !== undefined && entry.value === undefined) freed(known);
    };
    const seen = Stream.runForEach(bucket.watch(`${keyOf(tenant)}.*.*`), (entry) => Effect.sync(() => hear(entry)));
    return Effect.forkIn(Effect.ignore(seen), scope);
  });
  yield* config.watch("tasks.concurrency").pipe(
    Stream.runForEach(() => Effect.sync(() => types.forEach(freed))),
    Effect.forkScoped,
  );

  /** True when the process of a place has not answered for it twice, a third of a lease apart. */
  const isLeft = Effect.fnUntraced(function* (
    { silent }: Known,
    { key, revision, value = Buffer.of() }: Entry,
    leaseMillis: number,
  ) {
    const [holder = "", token] = Buffer.from(value).toString("utf8").split(" ");
    const place = `${key} ${revision}`;
    const now = yield* Clock.currentTimeMillis;
    if (yield* queue.isHeld({ holder, token: Number(token) })) silent.delete(place);
    else if (!silent.has(place)) silent.set(place, now);
    return now - (silent.get(place) ?? now) >= leaseMillis / 3;
  });

  /** The place to take: the lowest number that is free, else one that was left. */
  const placeOf = Effect.fnUntraced(function* (known: Known, most: number, leaseMillis: number) {
    const { entries } = yield* bucket.next(`${keyOf(tenant, known.agentType)}.*`, { most: readAtOnce });
    const taken = entries.filter(({ value }) => value !== undefined);
    if (taken.length < most) {
      const keys = new Set(taken.map(({ key }) => key));
      for (let number = 0; ; number++) {
        const key = keyOf(tenant, known.agentType, String(number));
        if (!keys.has(key)) return { key, revision: entries.find((entry) => entry.key === key)?.revision ?? 0 };
      }
    }
    const left = yield* Effect.filter(taken, (entry) => isLeft(known, entry, leaseMillis), {
      concurrency: askedAtOnce,
    });
    return taken.length - left.length < most ? left[0] : undefined;
  });

  const enterBounded = Effect.fnUntraced(function* (
    known: Known,
    most: number,
    leaseMillis: number,
  ): Effect.fn.Return<Slot | undefined, BucketError> {
    for (;;) {
      const place = yield* placeOf(known, most, leaseMillis);
      if (place === undefined) return undefined;
      const token = -Math.ceil((yield* Random.next) * Number.MAX_SAFE_INTEGER);
      yield* queue.hold(token);
      const taken = bucket.replace(place.key, Buffer.from(`${queue.holder} ${token}`), place.revision);
      const revision = yield* Effect.onError(taken, () => queue.letGo(token));
      if (revision === undefined) {
        yield* queue.letGo(token);
        continue;
      }
      known.silent.clear();
      const removed = Effect.forkIn(Effect.ignore(bucket.remove(place.key, revision)), scope);
      let isOver = false;
      const leave = Effect.suspend(() => {
        if (isOver) return Effect.void;
        isOver = true;
        return Effect.andThen(queue.letGo(token), removed);
      });
      return { leave };
    }
  });

  return TaskSlots.of({
    enter: Effect.fnUntraced(function* ({ agentType, leaseMillis }) {
      const bounds = yield* config.get("tasks.concurrency");
      // A type may be named as what every object has: `constructor`.
      const most = Object.hasOwn(bounds, agentType) ? bounds[agentType] : undefined;
      if (most === undefined) return unbounded;
      const known = knownOf(agentType);
      yield* watch;
      const { freed: before } = known;
      const slot = yield* known.one.withPermit(enterBounded(known, most, leaseMillis)).pipe(
        Effect.uninterruptible,
        // Without the bucket nothing says how many run.
        Effect.catch(({ reason }) => Effect.as(Effect.logWarning(`${agentType} waits: ${reason}`), undefined)),
      );
      if (slot === undefined && known.freed === before)
        known.fullUntil = (yield* Clock.currentTimeMillis) + leaseMillis / 3;
      return slot;
    }),
    isFull: (agentType) => Effect.map(Clock.currentTimeMillis, (now) => now < (types.get(agentType)?.fullUntil ?? 0)),
    freed: (agentTypes) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const all = agentTypes.map(knownOf);
        const until = all.reduce((least, { fullUntil }) => Math.min(least, fullUntil), Infinity);
        const woken = Effect.callback<void>((resume) => {
          const wake = () => resume(Effect.void);
          for (const one of all) one.waiting.add(wake);
          return Effect.sync(() => {
            for (const one of all) one.waiting.delete(wake);
          });
        });
        return Effect.raceFirst(woken, Effect.sleep(Math.max(0, until - now)));
      }),
  });
});

export const layer = (options: Options = {}) => Layer.effect(TaskSlots, make(options));
