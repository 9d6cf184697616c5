/**
 * The task drill: workers, each with a clock that is up to ten minutes off, share tasks while workers are killed and told to
 * go, their clocks are set, nats-server is killed, and the queue is deleted, all at random. Then hold the log, and nothing else, against what was promised.
 *
 * Afterwards: every task that was submitted has ended, once, and nothing follows its end; every lease ended before the
 * next one began, and none before the pause was over by the log's clock; nothing was said under a lease but while it stood; no task was tried more often than it may be; and what
 * waited beside them still waits.
 */
import { Clock, Effect, Fiber, Layer, Schedule, Stream } from "effect";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keepFilledFromLog, openInLog } from "../../src/coordination/tasks/Requeue.ts";
import * as TaskQueueNats from "../../src/coordination/tasks/queue/TaskQueueNats.ts";
import * as Tasks from "../../src/coordination/tasks/Tasks.ts";
import type { RecordedEvent } from "../../src/domain/Event.ts";
import { task as historyOf } from "../../src/domain/History.ts";
import { EventLog, maxEventsPerAppend } from "../../src/log/EventLog.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { compose } from "../../src/publish/write/NewEvent.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { writing } from "../support/writing.ts";
import { type Dice, dice } from "./Dice.ts";
import { type Program, start } from "./Program.ts";
import { DrillFailed } from "./Stage.ts";

