/**
 * A file that this process has read before, checked against the disk at every read; and one that another process has read.
 * Both beside a Redis that holds the very bytes, in memory only, as caches are kept.
 */
import { Effect } from "effect";
import { readFileSync } from "node:fs";
import * as NatsServer from "../../test/support/NatsServer.ts";
import { cacheOn, fileBytes, files } from "../CachedFiles.ts";
import { inPairs, percentile, type Row, timed } from "../Harness.ts";
import { asSkipped } from "../peers/PeerProgram.ts";
import { peerDoes } from "../peers/PeerWork.ts";
import { redis } from "../peers/Redis.ts";

const hits = 20_000;
const asked = 1_000;
const rounds = 5;
const microsPerMilli = 1_000;

/** A Redis that holds the files under their paths. */
const holding = Effect.fnUntraced(function* (paths: ReadonlyArray<string>) {
  const { client, version } = yield* redis;
  yield* peerDoes(() => client.configSet("appendonly", "no"));
  for (const path of paths) yield* peerDoes(() => client.set(path, readFileSync(path, "latin1")));
  const get = async (path: string): Promise<void> => {
    if ((await client.get(path))?.length !== fileBytes) throw new Error("Redis has not got it");
  };
  return { get, peerName: `Redis ${version} GET of the same bytes, no fsync` };
});

const inProcess = Effect.gen(function* () {
  const paths = yield* files(100);
  const { get, peerName } = yield* holding(paths);
  const server = yield* NatsServer.make();
  const cache = yield* cacheOn(server.url);
  for (const path of paths) yield* cache.read(path);
  const reading = Effect.gen(function* () {
    for (let n = 0; n < hits; n++) {
      const { from } = yield* cache.read(paths[n % paths.length] ?? "");
      if (from !== "process") return yield* Effect.die("it is not in memory");
    }
  });
  const ours: Array<number> = [];
  const peer: Array<number> = [];
  for (let round = 0; round <= rounds; round++) {
    ours.push(((yield* timed(reading)) / hits) * microsPerMilli);
    const began = performance.now();
    yield* peerDoes(async () => {
      for (let n = 0; n < asked; n++) await get(paths[n % paths.length] ?? "");
    });
    peer.push(((performance.now() - began) / asked) * microsPerMilli);
  }
  const ratios = ours.map((figure, round) => figure / (peer[round] ?? Number.NaN)).slice(1);
  return {
    ours: percentile(ours.slice(1)),
    peer: percentile(peer.slice(1)),
    spread: [Math.min(...ratios), Math.max(...ratios)] as const,
    peerName,
    note: `means of ${hits} reads of ours and ${asked} of the peer, each awaited; ours looks at the file each time`,
  };
}).pipe(Effect.catchTag("PeerMissing", asSkipped), Effect.orDie);

const shared = Effect.gen(function* () {
  const all = yield* files(300);
  const { get, peerName } = yield* holding(all);
  const server = yield* NatsServer.make();
  const first = yield* cacheOn(server.url);
  for (const path of all) {
    yield* first.read(path);
    yield* first.kept;
  }
  const isShared = (cache: typeof first, path: string) =>
    Effect.flatMap(cache.read(path), ({ from }) => (from === "shared" ? Effect.void : Effect.die(`from ${from}`)));
  // Who has read nothing yet: each round another.
  const others = yield* Effect.forEach(Array.from({ length: rounds + 1 }), () => cacheOn(server.url));
  const taken = yield* inPairs({
    rounds,
    ours: (round) => all.map((path) => Effect.suspend(() => isShared(others[round] ?? first, path))),
    peer: () => all.map((path) => () => get(path)),
  });
  return {
    ...taken,
    peerName,
    note: `p50; files of ${fileBytes / 1024} KiB; ours hashes what it got and looks at the file`,
  };
}).pipe(Effect.catchTag("PeerMissing", asSkipped), Effect.orDie);

export const rows: ReadonlyArray<Row> = [
  {
    id: "cache-hit",
    what: "a cached file, read again by the same process",
    unit: "µs",
    goal: { of: "ours", is: "at most", limit: 5 },
    run: inProcess,
  },
  {
    id: "cache-hit-shared",
    what: "a cached file, read by a process that had not read it",
    unit: "ms",
    goal: { of: "ratio", is: "at most", limit: 2 },
    run: shared,
  },
];
