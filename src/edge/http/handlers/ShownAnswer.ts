/**
 * The body of an answer over HTTP, as it may be shown. Every handler answers through here.
 *
 * Room: edge.
 *
 * Decision: by the texts of the body and not by its values, because reading a large thread as JSON once more costs more than
 * all else that a warm read does (0.2 ms for a window of 64 messages); a body is passed over once, at some 2 µs a kilobyte.
 */
import { Effect, Stream } from "effect";
import { HttpBody, HttpServerRequest, HttpServerResponse } from "effect/http";
import { asStored, shown, type Shown } from "../../../client/Shown.ts";
import { Principal } from "../Guard.ts";

/** An operator's request that says so is answered as it is stored. */
const rawHeader = "recollect-raw";

const isText = (type: string): boolean => /^text\/|json/.test(type);

const bytesOf = (shows: Shown, bytes: Uint8Array): Uint8Array => {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  const told = shows.text(text);
  return told === text ? bytes : Buffer.from(told, "latin1");
};

const bodyOf = (body: HttpBody.HttpBody, shows: Shown): HttpBody.HttpBody => {
  switch (body._tag) {
    case "Uint8Array": {
      if (!isText(body.contentType) && body.body.includes(0)) return body;
      const bytes = bytesOf(shows, body.body);
      return bytes === body.body ? body : HttpBody.uint8Array(bytes, body.contentType);
    }
    case "Stream":
      // Lines and events are written whole.
      return HttpBody.stream(
        Stream.map(body.stream, (bytes) => bytesOf(shows, bytes)),
        body.contentType,
      );
    default:
      return body;
  }
};

/** Limits on what the caller is shown. */
const showing = Effect.gen(function* () {
  const { role } = yield* Principal;
  const { headers } = yield* HttpServerRequest.HttpServerRequest;
  return yield* shown({ raw: role === "operator" && headers[rawHeader] === "true" });
});

type Response = HttpServerResponse.HttpServerResponse;

/** Answers that a handler gives again and again, and how they were shown by which rules. */
const told = new WeakMap<Response, { readonly rules: unknown; readonly as: Response }>();

const shownBy = (shows: Shown, answer: Response): Response => {
  const kept = told.get(answer);
  const rules = shows.rules();
  if (kept?.rules === rules && kept !== undefined) return kept.as;
  const body = bodyOf(answer.body, shows);
  const as = body === answer.body ? answer : HttpServerResponse.setBody(answer, body);
  if (body._tag !== "Stream") told.set(answer, { rules, as });
  return as;
};

/** The answer as it may be shown. */
export const shownAnswer = <A>(answer: A) =>
  Effect.map(showing, (shows): A =>
    shows === asStored || !HttpServerResponse.isHttpServerResponse(answer)
      ? answer
      : (shownBy(shows, answer) as A & typeof answer),
  );
