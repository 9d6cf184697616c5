/**
 * Places: how many tasks of an agent type run at once, over all workers of all processes and machines.
 *
 * Room: coordination. In: domain, log (the encoding of keys), Bucket, Configuration, TaskQueue. Out: Tasks, TaskClaim.
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
import { defaultTenant } from "../domain/History.ts";
import { decodeToken } from "../log/Subject.ts";
import { type BucketError, Buckets, type Entry as BucketEntry, keyOf } from "./Bucket.ts";
import { Configuration } from "./Configuration.ts";
import { TaskQueue } from "./TaskQueue.ts";

export const bucketName = "RECOLLECT_TASK_SLOTS";

export const settings = {
  name: bucketName,
  description: "Recollect: which tasks of a bounded agent type run. May be deleted when no worker runs.",
  storage: "durable",
  // A place is 300 bytes: 50 types of 1,000 places.
  maxBytes: 16 * 1024 * 1024,
  maxValueBytes: 1_024,
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

/** What this process knows of a type that is bounded. */
interface Known {
  /** Counts what may have freed a place. */
  changes: number;
  /** `changes` when all were taken, and until when that is believed, epoch milliseconds. */
  full: { readonly changes: number; readonly until: number } | undefined;
  readonly waiting: Set<() => void>;
}

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
    /** Whether all places of a type were taken a moment ago. */
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
  const types = new Map<string, Known>();
  const silent = new Map<string, Silent>();
  let isWatched = false;

  const known = (agentType: string): Known => {
    const found = types.get(agentType) ?? { changes: 0, full: undefined, waiting: new Set() };
    types.set(agentType, found);
    return found;
  };
  const changed = (agentType: string) => {
    const one = known(agentType);
    one.changes++;
    // Those that are woken may wait again at once.
    const woken = [...one.waiting];
    one.waiting.clear();
    for (const wake of woken) wake();
  };

  /** Hears of places that others leave. Begun when a type was full for the first time. */
  const watch = Effect.suspend(() => {
    if (isWatched) return Effect.void;
    isWatched = true;
    const seen = bucket.watch(keyOf(tenant) + ".>").pipe(
      Stream.runForEach((entry) =>
        Effect.sync(() => {
          const agentType = entry === "caughtUp" ? undefined : decodeToken(entry.key.split(".")[1] ?? "");
          if (agentType !== undefined && types.has(agentType)) changed(agentType);
        }),
      ),
      Effect.ignore,
    );
    return Effect.forkIn(seen, scope);
  });
  yield* config.watch("tasks.concurrency").pipe(
    Stream.runForEach(() => Effect.sync(() => types.keys().forEach(changed))),
    Effect.forkScoped,
  );

  /** Whether nobody has answered for the place twice, a third of a lease apart. */
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
    taskId: string,
  ) {
    const token = -Math.ceil(random.nextDoubleUnsafe() * Number.MAX_SAFE_INTEGER);
    yield* queue.hold(token);
    for (const { index, revision } of wanted) {
      const key = `${prefix}.${index}`;
      const taken = yield* bucket.replace(key, bytesOf({ holder: queue.holder, token, taskId }), revision);
      if (taken !== undefined) return { key, token, revision: taken };
    }
    yield* queue.letGo(token);
    return undefined;
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
        changed(agentType);
        // Should it not be heard, we do not answer for it any more, and whoever needs it takes it.
        return Effect.andThen(queue.letGo(taken.token), bucket.replace(taken.key, bytesOf(free), taken.revision)).pipe(
          Effect.ignore,
          Effect.andThen(Effect.sync(() => changed(agentType))),
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
    const first = yield* takeOne(prefix, open(places, most), taskId);
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
    const second = yield* takeOne(prefix, open(now, most), taskId);
    return second === undefined ? undefined : slotOf(agentType, second);
  });

  return TaskSlots.of({
    enter: Effect.fnUntraced(function* (task) {
      const most = (yield* config.get("tasks.concurrency"))[task.agentType];
      if (most === undefined) return unbounded;
      const one = known(task.agentType);
      const { changes } = one;
      const slot = yield* enterBounded(task, most).pipe(
        // Without the bucket nobody knows how many run.
        Effect.catch((error) => Effect.as(Effect.logWarning(`${task.taskId} waits: ${error.reason}`), undefined)),
      );
      if (slot !== undefined) return slot;
      const now = yield* Clock.currentTimeMillis;
      one.full = { changes, until: now + task.leaseMillis / 3 };
      yield* watch;
      return undefined;
    }),
    isFull: (agentType) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const one = types.get(agentType);
        return one?.full !== undefined && one.full.changes === one.changes && now < one.full.until;
      }),
    freed: (agentTypes) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const fulls = agentTypes.flatMap((agentType) => types.get(agentType)?.full ?? []);
        const until = fulls.reduce((least, full) => Math.min(least, full.until), Infinity);
        const woken = Effect.callback<void>((resume) => {
          const wake = () => resume(Effect.void);
          for (const agentType of agentTypes) {
            const one = known(agentType);
            one.waiting.add(wake);
            if (one.full?.changes !== one.changes) wake();
          }
          return Effect.sync(() => {
            for (const agentType of agentTypes) known(agentType).waiting.delete(wake);
          });
        });
        return Effect.raceFirst(woken, Effect.sleep(Math.max(0, until - now)));
      }),
  });
});

export const layer = (options: Options = {}) => Layer.effect(TaskSlots, make(options));
