/**
 * The one NATS connection of a program, which may be away: there at once, dialled until its server is found, and again
 * after a move.
 *
 * Room: log.
 *
 * Promises, each a test in `test/log/SharedConnection.test.ts`:
 * - whoever needs the server takes it from here, and fails with `LogUnavailable` while it is away: no service dials;
 * - what a service makes over the connection is made once for each connection, at its first use, and ends with it;
 * - a connection that was made is kept by the client itself. It is given up only when the server is away and its address
 *   has changed: an instance that was started again on another port.
 */
import { Context, Deferred, Effect, Exit, Fiber, Layer, Option, Result, Scope, Stream } from "effect";
import { LogUnavailable } from "../EventLog.ts";
import { backoff } from "./Backoff.ts";
import { elapsed } from "./Elapsed.ts";
import * as LogArrivals from "./LogArrivals.ts";
import * as NatsConnection from "./NatsConnectionNats.ts";
import type { NatsUnusable } from "./NatsUnusable.ts";
import { because } from "./PatienceNats.ts";
import type { StreamGuard } from "./StreamGuardNats.ts";
import type { Find } from "./ServerAccess.ts";

type Connection = NatsConnection.NatsConnection["Service"];

/** Layer that can be made over a connection. */
export type Over<A> = Layer.Layer<A, LogUnavailable | NatsUnusable, NatsConnection.NatsConnection>;

export interface Options<A = never> {
  /** Current address of the server; none while no server runs. Asked again before every attempt. */
  readonly address: Effect.Effect<Option.Option<string>>;
  /** Hint for a missing address. */
  readonly hint?: string | undefined;
  /** Shown in the server's list of connections. */
  readonly name?: string | undefined;
  /** Says whether the server has the stream that is meant; a new one for each connection. Absent: for tests. */
  readonly guard?: (() => StreamGuard) | undefined;
  /** Finder of credentials. Default: in the address, else in the environment. */
  readonly access?: Find | undefined;
  /** Made with each connection: a server on which it cannot be made counts as away, and is dialled again. */
  readonly essential?: Over<A> | undefined;
}

/** A connection that there is. */
export interface Open {
  readonly url: string;
  readonly connection: Connection;
  /** Ends with the connection. */
  readonly scope: Scope.Scope;
  /** Fails when the connection is given up: whoever waits for something on it asks for the next one. */
  readonly givenUp: Deferred.Deferred<never, LogUnavailable>;
}

interface Held extends Open {
  readonly scope: Scope.Closeable;
  /** Services that were made over it, and share what they have in common. */
  readonly memo: Layer.MemoMap;
  /** The same, by layer. */
  readonly services: Map<object, unknown>;
}

export class SharedConnection extends Context.Service<
  SharedConnection,
  {
    /** The connection, once the first attempt to make one is over. Fails while the server is away for us. */
    readonly reached: Effect.Effect<Open, LogUnavailable>;
    /**
     * Services of `layer` over the connection, made at the first call of each connection and kept with it. The layer is
     * told by identity: pass the same object each time.
     */
    readonly over: <A>(
      layer: Over<A>,
    ) => Effect.Effect<{ readonly made: Context.Context<A>; readonly open: Open }, LogUnavailable>;
    /** The connection at this moment, for hot paths; undefined when there is none or its server is away. */
    readonly now: () => Open | undefined;
    /** Runs `use` on the connection and on each one that follows, in the scope of that connection, until ours closes. */
    readonly each: (
      use: (open: Open) => Effect.Effect<void, never, Scope.Scope>,
    ) => Effect.Effect<void, never, Scope.Scope>;
  }
>()("recollect/log/SharedConnection") {}

/**
 * Patience for the answer to a dial, milliseconds. Doubled after each dial that took all of it, because on a busy machine two
 * hundred clients that give up after five seconds and dial again keep each other from ever getting through.
 */
const firstDialMillis = 5_000;
const longestDialMillis = 60_000;
/** Poll interval of a lost connection's address, milliseconds. */
const lookMillis = 1_000;

const asUnavailable = (problem: LogUnavailable | NatsUnusable): LogUnavailable =>
  problem._tag === "LogUnavailable"
    ? problem
    : new LogUnavailable({
        reason: problem.message,
        hint: problem.hint,
        ...(problem.reason === "credentials" ? { denied: "connect" } : {}),
      });

/** Connects once, in a scope of its own. The sentence why not, otherwise. */
const dial = Effect.fnUntraced(function* <A>(
  { timeoutMillis, url }: { readonly timeoutMillis: number; readonly url: string },
  options: Options<A>,
  arrived: () => void,
) {
  const scope = yield* Scope.make();
  const connected = Effect.gen(function* () {
    const { access, guard, name } = options;
    const connection = yield* NatsConnection.make({
      servers: url,
      name,
      access,
      guard: guard?.(),
      connectTimeoutMillis: timeoutMillis,
    });
    const { refused } = connection.link;
    if (refused !== undefined) return yield* because(refused);
    const memo = yield* Layer.makeMemoMap;
    const givenUp = yield* Deferred.make<never, LogUnavailable>();
    const open: Held = { url, connection, scope, memo, services: new Map(), givenUp };
    if (options.essential !== undefined) yield* build(open, options.essential);
    yield* connection.changes.pipe(
      Stream.drop(1),
      Stream.filter(({ _tag }) => _tag === "Connected"),
      Stream.runForEach(() => Effect.sync(arrived)),
      Effect.forkScoped,
    );
    return open;
  });
  return yield* connected.pipe(
    Scope.provide(scope),
    Effect.mapError(asUnavailable),
    // Nothing that a strange server makes us stumble over may end the dialling.
    Effect.catchDefect((defect) =>
      Effect.fail(new LogUnavailable({ reason: `the server at ${url}: ${String(defect)}` })),
    ),
    Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit))),
    Effect.result,
  );
});

