/**
 * `/metrics` for Prometheus: the door's own, and whatever else of this process counts with Effect.
 *
 * Room: edge.
 */
import { Effect, Layer } from "effect";
import { HttpRouter, HttpServerResponse } from "effect/http";
import { PrometheusMetrics } from "effect/observability";
import { defaultTenant } from "../../domain/History.ts";
import { authenticated, requireRole } from "./Guard.ts";
import { refused } from "./Problem.ts";

export const layer = HttpRouter.add(
  "GET",
  "/metrics",
  Effect.gen(function* () {
    const { name, role, tenant } = yield* requireRole("reader");
    if (role !== "operator" && tenant !== defaultTenant)
      return yield* refused({
        status: 403,
        code: "tenant",
        detail: `${name} is of the tenant ${tenant}, and these are numbers of the whole store.`,
        hint: "Make a token that may: recollect access token create NAME --role reader",
      });
    const text = yield* PrometheusMetrics.format();
    return HttpServerResponse.text(text, {
      contentType: "text/plain; version=0.0.4; charset=utf-8",
      headers: { "cache-control": "no-store" },
    });
  }),
).pipe(Layer.provide(authenticated));