export interface Options {
  readonly tasks: number;
  readonly workers: number;
  /** Tasks submitted before: half of them are due tomorrow, and nobody works on the others. */
  readonly waiting: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

export interface Outcome {
  readonly tasks: number;
  /** How they ended. */
  readonly ends: Readonly<Record<string, number>>;
  readonly claims: number;
  /** Leases that ended because their worker was silent, and because it gave the task back. */
  readonly lapsed: number;
  readonly givenBack: number;
  readonly disturbances: Readonly<Record<Disturbance, number>>;
  readonly seconds: number;
  readonly faults: ReadonlyArray<string>;
  /** Kept when there are faults. */
  readonly folder: string;
}

const leaseMillis = 1_500;
const maxAttempts = 20;
/** Tasks of one batch; what is submitted at once is all or nothing. */
const batchSize = 100;
const longestPauseMillis = 2_000;
/** Without a task that ends in this time the drill has failed. */
const patienceMillis = 90_000;

/** Half of a slow round trip, by which a process may be wrong about the log's clock: pauses are twice as long from the second on. */
const earlyMillis = 1_000;

/** In the order in which each is done first. */
const kinds = ["worker killed", "clock set", "nats-server killed", "queue deleted", "worker told to go"] as const;
type Disturbance = (typeof kinds)[number];

/** Workers are what dies most. */
const choose = (from: Dice): Disturbance => {
  const at = from.next();
  if (at < 0.55) return "worker killed";
  if (at < 0.7) return "clock set";
  if (at < 0.85) return "worker told to go";
  return at < 0.96 ? "nats-server killed" : "queue deleted";
};

interface Stage {
  readonly folder: string;
  readonly server: NatsServer.NatsServer["Service"];
  /** Those that work; undefined where one is starting. */
  readonly workers: Array<Program | undefined>;
  readonly counts: Record<Disturbance, number>;
  readonly faults: Array<string>;
  lives: number;
  isClosing: boolean;
}

const live = Effect.fnUntraced(function* (stage: Stage, index: number) {
  const name = `w${index}.${++stage.lives}`;
  const program = yield* start({
    file: "test/drill/taskWorker.ts",
    args: [stage.server.url, name, String(leaseMillis)],
    log: join(stage.folder, "workers.log"),
  });
  yield* program.firstLine;
  stage.workers[index] = program;
  if (stage.isClosing) program.finish();
  const { code, signal } = yield* program.ended;
  stage.workers[index] = undefined;
  if (code !== 0 && !program.wasKilled()) stage.faults.push(`the worker ${name} ended with ${code ?? signal}`);
}, Effect.scoped);

const keepWorkers = (stage: Stage) =>
  Effect.forEach(
    stage.workers.keys().toArray(),
    (index) => Effect.repeat(live(stage, index), { until: () => stage.isClosing || stage.faults.length > 0 }),
    { concurrency: "unbounded", discard: true },
  );

const disturb = Effect.fnUntraced(function* (stage: Stage, from: Dice) {
  // Each kind once, then as the dice fall: a fast machine has not the time for all of them by chance.
  const kind = kinds.find((one) => stage.counts[one] === 0) ?? choose(from);
  const working = stage.workers.filter((worker) => worker !== undefined);
  // A worker takes seconds to start on a busy machine: at least half of them work at any time, or nothing would.
  if (working.length * 2 <= stage.workers.length || stage.faults.length > 0) return;
  const worker = working[Math.floor(from.next() * working.length)];
  stage.counts[kind]++;
  switch (kind) {
    case "worker killed":
      worker?.signal("SIGKILL");
      return;
    case "clock set":
      worker?.tell("set your clock");
      return;
    case "worker told to go":
      worker?.finish();
      return;
    case "nats-server killed":
      return yield* stage.server.kill9;
    case "queue deleted": {
      const { jsm } = yield* NatsConnection.NatsConnection;
      yield* Effect.promise(() => jsm.streams.delete(TaskQueueNats.streamName).catch(() => false));
      return;
    }
  }
});

const dataOf = ({ body }: RecordedEvent): Record<string, unknown> => JSON.parse(Buffer.from(body).toString("utf8"));

const ends = ["task.completed", "task.failed", "task.timed_out", "task.cancelled"];

/** What one history says against the promises, by its events alone. */
export const faultsOf = (taskId: string, events: ReadonlyArray<RecordedEvent>): ReadonlyArray<string> => {
  const faults: Array<string> = [];
  let lease: number | undefined;
  let attempts = 0;
  let end: string | undefined;
  let pausedUntil = 0;
  for (const event of events) {
    const { recordedAt, sequence, type } = event;
    const data = dataOf(event);
    const fault = (what: string) => faults.push(`${taskId}, sequence ${sequence}, ${type}: ${what}`);
    if (end !== undefined && type !== "task.restored") fault(`follows its end, ${end}`);
    if (type === "task.claimed") {
      if (lease !== undefined) fault(`claimed while the lease ${lease} stands`);
      lease = sequence;
      const early = pausedUntil - recordedAt;
      if (early > earlyMillis) fault(`claimed ${early} ms before its pause was over`);
      if (++attempts > maxAttempts) fault(`attempt ${attempts} of ${maxAttempts}`);
      continue;
    }
    const said = data["claim"];
    if (typeof said === "number" && said !== lease) fault(`said under lease ${said} while ${lease ?? "none"} stands`);
    if (type === "task.released") {
      lease = undefined;
      pausedUntil = recordedAt + Number(data["pauseMillis"] ?? 0);
      if (data["reason"] === "interrupted") attempts--;
    }
    if (ends.includes(type)) {
      end = type;
      const output = data["output"];
      const token = typeof output === "object" && output !== null && "token" in output ? output.token : lease;
      if (type === "task.completed" && token !== lease) fault(`completed by ${String(token)}, leased to ${lease}`);
    }
  }
  if (end === undefined) faults.push(`${taskId} has not ended: ${events.map(({ type }) => type).join(" ")}`);
  return faults;
};

/** A server that is being killed is waited for. */
const insist = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(Effect.retry({ schedule: Schedule.spaced(100), times: 600 }), Effect.orDie);

const tomorrowMillis = 24 * 3_600_000;

/** Into the log alone, as programs in any language submit. Ids of all of them. */
const publishWaiting = Effect.fnUntraced(function* ({ say, waiting }: Options) {
  const log = yield* EventLog;
  const notBefore = (yield* Clock.currentTimeMillis) + tomorrowMillis;
  const ids = Array.from({ length: waiting }, (_, at) => `waiting-${at}`);
  for (let at = 0; at < waiting; at += maxEventsPerAppend) {
    const appends = yield* Effect.forEach(ids.slice(at, at + maxEventsPerAppend), (id, index) =>
      Effect.map(
        compose(
          {
            history: historyOf(id),
            type: "task.submitted",
            data: {
              request: { agentType: index % 2 === 0 ? "tomorrow" : `nobody's ${index % 20}` },
              queue: { priority: "normal", notBefore: index % 2 === 0 ? notBefore : undefined },
            },
          },
          writing("drill"),
        ),
        ({ event, history }) => ({ history, events: [event], expected: 0 }),
      ),
    );
    yield* insist(log.appendAll(appends));
  }
  if (waiting > 0) say(`${waiting} tasks wait`);
  return ids;
});

const submitAll = Effect.fnUntraced(function* (options: Options) {
  const taskIds: Array<string> = [];
  for (let at = 0; at < options.tasks; at += batchSize) {
    const size = Math.min(batchSize, options.tasks - at);
    const id = `drill-${at}`;
    const requests = Array.from({ length: size }, () => ({ agentType: "drill" }));
    const batch = yield* insist(Tasks.Tasks.use((tasks) => tasks.submitBatch(requests, { id, maxAttempts })));
    taskIds.push(...batch.taskIds);
  }
  return taskIds;
});

/** Returns when no task is open; fails when none has ended for too long. */
const allEnded = Effect.fnUntraced(function* (stage: Stage, options: Options, waiting: ReadonlySet<string>) {
  const open = yield* openInLog();
  let left = Infinity;
  let since = Date.now();
  for (;;) {
    const ids = yield* insist(open);
    const now = ids.filter((id) => !waiting.has(id)).length;
    if (ids.length - now !== waiting.size)
      stage.faults.push(`of ${waiting.size} that wait ${ids.length - now} are open`);
    if (stage.faults.length > 0 || now === 0) return;
    if (now < left) since = Date.now();
    if (now < left) options.say(`${now} tasks are open`);
    left = now;
    if (Date.now() - since > patienceMillis) {
      stage.faults.push(`${now} tasks are open, and none has ended for ${patienceMillis / 1_000} s`);
      return;
    }
    yield* Effect.sleep(500);
  }
});

const counted = (all: ReadonlyArray<string>): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const one of all) counts[one] = (counts[one] ?? 0) + 1;
  return counts;
};

