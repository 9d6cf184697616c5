/**
 * Provenance of an event that came over HTTP, and the outcome of publishing it.
 *
 * Room: edge.
 *
 * The name of the token is recorded beside whatever the caller claims to be: as the source where none is given, and always
 * as the CloudEvents attribute `principal`.
 */
import { Effect } from "effect";
import { HttpServerRequest, type HttpServerResponse } from "effect/http";
import type { Published } from "../../../publish/Publisher.ts";
import type { About } from "../../../publish/write/NewEvent.ts";
import { Principal } from "../Guard.ts";
import { json } from "./Answer.ts";

interface Said {
  readonly id?: string | undefined;
  readonly occurredAt?: number | undefined;
  readonly source?: string | undefined;
  readonly actor?: string | undefined;
  readonly session?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly causationId?: string | undefined;
  readonly traceparent?: string | undefined;
  readonly durable?: "log" | "disk" | undefined;
}

/** W3C trace context; what is none is left out. */
const traceIn = (header: string | undefined): string | undefined =>
  header !== undefined && /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(header) ? header : undefined;

/** Splits what is said about an event from the rest of the payload, and names who said it. */
export const split = <T extends Said>(payload: T) =>
  Effect.gen(function* () {
    const { name } = yield* Principal;
    const { headers } = yield* HttpServerRequest.HttpServerRequest;
    const { actor, causationId, correlationId, durable, id, occurredAt, session, source, traceparent, ...data } =
      payload;
    const about: About = {
      actor,
      causationId,
      correlationId,
      durable,
      id,
      occurredAt,
      session,
      traceparent: traceparent ?? traceIn(headers["traceparent"]),
      source: source ?? `http/${name}`,
      extensions: { principal: name },
    };
    return { about, data };
  });

export const outcomeOf = (published: Published) => ({
  eventId: published.eventId,
  ...("sequence" in published
    ? { outcome: "appended" as const, sequence: published.sequence }
    : { outcome: published._tag === "Withheld" ? ("withheld" as const) : ("spooled" as const) }),
});

/** 201 for what is in the log, 202 for what waits in the spool of this machine, and for what the audit policy withholds. */
export const publishedAs = <More extends object>(
  published: Published,
  more?: More,
): HttpServerResponse.HttpServerResponse => {
  const outcome = outcomeOf(published);
  const isThere = outcome.outcome === "appended";
  const headers = isThere ? { etag: `"${outcome.sequence}"` } : {};
  return json({ ...more, ...outcome }, { status: isThere ? 201 : 202, headers });
};
