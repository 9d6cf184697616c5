/**
 * Bytes too large for an event, kept once under their SHA-256 in a JetStream object store.
 *
 * Room: log.
 *
 * Writing goes through the client's object store, so any NATS tool can read what is there. Reading does not: its
 * `get` leaves a consumer behind for five minutes, and a thousand of them are the server's limit for a stream. The
 * chunks of an object are the messages of one subject, so they are read like a history.
 */
import { type ObjectInfo, Objm, type ObjectStore } from "@nats-io/obj";
import { DiscardPolicy, StorageType } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { Effect } from "effect";
import { createHash } from "node:crypto";
import { quotaIn } from "./access/Admission.ts";
import type { DirectGet } from "./read/DirectGetNats.ts";
import { LogDamaged, LogUnavailable } from "./EventLog.ts";
import { type Link, type NatsConnection, viaDaemon } from "./connection/NatsConnectionNats.ts";
import { type ApiError, apiCode, ask } from "./connection/RequestNats.ts";
import { awaitLink, retryPauseMillis, unanswered, unavailable } from "./connection/PatienceNats.ts";

export const defaultBucket = "RECOLLECT_BLOBS";

export interface BlobStore {
  /** The same bytes twice are kept once. Fails soon when the connection is lost and not back within two seconds. */
  readonly put: (
    bytes: Uint8Array,
  ) => Effect.Effect<{ readonly sha256: string; readonly bytes: number }, LogUnavailable>;
  readonly get: (sha256: string) => Effect.Effect<Uint8Array | undefined, LogUnavailable | LogDamaged>;
  /** Removes one blob; nothing happens when there is none. */
  readonly forget: (sha256: string) => Effect.Effect<void, LogUnavailable>;
  /** Removes all of them. */
  readonly clear: Effect.Effect<void, LogUnavailable>;
  /** Bytes on the server's disk. */
  readonly bytes: Effect.Effect<number, LogUnavailable>;
}

/** Answer of the daemon to bytes that it was given to keep. */
interface BlobAnswer {
  readonly sha256?: string;
  readonly error?: ApiError;
}

/** For blobs that may be forgotten: each goes after a while, and the oldest when there is no room. */
export interface Ends {
  readonly ttlMillis: number;
  readonly maxBytes: number;
}

/** A replica that is behind has the rest after milliseconds; after 0.3 s in all, the rest is called missing. */
const behindAttempts = 6;
/** The daemon writes it to disk, or reads it from there. */
const daemonMillis = 10_000;

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const isDigest = /^[0-9a-f]{64}$/;

/**
 * Asks by the client; given up when the connection is lost, because the client waits for its answer all
 * the same, five seconds for each part of a blob and once more to clean up.
 */
const untilLost = <A>(link: Link, question: () => Promise<A>): Promise<A> =>
  new Promise((resolve, reject) => {
    const ignoreLoss = link.onLost(() => reject(new Error("the connection was lost")));
    void question().finally(ignoreLoss).then(resolve, reject);
  });

const asker =
  (link: Link) =>
  <A>(what: string, question: () => Promise<A>) =>
    Effect.tryPromise({
      try: () => untilLost(link, question),
      catch: (error) => (error instanceof Error ? error.message : String(error)),
    }).pipe(Effect.catch((reason) => unavailable(`${what}: ${reason}`)));

/** A blob that was on its way when the connection was lost is sent again as often, if NATS is back in a moment. */
const resendings = 2;

/** The client makes object stores that refuse what is new when they are full, and cannot change one that is there. */
const bringInLine = async ({ jsm }: NatsConnection["Service"], stream: string, ends: Ends): Promise<void> => {
  const { config } = await jsm.streams.info(stream);
  const wanted = { max_age: nanos(ends.ttlMillis), max_bytes: ends.maxBytes, discard: DiscardPolicy.Old };
  const isInLine =
    config.max_age === wanted.max_age && config.max_bytes === wanted.max_bytes && config.discard === wanted.discard;
  // The window in which the server knows duplicates may not be longer than what is kept.
  const duplicate_window = Math.min(config.duplicate_window, wanted.max_age);
  if (!isInLine) await jsm.streams.update(stream, { ...config, ...wanted, duplicate_window });
};

