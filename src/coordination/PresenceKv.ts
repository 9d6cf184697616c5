/**
 * Presence in a JetStream KV bucket: each value is gone when its session has been silent for a lease (the bucket's TTL).
 *
 * Room: coordination. In: log (the connection), Presence. Out: Sessions, SessionSweep, edge, main.
 *
 * Decision: file storage with `persist_mode: async`, as for snapshots, and not memory, because a bucket in memory is
 * empty after a restart of the server: every session would have lost its lease, and the log would have an event of each.
 * Decision: one replica. Presence that is lost is said again within a third of a lease.
 * Decision: a list is read without a consumer (`DirectGetNats`): the client's `keys()` leaves one behind for five minutes.
 */
import { JetStreamApiCodes, JetStreamApiError, type StreamConfig } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import { nanos } from "@nats-io/transport-node";
import { Effect, Exit, Layer, Option, Schema, Scope, Semaphore } from "effect";
import * as DirectGet from "../log/DirectGetNats.ts";
import type { Got } from "../log/MessageNats.ts";
import * as NatsConnection from "../log/NatsConnectionNats.ts";
import {
  defaultLeaseMillis,
  type Found,
  keyOf,
  PresenceBucket,
  PresenceJson,
  PresenceUnavailable,
  type Present,
} from "./Presence.ts";

export const bucketName = "RECOLLECT_SESSIONS";
const streamName = `KV_${bucketName}`;
/** Every key of the bucket, as the stream's subject. */
const everyKey = `$KV.${bucketName}.>`;

export interface Options {
  /** Default 30 s. All programs of one server share it: other values are for tests. */
  readonly leaseMillis?: number | undefined;
}

type Connection = NatsConnection.NatsConnection["Service"];

/** A server that does not answer in this time is asked again at the next beat. */
const timeoutMillis = 2_000;
/** 100,000 sessions at 600 bytes: beyond that the longest silent ones go first. */
const maxBytes = 64 * 1024 * 1024;

const configOf = (leaseMillis: number): Partial<StreamConfig> & Pick<StreamConfig, "name"> => ({
  name: streamName,
  description: "Recollect: sessions that are there now. May be deleted at any time.",
  subjects: [everyKey],
  storage: "file",
  num_replicas: 1,
  persist_mode: "async",
  max_age: nanos(leaseMillis),
  max_bytes: maxBytes,
  max_msg_size: 256 * 1024,
  max_msgs_per_subject: 1,
  discard: "old",
  duplicate_window: nanos(Math.min(leaseMillis, 120_000)),
  allow_direct: true,
  allow_rollup_hdrs: true,
  deny_delete: true,
});

const has = (error: unknown, ...codes: ReadonlyArray<number>): boolean =>
  error instanceof JetStreamApiError && codes.includes(error.code);

/** Makes the bucket, or gives the one that is there the lease that is asked for. */
const ensureStream = async (jsm: Connection["jsm"], leaseMillis: number): Promise<void> => {
  const config = configOf(leaseMillis);
  try {
    const { config: existing } = await jsm.streams.info(streamName);
    if (existing.max_age === config.max_age) return;
    const { duplicate_window = existing.duplicate_window, max_age = existing.max_age } = config;
    await jsm.streams.update(streamName, { ...existing, max_age, duplicate_window });
  } catch (error) {
    if (!has(error, JetStreamApiCodes.StreamNotFound)) throw error;
    await jsm.streams.add(config);
  }
};

const unavailable = (reason: string) =>
  new PresenceUnavailable({ reason, hint: "Sessions go on; `recollect sessions --all` reads the database." });

