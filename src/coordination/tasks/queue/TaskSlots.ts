/**
 * Places: how many tasks of an agent type run at once, over all workers of all processes and machines.
 *
 * Room: coordination.
 *
 * `tasks.concurrency` says how many (`{"reviewer": 2}`); a type that is not in it has no bound and costs nothing. A place
 * is a key of a bucket, taken and left by its revision, so that no two workers ever have one. It is taken when there is
 * an entry for it, and never by a worker that only waits.
 *
 * Promises, each a test in `test/contract/TasksContract.ts`:
 * - no more tasks of a type run than are configured, whoever claims at the same moment;
 * - a type that has no place free holds up no other type;
 * - the place of a process that died is taken by another one within a lease.
 *
 * Decision: places and not `max_ack_pending` of the queue's consumer, because the server counts entries that wait for
 * their delay among those it has handed out, and a type has a consumer for each priority.
 * Decision: whoever finds all places taken asks their holders, as for leases, and a place has no end of its own: so a
 * server that was away for longer than a lease costs no place of a worker that lives, and nobody writes heartbeats.
 */
import { Clock, Context, Effect, Layer, Option, Random, Schema, Stream } from "effect";
import { defaultTenant } from "../../../domain/History.ts";
import { decodeToken } from "../../../log/Subject.ts";
import { type BucketError, Buckets, type Entry as BucketEntry, keyOf } from "../../bucket/Bucket.ts";
import { Configuration } from "../../config/Configuration.ts";
import { SlotCounts } from "./SlotCounts.ts";
import { TaskQueue } from "./TaskQueue.ts";

export const bucketName = "RECOLLECT_TASK_SLOTS";

export const settings = {
  name: bucketName,
  description: "Recollect: which tasks of a bounded agent type run. May be deleted when no worker runs.",
  storage: "durable",
  // A place is 300 bytes: 50 types of 1,000 places.
  maxBytes: 16 * 1024 * 1024,
  // A task's id is 200 bytes, and JSON may write a byte as six.
  maxValueBytes: 2_048,
  whenFull: "refuse",
} as const;

/** `holder` is where the process can be asked, and `token` what it then says that it holds; null: nobody. */
const Place = Schema.fromJsonString(
  Schema.Struct({ holder: Schema.NullOr(Schema.String), token: Schema.Finite, taskId: Schema.NullOr(Schema.String) }),
);
type Place = typeof Place.Type;
const decode = Schema.decodeUnknownOption(Place);
const encode = Schema.encodeSync(Place);
const bytesOf = (place: Place): Uint8Array => Buffer.from(encode(place));
const free: Place = { holder: null, token: 0, taskId: null };

/** A place for one task, or nothing that had to be taken. Leaving it twice is leaving it once. */
export interface Slot {
  readonly leave: Effect.Effect<void>;
}

const unbounded: Slot = { leave: Effect.void };

/** A holder that did not answer: for which revision of its place, and since when. */
interface Silent {
  readonly revision: number;
  readonly since: number;
}

interface Taken {
  readonly key: string;
  readonly index: number;
  readonly revision: number;
  readonly place: Place;
}

export class TaskSlots extends Context.Service<
  TaskSlots,
  {
    /** A place for this task; undefined when all are taken, and then `isFull` for a while. */
    readonly enter: (task: {
      readonly agentType: string;
      readonly taskId: string;
      readonly leaseMillis: number;
    }) => Effect.Effect<Slot | undefined>;
    /** True when all places of a type were taken a moment ago. */
    readonly isFull: (agentType: string) => Effect.Effect<boolean>;
    /** Returns when one of these types, which are full, may have a place. */
    readonly freed: (agentTypes: ReadonlyArray<string>) => Effect.Effect<void>;
  }
>()("recollect/coordination/TaskSlots") {}

export interface Options {
  readonly tenant?: string | undefined;
}

/** In the order of their numbers; of ours and nobody's. A value of somebody else's making is taken, by nobody who answers. */
const readPlaces = (prefix: string, entries: ReadonlyArray<BucketEntry>): ReadonlyArray<Taken> =>
  entries.flatMap(({ key, revision, value }) => {
    const index = Number(key.slice(prefix.length + 1));
    if (value === undefined || !Number.isInteger(index)) return [];
    const place = Option.getOrElse(decode(Buffer.from(value).toString("utf8")), () => ({ ...free, holder: "" }));
    return [{ key, index, revision, place }];
  });

const isFree = ({ value }: BucketEntry): boolean =>
  value === undefined || Option.getOrUndefined(decode(Buffer.from(value).toString("utf8")))?.holder === null;

/** Those places below `most` that may be taken: each one beyond, of a bound that was larger, counts as one below. */
const open = (places: ReadonlyArray<Taken>, most: number): ReadonlyArray<Pick<Taken, "index" | "revision">> => {
  const taken = places.filter(({ place }) => place.holder !== null);
  const beyond = taken.filter(({ index }) => index >= most).length;
  const byIndex = new Map(places.map((one) => [one.index, one]));
  return Array.from({ length: Math.max(0, most - beyond) }, (_, index) => {
    const known = byIndex.get(index);
    return known === undefined || known.place.holder === null ? [{ index, revision: known?.revision ?? 0 }] : [];
  }).flat();
};

