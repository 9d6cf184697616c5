/**
 * Appending to a history and reading its events.
 *
 * Room: edge.
 */
import { Effect, Stream } from "effect";
import type { HttpServerResponse } from "effect/http";
import { HttpApiBuilder } from "effect/http-api";
import { eventOf } from "../../../client/sections/RecollectHistory.ts";
import type { History, HistoryKind } from "../../../domain/History.ts";
import { HistoryReading } from "../../../publish/HistoryReading.ts";
import { type AppendedEvent, Publisher } from "../../../publish/Publisher.ts";
import type { TypeName } from "../../../publish/write/NewEvent.ts";
import { Api } from "../api/Api.ts";
import type { Appending, EventSaid } from "../api/EventsApi.ts";
import { mostEvents } from "../api/EventsApi.ts";
import { Principal, requireRole } from "../Guard.ts";
import { refused } from "../Problem.ts";
import { publishedAs, split } from "./About.ts";
import { answer, etagOf, given, json, sequenceIn } from "./Answer.ts";
import { eventPage } from "./EventPage.ts";

const wrongTag = refused({
  status: 400,
  code: "etag",
  detail: "If-Match is not an ETag of this door.",
  hint: 'It is the last sequence in quotes, as a read gives it: "42".',
});

const historyOf = (kind: HistoryKind, id: string) =>
  Effect.map(Principal, ({ tenant }): History => ({ tenant, kind, id }));

/** A transcript's entry is stored as it came; who sends one over HTTP speaks as a publisher does, without secrets. */
const eventSaid = Effect.fnUntraced(function* ({ data, type, ...rest }: typeof EventSaid.Type) {
  const { about } = yield* split(rest);
  const { stored } = (yield* Publisher).policy();
  const said = type === "thread.entry_recorded" && stored !== undefined ? stored.value(data) : data;
  return { ...about, type: type as TypeName, data: said } satisfies AppendedEvent;
});

/** The expected sequence of the header; fails for what is none. */
const matchOf = (header: string | undefined) => {
  if (header === undefined) return Effect.succeed(undefined);
  const expected = sequenceIn(header);
  return expected === undefined ? Effect.fail(wrongTag) : Effect.succeed(expected);
};

/** Another writer was quicker than an ETag: 412. */
const moved = ({ message }: { readonly message: string }) =>
  refused({ status: 412, code: "sequenceConflict", detail: message, hint: "Read it again, decide again." });

export const append = Effect.fnUntraced(function* (
  kind: HistoryKind,
  request: {
    readonly params: { readonly id: string };
    readonly payload: typeof Appending.Type;
    readonly headers: { readonly "if-match"?: string | undefined };
  },
) {
  const { headers, params, payload } = request;
  const publisher = yield* Publisher;
  const history = yield* historyOf(kind, params.id);
  const match = yield* matchOf(headers["if-match"]);
  const said = "events" in payload ? payload.events : [payload];
  // A task that is submitted is done by whoever works for this tenant: who may ask for that, asks in this way too.
  if (said.some(({ type }) => type.startsWith("task."))) yield* requireRole("worker");
  if (!("events" in payload) && match === undefined) {
    const event = yield* eventSaid(payload);
    return publishedAs(yield* publisher.publish<TypeName>({ ...event, history }));
  }
  const events = yield* Effect.forEach(said, eventSaid);
  const expected = match ?? ("events" in payload ? payload.expected : undefined) ?? ("any" as const);
  const appending = publisher.appendAll({ history, events, expected });
  const { duplicate, eventIds, sequence, withheld } = yield* match === undefined
    ? appending
    : Effect.catchTag(appending, "SequenceConflict", (conflict) => Effect.fail(moved(conflict)));
  const outcome = duplicate ? "duplicate" : withheld === eventIds.length && withheld > 0 ? "withheld" : "appended";
  return json(
    { outcome, sequence, eventIds, ...(withheld === 0 ? {} : { withheld }) },
    { status: 201, headers: { etag: etagOf(sequence) } },
  );
});

const read = Effect.fnUntraced(function* (
  kind: HistoryKind,
  request: {
    readonly params: { readonly id: string };
    readonly query: {
      readonly after?: number | undefined;
      readonly last?: number | undefined;
      readonly limit?: number | undefined;
      readonly types?: string | undefined;
    };
  },
): Effect.fn.Return<HttpServerResponse.HttpServerResponse, unknown, HistoryReading | Principal> {
  const { after, last, limit = mostEvents, types } = request.query;
  const reading = yield* HistoryReading;
  const history = yield* historyOf(kind, request.params.id);
  const wanted = types?.split(",").map((name) => name.trim());
  const events = reading.events(history, { after, types: wanted });
  const { events: found, next } =
    last === undefined
      ? yield* eventPage(events, limit)
      : { events: yield* Stream.runCollect(Stream.takeRight(events, last)), next: undefined };
  const page = found.map(eventOf);
  const end = page.findLast(({ isWaiting }) => !isWaiting)?.sequence;
  const headers = end === undefined || wanted !== undefined || next !== undefined ? {} : { etag: etagOf(end) };
  return json({ events: page, ...given({ next }) }, { headers });
});

export const threadEvents = HttpApiBuilder.group(Api, "threadEvents", (handlers) =>
  handlers.handleAll({
    append: (request) => answer(append("thread", request)),
    read: (request) => answer(read("thread", request)),
  }),
);
export const taskEvents = HttpApiBuilder.group(Api, "taskEvents", (handlers) =>
  handlers.handleAll({
    append: (request) => answer(append("task", request)),
    read: (request) => answer(read("task", request)),
  }),
);
export const sessionEvents = HttpApiBuilder.group(Api, "sessionEvents", (handlers) =>
  handlers.handleAll({
    append: (request) => answer(append("session", request)),
    read: (request) => answer(read("session", request)),
  }),
);
