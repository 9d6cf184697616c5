/**
 * Places: how many tasks of an agent type run at once, over all workers of all processes and machines.
 *
 * Room: coordination.
 *
 * `tasks.concurrency` says how many (`{"reviewer": 2}`); a type that is not in it has no bound and costs nothing. For each
 * bounded type a bucket says which process has how many places, changed by its revision, so that no two workers ever have
 * one. A place is taken when there is an entry for it, and never by a worker that only waits.
 *
 * Promises, each a test in `test/contract/TasksContract.ts`:
 * - no more tasks of a type run than are configured, however many claim at the same moment;
 * - a type that has no place free holds up no other type;
 * - the places of a process that died are taken by another one within a lease.
 *
 * Decision: places and not `max_ack_pending` of the queue's consumer, because the server counts entries that wait for
 * their delay among those it has handed out, and a type has a consumer for each priority.
 * Decision: one number for each process, written as it is and not changed by one, because what a lost answer left behind is
 * mended by the next write, and a place that is left and taken again in the same moment is not written at all.
 * Decision: a claim that finds all places taken asks the processes, as for leases, and a place has no end of its own: so a
 * server that was away for longer than a lease costs no place of a worker that lives, and no heartbeats are written.
 */
import { Clock, Context, Effect, Layer, Option, Random, Schema, Semaphore, Stream } from "effect";
import { defaultTenant } from "../../../domain/History.ts";
import { backoff } from "../../../log/connection/Backoff.ts";
import { decodeToken } from "../../../log/Subject.ts";
import { type BucketError, Buckets, type Entry, keyOf } from "../../bucket/Bucket.ts";
import { Configuration } from "../../config/Configuration.ts";
import { TaskQueue } from "./TaskQueue.ts";

/** With pauses of 50 ms to 5 s this is half a minute; then the next place that is taken or left mends it. */
const settleTries = 12;

export const settings = {
  name: "RECOLLECT_TASK_SLOTS",
  description: "Recollect: which processes run tasks of bounded agent types. May be deleted when no worker runs.",
  storage: "durable",
  maxBytes: 16 * 1024 * 1024,
  // A process is 70 bytes: 900 of them work on one type.
  maxValueBytes: 64 * 1024,
  whenFull: "refuse",
} as const;

/** Places by process: its holder and a token that it answers for there, with a space between. */
const Taken = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Natural));
type Taken = typeof Taken.Type;
const decode = Schema.decodeUnknownOption(Taken);

/** A place for one task, or nothing that had to be taken. Leaving it twice is leaving it once. */
export interface Slot {
  readonly leave: Effect.Effect<void>;
}

const unbounded: Slot = { leave: Effect.void };

/** Knowledge of this process of an agent type, and its places. */
interface Known {
  readonly agentType: string;
  readonly one: Semaphore.Semaphore;
  taken: Taken;
  revision: number;
  mine: number;
  /** All places were taken, and until when that is believed; epoch milliseconds. */
  fullUntil: number;
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
  const token = -Math.ceil((yield* Random.next) * Number.MAX_SAFE_INTEGER);
  const me = `${queue.holder} ${token}`;
  const types = new Map<string, Known>();
  /** Processes that did not answer, and since when. */
  const silent = new Map<string, number>();
  let isWatched = false;

  const knownOf = (agentType: string): Known => {
    const made = { agentType, taken: {}, revision: 0, mine: 0, fullUntil: 0, waiting: new Set<() => void>() };
    const known = types.get(agentType) ?? { ...made, one: Semaphore.makeUnsafe(1) };
    types.set(agentType, known);
    return known;
  };
  const freed = (known: Known) => {
    known.fullUntil = 0;
    // Those that are woken may wait again at once.
    const woken = [...known.waiting];
    known.waiting.clear();
    for (const wake of woken) wake();
  };
  const othersOf = ({ taken }: Known) => Object.entries(taken).filter(([process]) => process !== me);
  const countOf = (known: Known) => othersOf(known).reduce((sum, [, count]) => sum + count, known.mine);
  const learn = (known: Known, { revision, value }: Pick<Entry, "revision" | "value">) => {
    const before = countOf(known);
    const text = value === undefined ? "{}" : Buffer.from(value).toString("utf8");
    known.taken = Option.getOrElse(decode(text), () => ({}));
    known.revision = revision;
    // A place that another has taken is no news to those who wait.
    if (countOf(known) < before) freed(known);
  };

