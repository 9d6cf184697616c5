/**
 * Traces of what comes over HTTP, from a request to the append that it made: OTLP, off unless an endpoint is named.
 *
 * Room: main.
 *
 * The variables are OpenTelemetry's own: `OTEL_EXPORTER_OTLP_ENDPOINT` (or `…_TRACES_ENDPOINT`), `OTEL_SERVICE_NAME` and the
 * rest. A request that carries `traceparent` goes on with its trace, and the events that it writes name it: the row of an
 * event is found from the trace, and the other way round. Nothing of what is said stands in a span.
 */
import { Config, ConfigProvider, Effect, Layer, References } from "effect";
import { version } from "../../machine/Version.ts";

const named = Config.String("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").pipe(
  Config.orElse(() => Config.String("OTEL_EXPORTER_OTLP_ENDPOINT")),
  Config.withDefault(""),
);

const exporting = Effect.gen(function* () {
  const { OtlpSerialization, OtlpTracer } = yield* Effect.promise(() => import("effect/observability"));
  const { FetchHttpClient } = yield* Effect.promise(() => import("effect/http"));
  return OtlpTracer.layerFromConfig({ resource: { serviceName: "recollect", serviceVersion: version } }).pipe(
    Layer.provide(Layer.merge(OtlpSerialization.layerJson, FetchHttpClient.layer)),
    // OpenTelemetry's own default: whoever names an endpoint wants it used. `OTEL_TRACES_EXPORTER=none` says no.
    Layer.provide(ConfigProvider.layerAdd(ConfigProvider.fromUnknown({ OTEL_TRACES_EXPORTER: "otlp" }))),
  );
});

/** Tracing off: spans without a reader are not made. */
const off = Layer.succeed(References.TracerEnabled, false);

export const layer = Layer.unwrap(
  Effect.flatMap(Effect.orDie(named), (endpoint) => (endpoint.trim() === "" ? Effect.succeed(off) : exporting)),
);
