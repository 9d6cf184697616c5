/**
 * Buckets and object stores copied out of a running nats-server, and put into another one.
 *
 * Room: log.
 *
 * Promises: a copy is what the stream held at one moment, checked by the server against its checksums while it is made;
 * a copy is put in whole or refused. The copy has the server's own form (nats-server, "STREAM.SNAPSHOT").
 */
import type { StreamConfig, StreamInfo, StreamState } from "@nats-io/jetstream";
import { type Msg, createInbox } from "@nats-io/transport-node";
import { Effect, Schema } from "effect";
import type { NatsConnection } from "../connection/NatsConnectionNats.ts";
import { type ApiError, ask } from "../connection/RequestNats.ts";

/** A bucket cannot be copied, or not be put in. */
export class CopyFailed extends Schema.TaggedError<CopyFailed>()("CopyFailed", {
  bucket: Schema.String,
  message: Schema.String,
  hint: Schema.String,
}) {}

const failed = (bucket: string, why: string) =>
  new CopyFailed({
    bucket,
    message: `The bucket ${bucket} cannot be copied: ${why}.`,
    hint: "See whether nats-server is well: recollect status",
  });

const answerMillis = 30_000;
/** Longest silence between two pieces: the server gives up after five seconds without an answer. */
const silenceMillis = 10_000;
const pieceBytes = 128 * 1024;

type Connection = NatsConnection["Service"];

const request = Effect.fnUntraced(function* <A>(
  { link, nc }: Connection,
  options: { readonly bucket: string; readonly subject: string; readonly payload?: string | Uint8Array },
) {
  const { bucket, payload, subject } = options;
  const answer = yield* Effect.promise(() => ask(nc, link, { subject, payload, timeoutMillis: answerMillis }));
  if (answer._tag === "NoAnswer") return yield* failed(bucket, answer.reason);
  if (answer.message.data.length === 0) return {} as A;
  const said: A & { readonly error?: ApiError } = answer.message.json();
  if (said.error !== undefined) return yield* failed(bucket, said.error.description);
  return said;
});

export interface BucketInfo {
  readonly name: string;
  readonly config: StreamConfig;
  readonly state: StreamState;
}

const isBucket = /^(?:KV|OBJ)_/;

/** Every bucket and object store that is on disk, by name. */
export const list = Effect.fn("log.listBuckets")(function* (connection: Connection) {
  const found: Array<BucketInfo> = [];
  for (let offset = 0; ;) {
    const page = yield* request<{ readonly total: number; readonly streams: ReadonlyArray<StreamInfo> | null }>(
      connection,
      { bucket: "*", subject: "$JS.API.STREAM.LIST", payload: JSON.stringify({ offset }) },
    );
    const streams = page.streams ?? [];
    for (const { config, state } of streams)
      if (isBucket.test(config.name) && config.storage === "file") found.push({ name: config.name, config, state });
    offset += streams.length;
    if (streams.length === 0 || offset >= page.total) break;
  }
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
});

/** The pieces of a copy as they come, until the empty one that ends it. */
const receive = (connection: Connection, inbox: string, onPiece: (piece: Uint8Array) => void) => {
  const { nc } = connection;
  let finish: (problem: string | undefined) => void = () => {};
  const done = new Promise<string | undefined>((resolve) => (finish = resolve));
  const timer = setTimeout(() => finish("the server fell silent"), silenceMillis);
  const onMessage = (message: Msg): void => {
    timer.refresh();
    if (message.data.length > 0) {
      try {
        onPiece(message.data);
        message.respond();
      } catch (cause) {
        finish(String(cause));
      }
      return;
    }
    const code = message.headers?.code ?? 0;
    finish(code === 0 || code === 204 ? undefined : (message.headers?.description ?? `code ${code}`));
  };
  const subscription = nc.subscribe(inbox, {
    callback: (error, message) => (error === null ? onMessage(message) : finish(error.message)),
  });
  const end = (): void => {
    clearTimeout(timer);
    subscription.unsubscribe();
  };
  return { done, end };
};

/** One bucket, piece by piece. Answers the configuration and state that belong to it. */
export const copy = Effect.fn("log.copyBucket")(function* (
  connection: Connection,
  bucket: string,
  onPiece: (piece: Uint8Array) => void,
) {
  const inbox = createInbox(connection.inboxPrefix);
  const pieces = receive(connection, inbox, onPiece);
  return yield* Effect.gen(function* () {
    const asked = { deliver_subject: inbox, no_consumers: true, jsck: true, chunk_size: pieceBytes };
    const said = yield* request<{ readonly config: StreamConfig; readonly state: StreamState }>(connection, {
      bucket,
      subject: `$JS.API.STREAM.SNAPSHOT.${bucket}`,
      payload: JSON.stringify(asked),
    });
    const problem = yield* Effect.promise(() => pieces.done);
    if (problem !== undefined) return yield* failed(bucket, problem);
    return { config: said.config, state: said.state };
  }).pipe(Effect.ensuring(Effect.sync(pieces.end)));
});

/** Puts a copy into a server that has no bucket of that name. */
export const put = Effect.fn("log.putBucket")(function* (
  connection: Connection,
  options: {
    readonly bucket: string;
    readonly config: unknown;
    readonly state: unknown;
    readonly pieces: Iterable<Uint8Array>;
  },
) {
  const { bucket, config, pieces, state } = options;
  const { deliver_subject: subject } = yield* request<{ readonly deliver_subject: string }>(connection, {
    bucket,
    subject: `$JS.API.STREAM.RESTORE.${bucket}`,
    payload: JSON.stringify({ config, state }),
  });
  for (const payload of pieces) yield* request(connection, { bucket, subject, payload });
  yield* request(connection, { bucket, subject, payload: "" });
});
