/**
 * A supervised nats-server of our own, on a store folder and a port that stay the same through every restart.
 *
 * Room: machine.
 *
 * Promises: when the service is there, the server answers and its JetStream is on. A server that dies is started again
 * on the same port, at once and then ever more slowly, for as long as the scope is open. When the scope closes it is
 * stopped cleanly and waited for. When this process is killed the server ends too, and if not, the next start on this
 * store ends it. The caller holds the folder's lock: two supervisors on one store would end each other's server.
 */
import { Clock, Context, Data, Effect, FiberHandle, FileSystem, Layer, Option, Stream, SubscriptionRef } from "effect";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Keys } from "../AccessKeys.ts";
import { DataFolder, folderTrouble } from "../DataFolder.ts";
import { dialled } from "../Listen.ts";
import * as FreePort from "./FreePort.ts";
import { NatsBinary } from "./NatsBinary.ts";
import * as NatsChild from "./NatsChild.ts";
import * as NatsLog from "./NatsLog.ts";
import * as NatsHealth from "./NatsHealth.ts";
import * as NatsStart from "./NatsStart.ts";
import * as StoreAccount from "../StoreAccount.ts";

/** Stage of the server's life. `since` is in epoch milliseconds, `restarts` counts from 0. */
export type State = Data.TaggedEnum<{
  Ready: { readonly pid: number; readonly version: string; readonly since: number; readonly restarts: number };
  /** It runs but cannot write (a full disk); it is restarted when the disk has room again. */
  Frozen: { readonly pid: number; readonly why: string; readonly since: number; readonly restarts: number };
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
  /** The port to try first when none is named; taken by another in the meantime, a free one is used. */
  readonly preferredPort?: number | undefined;
  /**
   * Users that the server accepts, and the account that holds the store; `configFile` says the same to the server. Undefined:
   * the server accepts every connection, and its health is not watched.
   */
  readonly access?: { readonly account: string; readonly keys: Keys } | undefined;
  /** Default `recollect`. Nodes of a cluster need different ones. */
  readonly serverName?: string | undefined;
  /** Default: the repository's nats-server.conf. */
  readonly configFile?: string | undefined;
  /** Interval of the health question, milliseconds. Default 5,000. */
  readonly healthEveryMillis?: number | undefined;
  /** More flags, for example those of a cluster. */
  readonly flags?: ReadonlyArray<string> | undefined;
}

/** A server that lived this long was well: its next death is a new one and is answered at once. */
const wellAfterMillis = 1_000;
const firstRetryMillis = 25;
const longestRetryMillis = 5_000;
/** Asking costs the server a millisecond; who waits for a full disk to be noticed waits for seconds. */
const healthEveryMillis = 5_000;
const healthTimeoutMillis = 2_000;
/** Ports that we chose may be taken by another in the moment before the server takes them. */
const portAttempts = 5;

const retryMillis = (quickDeaths: number) => Math.min(firstRetryMillis * 2 ** quickDeaths, longestRetryMillis);

const pidFileOf = (storeFolder: string) => join(storeFolder, "nats-server.pid");

const specOf = Effect.fnUntraced(function* (options: Options) {
  const { path: program } = yield* NatsBinary;
  const listensOn = options.host ?? "127.0.0.1";
  const host = dialled(listensOn);
  const port = options.port ?? (yield* FreePort.find(host));
  const configFile = options.configFile ?? createRequire(import.meta.url).resolve("#nats-server.conf");
  const { logFile, storeFolder } = options;
  const flags = {
    config: configFile,
    addr: listensOn,
    port,
    server_name: options.serverName ?? "recollect",
    store_dir: storeFolder,
    pid: pidFileOf(storeFolder),
    log: logFile,
  };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const signer = options.access?.keys.daemon;
  return { program, host, port, signer, args: [...args, ...(options.flags ?? [])], storeFolder, logFile };
});

/** Starts on ports of our choice, and on others if someone was quicker; on a port that was named, once. */
const startFirst = Effect.fnUntraced(function* (options: Options, owner: NatsStart.Owner) {
  for (let attempt = 1; ; attempt++) {
    const named = options.port ?? (attempt === 1 ? options.preferredPort : undefined);
    const spec = yield* specOf({ ...options, port: named });
    const started = yield* NatsStart.start({ spec, owner }).pipe(Effect.result);
    if (started._tag === "Success") return { spec, ...started.success };
    const mayTryAgain = options.port === undefined && started.failure.reason === "portTaken";
    if (!mayTryAgain || attempt >= portAttempts) return yield* started.failure;
  }
});

/** State of the supervisor. */
interface Life {
  readonly spec: NatsStart.Spec;
  readonly owner: NatsStart.Owner;
  readonly access: Options["access"];
  readonly healthEveryMillis: number;
  readonly state: SubscriptionRef.SubscriptionRef<State>;
  restarts: number;
}

/** Waits for the server to freeze, then for room on its disk, then stops it. Never returns: its end is seen elsewhere. */
const thaw = Effect.fnUntraced(function* (life: Life, child: NatsChild.NatsChild) {
  const everyMillis = life.healthEveryMillis;
  if (life.access === undefined) return yield* Effect.never;
  const { host, port } = life.spec;
  const where = { host, port, signer: life.access.keys.system, timeoutMillis: healthTimeoutMillis };
  const why = yield* NatsHealth.frozen({ where, everyMillis });
  const since = yield* Clock.currentTimeMillis;
  yield* SubscriptionRef.set(life.state, State.Frozen({ pid: child.pid, why, since, restarts: life.restarts }));
  yield* Effect.logWarning(`nats-server cannot write (${why}); it is restarted when there is room`);
  yield* NatsHealth.room({ folder: life.spec.storeFolder, everyMillis });
  yield* Effect.promise(() => child.stop());
  return yield* Effect.never;
});

