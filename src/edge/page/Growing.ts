/**
 * News as server-sent events: looked for while a browser listens, for a bounded time.
 *
 * Room: edge.
 *
 * Decision: the read models are asked every 0.7 s by an index, instead of following the log, because what is shown is
 * what they hold; one question takes less than 0.1 ms, and the browser comes back with the last sequence it has.
 */
import { Effect, Option, Stream } from "effect";
import { HttpServerResponse } from "effect/http";
import type { Html } from "./html/Html.ts";
import { Viewer } from "./Viewer.ts";

const pollMillis = 700;
/** After so long the stream ends, and the browser asks anew: nothing is kept for one that has gone unnoticed. */
const mostRounds = Math.round((10 * 60_000) / pollMillis);
/** A comment in so many rounds tells a proxy and the browser that the line is alive. */
const roundsPerComment = 20;

/** `more` appends, and moves the place on; `swap` replaces one element by its id. */
export type News =
  | { readonly event: "more"; readonly after: number; readonly html: Html }
  | { readonly event: "swap"; readonly id: string; readonly html: Html };

const written = (news: News): string => {
  const { event, html, ...rest } = news;
  return `event: ${event}\ndata: ${JSON.stringify({ ...rest, html: html.markup })}\n\n`;
};

export interface Look {
  readonly after: number;
  readonly news: ReadonlyArray<News>;
}

/** `look` is given the place that is known and says what came after it; when it fails, the stream ends. */
export const growing = Effect.fnUntraced(function* <E, R>(
  after: number,
  look: (after: number) => Effect.Effect<Look, E, R>,
) {
  const viewer = yield* Viewer;
  const context = yield* Effect.context<R>();
  const lines = Stream.paginate({ after, round: 0 }, (at) =>
    Effect.gen(function* () {
      if (at.round > 0) yield* Effect.sleep(pollMillis);
      if (!viewer.stillHolds()) return [[], Option.none()] as const;
      const found = yield* Effect.provideContext(look(at.after), context);
      const comment = at.round % roundsPerComment === 0 ? [": here\n\n"] : [];
      const round = at.round + 1;
      return [
        [...comment, ...found.news.map(written)],
        round > mostRounds ? Option.none() : Option.some({ after: found.after, round }),
      ] as const;
    }),
  ).pipe(
    Stream.catchCause(() => Stream.empty),
    Stream.encodeText,
  );
  return HttpServerResponse.stream(lines, {
    contentType: "text/event-stream; charset=utf-8",
    headers: { "cache-control": "no-store", "x-content-type-options": "nosniff" },
  });
});
