import * as NodeServices from "@effect/platform-node/NodeServices";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, type ConnectionOptions } from "@nats-io/transport-node";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber, FileSystem, Layer, Option, Schedule, Stream } from "effect";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:net";
import * as FreePort from "../../../src/machine/nats/FreePort.ts";
import * as NatsBinary from "../../../src/machine/nats/NatsBinary.ts";
import * as NatsProbe from "../../../src/machine/nats/NatsProbe.ts";
import * as NatsProcess from "../../../src/machine/nats/NatsProcess.ts";
import { commandLineOf, isAlive } from "../../../src/machine/Processes.ts";
import * as ClosedServer from "../../support/ClosedServer.ts";
import * as Child from "../../support/Child.ts";
import * as NatsServer from "../../support/NatsServer.ts";

const host = "127.0.0.1";

const temporary = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped());

/** A server as the daemon has it, in a folder that is given; its errors are for the test to see. */
const start = (folder: string, options: Partial<NatsProcess.Options> = {}) =>
  NatsProcess.make({ storeFolder: `${folder}/nats`, logFile: `${folder}/nats.log`, ...options });

const machine = Layer.provideMerge(NatsBinary.layer, NodeServices.layer);

const pidOf = (server: NatsProcess.NatsProcess["Service"]) =>
  Effect.map(
    server.pid,
    Option.getOrElse(() => assert.fail("the server does not run")),
  );

const isDown = (port: number) =>
  Effect.map(NatsProbe.probe({ host, port, timeoutMillis: 200 }), (answer) => Option.isNone(answer));

/** Returns when the process has ended; the test's time limit is the bound. */
const untilDead = (pid: number): Effect.Effect<void> =>
  Effect.suspend(() => (isAlive(pid) ? Effect.andThen(Effect.sleep(10), untilDead(pid)) : Effect.void));

const withClient = <A>(
  url: string | Array<string>,
  use: (client: Awaited<ReturnType<typeof connect>>) => Promise<A>,
  how: ConnectionOptions = {},
) =>
  Effect.promise(async () => {
    const patient = { timeout: 5_000, maxReconnectAttempts: -1, reconnectTimeWait: 20 };
    const client = await connect({ servers: url, ...patient, ...how });
    try {
      return await use(client);
    } finally {
      await client.close();
    }
  });

const addStream = (options: { readonly url: string; readonly replicas: number; readonly how?: ConnectionOptions }) =>
  withClient(
    options.url,
    async (client) => {
      const manager = await jetstreamManager(client);
      await manager.streams.add({ name: "S", subjects: ["s"], num_replicas: options.replicas });
      // A new stream of three has no leader for a moment, and its subject no responder.
      await jetstream(client).publish("s", "kept", { msgID: "kept", retries: 40 });
    },
    options.how,
  );

const messagesIn = (url: string | Array<string>, timeoutMillis = 5_000, how: ConnectionOptions = {}) =>
  withClient(
    url,
    async (client) => {
      const manager = await jetstreamManager(client, { checkAPI: false, timeout: timeoutMillis });
      return (await manager.streams.info("S")).state.messages;
    },
    how,
  );

