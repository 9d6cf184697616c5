/**
 * Metrics of the door's requests, and the limit of concurrent ones.
 *
 * Room: edge.
 *
 * Back-pressure: beyond `mostAtOnce` requests under way a new one is answered 503, beyond `mostOfOne` of one token 429, each
 * with `Retry-After`, before anything of it is read. An answer that is a stream is under way until it was sent: beyond
 * `mostStreams` of them one more is answered 503, beyond `mostStreamsOfOne` of one token 429.
 */
import { Clock, type Context, Effect, Metric, type Scope } from "effect";
import type { HttpServerResponse } from "effect/http";
import { type Refused, refused, toResponse } from "./Problem.ts";

/** Requests under way over all tokens: each holds a fiber and its body. */
export const mostAtOnce = 2_048;
/** Bound of one token, so that one client cannot have them all. */
export const mostOfOne = 1_024;

/** Answers that are streams, over all tokens: each keeps a tenant's client in use, and a connection. */
export const mostStreams = 1_024;
/** Bound of one token, so that one client cannot have them all. */
export const mostStreamsOfOne = 256;

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

const busyStreams = refused({
  status: 503,
  code: "busy",
  detail: `${mostStreams} answers that are streams are open.`,
  retryAfter: 5,
});
const tooManyStreams = refused({
  status: 429,
  code: "tooManyStreams",
  detail: `${mostStreamsOfOne} answers of this token that are streams are open.`,
  hint: "Follow several threads in one stream: GET /v1/follow gives everything of the tenant.",
  retryAfter: 5,
});

const gauge = Metric.gauge("recollect_http_requests_active", { description: "HTTP requests under way" });

let underWay = 0;
const ofToken = new Map<string, number>();
let streams = 0;
const streamsOfToken = new Map<string, number>();

type None = Context.Context<never>;

/** Counts a request; false beyond the door's limit. */
const enter = (services: None): boolean => {
  if (underWay >= mostAtOnce) return false;
  gauge.updateUnsafe(++underWay, services);
  return true;
};
const leave = (services: None): void => gauge.updateUnsafe(--underWay, services);

const add = (counts: Map<string, number>, name: string, most: number): boolean => {
  const held = counts.get(name) ?? 0;
  if (held >= most) return false;
  counts.set(name, held + 1);
  return true;
};
const take = (counts: Map<string, number>, name: string): void => {
  const left = (counts.get(name) ?? 1) - 1;
  if (left === 0) counts.delete(name);
  else counts.set(name, left);
};

const enterOf = (name: string): boolean => add(ofToken, name, mostOfOne);
const leaveOf = (name: string): void => take(ofToken, name);

/** Counts a stream until the scope of its request closes, which is when it was sent. */
const streamOf = (name: string) =>
  Effect.acquireRelease(
    Effect.suspend((): Effect.Effect<void, Refused> => {
      if (streams >= mostStreams) return Effect.fail(busyStreams);
      if (!add(streamsOfToken, name, mostStreamsOfOne)) return Effect.fail(tooManyStreams);
      streams++;
      return Effect.void;
    }),
    () =>
      Effect.sync(() => {
        streams--;
        take(streamsOfToken, name);
      }),
  );

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

/** The same for one token, whose streams are counted until they were sent; fails with 429, and for streams with 503. */
export const boundedOf = <E, R>(
  name: string,
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
): Effect.Effect<HttpServerResponse.HttpServerResponse, E | Refused, R | Scope.Scope> =>
  Effect.suspend(() => {
    if (!enterOf(name)) return Effect.fail(tooMany);
    const counted = Effect.ensuring(
      app,
      Effect.sync(() => leaveOf(name)),
    );
    return Effect.tap(counted, ({ body }) => (body._tag === "Stream" ? streamOf(name) : Effect.void));
  });

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
