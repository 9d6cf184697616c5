/** A long history, scattered over a large stream. */
import { Effect } from "effect";
import { long } from "../GreatStream.ts";
import type { Row } from "../Harness.ts";
import { wholeHistory } from "../WholeHistories.ts";

export const row: Row = {
  id: "history-10000",
  what: `every message of a thread of ${long.messages.toLocaleString("en-US")}, snapshot expired`,
  unit: "ms",
  goal: { of: "ours", is: "at most", limit: 100 },
  run: Effect.orDie(wholeHistory({ ...long, rounds: 3 })),
};
