/**
 * The wire of caches over NATS: buckets and an object store for what is shared, core messages for what is news.
 *
 * Room: coordination.
 *
 * `recollect-cache.<tenant>` carries news, `recollect-cache-ask.<tenant>` asks what processes have counted. The stream does
 * not listen to them: news is at most once, and whoever was not connected is told so when it is again.
 */
import { Context, Effect, Exit, Layer, Option, Result, Schedule, Schema, Scope, Stream } from "effect";
import * as BlobStore from "../../log/BlobStoreNats.ts";
import * as DirectGet from "../../log/read/DirectGetNats.ts";
import * as NatsConnection from "../../log/connection/NatsConnectionNats.ts";
import type { StreamGuard } from "../../log/connection/StreamGuardNats.ts";
import { encodeToken, root } from "../../log/Subject.ts";
import { Buckets } from "../bucket/Bucket.ts";
import * as BucketKv from "../bucket/BucketKv.ts";
import { CacheReport, CacheSharing, type Listener, News, type Shared } from "./CacheSharing.ts";

type Connection = NatsConnection.NatsConnection["Service"];

/** Those who answer do so from memory; a machine that is busy beyond measure needs half of it. */
const gatherMillis = 1_000;
/** A server that does not take a few bytes in this time is away. */
const tellMillis = 2_000;
/** How often a server that is away is looked for. */
const retryMillis = 1_000;

const newsSubject = (tenant: string): string => `${root}-cache.${encodeToken(tenant)}`;
const askSubject = (tenant: string): string => `${root}-cache-ask.${encodeToken(tenant)}`;

const decodeNews = Schema.decodeUnknownResult(Schema.fromJsonString(News));
const decodeReport = Schema.decodeUnknownResult(Schema.fromJsonString(CacheReport));

/** Returns how to end it. The client subscribes again by itself after every loss of the connection. */
const attach = ({ nc }: Connection, { heard, report, tenant }: Listener): (() => void) => {
  const news = nc.subscribe(newsSubject(tenant), {
    callback: (error, message) => {
      // What another program says there in another shape is no news.
      const said = error === null ? decodeNews(message.string()) : undefined;
      if (said !== undefined && Result.isSuccess(said)) heard(said.success);
    },
  });
  const asked = nc.subscribe(askSubject(tenant), {
    callback: (error, message) => {
      if (error === null) message.respond(JSON.stringify(report()));
    },
  });
  return () => {
    if (nc.isClosed()) return;
    news.unsubscribe();
    asked.unsubscribe();
  };
};

const tellOn = ({ link, nc }: Connection, tenant: string, news: News): Effect.Effect<boolean> =>
  Effect.promise(async () => {
    if (!link.connected || nc.isClosed()) return false;
    nc.publish(newsSubject(tenant), JSON.stringify(news));
    return nc.flush().then(
      () => link.connected,
      () => false,
    );
  }).pipe(Effect.timeoutOption(tellMillis), Effect.map(Option.getOrElse(() => false)));

const gatherOn = ({ link, nc }: Connection, tenant: string): Effect.Effect<ReadonlyArray<CacheReport>> =>
  Effect.promise(
    () =>
      new Promise((resolve) => {
        const reports: Array<CacheReport> = [];
        if (!link.connected || nc.isClosed()) return resolve(reports);
        const finish = () => {
          clearTimeout(timer);
          address.close();
          resolve(reports);
        };
        const address = link.replies.open({
          subject: askSubject(tenant),
          onMessage: (message) => {
            if (message.data.length === 0) return finish();
            const report = decodeReport(message.string());
            if (Result.isSuccess(report)) reports.push(report.success);
          },
          onNoAnswer: () => finish(),
        });
        const timer = setTimeout(finish, gatherMillis);
        nc.publish(askSubject(tenant), undefined, { reply: address.reply });
      }),
  );