const build = <A>({ connection, memo, scope }: Held, layer: Over<A>) =>
  Layer.buildWithMemoMap(layer, memo, scope).pipe(Effect.provideService(NatsConnection.NatsConnection, connection));

export const make = Effect.fnUntraced(function* <A = never>(options: Options<A>) {
  const nobody = new LogUnavailable({
    reason: "no instance is running",
    ...(options.hint === undefined ? {} : { hint: options.hint }),
  });
  const arrivals = LogArrivals.make();
  const tried = yield* Deferred.make<void>();
  const users = new Set<(open: Open) => Effect.Effect<void>>();
  let current: Held | undefined;
  let trouble = nobody;
  let dialMillis = firstDialMillis;
  let isClosed = false;
  yield* Effect.addFinalizer((exit) =>
    Effect.suspend(() => {
      isClosed = true;
      return current === undefined ? Effect.void : Scope.close(current.scope, exit);
    }),
  );

  /** Takes the outcome of a dial. After our end the connection is closed. */
  const take = (dialled: Result.Result<Held, LogUnavailable>) =>
    Effect.suspend(() => {
      if (Result.isFailure(dialled)) {
        const { condition, reason } = dialled.failure;
        const isSaid = condition === undefined || trouble.reason === reason;
        trouble = dialled.failure;
        // Away is normal, and said by who waits; another stream than ours is not.
        return isSaid ? Effect.void : Effect.logWarning(`${reason} ${trouble.hint ?? ""}`);
      }
      if (isClosed) return Scope.close(dialled.success.scope, Exit.void);
      const open = (current = dialled.success);
      arrivals.tell();
      return Effect.forEach(users, (use) => use(open), { discard: true });
    });

  const attempt = Effect.gen(function* () {
    const url = yield* options.address;
    if (Option.isNone(url)) {
      trouble = nobody;
      return yield* trouble;
    }
    // By itself, because a dial cannot be interrupted: a server that takes connections and says nothing is given up
    // after a while, and whoever closes us need not wait for that.
    const to = { url: url.value, timeoutMillis: dialMillis };
    const began = yield* elapsed;
    const dialled = yield* Effect.forkDetach(Effect.flatMap(dial(to, options, arrivals.tell), take));
    yield* Fiber.join(dialled);
    const isSlow = (yield* elapsed) - began >= dialMillis;
    dialMillis = isSlow ? Math.min(2 * dialMillis, longestDialMillis) : firstDialMillis;
    if (current === undefined) yield* Effect.logDebug(`NATS is away: ${trouble.reason}`);
    return yield* current === undefined ? Effect.fail(trouble) : Effect.void;
  });

  /** Gives the connection up when its server is away and is expected elsewhere. */
  const look = Effect.fnUntraced(function* (known: Held) {
    if (known.connection.link.connected) return;
    const url = yield* options.address;
    if (Option.isNone(url) || url.value === known.url) return;
    current = undefined;
    trouble = new LogUnavailable({ reason: `the server at ${known.url} has moved to ${url.value}` });
    yield* Deferred.fail(known.givenUp, trouble);
    yield* Scope.close(known.scope, Exit.void);
  });

  const triedOnce = Effect.suspend(() => Deferred.succeed(tried, undefined));
  const keepConnected = Effect.gen(function* () {
    for (;;) {
      yield* Effect.retry(Effect.ensuring(attempt, triedOnce), backoff);
      while (current !== undefined) {
        yield* Effect.sleep(lookMillis);
        yield* look(current);
      }
    }
  }).pipe(Effect.ignore);
  yield* Effect.forkScoped(keepConnected);

  const held = Effect.suspend(() => {
    if (current !== undefined) return Effect.succeed(current);
    return Effect.andThen(
      Deferred.await(tried),
      Effect.suspend(() => (current === undefined ? Effect.fail(trouble) : Effect.succeed(current))),
    );
  });

  const firstOver = Effect.fnUntraced(function* <B>(layer: Over<B>) {
    const open = yield* held;
    const made = yield* Effect.raceFirst(
      Effect.mapError(build(open, layer), asUnavailable),
      Deferred.await(open.givenUp),
    );
    const found = { made, open };
    open.services.set(layer, Effect.succeed(found));
    return found;
  });
  /**
   * Decision: found by the layer itself after its first use, because asking the memo map each time adds a finalizer to the
   * connection's scope for each question: memory that grew by eight of them a task.
   */
  const over = <B>(layer: Over<B>) => {
    const first = firstOver(layer);
    return Effect.suspend(() => (current?.services.get(layer) as ReturnType<typeof firstOver<B>> | undefined) ?? first);
  };

  const each = Effect.fnUntraced(function* (use: (open: Open) => Effect.Effect<void, never, Scope.Scope>) {
    const inScope = (open: Open) => Scope.provide(use(open), open.scope);
    yield* Effect.acquireRelease(
      Effect.sync(() => users.add(inScope)),
      () => Effect.sync(() => users.delete(inScope)),
    );
    if (current !== undefined) yield* inScope(current);
  });

  const shared = SharedConnection.of({
    reached: held,
    over,
    now: () => (current?.connection.link.connected === true ? current : undefined),
    each,
  });
  return Context.make(SharedConnection, shared).pipe(Context.add(LogArrivals.LogArrivals, arrivals));
});

export const layer = <A = never>(options: Options<A>) => Layer.effectContext(make(options));