const make = Effect.fnUntraced(function* ({ tenant = defaultTenant }: Options) {
  const queue = yield* TaskQueue;
  const config = yield* Configuration;
  const bucket = yield* (yield* Buckets).open(settings);
  const random = yield* Random.Random;
  const scope = yield* Effect.scope;
  const silent = new Map<string, Silent>();
  const news = new SlotCounts();
  let isWatched = false;

  /** Hears of places that others leave. Begun when a type was full for the first time. */
  const watch = Effect.suspend(() => {
    if (isWatched) return Effect.void;
    isWatched = true;
    const seen = bucket.watch(keyOf(tenant) + ".>").pipe(
      Stream.runForEach((entry) =>
        Effect.sync(() => {
          if (entry === "caughtUp" || !isFree(entry)) return;
          const agentType = decodeToken(entry.key.split(".")[1] ?? "");
          if (agentType !== undefined) news.freed(agentType);
        }),
      ),
      Effect.ignore,
    );
    return Effect.forkIn(seen, scope);
  });
  yield* config.watch("tasks.concurrency").pipe(
    Stream.runForEach(() => Effect.sync(() => news.allFreed())),
    Effect.forkScoped,
  );

  /** True when nobody has answered for the place twice, a third of a lease apart. */
  const isDead = Effect.fnUntraced(function* ({ key, place, revision }: Taken, leaseMillis: number) {
    if (place.holder !== "" && (yield* queue.isHeld({ holder: place.holder ?? "", token: place.token }))) {
      silent.delete(key);
      return false;
    }
    const now = yield* Clock.currentTimeMillis;
    const before = silent.get(key);
    if (before?.revision === revision) return now - before.since >= leaseMillis / 3;
    silent.set(key, { revision, since: now });
    return false;
  });

  /** Takes the first of these that nobody else takes at the same moment. */
  const takeOne = Effect.fnUntraced(function* (
    prefix: string,
    wanted: ReadonlyArray<Pick<Taken, "index" | "revision">>,
    { taskId, token }: { readonly taskId: string; readonly token: number },
  ) {
    for (const { index, revision } of wanted) {
      const key = `${prefix}.${index}`;
      const ours = bytesOf({ holder: queue.holder, token, taskId });
      let taken = yield* bucket.replace(key, ours, revision);
      if (taken === undefined && revision === 0) {
        // Somebody has removed it by hand, which leaves a mark with a revision.
        const now = yield* bucket.get(key);
        if (now.value === undefined) taken = yield* bucket.replace(key, ours, now.revision);
      }
      if (taken !== undefined) return { key, token, revision: taken };
    }
    yield* queue.letGo(token);
    return undefined;
  });
  /** What may have been taken, for all that was heard, is answered for by nobody. */
  const take = Effect.fnUntraced(function* (
    prefix: string,
    wanted: ReadonlyArray<Pick<Taken, "index" | "revision">>,
    taskId: string,
  ) {
    const token = -Math.ceil(random.nextDoubleUnsafe() * Number.MAX_SAFE_INTEGER);
    yield* queue.hold(token);
    return yield* takeOne(prefix, wanted, { token, taskId }).pipe(Effect.tapError(() => queue.letGo(token)));
  });

  const slotOf = (
    agentType: string,
    taken: { readonly key: string; readonly token: number; readonly revision: number },
  ) => {
    let isLeft = false;
    return {
      leave: Effect.suspend(() => {
        if (isLeft) return Effect.void;
        isLeft = true;
        // Should it not be heard, we do not answer for it any more, and whoever needs it takes it.
        return Effect.andThen(queue.letGo(taken.token), bucket.replace(taken.key, bytesOf(free), taken.revision)).pipe(
          Effect.ignore,
          Effect.andThen(Effect.sync(() => news.freed(agentType))),
        );
      }),
    } satisfies Slot;
  };

  const enterBounded = Effect.fnUntraced(function* (
    task: { readonly agentType: string; readonly taskId: string; readonly leaseMillis: number },
    most: number,
  ): Effect.fn.Return<Slot | undefined, BucketError> {
    const { agentType, leaseMillis, taskId } = task;
    const prefix = keyOf(tenant, agentType);
    const places = readPlaces(prefix, yield* bucket.entries(`${prefix}.*`));
    const first = yield* take(prefix, open(places, most), taskId);
    if (first !== undefined) return slotOf(agentType, first);
    const held = places.filter(({ place }) => place.holder !== null);
    const alive = yield* Effect.forEach(held, (one) => Effect.map(isDead(one, leaseMillis), (is) => !is), {
      concurrency: 32,
    });
    const dead = held.filter((_, at) => alive[at] === false);
    // What is dead is free, below the bound; beyond it, its end makes room there.
    for (const { key, revision } of dead) yield* bucket.replace(key, bytesOf(free), revision);
    if (dead.length === 0) return undefined;
    const now = readPlaces(prefix, yield* bucket.entries(`${prefix}.*`));
    const second = yield* take(prefix, open(now, most), taskId);
    return second === undefined ? undefined : slotOf(agentType, second);
  });

  return TaskSlots.of({
    enter: Effect.fnUntraced(function* (task) {
      const most = (yield* config.get("tasks.concurrency"))[task.agentType];
      if (most === undefined) return unbounded;
      const changes = news.changes(task.agentType);
      const slot = yield* enterBounded(task, most).pipe(
        // Without the bucket nobody knows how many run.
        Effect.catch((error) => Effect.as(Effect.logWarning(`${task.taskId} waits: ${error.reason}`), undefined)),
      );
      if (slot !== undefined) return slot;
      const now = yield* Clock.currentTimeMillis;
      news.full(task.agentType, changes, now + task.leaseMillis / 3);
      yield* watch;
      return undefined;
    }),
    isFull: (agentType) => news.isFull(agentType),
    freed: (agentTypes) => news.awaitFreed(agentTypes),
  });
});

export const layer = (options: Options = {}) => Layer.effect(TaskSlots, make(options));
