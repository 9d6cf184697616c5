/**
 * The drill of what waits: a daemon beside many waiting tasks, in 100 agent types and 20 tenants. Half of them are due
 * tomorrow, and no worker runs the others.
 *
 * Afterwards: a task of a 21st tenant that comes due begins within two seconds, one that was only published too, while the
 * daemon fills the queue, at rest, and after the queue was deleted; and at rest daemon and nats-server take less than 1 % of a core each.
 */
import Database from "better-sqlite3";
import { Clock, Context, Effect, Layer, Option, Stream } from "effect";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as TaskQueueNats from "../../src/coordination/tasks/queue/TaskQueueNats.ts";
import { Tasks } from "../../src/coordination/tasks/Tasks.ts";
import { task as historyOf } from "../../src/domain/History.ts";
import { EventLog, maxEventsPerAppend } from "../../src/log/EventLog.ts";
import { NatsConnection } from "../../src/log/connection/NatsConnectionNats.ts";
import { reading } from "../../src/main/Layers.ts";
import { tasksOf } from "../../src/main/TaskFilling.ts";
import { compose } from "../../src/publish/write/NewEvent.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { writing } from "../support/writing.ts";
import { start } from "./Program.ts";

export interface Options {
  readonly waiting: number;
  readonly say: (line: string) => void;
}

export interface Outcome {
  readonly waiting: number;
  /** From the moment at which a task may begin to its claim, milliseconds by the log's clock. */
  readonly begunMillis: Readonly<Record<string, number>>;
  /** Percent of a core at rest; undefined where another process cannot be looked at. */
  readonly restPercent: { readonly daemon: number; readonly nats: number } | undefined;
  /** Megabytes resident. */
  readonly megabytes: { readonly daemon: number; readonly nats: number } | undefined;
  readonly seconds: number;
  readonly faults: ReadonlyArray<string>;
  /** Kept when there are faults. */
  readonly folder: string;
}

const types = 100;
const tenants = 20;
const tomorrowMillis = 24 * 3_600_000;
const dueInMillis = 3_000;
const beginsWithinMillis = 2_000;
/** Behind the filling of a queue V8 collects what that left, for 20 s of 400,000 tasks: no rest yet. */
const settlingSeconds = 60;
const restSeconds = 60;
const restPercent = 1;
/** Without progress in this time the drill has failed. */
const patienceMillis = 600_000;

type Published = readonly [id: string, agentType: string, tenant: string, notBefore: number | undefined];

/** As programs in any language submit: into the log alone. */
const publish = Effect.fnUntraced(function* (tasks: ReadonlyArray<Published>) {
  const log = yield* EventLog;
  const appends = yield* Effect.forEach(tasks, ([id, agentType, tenant, notBefore]) => {
    const data = { request: { agentType }, queue: { priority: "normal", notBefore } } as const;
    return Effect.map(
      compose({ history: historyOf(id, tenant), type: "task.submitted", data }, writing("drill")),
      ({ event, history }) => ({ history, events: [event], expected: 0 }),
    );
  });
  yield* log.appendAll(appends);
});

const publishWaiting = Effect.fnUntraced(function* ({ say, waiting }: Options) {
  const notBefore = (yield* Clock.currentTimeMillis) + tomorrowMillis;
  const one = (at: number): Published => {
    const group = Math.floor(at / 2);
    const isLater = at % 2 === 0;
    return [
      `waiting ${at}`,
      `type ${group % types}`,
      `tenant ${group % tenants}`,
      isLater ? notBefore + at : undefined,
    ];
  };
  for (let at = 0; at < waiting; at += maxEventsPerAppend) {
    yield* publish(Array.from({ length: Math.min(maxEventsPerAppend, waiting - at) }, (_, more) => one(at + more)));
    if (at % 100_000 === 0) say(`${at} published`);
  }
});

/** Returns when `look` gives `target` at last; dies when it has not changed for too long. */
const reached = Effect.fnUntraced(function* (what: string, target: number, look: Effect.Effect<number>) {
  let [last, since] = [-1, Date.now()];
  for (;;) {
    const now = yield* look;
    if (now >= target) return;
    if (now !== last) [last, since] = [now, Date.now()];
    if (Date.now() - since > patienceMillis) return yield* Effect.die(new Error(`${what}: ${now} of ${target}`));
    yield* Effect.sleep(500);
  }
});

const checkpointIn = (path: string) =>
  Effect.sync(() => {
    if (!existsSync(path)) return 0;
    const db = new Database(path, { readonly: true });
    try {
      const sql = "SELECT min(sequence) FROM v_checkpoints WHERE projection IN ('ledger', 'tasks')";
      return Number(db.prepare(sql).pluck().get() ?? 0);
    } catch {
      return 0;
    } finally {
      db.close();
    }
  });

/** Of /proc/PID/stat on every Linux. */
const ticksPerSecond = 100;
const cpuSeconds = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
};
const megabytes = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1_000;