const inTime = <A>(promise: Promise<A>): Promise<A> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMillis} ms`)), timeoutMillis);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

const decode = Schema.decodeUnknownOption(PresenceJson);
const encode = Schema.encodeSync(PresenceJson);

/** What somebody else's program wrote there in another shape is nobody's presence. */
const presentOf = (text: string, seenAt: number): Present | undefined =>
  Option.getOrUndefined(Option.map(decode(text), (presence) => ({ ...presence, seenAt })));

const presentOfMessage = ({ body, headers, recordedAt }: Got): ReadonlyArray<Present> => {
  if (headers["KV-Operation"] !== undefined) return [];
  const present = presentOf(Buffer.from(body).toString("utf8"), recordedAt);
  return present === undefined ? [] : [present];
};

/** On a connection that is there; the bucket is made at its first use, and again when it is gone. */
const over = Effect.fnUntraced(function* (connection: Connection, options: Options) {
  const { inboxPrefix, js, jsm, link, nc } = connection;
  const leaseMillis = options.leaseMillis ?? defaultLeaseMillis;
  const direct = yield* DirectGet.make({ nc, link, inboxPrefix, patienceMillis: timeoutMillis });
  const kv: KV = yield* Effect.promise(() => new Kvm(js).open(bucketName, { allow_direct: true }));
  const one = yield* Semaphore.make(1);
  let isThere = false;

  const attempt = <A>(what: string, run: () => Promise<A>): Effect.Effect<A, PresenceUnavailable> =>
    Effect.tryPromise({
      try: () => inTime(run()),
      catch: (error) => {
        // The bucket may have been deleted under us: look again before the next use.
        isThere = false;
        return unavailable(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      },
    });

  const ensure = Effect.suspend(() =>
    isThere
      ? Effect.void
      : Effect.map(
          attempt("the bucket cannot be made", () => ensureStream(jsm, leaseMillis)),
          () => void (isThere = true),
        ),
  );
  const ready = Effect.suspend(() => {
    if (!link.connected) return Effect.fail(unavailable("NATS is away"));
    return isThere ? Effect.void : one.withPermit(ensure);
  });
  const using = <A>(what: string, run: () => Promise<A>) => Effect.andThen(ready, attempt(what, run));

  const list = Effect.gen(function* () {
    yield* ready;
    const all: Array<Present> = [];
    for (let seq = 1; ;) {
      const batch = yield* direct.batch(streamName, { seq, next_by_subj: everyKey }).pipe(
        Effect.mapError(({ reason }) => {
          isThere = false;
          return unavailable(`reading the list: ${reason}`);
        }),
      );
      const last = batch.at(-1);
      if (last === undefined) return all;
      all.push(...batch.flatMap(presentOfMessage));
      if (last.pending === 0) return all;
      seq = last.sequence + 1;
    }
  });

  return PresenceBucket.of({
    leaseMillis,
    get: (of) =>
      Effect.map(
        using(`reading ${of.sessionId}`, () => kv.get(keyOf(of))),
        (entry): Found => {
          if (entry === null) return { present: undefined, revision: 0 };
          const present = entry.operation === "PUT" ? presentOf(entry.string(), entry.created.getTime()) : undefined;
          return { present, revision: entry.revision };
        },
      ),
    put: (presence, revision) =>
      using(`writing ${presence.sessionId}`, () =>
        kv.put(keyOf(presence), encode(presence), { previousSeq: revision }).catch((error: unknown) => {
          // 10071: another wrote, or it is gone; 10164: another is just writing.
          if (has(error, 10071, 10164)) return undefined;
          throw error;
        }),
      ),
    remove: (of) => using(`removing ${of.sessionId}`, () => kv.purge(keyOf(of))),
    list,
  });
});

export const layer = (options: Options = {}) =>
  Layer.effect(
    PresenceBucket,
    Effect.flatMap(NatsConnection.NatsConnection, (connection) => over(connection, options)),
  );

interface Open {
  readonly url: string;
  readonly connection: Connection;
  readonly bucket: PresenceBucket["Service"];
  readonly scope: Scope.Closeable;
}

/**
 * For a program that may begin before its server: dialled at the first use, and at each later one for as long as it
 * cannot be reached; dialled anew when the server is away and its address has changed.
 */
export const layerWhenNeeded = (
  options: Options & {
    /** Where the server is at this moment; none when nobody runs one. */
    readonly address: Effect.Effect<Option.Option<string>>;
    readonly name?: string | undefined;
  },
) =>
  Layer.effect(
    PresenceBucket,
    Effect.gen(function* () {
      const parent = yield* Effect.scope;
      const one = yield* Semaphore.make(1);
      let current: Open | undefined;

      const dial = Effect.fnUntraced(function* (url: string) {
        const scope = yield* Scope.fork(parent);
        const opened = Effect.gen(function* () {
          const connection = yield* NatsConnection.make({ servers: url, name: options.name });
          return { url, connection, bucket: yield* over(connection, options), scope };
        });
        return yield* opened.pipe(
          Scope.provide(scope),
          Effect.mapError((problem) => unavailable(problem.message)),
          Effect.catchDefect((defect) => Effect.fail(unavailable(`the server at ${url}: ${String(defect)}`))),
          Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit))),
        );
      });

      const bucket = one.withPermit(
        Effect.gen(function* () {
          if (current?.connection.link.connected === true) return current.bucket;
          const address = yield* options.address;
          if (Option.isNone(address)) return yield* unavailable("no instance is running");
          if (current !== undefined && current.url === address.value) return current.bucket;
          if (current !== undefined) yield* Scope.close(current.scope, Exit.void);
          current = undefined;
          current = yield* dial(address.value);
          return current.bucket;
        }),
      );
      const use = <A>(
        run: (there: PresenceBucket["Service"]) => Effect.Effect<A, PresenceUnavailable>,
      ): Effect.Effect<A, PresenceUnavailable> => Effect.flatMap(bucket, run);

      return PresenceBucket.of({
        leaseMillis: options.leaseMillis ?? defaultLeaseMillis,
        get: (of) => use((there) => there.get(of)),
        put: (presence, revision) => use((there) => there.put(presence, revision)),
        remove: (of) => use((there) => there.remove(of)),
        list: use((there) => there.list),
      });
    }),
  );