describe("a nats-server of our own", () => {
  it.live("answers, with JetStream on, as soon as it is there", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const { port } = server.process;
      const info = Option.getOrThrow(yield* NatsProbe.probe({ host, port, timeoutMillis: 100 }));
      assert.isTrue(info.jetstream);
      assert.strictEqual(info.max_payload, 8 * 1024 * 1024);
      assert.include(commandLineOf(yield* pidOf(server.process)), server.storeFolder);
      yield* addStream({ url: server.url, replicas: 1 });
      assert.strictEqual(yield* messagesIn(server.url), 1);
    }),
  );

  it.live("acknowledges only what is on disk: it runs with `sync_interval: always`", () =>
    Effect.gen(function* () {
      const { keys, process } = yield* ClosedServer.make();
      const asked = { host, port: process.port, signer: keys.system, timeoutMillis: 1_000 };
      const varz = Option.getOrThrow(yield* NatsProbe.request({ ...asked, subject: "$SYS.REQ.SERVER.PING.VARZ" })).text;
      assert.match(varz, /"sync_always": ?true/);
      assert.match(varz, /"max_storage": ?1099511627776/);
    }).pipe(Effect.provide(machine)),
  );

  it.live("comes back after kill -9, on the same port and with its messages", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      yield* addStream({ url: server.url, replicas: 1 });
      const before = yield* pidOf(server.process);
      yield* server.kill9;
      assert.notStrictEqual(yield* pidOf(server.process), before);
      assert.strictEqual(yield* messagesIn(server.url), 1);
    }),
  );

  it.live("is started again ever more slowly when it keeps dying, and says why it was down", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const downs = yield* server.process.changes.pipe(
        Stream.filter(NatsProcess.State.$is("Down")),
        Stream.take(3),
        Stream.runCollect,
        Effect.forkChild,
      );
      yield* Effect.repeat(server.kill9, { times: 2 });
      const seen = yield* Fiber.join(downs);
      assert.deepStrictEqual(
        seen.map((down) => down.retryInMillis),
        [25, 50, 100],
      );
      assert.deepStrictEqual(new Set(seen.map((down) => down.why)), new Set(["nats-server was ended by SIGKILL"]));
    }),
  );

  it.live("stays away while it is stopped, and keeps port and messages for its next start", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      yield* addStream({ url: server.url, replicas: 1 });
      yield* server.stop;
      yield* server.stop;
      assert.strictEqual((yield* server.process.state)._tag, "Stopped");
      assert.isTrue(yield* isDown(server.process.port));
      yield* server.start;
      yield* server.start;
      assert.strictEqual(yield* messagesIn(server.url), 1);
    }),
  );

  it.live("is not taken for there while a foreign server has its port, and comes back when that is gone", () =>
    Effect.gen(function* () {
      const { process } = yield* NatsServer.make();
      yield* process.stop;
      const seen: Array<string> = [];
      yield* Effect.forkChild(
        Stream.runForEach(process.changes, (state) =>
          Effect.sync(() => void seen.push(state._tag === "Down" ? state.why : state._tag)),
        ),
      );
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* start(yield* temporary, { port: process.port });
          yield* Effect.forkScoped(process.start);
          while (seen.length < 4) yield* Effect.sleep(10);
          const taken = `Another program already listens on ${host}:${process.port}.`;
          assert.deepStrictEqual(new Set(seen.slice(1)), new Set([taken]));
        }),
      );
      yield* process.start;
      assert.strictEqual((yield* process.state)._tag, "Ready");
    }).pipe(Effect.provide(machine)),
  );

  it.live("is given up at once, and ended, when whoever starts it is interrupted before it answers", () =>
    Effect.gen(function* () {
      const folder = yield* temporary;
      // One of a cluster whose others are not there: it runs, finds no leader, and so does not answer.
      const [own, other] = [yield* FreePort.find(host), yield* FreePort.find(host)];
      const flags = ["--cluster_name", "alone", "--cluster", `nats://${host}:${own}`];
      const routes = ["--routes", `nats://${host}:${own},nats://${host}:${other}`];
      const starting = yield* Effect.forkChild(start(folder, { serverName: "n1", flags: [...flags, ...routes] }));
      const file = `${folder}/nats/nats-server.pid`;
      const pid = yield* FileSystem.FileSystem.use((fs) => fs.readFileString(file)).pipe(
        Effect.map(Number),
        Effect.filterOrFail((number) => number > 0),
        Effect.retry({ schedule: Schedule.spaced(10), times: 1_000 }),
      );
      assert.isTrue(isAlive(pid));
      yield* Fiber.interrupt(starting);
      assert.isFalse(isAlive(pid));
    }).pipe(Effect.scoped, Effect.provide(machine)),
  );

  it.live("is gone, cleanly, when its scope is closed", () =>
    Effect.gen(function* () {
      const folder = yield* temporary;
      const pid = yield* Effect.scoped(Effect.flatMap(start(folder), pidOf));
      assert.isFalse(isAlive(pid));
      const fs = yield* FileSystem.FileSystem;
      assert.include(yield* fs.readFileString(`${folder}/nats.log`), "Server Exiting");
    }).pipe(Effect.provide(machine)),
  );
});

