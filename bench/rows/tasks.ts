/**
 * Tasks beside Redis, as a stream and through BullMQ: through submit, claim, begin and complete; and how long one that is submitted waits for a worker
 * that waits for it.
 */
import { Context, Deferred, Effect, Layer } from "effect";
import { Tasks } from "../../src/coordination/tasks/Tasks.ts";
import { inPairs, inTurns, percentile, perSecond, type Row, timed } from "../Harness.ts";
import * as BullTasks from "../peers/BullTasks.ts";
import { asSkipped } from "../peers/PeerProgram.ts";
import { peerDoes } from "../peers/PeerWork.ts";
import { type RedisClient, redis } from "../peers/Redis.ts";
import * as RedisTasks from "../peers/RedisTasks.ts";
import { world } from "../Servers.ts";
import { message, tasksOn, throughput } from "../TaskLoad.ts";

const rounds = 5;
const load = { tasks: 2_000, submitters: 128, workers: 128, message };
const claims = 150;

const readersOf = (client: RedisClient, count: number) =>
  Effect.replicateEffect(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const reader = client.duplicate();
        reader.on("error", () => {});
        await reader.connect();
        return reader;
      }),
      (reader) => Effect.sync(() => reader.destroy()),
    ),
    count,
  );

const redisName = (version: string) => `Redis ${version} stream and group, appendfsync always`;

const manyAtOnce = Effect.gen(function* () {
  const { client, version } = yield* redis;
  const { rooms } = yield* world();
  const services = Context.merge(rooms, yield* Layer.build(tasksOn).pipe(Effect.provide(rooms)));
  const readers = yield* readersOf(client, load.workers);
  const taken = yield* inTurns({
    rounds,
    ours: (round) => Effect.provide(throughput(load, `many-${round}`), services),
    peer: Effect.fnUntraced(function* (round) {
      const stream = `many-${round}`;
      yield* peerDoes(() => RedisTasks.makeQueue(client, stream));
      return yield* perSecond(
        load.tasks,
        peerDoes(() => RedisTasks.run({ client, readers, stream }, load)),
      );
    }),
  });
  const note = `${load.workers} workers and ${load.submitters} submitters; Redis has no fencing, history, retry or delay here`;
  return { ...taken, peerName: redisName(version), note };
}).pipe(Effect.catchTag("PeerMissing", asSkipped), Effect.orDie);

const besideBull = Effect.gen(function* () {
  const { place, version } = yield* redis;
  const { rooms } = yield* world();
  const services = Context.merge(rooms, yield* Layer.build(tasksOn).pipe(Effect.provide(rooms)));
  const taken = yield* inTurns({
    rounds,
    ours: (round) => Effect.provide(throughput(load, `many-${round}`), services),
    peer: (round) =>
      perSecond(
        load.tasks,
        peerDoes(() => BullTasks.run(place, `many-${round}`, load)),
      ),
  });
  const note = `${load.workers} workers and ${load.submitters} submitters; both keep each task with its result`;
  return { ...taken, peerName: `BullMQ on Redis ${version}, appendfsync always`, note };
}).pipe(Effect.catchTag("PeerMissing", asSkipped), Effect.orDie);

const oneByOne = Effect.gen(function* () {
  const { client, version } = yield* redis;
  const { rooms } = yield* world();
  const tasks = Context.get(yield* Layer.build(tasksOn).pipe(Effect.provide(rooms)), Tasks);
  const [reader] = yield* readersOf(client, 1);
  yield* peerDoes(() => RedisTasks.makeQueue(client, "one"));
  const agentType = "one";
  let claimed = Deferred.makeUnsafe<void>();
  const worker = Effect.gen(function* () {
    const lease = yield* tasks.claim({ agentTypes: [agentType] });
    const before = claimed;
    claimed = Deferred.makeUnsafe<void>();
    Deferred.doneUnsafe(before, Effect.void);
    yield* lease.complete();
  });
  yield* Effect.forkScoped(Effect.forever(worker));
  let told = Promise.withResolvers<void>();
  let isOver = false;
  const theirs = async () => {
    while (!isOver && reader !== undefined) {
      const taken = await RedisTasks.claim(reader, "one", "w").catch(() => undefined);
      if (taken === undefined) continue;
      await RedisTasks.begin(client, taken);
      const before = told;
      told = Promise.withResolvers<void>();
      before.resolve();
      await RedisTasks.complete(client, "one", taken);
    }
  };
  void theirs();
  yield* Effect.addFinalizer(() => Effect.sync(() => (isOver = true)));
  let last = 0;
  const samples = { ours: new Array<number>(), theirs: new Array<number>() };
  const taken = yield* inPairs({
    rounds,
    ours: () =>
      Array.from({ length: claims }, () =>
        Effect.suspend(() => {
          const next = claimed;
          const both = Effect.andThen(Effect.orDie(tasks.submit({ agentType, message })), Deferred.await(next));
          return Effect.map(timed(both), (millis) => samples.ours.push(millis));
        }),
      ),
    peer: () =>
      Array.from({ length: claims }, () => async () => {
        const { promise } = told;
        const began = performance.now();
        await RedisTasks.submit(client, "one", { id: `one-${last++}`, message });
        await promise;
        samples.theirs.push(performance.now() - began);
      }),
  });
  const slowest = (times: ReadonlyArray<number>) => `${percentile(times, 0.99).toFixed(1)} ms`;
  const note = `p50, from the call of submit until the worker holds its lease and the task runs by the log; p99 ${slowest(samples.ours)}, Redis ${slowest(samples.theirs)}`;
  return { ...taken, peerName: redisName(version), note };
}).pipe(Effect.catchTag("PeerMissing", asSkipped), Effect.orDie);

export const rows: ReadonlyArray<Row> = [
  {
    id: "tasks-throughput",
    what: "tasks through submit, claim, begin, complete, one process",
    unit: "tasks/s",
    goal: { of: "ours", is: "at least", limit: 1_000 },
    run: manyAtOnce,
  },
  {
    id: "tasks-throughput-bullmq",
    what: "tasks through submit, claim, begin, complete, one process",
    unit: "tasks/s",
    goal: undefined,
    run: besideBull,
  },
  {
    id: "tasks-claim",
    what: "a task's way from its submission to a worker that waits",
    unit: "ms",
    goal: { of: "ratio", is: "at most", limit: 2 },
    run: oneByOne,
  },
];
