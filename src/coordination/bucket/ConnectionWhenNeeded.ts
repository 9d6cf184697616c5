/**
 * A connection for a program that may begin before its server: made at the first use, and again when the server moved.
 *
 * Room: coordination.
 *
 * Each use dials for as long as the server cannot be reached. A connection that was made is kept by the client itself; it
 * is given up only when the server is away and its address has changed.
 */
import { type Context, Deferred, Effect, Exit, Layer, Option, Scope, Semaphore } from "effect";
import { LogUnavailable } from "../../log/EventLog.ts";
import * as NatsConnection from "../../log/connection/NatsConnectionNats.ts";
import { because } from "../../log/connection/PatienceNats.ts";
import type { StreamGuard } from "../../log/connection/StreamGuardNats.ts";

export interface Options {
  /** Where the server is at this moment; none when nobody runs one. */
  readonly address: Effect.Effect<Option.Option<string>>;
  /** What to do when there is no address. */
  readonly hint?: string | undefined;
  readonly name?: string | undefined;
  /** Says whether the server has the stream that is meant. */
  readonly guard?: (() => StreamGuard) | undefined;
}

/** A connection, and what was made over it. */
export interface Open<A> {
  readonly made: Context.Context<A>;
  /** Ends with the connection. */
  readonly scope: Scope.Closeable;
  /** Completes when the connection is given up: whoever waits for something on it asks for the next one. */
  readonly givenUp: Deferred.Deferred<void>;
}

interface Dialled<A> extends Open<A> {
  readonly url: string;
  readonly link: NatsConnection.Link;
}

/** How often a lost connection's address is looked at. */
const lookMillis = 1_000;

/** Connects once, in a scope of its own. */
const dial = Effect.fnUntraced(function* <A>(
  url: string,
  options: Options,
  over: Layer.Layer<A, never, NatsConnection.NatsConnection>,
) {
  const scope = yield* Scope.fork(yield* Effect.scope);
  const connected = Effect.gen(function* () {
    const connection = yield* NatsConnection.make({ servers: url, name: options.name, guard: options.guard?.() });
    const { refused } = connection.link;
    if (refused !== undefined) return yield* because(refused);
    const made = yield* Layer.build(over.pipe(Layer.provide(Layer.succeed(NatsConnection.NatsConnection, connection))));
    const givenUp = yield* Deferred.make<void>();
    return { url, link: connection.link, made, scope, givenUp } satisfies Dialled<A>;
  });
  return yield* connected.pipe(
    Scope.provide(scope),
    Effect.mapError((problem) =>
      problem._tag === "LogUnavailable"
        ? problem
        : new LogUnavailable({ reason: problem.message, hint: problem.hint }),
    ),
    Effect.catchDefect((defect) =>
      Effect.fail(new LogUnavailable({ reason: `the server at ${url}: ${String(defect)}` })),
    ),
    Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit))),
  );
});

/** What is made `over` a connection, whenever it is asked for. Ends with the scope. */
export const make = Effect.fnUntraced(function* <A>(
  options: Options,
  over: Layer.Layer<A, never, NatsConnection.NatsConnection>,
) {
  const scope = yield* Effect.scope;
  const one = yield* Semaphore.make(1);
  let current: Dialled<A> | undefined;

  const giveUp = Effect.fnUntraced(function* (lost: Dialled<A>) {
    current = undefined;
    yield* Deferred.succeed(lost.givenUp, undefined);
    yield* Scope.close(lost.scope, Exit.void);
  });

  /** The one that is there, unless its server is away and is expected elsewhere. */
  const kept = Effect.gen(function* () {
    if (current === undefined || current.link.connected) return current;
    const url = Option.getOrUndefined(yield* options.address);
    if (url !== undefined && url !== current.url) yield* giveUp(current);
    return current;
  });

  const there: Effect.Effect<Open<A>, LogUnavailable> = Effect.gen(function* () {
    const open = yield* kept;
    if (open !== undefined) return open;
    const url = Option.getOrUndefined(yield* options.address);
    if (url === undefined) {
      const { hint } = options;
      return yield* new LogUnavailable({ reason: "no instance is running", ...(hint === undefined ? {} : { hint }) });
    }
    return (current = yield* Scope.provide(dial(url, options, over), scope));
  }).pipe(one.withPermit);

  // Whoever only waits asks for nothing, and must hear of a move all the same.
  yield* Effect.sleep(lookMillis).pipe(Effect.andThen(one.withPermit(kept)), Effect.forever, Effect.forkScoped);
  return there;
});
