/** The same threads spread over four streams by the server's own mapping, beside one stream in the same run. */
import { Effect } from "effect";
import type { Row } from "../Harness.ts";
import { costOf, countOf, told } from "../ManySubjects.ts";

const shards = 4;

const run = Effect.gen(function* () {
  if (process.platform !== "linux") return { skipped: "memory of another process is read from Linux's /proc" };
  const count = yield* countOf;
  const one = yield* costOf(count, 1);
  const spread = yield* costOf(count, shards);
  const size = `${count.toLocaleString("en-US")} threads over ${shards} streams, the fullest holds ${spread.fullest.toFixed(3)} of an even share`;
  return {
    ours: spread.liveBytes,
    peer: one.liveBytes,
    peerName: "the same threads in one stream",
    note: `${size}; ${told(spread)}; one stream: ${told(one)}`,
  };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "subjects-sharded",
  what: `live memory of nats-server for each thread, ${shards} streams`,
  unit: "B",
  goal: undefined,
  run,
};
