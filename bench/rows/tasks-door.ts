/**
 * Tasks through the public door with a daemon running: throughput with 1, 8 and 64 places, in one process and in four,
 * beside BullMQ, with processor time a task; latency from submission to an idle worker; and an idle worker's memory.
 */
import { Effect } from "effect";
import { fork } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { percentile, type Row, inTurns } from "../Harness.ts";
import { asSkipped } from "../peers/PeerProgram.ts";
import { redis } from "../peers/Redis.ts";
import { program } from "../Program.ts";
import { temporaryFolder, world } from "../Servers.ts";
import { message } from "../TaskLoad.ts";
import type { Said, Told } from "../taskWork.ts";

const rounds = 3;
/** Of one round, in all processes together: one to two seconds of ours on a quiet machine. */
const tasksOf = { 1: 200, 8: 600, 64: 2_000 } as const;
const oneByOneTasks = 150;
/** The first 250 to 750 tasks of a process are compiled while they run, and cost twice as much as later ones. */
const warmTasks = 750;
/** Pause before the measurement: V8 has returned the memory of the start by then. */
const idleMillis = 40_000;
const door = new URL("../../dist/index.js", import.meta.url).href;

type Places = keyof typeof tasksOf;

interface Run {
  readonly perSecond: number;
  readonly cpuMillis: number;
  /** p50 from the call of submit to the run; NaN unless one by one. */
  readonly waitMillis: number;
}

/** A process of the bench, once it says that it is ready. */
const forked = (file: string, ...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = fork(new URL(`../${file}`, import.meta.url), args, { execArgv: [] });
      await new Promise<void>((resolve, reject) => {
        child.once("message", () => resolve());
        child.once("exit", (code) => reject(new Error(`a worker ended with ${code}`)));
      });
      return child;
    }),
    (child) => Effect.sync(() => child.kill("SIGKILL")),
  );

const started = (told: Told) => forked("taskWork.ts", JSON.stringify(told));

/** Processes that share the tasks, from the first submission to the last end. */
const measured = Effect.fnUntraced(function* (processes: number, told: Told) {
  const tasks = Math.ceil(told.tasks / processes);
  const children = yield* Effect.replicateEffect(started({ ...told, tasks }), processes);
  const ended = new Map<number, number>();
  const lasts: Array<Extract<Said, { readonly cpuMillis: number }>> = [];
  return yield* Effect.promise(
    () =>
      new Promise<Run>((resolve) => {
        const began = performance.now();
        let perSecond = 0;
        const hear = (at: number, said: Said) => {
          if ("ended" in said) ended.set(at, said.ended);
          if ("cpuMillis" in said) lasts.push(said);
          const sum = [...ended.values()].reduce((one, other) => one + other, 0);
          if (perSecond === 0 && sum === tasks * processes) {
            perSecond = (sum / (performance.now() - began)) * 1_000;
            for (const child of children) child.send("last");
          }
          if (lasts.length < processes) return;
          const cpuMillis = lasts.reduce((one, other) => one + other.cpuMillis, 0) / sum;
          const waits = lasts.flatMap((last) => last.waits);
          resolve({ perSecond, cpuMillis, waitMillis: waits.length === 0 ? NaN : percentile(waits) });
        };
        for (const [at, child] of children.entries()) {
          child.on("message", (said: Said) => hear(at, said));
          child.send("begin");
        }
      }),
  );
}, Effect.scoped);

/** A daemon on a server of its own. */
const daemon = Effect.gen(function* () {
  const { server } = yield* world();
  const data = yield* temporaryFolder;
  yield* program(["up", "--json", "--no-http", "--nats-url", server.url, "--data", data]);
  return { url: server.url, data };
});

/** Both sides in turns, by a figure of their runs. */
const besideBull = (
  processes: number,
  about: Omit<Told, "name" | "warm" | "ours" | "bull">,
  figure: "perSecond" | "waitMillis",
) =>
  Effect.gen(function* () {
    const { place, version } = yield* redis;
    const ours = { ...(yield* daemon), door };
    const ourRuns: Array<Run> = [];
    const theirRuns: Array<Run> = [];
    const side = (runs: Array<Run>, told: Told) =>
      Effect.map(measured(processes, told), (run) => {
        runs.push(run);
        return run[figure];
      });
    const taken = yield* inTurns({
      rounds,
      ours: (round) => side(ourRuns, { ...about, warm: warmTasks, name: `round ${round}`, ours }),
      peer: (round) => side(theirRuns, { ...about, warm: warmTasks, name: `round-${round}`, bull: place }),
    });
    const cpu = (runs: ReadonlyArray<Run>) => percentile(runs.map(({ cpuMillis }) => cpuMillis)).toFixed(2);
    const note = `of a processor ${cpu(ourRuns)} ms a task in our processes, ${cpu(theirRuns)} in BullMQ's; servers apart`;
    return { ...taken, peerName: `BullMQ on Redis ${version}, appendfsync always`, note };
  }).pipe(Effect.catchTag("PeerMissing", asSkipped), Effect.orDie);

const row = (processes: number, places: Places): Row => ({
  id: `tasks-door-${processes}x${places}`,
  what: `tasks through the door, ${processes === 1 ? "one process" : `${processes} processes`} of ${places} ${places === 1 ? "place" : "places"}`,
  unit: "tasks/s",
  goal: { of: "ratio", is: "at least", limit: places === 64 ? 1 : 0.5 },
  run: besideBull(processes, { tasks: tasksOf[places], places, message }, "perSecond"),
});

/** JavaScript without the peer: removing the types of a `.ts` file takes 18 MB of a process, loading BullMQ more. */
const idle = Effect.gen(function* () {
  if (!existsSync("/proc/self/status")) return { skipped: "memory is read from /proc, which is not here" };
  const { data, url } = yield* daemon;
  const child = yield* forked("idleWorker.mjs", url, data);
  yield* Effect.sleep(idleMillis);
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  return { ours: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1_000, peer: 90, peerName: "the goal" };
}).pipe(Effect.orDie);

export const rows: ReadonlyArray<Row> = [
  ...[1, 4].flatMap((processes) => [row(processes, 1), row(processes, 8), row(processes, 64)]),
  {
    id: "tasks-door-start",
    what: "p50 from the call of submit until a worker that waits runs the task, through the door",
    unit: "ms",
    goal: { of: "ours", is: "at most", limit: 5 },
    run: besideBull(1, { tasks: oneByOneTasks, places: 1, message, oneByOne: true }, "waitMillis"),
  },
  {
    id: "tasks-worker-idle",
    what: "resident memory of a worker that waits",
    unit: "MB",
    goal: { of: "ours", is: "at most", limit: 90 },
    run: idle,
  },
];
