/**
 * `/metrics` for Prometheus: the door's own, and whatever else of this process counts with Effect.
 *
 * Room: edge.
 */
import { Effect, Layer } from "effect";
import { HttpRouter, HttpServerResponse } from "effect/http";
import { PrometheusMetrics } from "effect/observability";
import { authenticated, requireRole } from "./Guard.ts";

export const layer = HttpRouter.add(
  "GET",
  "/metrics",
  Effect.gen(function* () {
    yield* requireRole("reader");
    const text = yield* PrometheusMetrics.format();
    return HttpServerResponse.text(text, {
      contentType: "text/plain; version=0.0.4; charset=utf-8",
      headers: { "cache-control": "no-store" },
    });
  }),
).pipe(Layer.provide(authenticated));
