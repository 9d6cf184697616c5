/**
 * A real nats-server for a test: free port, temporary store, gone with its scope.
 *
 * It is the project's own NatsProcess with the project's own nats-server.conf, so what tests see is what users get.
 * Start takes about 50 ms alone; a cluster of three takes as long as its first election, a few seconds: share it.
 * Time inside is real time, also under a test's clock, so `ready` and `start` return by themselves.
 *
 * ```ts
 * layer(NatsServer.layer(), { excludeTestServices: true })("EventLogNats", (it) => { … yield* NatsServer.NatsServer … })
 * it.live("…", () => Effect.gen(function* () { const server = yield* NatsServer.make() … }))
 * ```
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Clock, Context, Effect, FileSystem, Layer, Option, Path, References, Scope, Stream } from "effect";
import { createRequire } from "node:module";
import { join } from "node:path";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import * as StreamGuard from "../../src/log/connection/StreamGuardNats.ts";
import * as FreePort from "../../src/machine/nats/FreePort.ts";
import * as NatsBinary from "../../src/machine/nats/NatsBinary.ts";
import { logTail } from "../../src/machine/nats/NatsChild.ts";
import * as NatsProcess from "../../src/machine/nats/NatsProcess.ts";

/** One running server, with what a drill needs. */
export interface Node {
  readonly process: NatsProcess.NatsProcess["Service"];
  readonly url: string;
  readonly storeFolder: string;
  readonly logFile: string;
  /** Clean stop, then start: same port, same store. Returns when it answers again. */
  readonly restart: Effect.Effect<void>;
  /** `kill -9`; returns when the supervisor has it running again, under another pid. */
  readonly kill9: Effect.Effect<void>;
}

export class NatsServer extends Context.Service<
  NatsServer,
  Node & {
    /** All URLs; one for each node. */
    readonly servers: ReadonlyArray<string>;
    readonly nodes: ReadonlyArray<Node>;
    /** NATS goes away and stays away until `start`. */
    readonly stop: Effect.Effect<void>;
    readonly start: Effect.Effect<void>;
  }
>()("recollect/test/NatsServer") {}

export interface Options {
  /** 3 gives a cluster in which streams can have three replicas. Default: a single node. */
  readonly cluster?: 3;
  /** Rewrites the text of nats-server.conf, for example to lower a limit. */
  readonly conf?: (text: string) => string;
  /** `always` (the default, as in the repository's conf), or an interval such as `2m` where durability is not the point. */
  readonly sync?: string;
  /** Default: a temporary folder, removed afterwards. */
  readonly storeFolder?: string;
  /** Default: one that is free. */
  readonly port?: number;
  /** True: the stream of record is there from the start, as `recollect up` makes it. Publishers by address make none. */
  readonly stream?: boolean;
}

const withOverrides = (options: Options) => (text: string) => {
  const synced = text.replace(/sync_interval: always/, `sync_interval: ${options.sync ?? "always"}`);
  return options.conf === undefined ? synced : options.conf(synced);
};

const nodeOf = (
  server: NatsProcess.NatsProcess["Service"],
  folders: { readonly storeFolder: string; readonly logFile: string },
): Node => ({
  process: server,
  url: server.url,
  ...folders,
  restart: Effect.andThen(server.stop, server.start),
  kill9: Effect.gen(function* () {
    yield* server.ready;
    const pid = yield* server.pid;
    if (Option.isNone(pid)) return;
    process.kill(pid.value, "SIGKILL");
    yield* server.changes.pipe(
      Stream.filter((state) => NatsProcess.State.$is("Ready")(state) && state.pid !== pid.value),
      Stream.take(1),
      Stream.runDrain,
    );
  }),
});

