/**
 * Snapshots in a JetStream KV bucket, each gone a day after it was last written.
 *
 * Room: snapshot.
 *
 * Decision: file storage with `persist_mode: async`, because a snapshot is a cache and pays no fsync: under
 * `sync_interval: always` a put of 20 KiB takes 0.25 ms (p50), with the stream's own durability 0.55 ms, and in memory
 * 0.16 ms. A kill -9 of the server costs the puts of its last moments (200 of 200 older ones were there); in memory
 * storage it costs the bucket, and every thread would be folded again from the log at once. The snapshot that comes back may be an
 * older snapshot than the one that was read before: readers fold on from whatever they find.
 * Decision: when the bucket is full the oldest snapshot goes (`discard: old`; a KV bucket made by a client refuses
 * new keys instead), and before that a tenant beyond its share writes no further one (`SnapshotShares`).
 */
import { JetStreamApiCodes, JetStreamApiError, type StreamConfig } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import { nanos } from "@nats-io/transport-node";
import { Clock, Effect, Layer, Option, Semaphore } from "effect";
import { lastOf } from "../log/read/DirectGetNats.ts";
import { elapsed } from "../log/connection/Elapsed.ts";
import { NatsConnection } from "../log/connection/NatsConnectionNats.ts";
import { type Room, SnapshotShares } from "./SnapshotShares.ts";
import * as SnapshotStore from "./SnapshotStore.ts";

export const bucketName = "RECOLLECT_THREADS";
const streamName = `KV_${bucketName}`;

export interface Options {
  /**
   * Time to live of a snapshot after its last write, milliseconds: 24 to 48 hours unless a test asks. Default: as the bucket
   * has it, 24 hours for a new one. So one program sets it, and all others go by it.
   */
  readonly ttlMillis?: number | undefined;
  /** 1, 3 or 5. Default 1: a lost cache is filled again. More than one has no `persist_mode`. */
  readonly replicas?: number | undefined;
  /** Default 1 GiB: some 13,000 snapshots of busy threads, far more of short ones. */
  readonly maxBytes?: number | undefined;
}

/** A cache that does not answer in this time is not worth waiting for: the log is there. */
const timeoutMillis = 2_000;

/** Age of what is known of the bucket's size. */
const roomMillis = 2_000;

type Config = Partial<StreamConfig> & Pick<StreamConfig, "name" | "max_age" | "max_bytes" | "duplicate_window">;

const duplicateWindow = (ttlMillis: number): number => nanos(Math.min(ttlMillis, 120_000));

const configOf = (options: Options): Config => {
  const ttlMillis = options.ttlMillis ?? SnapshotStore.defaultTtlMillis;
  const replicas = options.replicas ?? 1;
  return {
    name: streamName,
    description: "Recollect: snapshots of threads. A cache: may be deleted at any time.",
    subjects: [`$KV.${bucketName}.>`],
    storage: "file",
    num_replicas: replicas,
    ...(replicas === 1 ? { persist_mode: "async" as const } : {}),
    max_age: nanos(ttlMillis),
    max_bytes: options.maxBytes ?? 1024 * 1024 * 1024,
    max_msg_size: 256 * 1024,
    max_msgs_per_subject: 1,
    discard: "old",
    duplicate_window: duplicateWindow(ttlMillis),
    allow_direct: true,
    allow_rollup_hdrs: true,
    deny_delete: true,
  };
};

const isNotFound = (error: unknown): boolean =>
  error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;

/** 10071 says that another wrote first; 10164 that another is just writing (R3). */
const isConflict = (error: unknown): boolean =>
  error instanceof JetStreamApiError && (error.code === 10071 || error.code === 10164);

