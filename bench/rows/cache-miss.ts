/** A file that no process has read yet, beside a program that does the same with Redis: look, read, hash, keep. */
import { Effect } from "effect";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import * as NatsServer from "../../test/support/NatsServer.ts";
import { cacheOn, fileBytes, files } from "../CachedFiles.ts";
import { inPairs, type Row } from "../Harness.ts";
import { asSkipped } from "../peers/PeerProgram.ts";
import { peerDoes } from "../peers/PeerWork.ts";
import { redis } from "../peers/Redis.ts";

const misses = 300;
const rounds = 5;

const run = Effect.gen(function* () {
  const { client, version } = yield* redis;
  yield* peerDoes(() => client.configSet("appendonly", "no"));
  const server = yield* NatsServer.make();
  const cache = yield* cacheOn(server.url);
  const all = yield* files(misses * (rounds + 1));
  const ofRound = (round: number) => all.slice(round * misses, (round + 1) * misses);
  const ours = (path: string) =>
    Effect.flatMap(cache.read(path), ({ from }) => (from === "disk" ? Effect.void : Effect.die(`from ${from}`)));
  const peer = async (path: string): Promise<void> => {
    if ((await client.get(path)) !== null) throw new Error("it is there already");
    const bytes = await readFile(path);
    createHash("sha256").update(bytes).digest("hex");
    await client.set(path, bytes);
  };
  const taken = yield* inPairs({
    rounds,
    ours: (round) => ofRound(round).map((path) => ours(path)),
    peer: (round) => ofRound(round).map((path) => () => peer(path)),
  });
  const note = `p50; files of ${fileBytes / 1024} KiB from page cache; ours keeps them behind its answer, the peer before`;
  return { ...taken, peerName: `Redis ${version} GET, readFile, SHA-256, SET, no fsync`, note };
}).pipe(Effect.catchTag("PeerMissing", asSkipped), Effect.orDie);

export const row: Row = {
  id: "cache-miss",
  what: "a file on its first read",
  unit: "ms",
  goal: { of: "ratio", is: "at most", limit: 1.5 },
  run,
};
