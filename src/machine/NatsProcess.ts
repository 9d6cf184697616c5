/**
 * A supervised nats-server of our own, on a store folder and a port that stay the same through every restart.
 *
 * Room: machine. In: DataFolder, NatsBinary. Out: log, snapshot, everything that speaks NATS.
 *
 * Promises: when the service is there, the server answers and its JetStream is on. A server that dies is started again
 * on the same port, at once and then ever more slowly, for as long as the scope is open. When the scope closes it is
 * stopped cleanly and waited for. When this process is killed the server ends too, and if not, the next start on this
 * store ends it. The caller holds the folder's lock: two supervisors on one store would end each other's server.
 */
import {
  Clock,
  Context,
  Data,
  Effect,
  FiberHandle,
  FileSystem,
  Layer,
  Option,
  Path,
  Stream,
  SubscriptionRef,
} from "effect";
import { createRequire } from "node:module";
import { DataFolder, folderTrouble } from "./DataFolder.ts";
import * as FreePort from "./FreePort.ts";
import { NatsBinary } from "./NatsBinary.ts";
import * as NatsChild from "./NatsChild.ts";
import * as NatsStart from "./NatsStart.ts";

/** Where the server is in its life. `since` is in epoch milliseconds, `restarts` counts from 0. */
export type State = Data.TaggedEnum<{
  Ready: { readonly pid: number; readonly version: string; readonly since: number; readonly restarts: number };
  /** It died or did not start; the next attempt comes after `retryInMillis`. */
  Down: { readonly why: string; readonly retryInMillis: number; readonly since: number; readonly restarts: number };
  /** Stopped on purpose; stays so until `start`. */
  Stopped: { readonly since: number; readonly restarts: number };
}>;
export const State = Data.taggedEnum<State>();

export class NatsProcess extends Context.Service<
  NatsProcess,
  {
    /** For clients, for example `nats://127.0.0.1:23456`. Stays the same through restarts. */
    readonly url: string;
    /** For `/varz`, `/jsz` and `/healthz`, for example `http://127.0.0.1:23457`. */
    readonly monitorUrl: string;
    readonly port: number;
    /** Process id of the running nats-server; none while it is down. */
    readonly pid: Effect.Effect<Option.Option<number>>;
    readonly state: Effect.Effect<State>;
    /** The state now and every later one. */
    readonly changes: Stream.Stream<State>;
    /** Returns as soon as the server answers: at once, or when it is back. */
    readonly ready: Effect.Effect<void>;
    /** Stops the server cleanly and leaves it stopped. Does nothing to a stopped one. */
    readonly stop: Effect.Effect<void>;
    /** Starts a stopped server again, same port, same store; returns when it answers. Does nothing to a running one. */
    readonly start: Effect.Effect<void>;
  }
>()("recollect/machine/NatsProcess") {}

export interface Options {
  /** Folder of the streams; made if it is not there. */
  readonly storeFolder: string;
  /** The server's log; appended to, and rotated by the server. Its folder exists. */
  readonly logFile: string;
  /** Default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** Default: one that is free. A port that is named and taken is an error. */
  readonly port?: number | undefined;
  /** Default: one that is free. */
  readonly monitorPort?: number | undefined;
  /** Default `recollect`. Nodes of a cluster need different ones. */
  readonly serverName?: string | undefined;
  /** Default: the repository's nats-server.conf. */
  readonly configFile?: string | undefined;
  /** More flags, for example those of a cluster. */
  readonly flags?: ReadonlyArray<string> | undefined;
}

/** A server that lived this long was well: its next death is a new one and is answered at once. */
const wellAfterMillis = 2_000;
const firstRetryMillis = 25;
const longestRetryMillis = 10_000;
/** Ports that we chose may be taken by another in the moment before the server takes them. */
const portAttempts = 5;

const retryMillis = (quickDeaths: number) => Math.min(firstRetryMillis * 2 ** quickDeaths, longestRetryMillis);

const specOf = Effect.fnUntraced(function* (options: Options) {
  const path = yield* Path.Path;
  const { path: program } = yield* NatsBinary;
  const host = options.host ?? "127.0.0.1";
  const port = options.port ?? (yield* FreePort.find(host));
  const monitorPort = options.monitorPort ?? (yield* FreePort.find(host));
  const configFile = options.configFile ?? createRequire(import.meta.url).resolve("#nats-server.conf");
  const pidFile = path.join(options.storeFolder, "nats-server.pid");
  const args = [
    ...["--config", configFile, "--addr", host, "--port", `${port}`, "--http_port", `${monitorPort}`],
    ...["--server_name", options.serverName ?? "recollect", "--store_dir", options.storeFolder, "--pid", pidFile],
    ...["--log", options.logFile, ...(options.flags ?? [])],
  ];
  const { logFile, storeFolder } = options;
  return { program, host, port, monitorPort, args, storeFolder, logFile, pidFile };
});

/** Starts on ports of our choice, and on others if someone was quicker; on a port that was named, once. */
const startFirst = Effect.fnUntraced(function* (options: Options, watchman: NatsChild.Watchman) {
  for (let attempt = 1; ; attempt++) {
    const spec = yield* specOf(options);
    const { host, port } = spec;
    if (options.port !== undefined && !(yield* FreePort.isFree({ host, port }))) {
      return yield* NatsStart.portTaken({ host, port });
    }
    const started = yield* NatsStart.start({ spec, watchman }).pipe(Effect.result);
    if (started._tag === "Success") return { spec, started: started.success };
    const mayTryAgain = options.port === undefined && started.failure.reason === "portTaken";
    if (!mayTryAgain || attempt >= portAttempts) return yield* started.failure;
  }
});

