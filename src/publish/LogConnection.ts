/**
 * An event log that may be away: there at once, connected as soon as its server can be found, and again after a move.
 *
 * Room: publish. In: log. Out: Recollect, edge.
 *
 * Where `EventLogNats` fails when its server is not there, this one answers every call with `LogUnavailable` until it
 * is, so that a publisher can begin with the log away. A connection that was made is kept by the client itself; it is
 * given up only when the server is away and its address has changed (an instance that was started again).
 */
import { Deferred, Effect, Exit, Layer, Option, Result, Scope, Stream } from "effect";
import { EventLog, LogUnavailable } from "../log/EventLog.ts";
import * as EventLogNats from "../log/EventLogNats.ts";
import * as NatsConnection from "../log/NatsConnectionNats.ts";

type Log = EventLog["Service"];

export interface Options {
  /** Where the server is at this moment; none when nobody runs one. Asked again before every attempt. */
  readonly address: Effect.Effect<Option.Option<string>>;
  /** What to do when there is no address. */
  readonly hint: string;
  /** Shown in the server's list of connections. */
  readonly name?: string | undefined;
}

const firstPauseMillis = 100;
const longestPauseMillis = 5_000;
/** How often a lost connection's address is looked at. */
const lookMillis = 1_000;

interface Open {
  readonly url: string;
  readonly log: Log;
  readonly scope: Scope.Closeable;
  readonly isLost: Effect.Effect<boolean>;
  /** Fails when the connection is given up. */
  readonly givenUp: Deferred.Deferred<never, LogUnavailable>;
}

/** Connects once, in a scope of its own. The sentence why not, otherwise. */
const open = Effect.fnUntraced(function* (url: string, name: string | undefined) {
  const scope = yield* Scope.make();
  const connected = Effect.gen(function* () {
    const connection = yield* NatsConnection.make({ servers: url, name });
    const log = yield* EventLogNats.make().pipe(Effect.provideService(NatsConnection.NatsConnection, connection));
    const isLost = Effect.map(connection.state, ({ _tag }) => _tag === "Away");
    const givenUp = yield* Deferred.make<never, LogUnavailable>();
    return { url, log, scope, isLost, givenUp };
  });
  return yield* connected.pipe(
    Scope.provide(scope),
    Effect.mapError((problem) => {
      if (problem._tag === "LogUnavailable") return problem;
      return new LogUnavailable({ reason: problem.message, hint: problem.hint });
    }),
    Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit))),
    Effect.result,
  );
});

export const make = Effect.fnUntraced(function* (options: Options) {
  const { address, hint, name } = options;
  const nobody = new LogUnavailable({ reason: "no instance is running", hint });
  const tried = yield* Deferred.make<void>();
  let current: Open | undefined;
  let trouble = nobody;
  yield* Effect.addFinalizer((exit) => (current === undefined ? Effect.void : Scope.close(current.scope, exit)));

  const attempt = Effect.gen(function* () {
    const url = yield* address;
    if (Option.isNone(url)) {
      trouble = nobody;
      return;
    }
    // Not to be interrupted between the connection and our knowing of it, or nobody would close it.
    const opened = yield* Effect.uninterruptible(
      Effect.tap(open(url.value, name), (result) =>
        Effect.sync(() => {
          if (Result.isSuccess(result)) current = result.success;
          else trouble = result.failure;
        }),
      ),
    );
    if (Result.isFailure(opened)) yield* Effect.logDebug(`The log is away: ${opened.failure.reason}`);
  });

  /** Gives the connection up when its server is away and is expected elsewhere. */
  const look = Effect.fnUntraced(function* (known: Open) {
    if (!(yield* known.isLost)) return;
    const url = yield* address;
    if (Option.isNone(url) || url.value === known.url) return;
    current = undefined;
    trouble = new LogUnavailable({ reason: `the server at ${known.url} has moved to ${url.value}` });
    yield* Deferred.fail(known.givenUp, trouble);
    yield* Scope.close(known.scope, Exit.void);
  });

  const keepConnected = Effect.gen(function* () {
    for (let failures = 0; ;) {
      if (current !== undefined) {
        failures = 0;
        yield* Effect.sleep(lookMillis);
        yield* look(current);
        continue;
      }
      yield* attempt;
      yield* Deferred.succeed(tried, undefined);
      if (current === undefined) yield* Effect.sleep(Math.min(firstPauseMillis * 2 ** failures++, longestPauseMillis));
    }
  });
  yield* Effect.forkScoped(keepConnected);

  /** The connection, once the first attempt to make one is over. */
  const reached = Effect.suspend(() => {
    if (current !== undefined) return Effect.succeed(current);
    return Effect.andThen(
      Deferred.await(tried),
      Effect.suspend(() => (current === undefined ? Effect.fail(trouble) : Effect.succeed(current))),
    );
  });
  /** Asks the log. What is asked of a connection that is given up meanwhile need not wait for its patience. */
  const ask = <A, E>(question: (log: Log) => Effect.Effect<A, E>) =>
    Effect.flatMap(reached, (there) => Effect.raceFirst(question(there.log), Deferred.await(there.givenUp)));
  return EventLog.of({
    append: (append) => ask((log) => log.append(append)),
    appendAll: (appends) => ask((log) => log.appendAll(appends)),
    read: (reading) => Stream.unwrap(Effect.map(reached, ({ log }) => log.read(reading))),
    last: (history) => ask((log) => log.last(history)),
    at: (sequence) => ask((log) => log.at(sequence)),
    follow: (following) => Stream.unwrap(Effect.map(reached, ({ log }) => log.follow(following))),
    info: ask((log) => log.info),
    putBlob: (bytes) => ask((log) => log.putBlob(bytes)),
    getBlob: (sha256) => ask((log) => log.getBlob(sha256)),
  });
});

export const layer = (options: Options) => Layer.effect(EventLog, make(options));
