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
import { isMisfit } from "../../../domain/Event.ts";
import { type Seen, type Watchable, Watch } from "../../../coordination/watch/Watch.ts";
import { newId } from "../../../publish/write/NewEvent.ts";
import { Api } from "../api/Api.ts";
import { HttpDoor, mayAct, Principal } from "../Guard.ts";
import { isOfAllTenants } from "../OfAllTenants.ts";
import { refused } from "../Problem.ts";
import { answer, problemOf } from "./Answer.ts";
import { agUi, asEvent, asLine, events, type Said } from "./FollowForm.ts";

/** A comment so often tells proxies and clients that the connection lives, and finds out when it does not. */
const beatMillis = 15_000;
/** Time until a revoked token ends what it has opened, milliseconds. */
const lookMillis = 1_000;

const threadOnly = refused({
  status: 400,
  code: "format",
  detail: "AG-UI events are those of one thread.",
  hint: "Name it: /v1/follow?thread=ID&format=ag-ui",
});

/** The form that was asked for. */
const formOf = Effect.fnUntraced(function* ({ format, thread }: Asked) {
  if (format !== "ag-ui") return events;
  return thread === undefined ? yield* threadOnly : agUi(thread, yield* newId);
});

const oneOnly = refused({
  status: 400,
  code: "target",
  detail: "Follow one of thread, task and session, or none of them for everything of the tenant.",
});

interface Asked {
  readonly thread?: string | undefined;
  readonly task?: string | undefined;
  readonly session?: string | undefined;
  readonly format?: "events" | "ag-ui" | undefined;
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
  const place = /^\d{1,16}$/.test(header) ? Number(header) : Number.NaN;
  return Number.isSafeInteger(place) ? Effect.succeed(place) : Effect.fail(noPlace);
};

/** Quotas are of all tenants, whichever tenant's configuration holds them. */
const isForOperators = (seen: Seen): boolean =>
  seen._tag === "Event" &&
  !isMisfit(seen.entry) &&
  seen.entry.history.kind === "config" &&
  isOfAllTenants("config", new TextDecoder().decode(seen.entry.body));

const follow = Effect.fnUntraced(function* (request: {
  readonly query: Asked & { readonly after?: number | "now" | undefined; readonly forSeconds?: number | undefined };
  readonly headers: { readonly "last-event-id"?: string | undefined };
}) {
  const { headers, query } = request;
  const principal = yield* Principal;
  const { closing } = yield* HttpDoor;
  const target = targetOf(query, principal.tenant);
  if (target === undefined) return yield* oneOnly;
  const form = yield* formOf(query);
  const after = (yield* placeOf(headers["last-event-id"])) ?? query.after;
  const { headers: sent } = yield* HttpServerRequest.HttpServerRequest;
  const isLines = (sent["accept"] ?? "").includes("application/x-ndjson");
  const watch = yield* Watch;
  const revoked = Effect.sync(principal.stillHolds).pipe(
    Effect.repeat({ until: (holds: boolean) => !holds, schedule: Schedule.spaced(lookMillis) }),
    Effect.asVoid,
  );
  const over = query.forSeconds === undefined ? Effect.never : Effect.sleep(query.forSeconds * 1_000);
  const written = (said: ReadonlyArray<Said>) => said.map(isLines ? asLine : asEvent).join("");
  const seesAll = mayAct(principal.role, "operator");
  const news = watch.watch(target, { after }).pipe(
    Stream.filter((seen) => seesAll || !isForOperators(seen)),
    Stream.map((seen) => written(form.of(seen))),
    // The head was sent: what stands in the way is said as the last thing.
    Stream.catch((error) => {
      const { code = "fault", detail = "" } = problemOf(error) ?? {};
      return Stream.make(written(form.failed(code, detail)));
    }),
  );
  const beats = Stream.fromEffectSchedule(
    Effect.succeed(isLines ? "\n" : ": still here\n\n"),
    Schedule.spaced(beatMillis),
  );
  const ended = Effect.raceAll([revoked, closing, over]);
  const text = Stream.merge(news, Stream.drop(beats, 1), { haltStrategy: "left" }).pipe(
    Stream.prepend([`${isLines ? "" : "retry: 1000\n\n"}${written(form.begin)}`]),
    Stream.interruptWhen(ended),
    Stream.concat(Stream.suspend(() => Stream.make(written(form.end())))),
    Stream.filter((said) => said !== ""),
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
