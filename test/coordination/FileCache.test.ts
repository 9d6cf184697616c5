import { assert, describe, it, layer } from "@effect/vitest";
import { Effect, Layer, Schedule } from "effect";
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import * as CacheSharingMemory from "../../src/coordination/cache/CacheSharingMemory.ts";
import * as CacheWireNats from "../../src/coordination/cache/CacheSharingNats.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { folder, process as open, suite } from "../contract/FileCacheContract.ts";
import { logOnServer } from "../log/natsLayers.ts";
import * as Child from "../support/Child.ts";
import * as NatsServer from "../support/NatsServer.ts";

/** Only root can begin a process of another user, and to root every file may be read. */
const isRoot = process.getuid?.() === 0;
if (!isRoot) {
  console.warn("NOT TESTED: who may not read a file is not given it by a shared cache. Run this as root on Linux.");
}

describe("a cache of files in one process", () => {
  suite((name, test) =>
    it.live(name, () =>
      Effect.scoped(Effect.provide(test(), Layer.merge(CacheSharingMemory.layer, EventLogMemory.layer))),
    ),
  );
});

const hasPython = spawnSync("python3", ["--version"]).status === 0;
if (!hasPython) console.warn("NOT TESTED: a file written through a memory mapping. Install python3.");

/** Writes each line of its input to the beginning of the file, through a mapping. */
const mapping = `import mmap, sys
file = open(sys.argv[1], "r+b")
mapped = mmap.mmap(file.fileno(), 0)
for line in sys.stdin:
    mapped[0:3] = line.encode()[0:3]
    print("written", flush=True)`;

const mapped = (path: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => spawn("python3", ["-c", mapping, path], { stdio: ["pipe", "pipe", "inherit"] })),
      (child) => Effect.sync(() => child.kill()),
    ),
    ({ stdin, stdout }) =>
      (text: string) =>
        Effect.promise(
          () =>
            new Promise<void>((done) => {
              stdout.once("data", () => done());
              stdin.write(`${text}\n`);
            }),
        ),
  );

describe("a file that is written through a memory mapping", () => {
  it.live.skipIf(!hasPython)("is read as it is with verify content, though its times tell nothing", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "mapped");
      fs.writeFileSync(path, "one and more");
      const write = yield* mapped(path);
      // The first write moves the times, as the first one after a flush does; the next one does not.
      yield* write("two");
      const { read } = yield* open("mapped", { clock: { millis: 3_600_000 } });
      const text = (how?: Parameters<typeof read>[1]) =>
        Effect.map(read(path, how), ({ bytes }) => Buffer.from(bytes).toString("utf8"));
      assert.strictEqual(yield* text(), "two and more");
      yield* write("six");
      assert.strictEqual(yield* text({ verify: "content" }), "six and more");
      assert.strictEqual(yield* text(), "six and more");
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(CacheSharingMemory.layer, EventLogMemory.layer))),
  );
});

const onServer = CacheWireNats.layer.pipe(Layer.provideMerge(logOnServer()));

layer(onServer, { excludeTestServices: true })("a cache of files on a server", (it) => {
  suite((name, test) => it.effect(name, test));

  it.effect("makes anew what was deleted under it", () =>
    Effect.gen(function* () {
      const { jsm } = yield* NatsConnection.NatsConnection;
      const root = yield* folder;
      const [before, after] = [join(root, "before"), join(root, "after")];
      for (const path of [before, after]) fs.writeFileSync(path, path.repeat(20_000));
      const clock = { millis: 3_600_000 };
      const [first, second] = [yield* open("deleted", { clock }), yield* open("deleted", { clock })];
      const { sha256 } = yield* first.read(before);
      yield* first.kept;
      assert.isDefined(yield* second.content(sha256));
      for (const stream of ["KV_RECOLLECT_FILES", "OBJ_RECOLLECT_FILE_CONTENTS"]) {
        yield* Effect.promise(() => jsm.streams.delete(stream));
      }
      assert.strictEqual((yield* first.read(after)).from, "disk");
      yield* first.kept;
      // What failed is not asked again for a second.
      clock.millis += 2_000;
      assert.isTrue(yield* first.forget({ path: after }));
      const again = yield* first.read(after);
      yield* first.kept;
      assert.strictEqual((yield* second.content(again.sha256))?.length, again.bytes.length);
    }),
  );

  it.effect.skipIf(!isRoot)("does not give what others have read to who may not read it", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const root = yield* folder;
      const [secret, common] = [join(root, "secret"), join(root, "common")];
      for (const path of [secret, common]) fs.writeFileSync(path, path);
      fs.chmodSync(root, 0o755);
      fs.chmodSync(secret, 0o600);
      fs.chmodSync(common, 0o644);
      const cache = yield* open("users");
      for (const path of [secret, common]) yield* cache.read(path);
      yield* cache.kept;
      const { line } = yield* Child.start({
        file: "test/coordination/other-user-child.ts",
        args: [url, "users", secret, common],
      });
      // The file that it may read comes from the shared ones, so the other one lay there as well.
      assert.deepStrictEqual(JSON.parse(line), ["FileUnreadable permission", "shared"]);
    }),
  );

  it.effect("goes on from memory and disk while the server is away, and drops what it may have missed", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.NatsServer;
      const { link } = yield* NatsConnection.NatsConnection;
      const root = yield* folder;
      const [known, other] = [join(root, "known"), join(root, "other")];
      fs.writeFileSync(known, "known");
      fs.writeFileSync(other, "other");
      const cache = yield* open("away");
      yield* cache.read(known);
      yield* cache.kept;
      const until = (isConnected: boolean) =>
        Effect.suspend(() => (link.connected === isConnected ? Effect.void : Effect.fail("not yet"))).pipe(
          Effect.retry(Schedule.spaced(20)),
        );
      yield* server.stop;
      yield* until(false);
      assert.strictEqual((yield* cache.read(known)).from, "process");
      assert.strictEqual((yield* cache.read(other)).from, "disk");
      assert.isFalse(yield* cache.forget({ path: other }));
      assert.strictEqual((yield* cache.read(other)).from, "disk");
      assert.isUndefined(yield* cache.usage);
      yield* server.start;
      yield* until(true);
      const { from } = yield* cache.read(known).pipe(
        Effect.filterOrFail(({ from: where }) => where !== "process"),
        Effect.retry(Schedule.spaced(10)),
      );
      assert.oneOf(from, ["shared", "disk"]);
    }),
  );
});
