/**
 * An event log that may be away: there at once, connected as soon as its server can be found, and again after a move.
 * With it, over the same connection, what reading a thread needs: snapshots, and whole histories from whoever has them.
 *
 * Room: publish.
 *
 * Where `EventLogNats` fails when its server is not there, this one answers every call with `LogUnavailable` until it
 * is, so that a publisher can begin with the log away. A connection that was made is kept by the client itself; it is
 * given up only when the server is away and its address has changed (an instance that was started again).
 */
import { Context, Deferred, Effect, Exit, Fiber, Layer, Option, Result, Scope, Stream } from "effect";
import { EventLog, LogUnavailable } from "../../log/EventLog.ts";
import * as EventLogNats from "../../log/EventLogNats.ts";
import * as NatsConnection from "../../log/connection/NatsConnectionNats.ts";
import { because } from "../../log/connection/PatienceNats.ts";
import type { StreamGuard } from "../../log/connection/StreamGuardNats.ts";
import * as HistoryService from "../../snapshot/HistoryServiceNats.ts";
import { HistorySource } from "../../snapshot/HistorySource.ts";
import { SnapshotStore } from "../../snapshot/SnapshotStore.ts";
import * as SnapshotStoreKv from "../../snapshot/SnapshotStoreKv.ts";
import { backoff } from "./Backoff.ts";
import * as LogArrivals from "./LogArrivals.ts";
import { type Stores, storesOf } from "./StoresAway.ts";

type Log = EventLog["Service"];

export interface Options {
  /** Where the server is at this moment; none when nobody runs one. Asked again before every attempt. */
  readonly address: Effect.Effect<Option.Option<string>>;
  /** What to do when there is no address. */
  readonly hint: string;
  /** Shown in the server's list of connections. */
  readonly name?: string | undefined;
  /** Says whether the server has the stream that is meant; a new one for each connection. Absent: for tests. */
  readonly guard?: (() => StreamGuard) | undefined;
}

/** How often a lost connection's address is looked at. */
const lookMillis = 1_000;

interface Open extends Stores {
  readonly url: string;
  readonly log: Log;
  readonly scope: Scope.Closeable;
  readonly isLost: Effect.Effect<boolean>;
  /** Fails when the connection is given up. */
  readonly givenUp: Deferred.Deferred<never, LogUnavailable>;
}

/** Connects once, in a scope of its own. The sentence why not, otherwise. */
const open = Effect.fnUntraced(function* (url: string, options: Options, arrived: () => void) {
  const scope = yield* Scope.make();
  const connected = Effect.gen(function* () {
    const connection = yield* NatsConnection.make({ servers: url, name: options.name, guard: options.guard?.() });
    const { refused } = connection.link;
    if (refused !== undefined) return yield* because(refused);
    // Nothing of it costs a round trip before a thread is read.
    const stores = yield* Layer.build(
      Layer.mergeAll(EventLogNats.layer(), SnapshotStoreKv.layer(), HistoryService.layer).pipe(
        Layer.provide(Layer.succeed(NatsConnection.NatsConnection, connection)),
      ),
    );
    const log = Context.get(stores, EventLog);
    const snapshots = Context.get(stores, SnapshotStore);
    const source = Context.get(stores, HistorySource);
    yield* connection.changes.pipe(
      Stream.drop(1),
      Stream.filter(({ _tag }) => _tag === "Connected"),
      Stream.runForEach(() => Effect.sync(arrived)),
      Effect.forkScoped,
    );
    const isLost = Effect.map(connection.state, ({ _tag }) => _tag !== "Connected");
    const givenUp = yield* Deferred.make<never, LogUnavailable>();
    return { url, log, snapshots, source, scope, isLost, givenUp };
  });
  return yield* connected.pipe(
    Scope.provide(scope),
    Effect.mapError((problem) => {
      if (problem._tag === "LogUnavailable") return problem;
      return new LogUnavailable({ reason: problem.message, hint: problem.hint });
    }),
    // Nothing that a strange server makes us stumble over may end the dialling.
    Effect.catchDefect((defect) =>
      Effect.fail(new LogUnavailable({ reason: `the server at ${url}: ${String(defect)}` })),
    ),
    Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit))),
    Effect.result,
  );
});

export const make = Effect.fnUntraced(function* (options: Options) {
  const { address, hint } = options;
  const nobody = new LogUnavailable({ reason: "no instance is running", hint });
  const arrivals = LogArrivals.make();
  const tried = yield* Deferred.make<void>();
  let current: Open | undefined;
  let trouble = nobody;
  let isClosed = false;
  yield* Effect.addFinalizer((exit) =>
    Effect.suspend(() => {
      isClosed = true;
      return current === undefined ? Effect.void : Scope.close(current.scope, exit);
    }),
  );

  /** What a dial came to. After our end it is nobody's. */
  const take = (opened: Result.Result<Open, LogUnavailable>) =>
    Effect.suspend(() => {
      if (Result.isFailure(opened)) trouble = opened.failure;
      else if (isClosed) return Scope.close(opened.success.scope, Exit.void);
      else {
        current = opened.success;
        arrivals.tell();
      }
      return Effect.void;
    });

  const attempt = Effect.gen(function* () {
    const url = yield* address;
    if (Option.isNone(url)) {
      trouble = nobody;
      return yield* trouble;
    }
    // By itself, because a dial cannot be interrupted: a server that takes connections and says nothing is given up
    // after five seconds, and whoever closes us need not wait for that.
    const dialled = yield* Effect.forkDetach(Effect.flatMap(open(url.value, options, arrivals.tell), take));
    yield* Fiber.join(dialled);
    if (current === undefined) yield* Effect.logDebug(`The log is away: ${trouble.reason}`);
    return yield* current === undefined ? Effect.fail(trouble) : Effect.void;
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

  const connect = Effect.retry(
    Effect.ensuring(
      attempt,
      Effect.suspend(() => Deferred.succeed(tried, undefined)),
    ),
    backoff,
  );
  const keepConnected = Effect.gen(function* () {
    for (;;) {
      yield* connect;
      while (current !== undefined) {
        yield* Effect.sleep(lookMillis);
        yield* look(current);
      }
    }
  }).pipe(Effect.ignore);
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
  const asking = EventLog.of({
    append: (append) => ask((log) => log.append(append)),
    appendAll: (appends) => ask((log) => log.appendAll(appends)),
    read: (reading) => Stream.unwrap(Effect.map(reached, ({ log }) => log.read(reading))),
    last: (history) => ask((log) => log.last(history)),
    at: (sequence) => ask((log) => log.at(sequence)),
    follow: (following) =>
      Stream.unwrap(
        Effect.map(reached, ({ givenUp, log }) =>
          log.follow(following).pipe(Stream.interruptWhen(Deferred.await(givenUp))),
        ),
      ),
    info: ask((log) => log.info),
    putBlob: (bytes) => ask((log) => log.putBlob(bytes)),
    getBlob: (sha256) => ask((log) => log.getBlob(sha256)),
  });
  const { snapshots, source } = storesOf(
    Effect.suspend(() => (current === undefined ? Effect.fail(trouble) : Effect.succeed(current))),
  );
  return Context.make(EventLog, asking).pipe(
    Context.add(SnapshotStore, snapshots),
    Context.add(HistorySource, source),
    Context.add(LogArrivals.LogArrivals, arrivals),
  );
});

export const layer = (options: Options) => Layer.effectContext(make(options));
