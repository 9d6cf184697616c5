/** From the call that writes an event until a watcher on another connection has it. */
import { Effect } from "effect";
import type { Row } from "../Harness.ts";
import { asSkipped } from "../peers/PeerProgram.ts";
import { watched } from "../Watched.ts";

const row = (name: string, share: number, limit: number): Row => ({
  id: `watch-${name}`,
  what: `append to a watcher on another connection, ${name}`,
  unit: "ms",
  goal: { of: "ours", is: "at most", limit },
  run: watched(share).pipe(Effect.catchTag("PeerMissing", asSkipped), Effect.orDie),
});

export const rows: ReadonlyArray<Row> = [row("p50", 0.5, 2), row("p99", 0.99, 5)];
