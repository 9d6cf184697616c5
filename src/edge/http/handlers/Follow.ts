/**
 * Following over HTTP: server-sent events or lines, from a sequence on, for as long as the client stays.
 *
 * Room: edge.
 *
 * A client that reads slowly is held up by its own connection: what waits for it is bounded (Watch), and it goes on from the
 * log. An answer ends when its token is revoked or the door closes; the client comes again with the last id it saw.
 */
import { Effect, Schedule, Stream } from "effect";
import { HttpServerRequest, HttpServerResponse } from "effect/http";
import { HttpApiBuilder } from "effect/http-api";
import { watchedOf } from "../../../client/WatchEvents.ts";
import { type Seen, type Watchable, Watch } from "../../../coordination/watch/Watch.ts";
import { Api } from "../api/Api.ts";
import { HttpDoor, Principal } from "../Guard.ts";
import { refused } from "../Problem.ts";
import { answer, problemOf } from "./Answer.ts";

/** A comment so often tells proxies and clients that the connection lives, and finds out when it does not. */
const beatMillis = 15_000;
/** Time until a revoked token ends what it has opened, milliseconds. */
const lookMillis = 1_000;

type Said = { readonly id: number; readonly event: string | undefined; readonly data: unknown };

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
const asEvent = ({ data, event, id }: Said): string =>
  `id: ${id}\n${event === undefined ? "" : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`;

const asLine = ({ data, event }: Said): string =>
  `${JSON.stringify(event === undefined ? data : { event, ...(data as object) })}\n`;

const oneOnly = refused({
  status: 400,
  code: "target",
  detail: "Follow one of thread, task and session, or none of them for everything of the tenant.",
});

interface Asked {
  readonly thread?: string | undefined;
  readonly task?: string | undefined;
  readonly session?: string | undefined;
}

const targetOf = ({ session, task, thread }: Asked, tenant: string): Watchable | undefined => {
  const named = Object.entries({ thread, task, session }).filter(([, id]) => id !== undefined);
  const [first, second] = named;
  if (second !== undefined) return undefined;
  if (first === undefined) return { tenant };
  const [kind, id = ""] = first;
  return { history: { tenant, kind: kind as "thread" | "task" | "session", id } };
};

const noPlace = refused({
  status: 400,
  code: "lastEventId",
  detail: "Last-Event-ID is no sequence.",
  hint: "Give the id of an event that was seen, or leave it out.",
});

const placeOf = (header: string | undefined) => {
  if (header === undefined || header === "") return Effect.succeed(undefined);
  return /^\d{1,16}$/.test(header) ? Effect.succeed(Number(header)) : Effect.fail(noPlace);
};

const follow = Effect.fnUntraced(function* (request: {
  readonly query: Asked & { readonly after?: number | "now" | undefined; readonly forSeconds?: number | undefined };
  readonly headers: { readonly "last-event-id"?: string | undefined };
}) {
  const { headers, query } = request;
  const principal = yield* Principal;
  const { closing } = yield* HttpDoor;
  const target = targetOf(query, principal.tenant);
  if (target === undefined) return yield* oneOnly;
  const after = (yield* placeOf(headers["last-event-id"])) ?? query.after;
  const { headers: sent } = yield* HttpServerRequest.HttpServerRequest;
  const isLines = (sent["accept"] ?? "").includes("application/x-ndjson");
  const watch = yield* Watch;
  const revoked = Effect.sync(principal.stillHolds).pipe(
    Effect.repeat({ until: (holds: boolean) => !holds, schedule: Schedule.spaced(lookMillis) }),
    Effect.asVoid,
  );
  const over = query.forSeconds === undefined ? Effect.never : Effect.sleep(query.forSeconds * 1_000);
  const news = watch.watch(target, { after }).pipe(
    Stream.map((seen) =>
      saidOf(seen)
        .map(isLines ? asLine : asEvent)
        .join(""),
    ),
    Stream.filter((text) => text !== ""),
    // The head was sent: what stands in the way is said as the last thing.
    Stream.catch((error) => {
      const { code = "fault", detail = "" } = problemOf(error) ?? {};
      const said: Said = { id: 0, event: "failed", data: { code, detail } };
      return Stream.make(isLines ? asLine(said) : `event: failed\ndata: ${JSON.stringify(said.data)}\n\n`);
    }),
  );
  const beats = Stream.fromEffectSchedule(
    Effect.succeed(isLines ? "\n" : ": still here\n\n"),
    Schedule.spaced(beatMillis),
  );
  const ended = Effect.raceAll([revoked, closing, over]);
  const text = Stream.merge(news, Stream.drop(beats, 1), { haltStrategy: "left" }).pipe(
    Stream.prepend(isLines ? [] : ["retry: 1000\n\n"]),
    Stream.interruptWhen(ended),
    Stream.encodeText,
  );
  return HttpServerResponse.stream(text, {
    contentType: isLines ? "application/x-ndjson" : "text/event-stream",
    // Compressing would hold back what was said.
    headers: { "cache-control": "no-store, no-transform", "x-accel-buffering": "no" },
  });
});

export const followed = HttpApiBuilder.group(Api, "follow", (handlers) =>
  handlers.handle("follow", (request) => answer(follow(request))),
);