/** There is no process any more. */
const forget = (owner: NatsStart.Owner): void => {
  owner.child = undefined;
  owner.running = undefined;
  owner.watchman.watch(undefined);
};

/** Reports the running server as ready and returns how it ended and how long it lived. */
const watchOne = Effect.fnUntraced(function* (life: Life, started: NatsStart.Started) {
  const since = yield* Clock.currentTimeMillis;
  const { restarts } = life;
  const { child, info } = started;
  yield* SubscriptionRef.set(life.state, State.Ready({ pid: child.pid, version: info.version, since, restarts }));
  const hasEnded = Effect.promise(() => child.ended);
  const ended = yield* Effect.raceFirst(hasEnded, thaw(life, child));
  forget(life.owner);
  life.restarts++;
  return { why: `nats-server ${NatsStart.howItEnded(ended)}`, livedMillis: (yield* Clock.currentTimeMillis) - since };
});

/** One life of a server, from its start, or from now if it runs, to its end: why it ended and how long it lived. */
const liveOnce = Effect.fnUntraced(function* (life: Life) {
  const started = life.owner.running ?? (yield* NatsStart.start(life));
  return yield* watchOne(life, started);
});

/** Keeps a server running until interrupted, beginning with the one that runs, if one does. */
const supervise = Effect.fnUntraced(function* (life: Life) {
  for (let quickDeaths = 0; ; quickDeaths++) {
    const { livedMillis, why } = yield* liveOnce(life).pipe(
      Effect.catchTag("NatsNotStarted", (error) => Effect.succeed({ why: error.message, livedMillis: 0 })),
    );
    if (livedMillis >= wellAfterMillis) quickDeaths = 0;
    const retryInMillis = retryMillis(quickDeaths);
    const since = yield* Clock.currentTimeMillis;
    yield* SubscriptionRef.set(life.state, State.Down({ why, retryInMillis, since, restarts: life.restarts }));
    yield* Effect.logWarning(`${why}; starting it again in ${retryInMillis} ms`);
    yield* Effect.sleep(retryInMillis);
  }
});

/** Stops the server that there is, if there is one, and waits for its end. */
const end = (owner: NatsStart.Owner) =>
  Effect.promise(async () => {
    await owner.child?.stop();
    forget(owner);
  });

/** Folder ready, orphan ended, and someone to end the server with the scope. */
const prepare = Effect.fnUntraced(function* ({ access, storeFolder }: Options) {
  const fs = yield* FileSystem.FileSystem;
  yield* fs
    .makeDirectory(storeFolder, { recursive: true, mode: 0o700 })
    .pipe(Effect.mapError((cause) => folderTrouble({ path: storeFolder, cause })));
  yield* NatsStart.endOrphan(pidFileOf(storeFolder));
  if (access !== undefined) yield* StoreAccount.claim({ storeFolder, account: access.account });
  return yield* Effect.acquireRelease(
    Effect.sync((): NatsStart.Owner => ({ watchman: NatsChild.hireWatchman(), child: undefined, running: undefined })),
    (owner) => end(owner).pipe(Effect.andThen(Effect.sync(owner.watchman.dismiss))),
  );
});

/** Starts the server and its supervisor; both end with the scope. */
export const make = Effect.fn("machine.runNats")(function* (options: Options) {
  const owner = yield* prepare(options);
  const logBegins = NatsChild.logLength(options.logFile);
  const { child, info, spec } = yield* startFirst(options, owner);
  const since = yield* Clock.currentTimeMillis;
  const ready = State.Ready({ pid: child.pid, version: info.version, since, restarts: 0 });
  const state = yield* SubscriptionRef.make<State>(ready);
  const everyMillis = options.healthEveryMillis ?? healthEveryMillis;
  const { access } = options;
  const life: Life = { spec, owner, access, healthEveryMillis: everyMillis, state, restarts: 0 };

  const supervisor = yield* FiberHandle.make<never>();
  // With any later caller of `start` the supervisor keeps the clock it was made with: a test's clock stands still.
  const keepRunning = supervise(life).pipe(Effect.provideService(Clock.Clock, yield* Clock.Clock));
  yield* FiberHandle.run(supervisor, keepRunning);

  yield* Effect.forkScoped(NatsLog.follow(options.logFile, logBegins));

  const isReady = SubscriptionRef.changes(state).pipe(Stream.filter(State.$is("Ready")), Stream.runHead, Effect.asVoid);
  const stop = Effect.gen(function* () {
    yield* FiberHandle.clear(supervisor);
    yield* end(owner);
    const stoppedAt = yield* Clock.currentTimeMillis;
    yield* SubscriptionRef.set(state, State.Stopped({ since: stoppedAt, restarts: life.restarts }));
  });
  return NatsProcess.of({
    url: `nats://${spec.host}:${spec.port}`,
    port: spec.port,
    pid: Effect.sync(() => Option.fromUndefinedOr(owner.running?.child.pid)),
    state: SubscriptionRef.get(state),
    changes: SubscriptionRef.changes(state),
    ready: isReady,
    stop: Effect.uninterruptible(stop),
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