describe("a nats-server whose disk is full", () => {
  const mount = (folder: string) =>
    spawnSync("mount", ["-t", "tmpfs", "-o", "size=32m", "tmpfs", folder], { stdio: "ignore" }).status === 0;
  const unmount = (folder: string) => spawnSync("umount", ["-l", folder], { stdio: "ignore" });

  /** Only root may mount, and not in every container. */
  const mayMount = (() => {
    const folder = mkdtempSync(join(tmpdir(), "recollect-mount-"));
    const may = mount(folder);
    if (may) unmount(folder);
    rmdirSync(folder);
    return may;
  })();

  /** A disk of 32 MB. */
  const smallDisk = Effect.acquireRelease(
    Effect.tap(temporary, (folder) => Effect.sync(() => mount(folder))),
    (folder) => Effect.sync(() => unmount(folder)),
  );
  const untilState = (server: NatsProcess.NatsProcess["Service"], tag: NatsProcess.State["_tag"]) =>
    server.changes.pipe(
      Stream.filter((state) => state._tag === tag),
      Stream.runHead,
      Effect.map(Option.getOrThrow),
    );

  it.live.skipIf(!mayMount)("says so, keeps what was acknowledged, and writes again when there is room", () =>
    Effect.gen(function* () {
      const disk = yield* smallDisk;
      const fs = yield* FileSystem.FileSystem;
      const { process: server, root } = yield* ClosedServer.make({ root: disk, healthEveryMillis: 50 });
      const how = ClosedServer.keyOf(root, "daemon");
      yield* addStream({ url: server.url, replicas: 1, how });
      yield* fs.writeFile(`${disk}/ballast`, Buffer.alloc(20 * 1024 * 1024));
      const payload = Buffer.alloc(1024 * 1024);
      const acknowledged = yield* withClient(
        server.url,
        async (client) => {
          for (let count = 1; ; count++) {
            const wasStored = await jetstream(client)
              .publish("s", payload, { timeout: 500 })
              .then(
                () => true,
                () => false,
              );
            if (!wasStored) return count;
          }
        },
        how,
      );
      const frozen = yield* untilState(server, "Frozen");
      assert.propertyVal(frozen, "restarts", 0);
      assert.match("why" in frozen ? frozen.why : "", /no space left on device/);

      yield* fs.remove(`${disk}/ballast`);
      yield* untilState(server, "Down");
      yield* server.ready;
      assert.strictEqual(yield* messagesIn(server.url, 5_000, how), acknowledged);
      yield* withClient(server.url, (client) => jetstream(client).publish("s", payload), how);
    }).pipe(Effect.provide(machine)),
  );
});

describe("a process that runs a nats-server", () => {
  const child = (folder: string) => Child.start({ file: "test/machine/children/runNats.ts", args: [folder] });

  it.live("takes it along when it is killed with kill -9", () =>
    Effect.gen(function* () {
      const parent = yield* child(yield* temporary);
      const pid = Number(parent.line);
      assert.include(commandLineOf(pid), "nats-server");
      yield* parent.kill();
      yield* untilDead(pid);
    }).pipe(Effect.provide(machine)),
  );

  it.live("stops it in order when it is asked to end", () =>
    Effect.gen(function* () {
      const folder = yield* temporary;
      const parent = yield* child(folder);
      yield* parent.kill("SIGTERM");
      assert.isFalse(isAlive(Number(parent.line)));
      const fs = yield* FileSystem.FileSystem;
      assert.include(yield* fs.readFileString(`${folder}/logs/nats-server.log`), "Server Exiting");
    }).pipe(Effect.provide(machine)),
  );

  it.live("ends what an earlier one left running on its store, before it starts its own", () =>
    Effect.gen(function* () {
      const folder = yield* temporary;
      const { path } = yield* NatsBinary.NatsBinary;
      const store = `${folder}/nats`;
      const ports = { port: yield* FreePort.find(host), monitorPort: yield* FreePort.find(host) };
      const { port } = ports;
      // Started without a watchman: as if both it and its daemon had been killed.
      const script = '"$1" -a 127.0.0.1 -p "$2" -js -sd "$3" -P "$3/nats-server.pid" >/dev/null 2>&1 & echo $!';
      const fs = yield* FileSystem.FileSystem;
      yield* fs.makeDirectory(store);
      const orphan = Number(
        execFileSync("/bin/sh", ["-c", script, "sh", path, String(port), store], { encoding: "utf8" }),
      );
      yield* Effect.repeat(isDown(port), { while: (down) => down });
      const server = yield* start(folder, ports);
      assert.isFalse(isAlive(orphan));
      assert.notStrictEqual(yield* pidOf(server), orphan);
    }).pipe(Effect.provide(machine)),
  );

  it.live("leaves a process alone that was given the old pid since", () =>
    Effect.gen(function* () {
      const folder = yield* temporary;
      const fs = yield* FileSystem.FileSystem;
      yield* fs.makeDirectory(`${folder}/nats`);
      yield* fs.writeFileString(`${folder}/nats/nats-server.pid`, String(process.pid));
      yield* start(folder);
    }).pipe(Effect.provide(machine)),
  );
});