/** One server on its own folders; `name` and `flags` are for nodes of a cluster. */
const startNode = Effect.fnUntraced(function* (
  options: Options & { readonly root: string; readonly name: string; readonly flags?: ReadonlyArray<string> },
) {
  const fs = yield* FileSystem.FileSystem;
  const path = yield* Path.Path;
  const storeFolder = options.storeFolder ?? path.join(options.root, options.name);
  const logFile = path.join(options.root, `${options.name}.log`);
  const configFile = path.join(options.root, "nats-server.conf");
  const text = yield* fs.readFileString(createRequire(import.meta.url).resolve("#nats-server.conf"));
  yield* fs.writeFileString(configFile, withOverrides(options)(text));
  const { flags, name: serverName } = options;
  const server = yield* NatsProcess.make({ storeFolder, logFile, configFile, serverName, flags, port: options.port });
  return nodeOf(server, { storeFolder, logFile });
});

/** An election takes up to 9 s, and one in twenty is held twice. */
const clusterStartMillis = 25_000;

/** What the nodes of a cluster said last: why they found no leader. */
const lastWords = (root: string, names: ReadonlyArray<string>): string =>
  names.map((name) => `${name}: ${logTail({ logFile: join(root, `${name}.log`), from: 0 }).join("\n")}`).join("\n");

/**
 * The nodes start side by side, because none of them answers before two have found each other. The cluster has a name
 * of its own: a node of another one that still dials the port of a node it has lost does not join it.
 */
const startCluster = Effect.fnUntraced(function* (options: Options & { readonly root: string }) {
  const { root } = options;
  const routes: Array<string> = [];
  while (routes.length < 3) {
    const route = `nats://127.0.0.1:${yield* FreePort.find("127.0.0.1")}`;
    if (!routes.includes(route)) routes.push(route);
  }
  const names = routes.map((_, index) => `n${index + 1}`);
  // A node that hangs is waited for beside the others, not after them; what one node is made of ends in its order.
  const scope = yield* Scope.fork(yield* Effect.scope, "parallel");
  return yield* Effect.forEach(
    routes,
    (route, index) => {
      const flags = ["--cluster_name", root, "--cluster", route, "--routes", routes.join(",")];
      const node = startNode({ ...options, name: names[index] ?? "", flags });
      return Effect.flatMap(Scope.fork(scope), (own) => Scope.provide(node, own));
    },
    { concurrency: "unbounded" },
  ).pipe(
    Effect.timeoutOrElse({
      duration: clusterStartMillis,
      orElse: () => Effect.die(new Error(`three servers elected no leader in time\n${lastWords(root, names)}`)),
    }),
  );
});

const start = Effect.fnUntraced(function* (options: Options) {
  const fs = yield* FileSystem.FileSystem;
  const root = yield* fs.makeTempDirectoryScoped({ prefix: "recollect-nats-" });
  const nodes =
    options.cluster === undefined
      ? [yield* startNode({ ...options, root, name: "n1" })]
      : yield* startCluster({ ...options, root });
  const [first] = nodes;
  if (first === undefined) return yield* Effect.die("a server has at least one node");
  const all = (effect: (node: Node) => Effect.Effect<void>) =>
    Effect.forEach(nodes, effect, { concurrency: "unbounded", discard: true });
  return NatsServer.of({
    ...first,
    nodes,
    servers: nodes.map((node) => node.url),
    stop: all((node) => node.process.stop),
    start: all((node) => node.process.start),
    restart: all((node) => node.restart),
  });
});

/** Makes the stream of record, as `recollect up` does. */
export const addStream = (url: string) =>
  Effect.gen(function* () {
    const connection = yield* NatsConnection.make({ servers: url });
    yield* StreamGuard.withoutMemory().look(connection);
  }).pipe(Effect.scoped);

/** Starts it. A server that cannot be started is a broken machine, not a case for a test: it dies. */
export const make = (options: Options = {}): Effect.Effect<NatsServer["Service"], never, Scope.Scope> =>
  start(options).pipe(
    Effect.tap((server) => (options.stream === true ? addStream(server.url) : Effect.void)),
    Effect.provide(Layer.provideMerge(NatsBinary.layer, NodeServices.layer)),
    Effect.provideService(Clock.Clock, Clock.Clock.defaultValue()),
    Effect.provideService(References.MinimumLogLevel, "None"),
    Effect.orDie,
  );

export const layer = (options: Options = {}) => Layer.effect(NatsServer, make(options));
