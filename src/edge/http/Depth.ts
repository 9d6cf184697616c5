/**
 * The depth limit of a request's JSON, checked before anything reads it.
 *
 * Room: edge.
 *
 * Decision: 500 levels, as a task's values have, because a program of any language that reads an event does so by recursion,
 * and an event that was stored is read for ever: one of 5,000 levels made every reading of its thread a fault, and a body
 * of 1,000,000 (2 MB) held up all others for 5 to 11 seconds.
 */
import { Effect } from "effect";
import { HttpServerRequest } from "effect/http";
import { refused } from "./Problem.ts";

const mostLevels = 500;

const tooDeep = refused({
  status: 400,
  code: "tooDeep",
  detail: `The body is nested deeper than ${mostLevels} levels.`,
  hint: "Put what is deeper into a text, or into a blob.",
});

/** Signs of JSON by their code. */
const sign = { quote: 34, escape: 92, list: 91, listEnd: 93, object: 123, objectEnd: 125 } as const;

/** True for a JSON text that is nested deeper; in one pass, without reading it. */
export const isDeepText = (text: string, most = mostLevels): boolean => {
  let depth = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isQuoted) {
      if (code === sign.escape) at++;
      else if (code === sign.quote) isQuoted = false;
    } else if (code === sign.quote) isQuoted = true;
    else if (code === sign.list || code === sign.object) {
      if (++depth > most) return true;
    } else if (code === sign.listEnd || code === sign.objectEnd) depth--;
  }
  return false;
};

/** The body as text; fails with 400 for JSON that is too deep. */
export const shallowText = Effect.fnUntraced(function* ({ text }: HttpServerRequest.HttpServerRequest) {
  const body = yield* text;
  return isDeepText(body) ? yield* tooDeep : body;
});

/** Fails with 400 for a JSON body that is too deep; one that cannot be read is told of by whoever reads it. */
export const shallowBody = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest;
  if (!(request.headers["content-type"] ?? "").includes("json")) return;
  yield* Effect.catchTag(shallowText(request), "HttpServerError", () => Effect.void);
});
