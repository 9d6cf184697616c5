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
import { Clock, Effect, Random, Semaphore, Stream } from "effect";
import { decodeToken } from "../../../log/Subject.ts";
import { type BucketError, Buckets, type Entry, keyOf } from "../../bucket/Bucket.ts";
import { Configuration } from "../../config/Configuration.ts";
import type { ClosedTypes } from "../ClosedTypes.ts";
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

interface Task {
  readonly agentType: string;
  readonly leaseMillis: number;
}

/** Knowledge of this process of an agent type. */
interface Known {
  /** Of its claims one at a time takes a place. */
  readonly turn: Semaphore.Semaphore;
  /** Places whose process did not answer for them, by key and revision, and since when. */
  readonly silent: Map<string, number>;
}

export const make = Effect.fnUntraced(function* (tenant: string, closed: ClosedTypes) {
  const queue = yield* TaskQueue;
  const config = yield* Configuration;
  const bucket = yield* (yield* Buckets).open(settings);
  const scope = yield* Effect.scope;
  const types = new Map<string, Known>();

  /** Hears of places that are left; one that is taken wakes no claim. Begun with the first bounded type. */
  const watched = yield* Effect.cached(
    bucket.watch(`${keyOf(tenant)}.*.*`).pipe(
      Stream.runForEach((entry) => {
        if (entry === "caughtUp") return closed.open();
        return entry.value === undefined ? closed.open(decodeToken(entry.key.split(".")[1] ?? "")) : Effect.void;
      }),
      Effect.ignore,
      Effect.forkIn(scope),
    ),
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
  const placeOf = Effect.fnUntraced(function* (known: Known, { agentType, leaseMillis }: Task, most: number) {
    const { entries } = yield* bucket.next(`${keyOf(tenant, agentType)}.*`, { most: readAtOnce });
    const taken = entries.filter(({ value }) => value !== undefined);
    if (taken.length < most) {
      const keys = new Set(taken.map(({ key }) => key));
      for (let number = 0; ; number++) {
        const key = keyOf(tenant, agentType, String(number));
        if (!keys.has(key)) return { key, revision: entries.find((entry) => entry.key === key)?.revision ?? 0 };
      }
    }
    const left = yield* Effect.filter(taken, (entry) => isLeft(known, entry, leaseMillis), {
      concurrency: askedAtOnce,
    });
    return taken.length - left.length < most ? left[0] : undefined;
  });

  const take = Effect.fnUntraced(function* (
    known: Known,
    task: Task,
    most: number,
  ): Effect.fn.Return<Slot | undefined, BucketError> {
    for (;;) {
      const place = yield* placeOf(known, task, most);
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
      return { leave: yield* Effect.cached(Effect.asVoid(Effect.andThen(queue.letGo(token), removed))) };
    }
  });

  /** A place for a task; undefined when all are taken, and then its type is closed for a while. */
  const enter = Effect.fnUntraced(function* (task: Task) {
    const { agentType, leaseMillis } = task;
    const bounds = yield* config.get("tasks.concurrency");
    // An agent type may be called `constructor`, a property of every object.
    const most = Object.hasOwn(bounds, agentType) ? bounds[agentType] : undefined;
    if (most === undefined) return unbounded;
    yield* watched;
    const known: Known = types.get(agentType) ?? { turn: Semaphore.makeUnsafe(1), silent: new Map() };
    types.set(agentType, known);
    const since = closed.news(agentType);
    const slot = yield* known.turn.withPermit(take(known, task, most)).pipe(
      Effect.uninterruptible,
      // Without the bucket nothing says how many run.
      Effect.catch(({ reason }) => Effect.as(Effect.logWarning(`${agentType} waits: ${reason}`), undefined)),
    );
    if (slot === undefined) yield* closed.close(agentType, leaseMillis / 3, since);
    return slot;
  });

  return { enter };
});

export type TaskSlots = Effect.Success<ReturnType<typeof make>>;
