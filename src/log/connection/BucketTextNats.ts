/**
 * A text in a KV bucket of a server that need not be the store's.
 *
 * Room: log.
 *
 * Address: `nats://HOST:PORT/BUCKET`, or `tls://…`, with the files that open it: `?creds=FILE`, `?nkey=FILE`, `?ca=FILE`. No
 * secret stands in it. The bucket is made where there is none.
 */
import { JetStreamApiError } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import { connect, type NatsConnection as Client } from "@nats-io/transport-node";
import { Effect } from "effect";
import { authenticationOf, Credentials } from "./NatsCredentialsNats.ts";

export interface BucketText {
  /** Undefined where the key was never written, or was removed. */
  readonly read: Effect.Effect<string | undefined, BucketTrouble>;
  readonly write: (text: string) => Effect.Effect<void, BucketTrouble>;
}

/** The bucket cannot be used now; a sentence says why. */
export interface BucketTrouble {
  readonly _tag: "BucketTrouble";
  readonly reason: string;
}

const trouble = (error: unknown): BucketTrouble => ({
  _tag: "BucketTrouble",
  reason: error instanceof Error ? error.message : String(error),
});

/** A server that does not answer a dial or a question for so long is away. */
const patienceMillis = 3_000;

export const isAddress = (text: string): boolean => /^(nats|tls):\/\//.test(text);

const parsed = (address: string) => {
  const url = new URL(address);
  const bucket = url.pathname.slice(1);
  if (!/^[A-Za-z0-9_-]+$/.test(bucket)) throw new Error(`${address} names no bucket: nats://HOST:PORT/BUCKET`);
  if (url.username !== "") throw new Error(`${address} holds a user: name a file with ?creds=FILE or ?nkey=FILE`);
  const [ca, creds, nkey] = ["ca", "creds", "nkey"].map((name) => url.searchParams.get(name) ?? undefined);
  return { servers: `${url.protocol}//${url.host}`, isTls: url.protocol === "tls:", bucket, ca, creds, nkey };
};

type Place = ReturnType<typeof parsed>;

const credentialsOf = ({ creds, nkey }: Place): Credentials | undefined =>
  creds !== undefined
    ? Credentials.CredentialsFile({ path: creds })
    : nkey === undefined
      ? undefined
      : Credentials.NKeyFile({ path: nkey });

const dial = Effect.fnUntraced(function* (place: Place) {
  const authentication = yield* authenticationOf(credentialsOf(place));
  const tls = place.ca === undefined ? (place.isTls ? {} : undefined) : { caFile: place.ca };
  return yield* Effect.tryPromise(() =>
    connect({
      servers: place.servers,
      name: "recollect-witness",
      reconnect: false,
      timeout: patienceMillis,
      ...(tls === undefined ? {} : { tls }),
      ...authentication,
    }),
  );
});

/** One that an operator has made otherwise is taken as it is. */
const bucketOf = async (client: Client, bucket: string): Promise<KV> => {
  const kvm = new Kvm(client);
  try {
    return await kvm.create(bucket, { timeout: patienceMillis });
  } catch (error) {
    if (!(error instanceof JetStreamApiError)) throw error;
    return kvm.open(bucket, { timeout: patienceMillis });
  }
};

/** The text under a key, over a connection that is made at the first use and again after it was lost. */
export const make = Effect.fnUntraced(function* (address: string, key: string) {
  let open: { readonly client: Client; readonly kv: KV } | undefined;
  const close = Effect.suspend(() => {
    const client = open?.client;
    open = undefined;
    return client === undefined ? Effect.void : Effect.ignore(Effect.tryPromise(() => client.close()));
  });
  yield* Effect.addFinalizer(() => close);
  const bucket = Effect.gen(function* () {
    if (open !== undefined && !open.client.isClosed()) return open.kv;
    const place = yield* Effect.try(() => parsed(address));
    const client = yield* dial(place);
    const kv = yield* Effect.tryPromise(() => bucketOf(client, place.bucket)).pipe(
      Effect.tapError(() => Effect.ignore(Effect.tryPromise(() => client.close()))),
    );
    open = { client, kv };
    return kv;
  });
  const using = <A>(work: (kv: KV) => Promise<A>) =>
    Effect.flatMap(bucket, (kv) => Effect.tryPromise(() => work(kv))).pipe(
      Effect.tapError(() => close),
      Effect.mapError((error) => trouble("cause" in error && error.cause !== undefined ? error.cause : error)),
    );
  return {
    read: using(async (kv) => {
      const entry = await kv.get(key);
      return entry === null || entry.operation !== "PUT" ? undefined : entry.string();
    }),
    write: (text) => using((kv) => kv.put(key, text)).pipe(Effect.asVoid),
  } satisfies BucketText as BucketText;
});
