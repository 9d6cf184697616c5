/** A short history, scattered over a large stream. */
import { Effect } from "effect";
import { short } from "../GreatStream.ts";
import type { Row } from "../Harness.ts";
import { wholeHistory } from "../WholeHistories.ts";

export const row: Row = {
  id: "history-40",
  what: `every message of a thread of ${short.messages}, snapshot expired`,
  unit: "ms",
  goal: { of: "ours", is: "at most", limit: 5 },
  run: Effect.orDie(wholeHistory({ ...short, rounds: 7 })),
};
