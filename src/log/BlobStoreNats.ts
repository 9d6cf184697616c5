/**
 * Bytes too large for an event, kept once under their SHA-256 in a JetStream object store.
 *
 * Room: log. In: NatsConnectionNats, DirectGetNats. Out: EventLogNats.
 *
 * Writing goes through the client's object store, so any NATS tool can read what is there. Reading does not: its
 * `get` leaves a consumer behind for five minutes, and a thousand of them are the server's limit for a stream. The
 * chunks of an object are the messages of one subject, so they are read like a history.
 */
import { Objm, type ObjectStore } from "@nats-io/obj";
import { StorageType } from "@nats-io/jetstream";
import { Effect } from "effect";
import { createHash } from "node:crypto";
import type { DirectGet } from "./DirectGetNats.ts";
import { LogDamaged, type LogUnavailable } from "./EventLog.ts";
import type { NatsConnection } from "./NatsConnectionNats.ts";
import { awaitLink, retryPauseMillis, unavailable } from "./PatienceNats.ts";

export const defaultBucket = "RECOLLECT_BLOBS";

export interface BlobStore {
  readonly put: (
    bytes: Uint8Array,
  ) => Effect.Effect<{ readonly sha256: string; readonly bytes: number }, LogUnavailable>;
  readonly get: (sha256: string) => Effect.Effect<Uint8Array | undefined, LogUnavailable | LogDamaged>;
}

/** A replica that is behind has the rest after milliseconds; after 0.3 s in all, the rest is called missing. */
const behindAttempts = 6;

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const isDigest = /^[0-9a-f]{64}$/;

const asking = <A>(what: string, question: () => Promise<A>) =>
  Effect.tryPromise({ try: question, catch: (error) => (error instanceof Error ? error.message : String(error)) }).pipe(
    Effect.catch((reason) => unavailable(`${what}: ${reason}`)),
  );

export const make = (options: {
  readonly connection: NatsConnection["Service"];
  readonly get: DirectGet;
  readonly bucket: string;
  readonly replicas: number;
}): BlobStore => {
  const { bucket, connection, get, replicas } = options;
  // The bucket is opened at the first use, so that who never keeps a blob never makes one; a failure is not remembered.
  let opened: ObjectStore | undefined;
  const open = Effect.suspend(() =>
    opened !== undefined
      ? Effect.succeed(opened)
      : asking("the object store cannot be opened", () =>
          new Objm(connection.js).create(bucket, {
            description: "Recollect: bytes too large for an event, by SHA-256.",
            storage: StorageType.File,
            replicas,
          }),
        ).pipe(
          Effect.tap((store) =>
            Effect.sync(() => {
              opened = store;
            }),
          ),
        ),
  );

  const put = Effect.fn("log.putBlob")(function* (bytes: Uint8Array) {
    yield* awaitLink(connection.link);
    const store = yield* open;
    const sha256 = digestOf(bytes);
    const kept = { sha256, bytes: bytes.byteLength };
    const found = yield* asking("the object store does not answer", () => store.info(sha256));
    if (found !== null && !found.deleted && found.size === bytes.byteLength) return kept;
    yield* asking("the blob cannot be kept", () => store.putBlob({ name: sha256 }, bytes));
    return kept;
  });

  const read = Effect.fn("log.getBlob")(function* (sha256: string) {
    if (!isDigest.test(sha256)) return undefined;
    yield* awaitLink(connection.link);
    const store = yield* open;
    const found = yield* asking("the object store does not answer", () => store.info(sha256));
    if (found === null || found.deleted) return undefined;
    const chunks: Array<Uint8Array> = [];
    let after = 0;
    let missed = 0;
    while (chunks.length < found.chunks && missed < behindAttempts) {
      const page = yield* get.batch(`OBJ_${bucket}`, { seq: after + 1, next_by_subj: `$O.${bucket}.C.${found.nuid}` });
      for (const message of page) chunks.push(message.body);
      after = page.at(-1)?.sequence ?? after;
      if (page.length === 0) yield* Effect.sleep(retryPauseMillis(missed++));
    }
    const bytes = new Uint8Array(Buffer.concat(chunks));
    if (digestOf(bytes) === sha256) return bytes;
    return yield* new LogDamaged({
      sequence: 0,
      reason: `the blob ${sha256} has ${bytes.byteLength} bytes (${chunks.length} of ${found.chunks} parts) that do not match its name`,
    });
  });

  return { put, get: read };
};
