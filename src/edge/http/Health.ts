/**
 * `/healthz` and `/readyz`, for who starts and watches the daemon.
 *
 * Room: edge.
 *
 * Neither needs a token, and neither tells anything of what is stored.
 */
import { Context, Effect, Layer } from "effect";
import { HttpRouter, HttpServerResponse } from "effect/http";
import type { LogCondition } from "../../log/connection/LogCondition.ts";
import { toResponse } from "./Problem.ts";

/** Readiness of the daemon. */
export class Readiness extends Context.Service<
  Readiness,
  {
    /** Reason that the store cannot be used now; undefined when it can. */
    readonly trouble: () => string | undefined;
    /** Conditions of the stream of record. */
    readonly conditions: () => ReadonlyArray<LogCondition>;
  }
>()("recollect/edge/http/Readiness") {}

const alive = HttpServerResponse.setHeader(HttpServerResponse.text("ok\n"), "cache-control", "no-store");

export const layer = Layer.mergeAll(
  HttpRouter.add("GET", "/healthz", alive),
  HttpRouter.add(
    "GET",
    "/readyz",
    Effect.map(Readiness, ({ conditions, trouble }) => {
      const why = trouble() ?? conditions()[0]?.message;
      if (why === undefined) return alive;
      return toResponse({ status: 503, code: "notReady", detail: why, retryAfter: 1 });
    }),
  ),
);