export const make = (options: {
  readonly connection: NatsConnection["Service"];
  readonly get: DirectGet;
  readonly bucket: string;
  /** Of a bucket that is made now. */
  readonly replicas: () => number;
  /** Absent: they stay for ever, as the events that refer to them. */
  readonly ends?: Ends | undefined;
}): BlobStore => {
  const { bucket, connection, ends, get, replicas } = options;
  const stream = `OBJ_${bucket}`;
  const asking = asker(connection.link);
  // The bucket is opened at the first use, so that who never keeps a blob never makes one; a failure is not remembered.
  let opened: ObjectStore | undefined;
  const open = Effect.suspend(() =>
    opened !== undefined
      ? Effect.succeed(opened)
      : asking("the object store cannot be opened", async () => {
          const description =
            ends === undefined
              ? "Recollect: bytes too large for an event, by SHA-256."
              : "Recollect: contents too large for a bucket, by SHA-256. A cache: may be deleted at any time.";
          const store = await new Objm(connection.js).create(bucket, {
            description,
            storage: StorageType.File,
            replicas: replicas(),
          });
          if (ends !== undefined) await bringInLine(connection, stream, ends);
          return store;
        }).pipe(
          Effect.tap((store) =>
            Effect.sync(() => {
              opened = store;
            }),
          ),
        ),
  );

  /** A store that was deleted under us is made anew at its next use. */
  const openAnew = Effect.sync(() => {
    opened = undefined;
  });

  /** In a tenant's account, which has no object store, the daemon keeps and gives what fits a message. */
  const isTenant = connection.link.route === viaDaemon;
  const askDaemon = Effect.fnUntraced(function* (question: "PUT" | "GET", payload: Uint8Array | string) {
    const subject = `recollect-store.BLOB.${question}`;
    const asked = { subject, payload, timeoutMillis: daemonMillis };
    const answer = yield* Effect.promise(() => ask(connection.nc, connection.link, asked));
    return answer._tag === "NoAnswer" ? yield* unanswered(answer) : answer.message;
  });
  const putTenant = Effect.fnUntraced(function* (bytes: Uint8Array) {
    const most = connection.serverInfo().max_payload;
    if (bytes.byteLength > most) {
      const reason = `a part of ${bytes.byteLength} bytes is larger than a message (${most}), and only a user of the store's own account keeps such`;
      return yield* Effect.fail(new LogUnavailable({ reason, denied: "keep parts larger than a message" }));
    }
    const { error, sha256 }: BlobAnswer = (yield* askDaemon("PUT", bytes)).json();
    if (error === undefined && sha256 === digestOf(bytes)) return { sha256, bytes: bytes.byteLength };
    if (error === undefined) return yield* unavailable("the daemon does not say that it has kept these bytes");
    const reason = error.description;
    return yield* Effect.fail(
      new LogUnavailable(error.err_code === apiCode.quota ? { reason, denied: quotaIn(reason) } : { reason }),
    );
  });

  /** Parts of an object as they are stored, also where some are missing. */
  const contentOf = Effect.fnUntraced(function* ({ chunks: count, nuid }: ObjectInfo) {
    const chunks: Array<Uint8Array> = [];
    let after = 0;
    let missed = 0;
    while (chunks.length < count && missed < behindAttempts) {
      const page = yield* get.batch(stream, { seq: after + 1, next_by_subj: `$O.${bucket}.C.${nuid}` });
      for (const message of page) chunks.push(message.body);
      after = page.at(-1)?.sequence ?? after;
      if (page.length === 0) yield* Effect.sleep(retryPauseMillis(missed++));
    }
    return { bytes: new Uint8Array(Buffer.concat(chunks)), parts: chunks.length };
  });

  const put = Effect.fn("log.putBlob")(
    function* (bytes: Uint8Array) {
      yield* awaitLink(connection.link);
      if (isTenant) return yield* putTenant(bytes);
      const store = yield* open;
      const sha256 = digestOf(bytes);
      const kept = { sha256, bytes: bytes.byteLength };
      const found = yield* asking("the object store does not answer", () => store.info(sha256));
      // Only its parts say that it is whole: its name and size are kept apart from them.
      const isThere = found !== null && !found.deleted && found.size === bytes.byteLength;
      if (isThere && digestOf((yield* contentOf(found)).bytes) === sha256) return kept;
      yield* asking("the blob cannot be kept", () => store.putBlob({ name: sha256 }, bytes));
      return kept;
    },
    Effect.tapError(() => openAnew),
    // Twice is once, by its name.
    Effect.retry({ times: resendings, while: () => !connection.link.connected }),
  );

  const read = Effect.fn("log.getBlob")(function* (sha256: string) {
    if (!isDigest.test(sha256)) return undefined;
    yield* awaitLink(connection.link);
    if (isTenant) {
      const given = yield* askDaemon("GET", sha256);
      return digestOf(given.data) === sha256 ? given.data : undefined;
    }
    const store = yield* open;
    const found = yield* asking("the object store does not answer", () => store.info(sha256));
    if (found === null || found.deleted) return undefined;
    const { bytes, parts } = yield* contentOf(found);
    if (digestOf(bytes) === sha256) return bytes;
    return yield* new LogDamaged({
      sequence: 0,
      reason: `the blob ${sha256} has ${bytes.byteLength} bytes (${parts} of ${found.chunks} parts) that do not match its name`,
    });
  });

  const forget = Effect.fn("log.forgetBlob")(function* (sha256: string) {
    yield* awaitLink(connection.link);
    const store = yield* open;
    const found = yield* asking("the object store does not answer", () => store.info(sha256));
    if (found === null || found.deleted) return;
    yield* asking("the blob cannot be removed", () => store.delete(sha256));
  });

  const clear = Effect.andThen(
    open,
    asking("the object store cannot be cleared", () => connection.jsm.streams.purge(stream)),
  ).pipe(Effect.asVoid);

  const bytes = Effect.andThen(
    open,
    asking("the object store does not answer", () => connection.jsm.streams.info(stream)),
  ).pipe(Effect.map(({ state }) => state.bytes));

  return { put, get: read, forget, clear, bytes };
};
