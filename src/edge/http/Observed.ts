/**
 * Metrics of the door's requests, and the limit of concurrent ones.
 *
 * Room: edge.
 *
 * Back-pressure: beyond `mostAtOnce` requests under way a new one is answered 503, beyond `mostOfOne` of one token 429, each
 * with `Retry-After`, before anything of it is read. Streams that are open are bounded by what they follow (Watch: 1,000).
 */
import { Clock, type Context, Effect, Metric } from "effect";
import type { HttpServerResponse } from "effect/http";
import { refused, toResponse } from "./Problem.ts";

/** Requests under way over all tokens: each holds a fiber and its body. */
export const mostAtOnce = 2_048;
/** Of one token, so that one client cannot have them all. */
export const mostOfOne = 1_024;

const busy = toResponse({
  status: 503,
  code: "busy",
  detail: `${mostAtOnce} requests are under way.`,
  retryAfter: 1,
});
const tooMany = refused({
  status: 429,
  code: "tooMany",
  detail: `${mostOfOne} requests of this token are under way.`,
  hint: "Wait for answers, or send several events in one request.",
  retryAfter: 1,
});

const gauge = Metric.gauge("recollect_http_requests_active", { description: "HTTP requests under way" });

let underWay = 0;
const ofToken = new Map<string, number>();

type None = Context.Context<never>;

/** Counts a request; false beyond the door's limit. */
const enter = (services: None): boolean => {
  if (underWay >= mostAtOnce) return false;
  gauge.updateUnsafe(++underWay, services);
  return true;
};
const leave = (services: None): void => gauge.updateUnsafe(--underWay, services);

const enterOf = (name: string): boolean => {
  const held = ofToken.get(name) ?? 0;
  if (held >= mostOfOne) return false;
  ofToken.set(name, held + 1);
  return true;
};
const leaveOf = (name: string): void => {
  const left = (ofToken.get(name) ?? 1) - 1;
  if (left === 0) ofToken.delete(name);
  else ofToken.set(name, left);
};

/** Counts a request while it is answered; 503 beyond what the door takes. */
export const bounded = <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
  Effect.contextWith((services: Context.Context<R>) =>
    enter(services)
      ? Effect.ensuring(
          app,
          Effect.sync(() => leave(services)),
        )
      : Effect.succeed(busy),
  );

/** The same for one token; fails with 429. */
export const boundedOf = <A, E, R>(name: string, app: Effect.Effect<A, E, R>) =>
  Effect.suspend((): Effect.Effect<A, E | typeof tooMany, R> =>
    enterOf(name)
      ? Effect.ensuring(
          app,
          Effect.sync(() => leaveOf(name)),
        )
      : Effect.fail(tooMany),
  );

/** Seconds: from a memory access to a long poll. */
const boundaries = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

const made = new Map<string, ReturnType<typeof makeSeries>>();
const makeSeries = (operation: string, status: string) => {
  const attributes = { operation, status };
  return {
    requests: Metric.counter("recollect_http_requests", {
      description: "HTTP requests answered",
      attributes,
      incremental: true,
    }),
    seconds: Metric.histogram("recollect_http_request_seconds", {
      description: "From a request's head to its answer",
      attributes: { operation },
      boundaries,
    }),
  };
};

const seriesOf = (operation: string, status: number) => {
  const name = `${operation} ${status}`;
  const known = made.get(name) ?? makeSeries(operation, String(status));
  made.set(name, known);
  return known;
};

const count = (operation: string, status: number, nanos: bigint, services: None): void => {
  const { requests, seconds } = seriesOf(operation, status);
  requests.updateUnsafe(1, services);
  seconds.updateUnsafe(Number(nanos) / 1e9, services);
};

/** Counts an operation by its status, and how long it took. */
export const measured = <E, R>(
  operation: string,
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R> =>
  Effect.flatMap(Clock.monotonicTimeNanos, (began) =>
    Effect.tap(app, ({ status }) =>
      Effect.contextWith((services: Context.Context<never>) =>
        Effect.map(Clock.monotonicTimeNanos, (ended) => count(operation, status, ended - began, services)),
      ),
    ),
  );

/** A request that is counted as `bounded` and `measured` count it, by plain code; also within the limit of its token. */
export interface Counted {
  /** The answer in place of its own: the door has too many requests. */
  readonly refused: HttpServerResponse.HttpServerResponse | undefined;
  /** To be called once, with the status of its answer; undefined: it has none. */
  readonly end: (status: number | undefined) => void;
}

export const counted = (asked: {
  readonly operation: string | undefined;
  readonly token: string;
  readonly clock: Clock.Clock;
  readonly services: None;
}): Counted => {
  const { clock, operation, services, token } = asked;
  if (!enter(services)) return { refused: busy, end: () => undefined };
  const began = clock.monotonicTimeNanosUnsafe();
  const isIn = enterOf(token);
  return {
    refused: isIn ? undefined : toResponse(tooMany),
    end: (status) => {
      if (isIn) leaveOf(token);
      leave(services);
      if (operation !== undefined && status !== undefined)
        count(operation, status, clock.monotonicTimeNanosUnsafe() - began, services);
    },
  };
};