/** Milliseconds until a task that may begin is claimed by a worker that waits for it. */
const begun = Effect.fnUntraced(function* (id: string, how: "published" | "delayed") {
  const they = yield* Tasks;
  const notBefore = how === "delayed" ? (yield* they.now) + dueInMillis : undefined;
  yield* publish([[id, "urgent", "they", notBefore]]);
  const lease = yield* they
    .claim({ agentTypes: ["urgent"] })
    .pipe(Effect.timeoutOrElse({ duration: 120_000, orElse: () => Effect.die(new Error(`${id} did not begin`)) }));
  yield* lease.complete();
  const log = yield* EventLog;
  const [submitted, claimed] = yield* Stream.runCollect(log.read({ history: historyOf(id, "they") }));
  return Math.max(0, (claimed?.recordedAt ?? Infinity) - (notBefore ?? submitted?.recordedAt ?? 0));
});

export const run = Effect.fn("drill.waiting")(function* (options: Options) {
  const { say, waiting } = options;
  const began = Date.now();
  const server = yield* NatsServer.make({ sync: "2m" });
  const folder = mkdtempSync(join(tmpdir(), "recollect-drill-waiting-"));
  const rooms = yield* Layer.build(reading({ servers: server.url }));
  const they = yield* Layer.build(tasksOf({ tenant: "they" })).pipe(Effect.provide(rooms));
  const faults: Array<string> = [];
  const begunMillis: Record<string, number> = {};
  const cpu: { daemon: number; nats: number } = { daemon: 0, nats: 0 };

  return yield* Effect.gen(function* () {
    yield* publishWaiting(options);
    say(`${waiting} tasks wait, published in ${((Date.now() - began) / 1_000).toFixed(0)} s`);
    const log = yield* EventLog;
    const { lastSequence } = yield* log.info;
    const daemon = yield* start({
      file: "src/main.ts",
      args: ["up", "--nats-url", server.url, "--data", folder, "--json"],
      log: join(folder, "daemon.log"),
    });
    yield* daemon.firstLine;
    yield* reached("events folded", lastSequence, checkpointIn(join(folder, "recollect.db")));
    say(`folded after ${((Date.now() - began) / 1_000).toFixed(0)} s`);
    const ask = Effect.fnUntraced(function* (id: string, how: "published" | "delayed") {
      const millis = yield* begun(id, how);
      begunMillis[id] = millis;
      say(`${id}: begun after ${millis} ms`);
      if (millis > beginsWithinMillis) faults.push(`${id} began after ${millis} ms`);
    });
    const { jsm } = yield* NatsConnection;
    const queued = Effect.promise(() =>
      jsm.streams.info(TaskQueueNats.streamName).then(
        ({ state }) => state.messages,
        () => 0,
      ),
    );
    const filled = reached("entries of the queue", Math.floor(waiting / 2), queued);
    yield* ask("published while the queue is filled", "published");
    yield* ask("due while the queue is filled", "delayed");
    yield* filled;
    say(`the queue is filled after ${((Date.now() - began) / 1_000).toFixed(0)} s`);

    const natsPid = Option.getOrElse(yield* server.process.pid, () => 0);
    const canBeSeen = existsSync(`/proc/${daemon.pid}/stat`);
    if (canBeSeen) {
      yield* Effect.sleep(settlingSeconds * 1_000);
      const before = { daemon: cpuSeconds(daemon.pid), nats: cpuSeconds(natsPid) };
      yield* Effect.sleep(restSeconds * 1_000);
      for (const [name, pid] of [
        ["daemon", daemon.pid],
        ["nats", natsPid],
      ] as const) {
        cpu[name] = ((cpuSeconds(pid) - before[name]) / restSeconds) * 100;
        say(`at rest ${name} takes ${cpu[name].toFixed(2)} % of a core, ${megabytes(pid).toFixed(0)} MB`);
      }
      for (const [name, percent] of Object.entries(cpu)) {
        if (percent >= restPercent) faults.push(`at rest ${name} takes ${percent.toFixed(2)} % of a core`);
      }
    }
    yield* ask("published at rest", "published");
    yield* ask("due at rest", "delayed");
    yield* Effect.promise(() => jsm.streams.delete(TaskQueueNats.streamName));
    yield* ask("due after the queue was deleted", "delayed");
    if (faults.length === 0) rmSync(folder, { recursive: true });
    return {
      waiting,
      begunMillis,
      restPercent: canBeSeen ? cpu : undefined,
      megabytes: canBeSeen ? { daemon: megabytes(daemon.pid), nats: megabytes(natsPid) } : undefined,
      seconds: (Date.now() - began) / 1_000,
      faults,
      folder,
    } satisfies Outcome;
  }).pipe(Effect.provide(Context.merge(rooms, they)));
}, Effect.scoped);