export const run = Effect.fn("drill.tasks")(function* (options: Options) {
  const began = Date.now();
  const server = yield* NatsServer.make();
  const folder = mkdtempSync(join(tmpdir(), "recollect-drill-tasks-"));
  const stage: Stage = {
    folder,
    server,
    workers: Array.from({ length: options.workers }, () => undefined),
    counts: { "worker killed": 0, "clock set": 0, "worker told to go": 0, "nats-server killed": 0, "queue deleted": 0 },
    faults: [],
    lives: 0,
    isClosing: false,
  };
  const layer = Tasks.layer({ source: "drill" }).pipe(
    Layer.provideMerge(TaskQueueNats.layer({ leaseMillis })),
    Layer.provideMerge(EventLogNats.layer()),
    Layer.provideMerge(NatsConnection.layer({ servers: server.url })),
  );
  return yield* Effect.gen(function* () {
    const from = dice(options.seed);
    const waiting = new Set(yield* publishWaiting(options));
    const filling = yield* Effect.forkChild(keepFilledFromLog());
    const working = yield* Effect.forkChild(keepWorkers(stage));
    const disturbing = yield* Effect.forkChild(
      Effect.forever(
        Effect.suspend(() => Effect.andThen(Effect.sleep(from.next() * longestPauseMillis), disturb(stage, from))),
      ),
    );
    const taskIds = yield* submitAll(options);
    yield* allEnded(stage, options, waiting);
    stage.isClosing = true;
    yield* Fiber.interrupt(disturbing);
    for (const worker of stage.workers) worker?.finish();
    yield* Fiber.join(working);
    yield* Fiber.interrupt(filling);
    const log = yield* EventLog;
    const histories = yield* Effect.forEach(taskIds, (id) =>
      Effect.map(insist(Stream.runCollect(log.read({ history: historyOf(id) }))), (events) => ({ id, events })),
    );
    stage.faults.push(...histories.flatMap(({ events, id }) => faultsOf(id, events)));
    const all = histories.flatMap(({ events }) => events);
    const released = counted(
      all.flatMap((event) => (event.type === "task.released" ? [String(dataOf(event)["reason"])] : [])),
    );
    const types = counted(all.map(({ type }) => type));
    if (stage.faults.length === 0) rmSync(folder, { recursive: true });
    return {
      tasks: taskIds.length,
      ends: Object.fromEntries(
        ends.flatMap((type) => (types[type] === undefined ? [] : [[type.slice(5), types[type]]])),
      ),
      claims: types["task.claimed"] ?? 0,
      lapsed: released["lapsed"] ?? 0,
      givenBack: released["interrupted"] ?? 0,
      disturbances: stage.counts,
      seconds: (Date.now() - began) / 1_000,
      faults: stage.faults,
      folder,
    } satisfies Outcome;
  }).pipe(
    Effect.provide(layer),
    Effect.catch((error) => Effect.fail(new DrillFailed({ message: error.message }))),
  );
}, Effect.scoped);