/** The platform's timer, because Effect's timeout takes two fibers and as long as the get itself (0.25 ms). */
const inTime = <A>(run: () => Promise<A>): Promise<A> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMillis} ms`)), timeoutMillis);
    run()
      .finally(() => clearTimeout(timer))
      .then(resolve, reject);
  });

const unavailable = (reason: string) =>
  new SnapshotStore.SnapshotUnavailable({ reason, hint: "Snapshots are a cache: reading goes on from the log." });

/** Makes the bucket, or changes what was asked for in the one that is there. Answers how long a snapshot lives. */
const ensureStream = async (jsm: NatsConnection["Service"]["jsm"], options: Options): Promise<number> => {
  const config = configOf(options);
  try {
    const { config: existing } = await jsm.streams.info(config.name);
    const ttlMillis = options.ttlMillis ?? Math.round(existing.max_age / 1e6);
    const max_age = nanos(ttlMillis);
    const max_bytes = options.maxBytes ?? existing.max_bytes;
    if (existing.max_age === max_age && existing.max_bytes === max_bytes) return ttlMillis;
    const duplicate_window = duplicateWindow(ttlMillis);
    await jsm.streams.update(config.name, { ...existing, max_age, max_bytes, duplicate_window });
    return ttlMillis;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await jsm.streams.add(config);
    return Math.round(config.max_age / 1e6);
  }
};

/** Lets snapshots live that long from now on, also those that are there. */
export const setTtl = Effect.fn("snapshot.setTtl")(function* (ttlMillis: number) {
  const { jsm } = yield* NatsConnection;
  yield* Effect.tryPromise({
    try: () => inTime(() => ensureStream(jsm, { ttlMillis })),
    catch: (error) => unavailable(`the bucket cannot be changed: ${String(error)}`),
  });
});

const make = Effect.fnUntraced(function* (options: Options) {
  const { js, jsm, link, nc } = yield* NatsConnection;
  let ttlMillis = SnapshotStore.defaultTtlMillis;
  const kv: KV = yield* Effect.promise(() => new Kvm(js).open(bucketName, { allow_direct: true }));
  const one = yield* Semaphore.make(1);
  let isThere = false;

  const attempt = <A>(what: string, run: () => Promise<A>): Effect.Effect<A, SnapshotStore.SnapshotUnavailable> =>
    Effect.tryPromise({
      try: () => inTime(run),
      catch: (error) => {
        // The bucket may have been deleted under us: look again before the next use.
        isThere = false;
        return unavailable(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      },
    });

  /** The bucket is made at its first use and again when it is gone. A client that is not connected does not wait. */
  const ready = Effect.suspend(() => {
    if (!link.connected) return Effect.fail(unavailable("NATS is away"));
    if (isThere) return Effect.void;
    const ensure = Effect.map(
      attempt("the bucket cannot be made", () => ensureStream(jsm, options)),
      (lives) => {
        ttlMillis = lives;
        isThere = true;
      },
    );
    return one.withPermit(Effect.suspend(() => (isThere ? Effect.void : ensure)));
  });

  /** A key's last entry, also a delete marker. */
  const last = async (key: string) => {
    const found = await lastOf({ nc, link, stream: streamName, subject: `$KV.${bucketName}.${key}`, timeoutMillis });
    if (found._tag === "NoAnswer") throw new Error(found.reason);
    return found.message;
  };

  const using = <A>(what: string, run: () => Promise<A>) => Effect.andThen(ready, attempt(what, run));

  /** The first read of a process does not wait to be told of the bucket, and asks again where it was only made then. */
  const reading = (key: string) => {
    const asking = attempt(`reading ${key}`, () => last(key));
    return isThere
      ? asking
      : Effect.flatMap(Effect.all([Effect.option(asking), ready], { concurrency: 2 }), ([found]) =>
          Option.isSome(found) ? Effect.succeed(found.value) : asking,
        );
  };

  const shares = new SnapshotShares();
  let room: Room = { bytes: 0, maxBytes: 0 };
  let roomAt = Number.NEGATIVE_INFINITY;
  /** Size of the bucket, not older than some seconds; where that cannot be asked, no tenant is bounded. */
  const roomNow = Effect.gen(function* () {
    const at = yield* elapsed;
    if (at - roomAt > roomMillis) {
      const asked = attempt("asking for the bucket", () => jsm.streams.info(streamName));
      const found = yield* Effect.option(asked);
      if (Option.isSome(found)) {
        // A bucket that is not there yet is asked for again.
        roomAt = at;
        room = { bytes: found.value.state.bytes, maxBytes: found.value.config.max_bytes };
      }
    }
    return room;
  });
  /** Writes where the key's tenant may; a snapshot that is not written costs time and no truth. */
  const sharing = <A>(
    key: string,
    bytes: Uint8Array,
    otherwise: A,
    write: Effect.Effect<A, SnapshotStore.SnapshotUnavailable>,
  ) =>
    Effect.gen(function* () {
      if (!shares.may(key, bytes.byteLength, yield* roomNow)) return otherwise;
      const written = yield* write;
      shares.wrote(key, bytes.byteLength);
      room = { ...room, bytes: room.bytes + bytes.byteLength };
      return written;
    });

  return SnapshotStore.SnapshotBucket.of({
    get: Effect.fnUntraced(function* (key) {
      const stored = yield* reading(key);
      if (stored === undefined) return { bytes: undefined, revision: 0, isAgeing: false };
      const { body, headers, recordedAt, sequence } = stored;
      const age = (yield* Clock.currentTimeMillis) - recordedAt;
      const isValue = headers["KV-Operation"] === undefined;
      return { bytes: isValue ? body : undefined, revision: sequence, isAgeing: age > ttlMillis / 2 };
    }),
    put: (key, bytes) =>
      sharing(key, bytes, undefined, Effect.asVoid(using(`writing ${key}`, () => kv.put(key, bytes)))),
    replace: (key, bytes, revision) => {
      const write = using(`writing ${key}`, () =>
        kv.put(key, bytes, { previousSeq: revision }).then(
          () => true,
          (error: unknown) => {
            if (isConflict(error)) return false;
            throw error;
          },
        ),
      );
      return sharing(key, bytes, false, write);
    },
    remove: (key) => using(`removing ${key}`, () => kv.purge(key)),
    info: using("asking for the bucket", async () => {
      const { state } = await jsm.streams.info(streamName);
      const checkpoint = await kv.get(SnapshotStore.checkpointKey);
      return { keys: state.messages - (checkpoint === null ? 0 : 1), bytes: state.bytes };
    }),
  });
});

/** Store and bucket over the connection; the bucket itself is made at its first use. */
export const layer = (options: Options = {}) =>
  SnapshotStore.layer.pipe(Layer.provideMerge(Layer.effect(SnapshotStore.SnapshotBucket, make(options))));
