/** From the acknowledgement of an append until SQL sees it, p50. */
import { Effect } from "effect";
import type { Row } from "../Harness.ts";
import { visible } from "../Visible.ts";

export const row: Row = {
  id: "visible",
  what: "append to visible in SQL under 1,000 events/s, p50",
  unit: "ms",
  goal: { of: "ours", is: "at most", limit: 10 },
  run: visible(0.5).pipe(Effect.orDie),
};
