/**
 * The live tail: what the ledger takes, as it takes it.
 *
 * Room: edge.
 */
import { Effect, Layer } from "effect";
import { HttpRouter } from "effect/http";
import { events, eventsAfter, lastSequence } from "../../../query/screens/Lists.ts";
import { asked, number } from "../Asked.ts";
import { growing } from "../Growing.ts";
import { guarded } from "../Guarded.ts";
import { html } from "../html/Html.ts";
import { shown } from "../Shown.ts";
import { eventRow, eventTable } from "./EventRows.ts";

/** Rows at the beginning, and most that are kept while it grows. */
const atFirst = 60;
const mostKept = 500;
/** Events of one round: more are shown in the next ones, or left out when it falls far behind. */
const perRound = 100;

const screen = Effect.gen(function* () {
  const { viewer, wishes } = yield* asked;
  const found = yield* events({ tenant: viewer.tenant, limit: atFirst });
  const last = yield* lastSequence;
  const body = html`<h1>Live</h1>
    <p class="quiet">What is recorded, newest first; it grows by itself while this is open.</p>
    ${eventTable(found.events, html` data-grows="/live/stream" data-newest="first" data-most="${mostKept}" data-after="${last}"`)}`;
  return shown({ title: "Live", at: "/live", body, wishes });
});

const stream = Effect.gen(function* () {
  const { query, viewer } = yield* asked;
  const end = yield* lastSequence;
  return yield* growing(number(query, "after") ?? end, (after) =>
    Effect.gen(function* () {
      const last = yield* lastSequence;
      // After a flood the newest are what one looks at.
      const from = Math.max(after, last - mostKept);
      const found = yield* eventsAfter(from, perRound, viewer.tenant);
      const reached = found.length < perRound ? Math.max(from, last) : (found.at(-1)?.sequence ?? from);
      if (found.length === 0) return { after: reached, news: [] };
      const rows = found.toReversed().map(eventRow);
      return { after: reached, news: [{ event: "more" as const, after: reached, html: html`${rows}` }] };
    }),
  );
});

export const layer = Layer.merge(
  HttpRouter.add("GET", "/live", guarded(screen)),
  HttpRouter.add("GET", "/live/stream", guarded(stream)),
);