const sharedOn = Effect.fnUntraced(function* (connection: Connection) {
  const there = BucketKv.layer.pipe(Layer.provide(Layer.succeed(NatsConnection.NatsConnection, connection)));
  const buckets = Context.get(yield* Layer.build(there), Buckets);
  const { link, nc } = connection;
  const get = DirectGet.make({ nc, link, patienceMillis: 0 });
  return {
    buckets,
    objects: ({ name, ...ends }) => {
      const store = BlobStore.make({ connection, get, bucket: name, replicas: () => 1, ends });
      // What the oldest of its parts was taken from is of no use, and would be taken for kept.
      const whole = (sha256: string) =>
        Effect.catchTag(store.get(sha256), "LogDamaged", () => Effect.as(store.forget(sha256), undefined));
      return { put: store.put, get: whole, clear: store.clear, bytes: store.bytes };
    },
  } satisfies Shared;
});

/** On a connection that is there, and may go and come back. */
export const layer = Layer.effect(
  CacheSharing,
  Effect.gen(function* () {
    const connection = yield* NatsConnection.NatsConnection;
    const shared = yield* sharedOn(connection);
    const listeners = new Set<Listener>();
    yield* connection.changes.pipe(
      Stream.drop(1),
      Stream.filter(({ _tag }) => _tag === "Connected"),
      Stream.runForEach(() => Effect.sync(() => listeners.forEach(({ missed }) => missed()))),
      Effect.forkScoped,
    );
    return CacheSharing.of({
      shared: () => (connection.link.connected ? shared : undefined),
      listen: (listener) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            listeners.add(listener);
            return attach(connection, listener);
          }),
          (end) =>
            Effect.sync(() => {
              listeners.delete(listener);
              end();
            }),
        ),
      tell: (tenant, news) => tellOn(connection, tenant, news),
      gather: (tenant) => gatherOn(connection, tenant),
    });
  }),
);

interface Dialled {
  readonly url: string;
  readonly wire: CacheSharing["Service"];
  readonly scope: Scope.Closeable;
}

/**
 * For a program that may begin before its server: it is looked for in the background, and until it is there nothing is
 * shared. A connection that was made is kept by the client, until the server is away and expected elsewhere.
 */
export const layerWhenNeeded = (options: {
  /** Where the server is at this moment; none when nobody runs one. */
  readonly address: Effect.Effect<Option.Option<string>>;
  readonly name?: string | undefined;
  /** Says whether the server has the stream that is meant. */
  readonly guard?: (() => StreamGuard) | undefined;
}) =>
  Layer.effect(
    CacheSharing,
    Effect.gen(function* () {
      const own = yield* Effect.scope;
      const listeners = new Set<Listener>();
      let dialled: Dialled | undefined;

      const attachTo = ({ scope, wire }: Dialled, listener: Listener) =>
        Scope.provide(wire.listen(listener), scope).pipe(Effect.andThen(Effect.sync(() => listener.missed())));

      const dial = Effect.fnUntraced(function* (url: string) {
        const scope = yield* Scope.fork(own);
        const built = layer.pipe(Layer.provide(NatsConnection.layer({ servers: url, name: options.name, guard: options.guard?.() })));
        const made = yield* Layer.buildWithScope(built, scope).pipe(
          Effect.catchDefect((defect) => Effect.fail(defect)),
          Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit))),
        );
        dialled = { url, wire: Context.get(made, CacheSharing), scope };
        for (const listener of listeners) yield* attachTo(dialled, listener);
      });

      const look = Effect.gen(function* () {
        if (dialled?.wire.shared() !== undefined) return;
        const url = yield* options.address;
        if (Option.isNone(url) || url.value === dialled?.url) return;
        if (dialled !== undefined) yield* Scope.close(dialled.scope, Exit.void);
        dialled = undefined;
        yield* dial(url.value);
      }).pipe(Effect.ignore);

      yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced(retryMillis)));
      return CacheSharing.of({
        shared: () => dialled?.wire.shared(),
        listen: (listener) =>
          Effect.andThen(
            Effect.acquireRelease(
              Effect.sync(() => void listeners.add(listener)),
              () => Effect.sync(() => listeners.delete(listener)),
            ),
            Effect.suspend(() => (dialled === undefined ? Effect.void : attachTo(dialled, listener))),
          ),
        tell: (tenant, news) => dialled?.wire.tell(tenant, news) ?? Effect.succeed(false),
        gather: (tenant) => dialled?.wire.gather(tenant) ?? Effect.succeed([]),
      });
    }),
  );