  /** Hears of places that others leave. Begun with the first bounded type. */
  const watch = Effect.suspend(() => {
    if (isWatched) return Effect.void;
    isWatched = true;
    const seen = bucket.watch(`${keyOf(tenant)}.*`).pipe(
      Stream.runForEach((entry) =>
        Effect.sync(() => {
          const agentType = entry === "caughtUp" ? undefined : decodeToken(entry.key.split(".")[1] ?? "");
          const known = agentType === undefined ? undefined : types.get(agentType);
          if (known !== undefined && entry !== "caughtUp" && entry.revision > known.revision) learn(known, entry);
        }),
      ),
      Effect.ignore,
    );
    return Effect.andThen(queue.hold(token), Effect.forkIn(seen, scope));
  });
  yield* config.watch("tasks.concurrency").pipe(
    Stream.runForEach(() => Effect.sync(() => types.forEach(freed))),
    Effect.forkScoped,
  );

  /** Writes this process's places, unless they stand there already. False: another process wrote first, and was read. */
  const written = Effect.fnUntraced(function* (known: Known, taken: Taken = known.taken) {
    const { [me]: before = 0, ...others } = taken;
    if (before === known.mine && taken === known.taken) return true;
    const key = keyOf(tenant, known.agentType);
    const next = known.mine === 0 ? others : { ...others, [me]: known.mine };
    const revision = yield* bucket.replace(key, Buffer.from(JSON.stringify(next)), known.revision);
    if (revision === undefined)
      return yield* Effect.as(
        Effect.map(bucket.get(key), (now) => learn(known, now)),
        false,
      );
    known.taken = next;
    known.revision = revision;
    return true;
  });

  /** Leaves the bucket as this process is. What cannot be written now, or whose answer was lost, is written later. */
  const settle = (known: Known): Effect.Effect<void> => {
    const once = known.one.withPermit(Effect.repeat(written(known), { until: (isDone) => isDone }));
    const later = Effect.ignore(Effect.retry(once, { schedule: backoff, times: settleTries }));
    return once.pipe(
      Effect.catch(() => Effect.forkIn(later, scope)),
      Effect.asVoid,
    );
  };

  /** Without the processes that have not answered twice, a third of a lease apart. */
  const living = Effect.fnUntraced(function* (known: Known, leaseMillis: number) {
    const now = yield* Clock.currentTimeMillis;
    const alive = yield* Effect.filter(
      othersOf(known),
      ([process]) => {
        const [holder = "", held = ""] = process.split(" ");
        return Effect.map(queue.isHeld({ holder, token: Number(held) }), (isHeld) => {
          if (isHeld) silent.delete(process);
          else if (!silent.has(process)) silent.set(process, now);
          return now - (silent.get(process) ?? now) < leaseMillis / 3;
        });
      },
      { concurrency: 32 },
    );
    return Object.fromEntries([...alive, [me, known.taken[me] ?? 0]]);
  });

  const takeOne = Effect.fnUntraced(function* (known: Known, most: number, leaseMillis: number) {
    for (let isAsked = false; ;) {
      if (countOf(known) >= most) {
        if (isAsked) return false;
        isAsked = true;
        const taken = yield* living(known, leaseMillis);
        if (Object.keys(taken).length < Object.keys({ ...known.taken, [me]: 0 }).length) yield* written(known, taken);
        if (countOf(known) >= most) return false;
      }
      known.mine++;
      const isWritten = yield* written(known).pipe(Effect.tapError(() => Effect.sync(() => known.mine--)));
      if (isWritten) return true;
      known.mine--;
    }
  });

  const enterBounded = Effect.fnUntraced(function* (
    { agentType, leaseMillis }: Task,
    most: number,
  ): Effect.fn.Return<Slot | undefined, BucketError> {
    const known = knownOf(agentType);
    yield* watch;
    if (known.revision === 0) learn(known, yield* bucket.get(keyOf(tenant, agentType)));
    const isIn = yield* known.one.withPermit(takeOne(known, most, leaseMillis)).pipe(
      Effect.tapError(() => Effect.forkIn(settle(known), scope)),
      Effect.uninterruptible,
    );
    if (!isIn) {
      known.fullUntil = (yield* Clock.currentTimeMillis) + leaseMillis / 3;
      return undefined;
    }
    let isLeft = false;
    const leave = Effect.suspend(() => {
      if (isLeft) return Effect.void;
      isLeft = true;
      known.mine--;
      freed(known);
      return settle(known);
    });
    return { leave };
  });

  return TaskSlots.of({
    enter: Effect.fnUntraced(function* (task) {
      const most = (yield* config.get("tasks.concurrency"))[task.agentType];
      if (most === undefined) return unbounded;
      return yield* enterBounded(task, most).pipe(
        // Without the bucket nobody knows how many run.
        Effect.catch((error) => {
          const known = knownOf(task.agentType);
          const until = Effect.map(
            Clock.currentTimeMillis,
            (now) => void (known.fullUntil = now + task.leaseMillis / 3),
          );
          return Effect.as(
            Effect.andThen(until, Effect.logWarning(`${task.agentType} waits: ${error.reason}`)),
            undefined,
          );
        }),
      );
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
