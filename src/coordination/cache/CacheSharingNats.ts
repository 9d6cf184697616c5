/**
 * The wire of caches over NATS: buckets and an object store for what is shared, core messages for what is news.
 *
 * Room: coordination.
 *
 * `recollect-cache.<tenant>` carries news, `recollect-cache-ask.<tenant>` asks what processes have counted. The stream does
 * not listen to them: news is at most once, and a process that was not connected is told so when it is again.
 */
import { Context, Effect, Layer, Option, Result, Schema, Stream } from "effect";
import * as BlobStore from "../../log/BlobStoreNats.ts";
import * as DirectGet from "../../log/read/DirectGetNats.ts";
import * as NatsConnection from "../../log/connection/NatsConnectionNats.ts";
import { SharedConnection } from "../../log/connection/SharedConnection.ts";
import { encodeToken, root } from "../../log/Subject.ts";
import { Buckets } from "../bucket/Bucket.ts";
import * as BucketKv from "../bucket/BucketKv.ts";
import { CacheReport, CacheSharing, type Listener, News, type Shared } from "./CacheSharing.ts";

type Connection = NatsConnection.NatsConnection["Service"];

/** Those who answer do so from memory; a machine that is busy beyond measure needs half of it. */
const gatherMillis = 1_000;
/** A server that does not take a few bytes in this time is away. */
const tellMillis = 2_000;

const newsSubject = (tenant: string): string => `${root}-cache.${encodeToken(tenant)}`;
const askSubject = (tenant: string): string => `${root}-cache-ask.${encodeToken(tenant)}`;

const decodeNews = Schema.decodeUnknownResult(Schema.fromJsonString(News));
const decodeReport = Schema.decodeUnknownResult(Schema.fromJsonString(CacheReport));

/** Returns how to end it. The client subscribes again by itself after every loss of the connection. */
const attach = ({ nc }: Connection, { heard, report, tenant }: Listener): (() => void) => {
  const news = nc.subscribe(newsSubject(tenant), {
    callback: (error, message) => {
      // Another program's message of another shape is no news.
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
      // Without its oldest parts an object is of no use, and would be taken for kept.
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

/** Over a connection that may be lost: until it is there nothing is shared, and listeners are told that they missed something. */
export const layerAway = Layer.effect(
  CacheSharing,
  Effect.gen(function* () {
    const connections = yield* SharedConnection;
    const made = new WeakMap<Connection, Shared>();
    yield* connections.each(({ connection }) =>
      Effect.flatMap(sharedOn(connection), (shared) => Effect.sync(() => made.set(connection, shared))),
    );
    const now = () => {
      const open = connections.now();
      return open === undefined ? undefined : open.connection;
    };
    return CacheSharing.of({
      shared: () => {
        const connection = now();
        return connection === undefined ? undefined : made.get(connection);
      },
      listen: Effect.fnUntraced(function* (listener) {
        let end: (() => void) | undefined;
        yield* Effect.addFinalizer(() => Effect.sync(() => end?.()));
        yield* connections.each(({ connection }) =>
          Effect.gen(function* () {
            end = attach(connection, listener);
            listener.missed();
            yield* connection.changes.pipe(
              Stream.drop(1),
              Stream.filter(({ _tag }) => _tag === "Connected"),
              Stream.runForEach(() => Effect.sync(() => listener.missed())),
              Effect.forkScoped,
            );
          }),
        );
      }),
      tell: (tenant, news) =>
        Effect.suspend(() => {
          const connection = now();
          return connection === undefined ? Effect.succeed(false) : tellOn(connection, tenant, news);
        }),
      gather: (tenant) =>
        Effect.suspend(() => {
          const connection = now();
          return connection === undefined ? Effect.succeed([]) : gatherOn(connection, tenant);
        }),
    });
  }),
);
