/** Memory of the nats-server for each thread it holds: reported, and what `docs/scale.md` reckons with. */
import { Effect } from "effect";
import type { Row } from "../Harness.ts";
import { costOf, countOf, told } from "../ManySubjects.ts";

const run = Effect.gen(function* () {
  if (process.platform !== "linux") return { skipped: "memory of another process is read from Linux's /proc" };
  const count = yield* countOf;
  const cost = yield* costOf(count, 1);
  const note = `${count.toLocaleString("en-US")} threads of one event in one stream; ${told(cost)}`;
  return { ours: cost.liveBytes, peer: null, peerName: "reported, see docs/scale.md", note };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "subjects",
  what: "live memory of nats-server for each thread",
  unit: "B",
  goal: undefined,
  run,
};
