/**
 * How long after the call that changes a value every process has it: the slowest of four, beside a publication by Redis to
 * as many subscribers, which keeps no history and checks nothing.
 */
import { Deferred, Effect } from "effect";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import * as NatsServer from "../../test/support/NatsServer.ts";
import { percentile, type Row } from "../Harness.ts";
import { asSkipped } from "../peers/PeerProgram.ts";
import { peerDoes } from "../peers/PeerWork.ts";
import { redis, type RedisClient } from "../peers/Redis.ts";
import { temporaryFolder } from "../Servers.ts";
import { shared } from "../Shared.ts";

const processes = 4;
const changes = 220;
const warmUp = 20;
const pauseMillis = 10;
const first = 1_000_000;
const nanosPerMilli = 1e6;
const field = "snapshots.ttlMillis";
const program = fileURLToPath(new URL("../configWatcher.ts", import.meta.url));

/** When a process had each value. */
const watcher = (url: string) =>
  Effect.gen(function* () {
    const data = yield* temporaryFolder;
    const seen = new Map<number, bigint>();
    const hasAll = yield* Deferred.make<void>();
    const begun = yield* Deferred.make<void>();
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(process.execPath, [program, url, data], { stdio: ["ignore", "pipe", "inherit"] });
        createInterface({ input: child.stdout }).on("line", (line) => {
          const [value = "", at = "0"] = line.split(" ");
          seen.set(Number(value), BigInt(at));
          Deferred.doneUnsafe(begun, Effect.void);
          if (Number(value) === first + changes - 1) Deferred.doneUnsafe(hasAll, Effect.void);
        });
        return child;
      }),
      (child) => Effect.sync(() => child.kill("SIGKILL")),
    );
    yield* Deferred.await(begun);
    return { seen, hasAll };
  });

/** The same by Redis, each subscriber on a connection of its own. Milliseconds until the last one has it. */
const published = (client: RedisClient) =>
  Effect.gen(function* () {
    const subscribers = yield* Effect.forEach(Array.from({ length: processes }), () =>
      Effect.acquireRelease(
        peerDoes(() => client.duplicate().connect()),
        (open) => Effect.sync(() => open.destroy()),
      ),
    );
    let heard = 0;
    let resolve: () => void = () => {};
    for (const subscriber of subscribers) {
      yield* peerDoes(() => subscriber.subscribe(field, () => (++heard % processes === 0 ? resolve() : undefined)));
    }
    return async (value: number): Promise<number> => {
      const all = new Promise<void>((done) => (resolve = done));
      const began = performance.now();
      await client.publish(field, String(value));
      await all;
      return performance.now() - began;
    };
  });

const run = Effect.gen(function* () {
  const { client, version } = yield* redis;
  const server = yield* NatsServer.make();
  const { config } = yield* shared(server.url);
  const watchers = yield* Effect.forEach(Array.from({ length: processes }), () => watcher(server.url), {
    concurrency: 2,
  });
  const publish = yield* published(client);
  const began: Array<bigint> = [];
  const theirs: Array<number> = [];
  for (let change = 0; change < changes; change++) {
    began.push(process.hrtime.bigint());
    yield* config.set({ [field]: first + change });
    yield* Effect.sleep(pauseMillis);
    theirs.push(yield* peerDoes(() => publish(first + change)));
    yield* Effect.sleep(pauseMillis);
  }
  yield* Effect.forEach(watchers, ({ hasAll }) => Deferred.await(hasAll));
  const ours = began.map((at, change) => {
    // A value that was replaced before it was told of is had with the next one.
    const had = watchers.map(({ seen }) => seen.get(first + change) ?? seen.get(first + change + 1));
    return Math.max(...had.map((when) => Number((when ?? 0n) - at) / nanosPerMilli));
  });
  const [mine, others] = [ours.slice(warmUp), theirs.slice(warmUp)];
  const said = [0.5, 0.9, 0.99, 1].map((share) => percentile(mine, share).toFixed(1)).join(" / ");
  return {
    ours: percentile(mine, 0.99),
    peer: percentile(others, 0.99),
    peerName: `Redis ${version} PUBLISH to ${processes} connections of one process, not kept`,
    note: `${mine.length} changes from the call on, fsync included, until the last of ${processes} processes has it; p50 / p90 / p99 / all, ms: ${said}`,
  };
}).pipe(Effect.catchTag("PeerMissing", asSkipped), Effect.orDie);

export const row: Row = {
  id: "config-watch",
  what: `a changed value, until the last of ${processes} processes has it, p99`,
  unit: "ms",
  goal: { of: "ours", is: "at most", limit: 100 },
  run,
};
