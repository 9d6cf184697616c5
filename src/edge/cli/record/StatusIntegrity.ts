/**
 * The lines of `recollect status` about the record itself: scrubbed how far, what is kept, what was ever lost or healed.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import type { ReadModelStatus } from "../../../query/Query.ts";
import * as Output from "../Output.ts";

export const sayIntegrity = Effect.fnUntraced(function* (
  { kept, scrub, verified }: ReadModelStatus["integrity"],
  history: ReadModelStatus["history"],
) {
  const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis);
  const ago = (at: number) => `${Output.duration(Math.max(0, now - at))} ago`;
  const passes = scrub.passes === 0 ? "no pass ended yet" : `last pass ended ${ago(scrub.finishedAt)}`;
  const mended = scrub.mended === 0 ? "" : `, mended ${Output.counted(scrub.mended, "time")}`;
  yield* Output.said(
    scrub.at === 0
      ? "scrubbed    nothing yet; recollect up does it in the background"
      : `scrubbed    to ${Output.count(scrub.sequence)} of ${Output.count(scrub.head)}, ${ago(scrub.at)}; ${passes}${mended}`,
  );
  if (verified !== undefined)
    yield* Output.line(`verified    to ${Output.count(verified.sequence)}, ${ago(verified.at)}`);
  for (const { name, why } of kept) yield* Output.line(`kept        ${name}: ${why}`);
  for (const { actor, events, occurredAt, reason, type } of history) {
    const what = type.replace("recollect.", "").replaceAll("_", " ");
    const count = events === null ? "" : `, ${Output.counted(events, "event")}`;
    yield* Output.line(
      `history     ${Output.moment(occurredAt)} UTC ${what}${count}, by ${actor ?? "somebody"}: ${reason ?? ""}`,
    );
  }
});
