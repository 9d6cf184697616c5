/** From the acknowledgement of an append until SQL sees it, p99. */
import { Effect } from "effect";
import type { Row } from "../Harness.ts";
import { visible } from "../Visible.ts";

export const row: Row = {
  id: "visible-p99",
  what: "append to visible in SQL under 1,000 events/s, p99",
  unit: "ms",
  goal: { of: "ours", is: "at most", limit: 50 },
  run: visible(0.99).pipe(Effect.orDie),
};
