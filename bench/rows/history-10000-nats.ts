/** A long history, by a process that has no ledger: asked of one that has, page by page. */
import { Effect } from "effect";
import { long } from "../GreatStream.ts";
import type { Row } from "../Harness.ts";
import { wholeHistory } from "../WholeHistories.ts";

export const row: Row = {
  id: "history-10000-nats",
  what: `the same thread of ${long.messages.toLocaleString("en-US")}, by a process without the ledger`,
  unit: "ms",
  goal: undefined,
  run: Effect.orDie(wholeHistory({ ...long, rounds: 3, from: "over NATS" })),
};