/** A port on which another program listens for as long as the scope lives. */
const takenPort = Effect.gen(function* () {
  const port = yield* FreePort.find(host);
  yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const other = createServer().listen(port, host, () => resume(Effect.succeed(other)));
    }),
    (other) => Effect.sync(() => other.close()),
  );
  return port;
});

describe("a nats-server that cannot be started", () => {
  it.live("starts on a free port when the one it would prefer was taken in the meantime", () =>
    Effect.gen(function* () {
      const preferredPort = yield* takenPort;
      const server = yield* start(yield* temporary, { preferredPort });
      assert.notStrictEqual(server.port, preferredPort);
    }).pipe(Effect.provide(machine)),
  );

  it.live("says that its port is taken, and is not retried on another", () =>
    Effect.gen(function* () {
      const port = yield* takenPort;
      const error = yield* Effect.flip(start(yield* temporary, { port }));
      assert.propertyVal(error, "reason", "portTaken");
      assert.strictEqual(error.message, `Another program already listens on ${host}:${port}.`);
    }).pipe(Effect.provide(machine)),
  );

  it.live("says that its folder is not one", () =>
    Effect.gen(function* () {
      const folder = yield* temporary;
      const fs = yield* FileSystem.FileSystem;
      yield* fs.writeFileString(`${folder}/nats`, "");
      const error = yield* Effect.flip(start(folder));
      assert.propertyVal(error, "reason", "notAFolder");
    }).pipe(Effect.provide(machine)),
  );

  it.live("repeats the server's own words about a wrong configuration", () =>
    Effect.gen(function* () {
      const folder = yield* temporary;
      const fs = yield* FileSystem.FileSystem;
      yield* fs.writeFileString(`${folder}/wrong.conf`, "jetstream { sync_interval: allways }\n");
      const error = yield* Effect.flip(start(folder, { configFile: `${folder}/wrong.conf` }));
      assert.propertyVal(error, "reason", "configuration");
      assert.include(error.message, "allways");
      assert.include(error.hint, "wrong.conf");
    }).pipe(Effect.provide(machine)),
  );
});

describe("the repository's nats-server.conf", () => {
  it.effect("is valid", () =>
    Effect.gen(function* () {
      const { path } = yield* NatsBinary.NatsBinary;
      execFileSync(path, ["-t", "-c", "nats-server.conf"], { stdio: "pipe" });
    }).pipe(Effect.provide(machine)),
  );
});

describe("a cluster of three", () => {
  it.live(
    "keeps a stream in three copies, and serves it while one node is gone",
    () =>
      Effect.gen(function* () {
        const cluster = yield* NatsServer.make({ cluster: 3 });
        const [, second, third] = cluster.servers;
        yield* addStream({ url: cluster.url, replicas: 3 });
        yield* cluster.nodes[0]?.process.stop ?? Effect.void;
        // A request to a cluster that elects a new leader (4 to 9 s) is not answered at all: it is asked again, soon.
        const messages = yield* messagesIn([second ?? "", third ?? ""], 500).pipe(
          Effect.sandbox,
          Effect.retry({ schedule: Schedule.spaced(100) }),
          Effect.timeoutOrElse({
            duration: 30_000,
            orElse: () => Effect.die(new Error("the two servers that are left never answered")),
          }),
        );
        assert.strictEqual(messages, 1);
      }),
    // Two elections, each of which may be held twice; what takes longer says by itself what it waited for.
    { timeout: 90_000 },
  );
});