/** What the supervisor knows; `running` is the child to end when all ends. */
interface Life {
  readonly spec: NatsStart.Spec;
  readonly watchman: NatsChild.Watchman;
  readonly state: SubscriptionRef.SubscriptionRef<State>;
  running: NatsStart.Started | undefined;
  restarts: number;
}

/** Reports the running server as ready and returns how it ended and how long it lived. */
const watchOne = Effect.fnUntraced(function* (life: Life, started: NatsStart.Started) {
  const since = yield* Clock.currentTimeMillis;
  const { restarts } = life;
  const { child, info } = started;
  yield* SubscriptionRef.set(life.state, State.Ready({ pid: child.pid, version: info.version, since, restarts }));
  const ended = yield* Effect.promise(() => child.ended);
  life.watchman.watch(undefined);
  return { why: `nats-server ${NatsStart.howItEnded(ended)}`, livedMillis: (yield* Clock.currentTimeMillis) - since };
});

/** Keeps a server running until interrupted, beginning with the one that runs, if one does. */
const supervise = Effect.fnUntraced(function* (life: Life) {
  for (let quickDeaths = 0; ; quickDeaths++) {
    if (life.running === undefined) {
      const attempt = yield* NatsStart.start(life).pipe(Effect.result);
      if (attempt._tag === "Success") life.running = attempt.success;
      else yield* pause(life, { why: attempt.failure.message, quickDeaths });
    }
    if (life.running === undefined) continue;
    const { livedMillis, why } = yield* watchOne(life, life.running);
    life.running = undefined;
    life.restarts++;
    if (livedMillis >= wellAfterMillis) quickDeaths = 0;
    yield* pause(life, { why, quickDeaths });
  }
});

const pause = Effect.fnUntraced(function* (
  life: Life,
  options: { readonly why: string; readonly quickDeaths: number },
) {
  const retryInMillis = retryMillis(options.quickDeaths);
  const since = yield* Clock.currentTimeMillis;
  const { restarts } = life;
  yield* SubscriptionRef.set(life.state, State.Down({ why: options.why, retryInMillis, since, restarts }));
  yield* Effect.logWarning(`${options.why}; starting it again in ${retryInMillis} ms`);
  yield* Effect.sleep(retryInMillis);
});

/** Starts the server and its supervisor; both end with the scope. */
export const make = Effect.fn("machine.runNats")(function* (options: Options) {
  const fs = yield* FileSystem.FileSystem;
  const path = yield* Path.Path;
  yield* fs
    .makeDirectory(options.storeFolder, { recursive: true, mode: 0o700 })
    .pipe(Effect.mapError((cause) => folderTrouble({ path: options.storeFolder, cause })));
  yield* Effect.promise(() => NatsChild.endOrphan(path.join(options.storeFolder, "nats-server.pid")));

  const watchman = yield* Effect.acquireRelease(Effect.sync(NatsChild.hireWatchman), (hired) =>
    Effect.sync(hired.dismiss),
  );
  const { spec, started } = yield* startFirst(options, watchman);
  const since = yield* Clock.currentTimeMillis;
  const ready = State.Ready({ pid: started.child.pid, version: started.info.version, since, restarts: 0 });
  const life: Life = {
    spec,
    watchman,
    state: yield* SubscriptionRef.make<State>(ready),
    running: started,
    restarts: 0,
  };
  const endRunning = Effect.promise(async () => {
    await life.running?.child.stop();
    life.running = undefined;
    watchman.watch(undefined);
  });
  yield* Effect.addFinalizer(() => endRunning);
  const supervisor = yield* FiberHandle.make<never>();
  // Whoever calls `start` later, the supervisor keeps the clock it was made with: a test's clock stands still.
  const keepRunning = supervise(life).pipe(Effect.provideService(Clock.Clock, yield* Clock.Clock));
  yield* FiberHandle.run(supervisor, keepRunning);

  const isReady = SubscriptionRef.changes(life.state).pipe(
    Stream.filter(State.$is("Ready")),
    Stream.take(1),
    Stream.runDrain,
  );
  const stop = Effect.gen(function* () {
    yield* FiberHandle.clear(supervisor);
    yield* endRunning;
    const stoppedAt = yield* Clock.currentTimeMillis;
    yield* SubscriptionRef.set(life.state, State.Stopped({ since: stoppedAt, restarts: life.restarts }));
  });
  return NatsProcess.of({
    url: `nats://${spec.host}:${spec.port}`,
    monitorUrl: `http://${spec.host}:${spec.monitorPort}`,
    port: spec.port,
    pid: Effect.sync(() => Option.fromUndefinedOr(life.running?.child.pid)),
    state: SubscriptionRef.get(life.state),
    changes: SubscriptionRef.changes(life.state),
    ready: isReady,
    stop: stop.pipe(Effect.uninterruptible),
    start: FiberHandle.run(supervisor, keepRunning, { onlyIfMissing: true }).pipe(Effect.andThen(isReady)),
  });
});

/** The server of the data folder. */
export const layer = (options: Omit<Options, "storeFolder" | "logFile">) =>
  Layer.effect(
    NatsProcess,
    Effect.flatMap(DataFolder, (folder) =>
      make({ ...options, storeFolder: folder.natsStore, logFile: folder.natsLog }),
    ),
  );
