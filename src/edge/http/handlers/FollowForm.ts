/**
 * The forms in which following is said: our events, or those of AG-UI; as server-sent events, or one object a line.
 *
 * Room: edge.
 */
import { watchedOf } from "../../../client/WatchEvents.ts";
import type { Seen } from "../../../coordination/watch/Watch.ts";
import { AgUi, type AgUiEvent } from "./AgUi.ts";

/** Without an id it is a part of what stands behind it, and no place to go on from. */
export type Said = { readonly id: number | undefined; readonly event: string | undefined; readonly data: unknown };

const saidOf = (seen: Seen): ReadonlyArray<Said> => {
  switch (seen._tag) {
    case "Event":
      return watchedOf(seen.entry).flatMap((one) =>
        one._tag === "Event" ? [{ id: one.event.sequence, event: undefined, data: one.event }] : [],
      );
    case "CaughtUp":
      return [{ id: seen.sequence, event: "caughtUp", data: { sequence: seen.sequence } }];
    case "Slow":
      return [{ id: seen.after, event: "slow", data: { after: seen.after } }];
  }
};

/** JSON has no line feed in it, so data is one line. */
export const asEvent = ({ data, event, id }: Said): string =>
  `${id === undefined ? "" : `id: ${id}\n`}${event === undefined ? "" : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`;

export const asLine = ({ data, event }: Said): string =>
  `${JSON.stringify(event === undefined ? data : { event, ...(data as object) })}\n`;

/** Words at the head, of each thing that is seen, when it cannot go on, and at the end. */
export interface Form {
  readonly begin: ReadonlyArray<Said>;
  readonly of: (seen: Seen) => ReadonlyArray<Said>;
  readonly failed: (code: string, detail: string) => ReadonlyArray<Said>;
  readonly end: () => ReadonlyArray<Said>;
}

export const events: Form = {
  begin: [],
  of: saidOf,
  failed: (code, detail) => [{ id: undefined, event: "failed", data: { code, detail } }],
  end: () => [],
};

const placeOfSeen = (seen: Seen): number => {
  if (seen._tag === "Event") return seen.entry.sequence;
  return seen._tag === "CaughtUp" ? seen.sequence : seen.after;
};

export const agUi = (thread: string, runId: string): Form => {
  const drawn = new AgUi(thread, runId);
  const plain = (data: AgUiEvent): Said => ({ id: undefined, event: undefined, data });
  return {
    begin: [plain(drawn.begin)],
    of: (seen) =>
      drawn
        .of(seen)
        .map((data, at, all) => ({ ...plain(data), ...(at + 1 < all.length ? {} : { id: placeOfSeen(seen) }) })),
    failed: (code, detail) => drawn.failed(code, detail).map(plain),
    end: () => drawn.end().map(plain),
  };
};
