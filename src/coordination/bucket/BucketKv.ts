/**
 * Buckets in JetStream: each a KV bucket, readable with every NATS client's own KV functions.
 *
 * Room: coordination.
 *
 * One operation is one round trip. Nothing is repeated in silence: only where the server says that nobody heard it, the
 * bucket is made (again) and the same is asked once more.
 *
 * Decision: own requests in place of the client's KV, because its `put` cannot give a value an end (ADR-48 forbids it for
 * buckets with several values a key; ours have one), and its watch goes on a minute after a reconnect and leaves a
 * consumer behind for five.
 */
import { DeliverPolicy, JetStreamApiCodes, JetStreamApiError, type StreamConfig } from "@nats-io/jetstream";
import { headers, nanos } from "@nats-io/transport-node";
import { Clock, Effect, Layer, Queue, Semaphore, Stream } from "effect";
import * as DirectGet from "../../log/read/DirectGetNats.ts";
import type { NoAnswer } from "../../log/connection/RepliesNats.ts";
import { NatsConnection } from "../../log/connection/NatsConnectionNats.ts";
import { retryPauseMillis } from "../../log/connection/PatienceNats.ts";
import { type ApiError, apiCode, ask } from "../../log/connection/RequestNats.ts";
import {
  type Bucket,
  BucketRefused,
  Buckets,
  BucketUnavailable,
  type Entry,
  faultOfFilter,
  faultOfKey,
  type Lifetime,
  type Settings,
  telling,
} from "./Bucket.ts";
import { ServerClock } from "../../log/connection/ServerClockNats.ts";

type Connection = NatsConnection["Service"];

/** Coordination that takes longer than this is worse than none. */
const timeoutMillis = 2_000;

/** How long a consumer that goes may keep whoever ends a watch. */
const farewellMillis = 500;

const rest = (millis: number) => new Promise((resolve) => void setTimeout(resolve, millis).unref());

/** How long the mark of an end or a removal stays, for those who watch; they are told at once. */
const markMillis = 60_000;

const hour = 3_600_000;

const configOf = (settings: Settings) =>
  ({
    name: `KV_${settings.name}`,
    description: settings.description,
    subjects: [`$KV.${settings.name}.>`],
    storage: settings.storage === "memory" ? "memory" : "file",
    num_replicas: settings.replicas ?? 1,
    ...(settings.storage === "quick" && (settings.replicas ?? 1) === 1 ? { persist_mode: "async" as const } : {}),
    max_age: nanos(settings.ttlMillis ?? 0),
    max_bytes: settings.maxBytes,
    max_msg_size: settings.maxValueBytes + 1024,
    max_msgs_per_subject: 1,
    discard: settings.whenFull === "forget" ? "old" : "new",
    duplicate_window: nanos(Math.min(settings.ttlMillis ?? hour, 120_000)),
    max_consumers: 5_000,
    allow_direct: true,
    allow_rollup_hdrs: true,
    allow_msg_ttl: true,
    subject_delete_marker_ttl: nanos(markMillis),
    deny_delete: true,
  }) satisfies Partial<StreamConfig>;

/** What differs is brought in line; storage and the like cannot be. */
const repairable = ["max_age", "max_bytes", "max_msg_size", "discard", "subject_delete_marker_ttl"] as const;

const isNotFound = (error: unknown): boolean =>
  error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;

/** Another process made it at the same moment, a version with other settings perhaps: it is there. */
const isInUse = (error: unknown): boolean => error instanceof JetStreamApiError && error.code === 10_058;

/** Makes the stream or brings it in line. */
const ensureStream = async (jsm: Connection["jsm"], settings: Settings): Promise<void> => {
  const config = configOf(settings);
  try {
    const { config: found } = await jsm.streams.info(config.name);
    if (repairable.some((field) => found[field] !== config[field])) {
      const repairs = Object.fromEntries(repairable.map((field) => [field, config[field]]));
      await jsm.streams.update(config.name, { ...found, ...repairs });
    }
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await jsm.streams.add(config).catch((why: unknown) => {
      if (!isInUse(why)) throw why;
    });
  }
};

/** Whole seconds: what the server understands. */
const ttlHeader = (millis: number): string => `${Math.max(1, Math.ceil(millis / 1000))}s`;

interface PubAck {
  readonly seq: number;
  readonly error?: ApiError;
}

const isConflict = (error: ApiError): boolean =>
  error.err_code === apiCode.wrongLastSequence || error.err_code === apiCode.wrongLastSequenceInFlight;

/** A removal, by whoever made it, or an end. */
const isMark = (found: Readonly<Record<string, string>>): boolean =>
  (found["KV-Operation"] ?? "PUT") !== "PUT" || found["Nats-Marker-Reason"] !== undefined;

const make = Effect.fnUntraced(function* (connection: Connection, serverClock: ServerClock, settings: Settings) {
  const { js, jsm, link, nc } = connection;
  const { name } = settings;
  const stream = `KV_${name}`;
  const prefix = `$KV.${name}.`;
  const direct = DirectGet.make({ nc, link, patienceMillis: 0 });
  const one = yield* Semaphore.make(1);
  const patience = settings.patienceMillis ?? timeoutMillis;
  const timeQuestion = () => jsm.streams.info(stream);
  let isThere = false;

  const unavailable = (reason: string) => new BucketUnavailable({ bucket: name, reason });
  const refused = (key: string, reason: string, hint: string) => new BucketRefused({ bucket: name, key, reason, hint });
  const named = (key: string) => {
    const fault = faultOfKey(key);
    return fault === undefined ? Effect.void : Effect.fail(refused(key, fault, "Make keys with keyOf."));
  };
  const filtered = (filter: string) => {
    const fault = faultOfFilter(filter);
    return fault === undefined
      ? Effect.void
      : Effect.fail(refused(filter, fault, "Tokens between dots, `*` for one, a last `>` for the rest."));
  };

  const ensure = Effect.tryPromise({
    try: async () => {
      await ensureStream(jsm, settings);
      if (!serverClock.isLearnt) await serverClock.learn(timeQuestion);
    },
    catch: (error) =>
      unavailable(`the bucket cannot be made: ${error instanceof Error ? error.message : String(error)}`),
  }).pipe(
    Effect.map(() => {
      isThere = true;
    }),
  );

  const ready: Effect.Effect<void, BucketUnavailable> = Effect.suspend(() => {
    if (!link.connected) return Effect.fail(unavailable("NATS is away"));
    return isThere ? Effect.void : one.withPermit(Effect.suspend(() => (isThere ? Effect.void : ensure)));
  });

  /** One round trip; a second one only after the server said that nobody heard the first. */
  const asked = Effect.fnUntraced(function* <A extends { readonly _tag: "Answer" | "One" }>(
    question: () => Promise<A | NoAnswer>,
  ) {
    let none: NoAnswer | undefined;
    for (let attempt = 0; attempt < 2; attempt++) {
      yield* ready;
      const answered = yield* Effect.promise(question);
      if (answered._tag !== "NoAnswer") return answered as A;
      none = answered as NoAnswer;
      if (none.why !== "nobody") break;
      isThere = false;
    }
    return yield* unavailable(none?.reason ?? "no answer");
  });

  const publish = Effect.fnUntraced(function* (options: {
    readonly key: string;
    readonly value?: Uint8Array;
    readonly headers: ReadonlyArray<readonly [string, string]>;
    readonly revision?: number | undefined;
  }) {
    const { key, revision, value } = options;
    yield* named(key);
    if (value !== undefined && value.length > settings.maxValueBytes) {
      return yield* refused(
        key,
        `the value has ${value.length} bytes; at most ${settings.maxValueBytes} are possible`,
        "Keep large things in the object store and their name here.",
      );
    }
    const given = headers();
    for (const [header, text] of options.headers) given.set(header, text);
    if (revision !== undefined) given.set("Nats-Expected-Last-Subject-Sequence", String(revision));
    const question = { subject: `${prefix}${key}`, payload: value, headers: given, timeoutMillis: patience };
    const { message } = yield* asked(() => ask(nc, link, question));
    const ack: PubAck = message.json();
    if (ack.error === undefined) return ack.seq;
    if (revision !== undefined && isConflict(ack.error)) return undefined;
    return yield* unavailable(ack.error.description);
  });

  const lives = ({ ttlMillis }: Lifetime): ReadonlyArray<readonly [string, string]> =>
    ttlMillis === undefined ? [] : [["Nats-TTL", ttlHeader(ttlMillis)]];

  const removal = [
    ["KV-Operation", "PURGE"],
    ["Nats-Rollup", "sub"],
    ["Nats-TTL", ttlHeader(markMillis)],
  ] as const;

  const put = (key: string, value: Uint8Array, lifetime: Lifetime = {}) =>
    Effect.map(publish({ key, value, headers: lives(lifetime) }), (revision) => revision ?? 0);

  const get = Effect.fnUntraced(function* (key: string): Effect.fn.Return<Entry, BucketUnavailable | BucketRefused> {
    yield* named(key);
    const { message } = yield* asked(() =>
      DirectGet.lastOf({ nc, link, stream, subject: `${prefix}${key}`, timeoutMillis: patience }),
    );
    return message === undefined ? { key, value: undefined, revision: 0, writtenAt: 0 } : entryOf(message);
  });

  const entryOf = (stored: {
    readonly subject: string;
    readonly sequence: number;
    readonly recordedAt: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: Uint8Array;
  }): Entry => ({
    key: stored.subject.slice(prefix.length),
    value: isMark(stored.headers) ? undefined : stored.body,
    revision: stored.sequence,
    writtenAt: stored.recordedAt,
  });

  /** Each key has one message, so everything in order of sequence is every key once. Marks included. */
  const all = Effect.fnUntraced(function* (filter: string) {
    yield* filtered(filter);
    yield* ready;
    const found = new Map<string, Entry>();
    let seq = 1;
    for (;;) {
      const batch = yield* Effect.mapError(
        direct.batch(stream, { seq, next_by_subj: `${prefix}${filter}` }),
        ({ reason }) => {
          isThere = false;
          return unavailable(reason);
        },
      );
      for (const got of batch) {
        const entry = entryOf(got);
        // A key that was written while we read comes again, behind.
        found.delete(entry.key);
        found.set(entry.key, entry);
      }
      const last = batch.at(-1);
      if (last === undefined || last.pending === 0) return [...found.values()];
      seq = last.sequence + 1;
    }
  });

  /** The server does it by itself: no value travels. */
  const clear = Effect.fnUntraced(function* (filter: string) {
    yield* filtered(filter);
    yield* ready;
    yield* Effect.tryPromise({
      try: () => jsm.streams.purge(stream, { filter: `${prefix}${filter}` }),
      catch: (error) => {
        isThere = false;
        return unavailable(error instanceof Error ? error.message : String(error));
      },
    });
  });

  /** Every change after a revision, until the connection or the consumer is lost. */
  const changesAfter = (filter: string, revision: number) =>
    Stream.callback<Entry>((queue) =>
      Effect.acquireRelease(
        Effect.tryPromise(async () => {
          const consumer = await js.consumers.getPushConsumer(stream, {
            filter_subjects: [`${prefix}${filter}`],
            deliver_policy: DeliverPolicy.StartSequence,
            opt_start_seq: revision + 1,
          });
          const messages = await consumer.consume({
            callback: (message) => {
              const found: Record<string, string> = {};
              for (const header of ["KV-Operation", "Nats-Marker-Reason"]) {
                const text = message.headers?.get(header) ?? "";
                if (text !== "") found[header] = text;
              }
              const { data: body, seq: sequence, subject } = message;
              const recordedAt = Math.floor(message.info.timestampNanos / 1e6);
              Queue.offerUnsafe(queue, entryOf({ subject, sequence, recordedAt, headers: found, body }));
            },
          });
          const end = () => Queue.endUnsafe(queue);
          const ignoreLoss = link.onLost(end);
          void messages.closed().then(end, end);
          return { consumer, messages, ignoreLoss };
        }).pipe(Effect.tapError(() => Queue.end(queue))),
        ({ consumer, ignoreLoss, messages }) =>
          Effect.promise(async () => {
            ignoreLoss();
            messages.stop();
            // Waited for, because a question on a closed connection would keep the process for five seconds; but only
            // for a moment, because a consumer that is left behind goes by itself.
            if (!link.connected || nc.isClosed()) return;
            await Promise.race([consumer.delete().catch(() => undefined), rest(farewellMillis)]);
          }),
      ).pipe(Effect.ignore),
    );

  const watch = (filter: string): Stream.Stream<Entry | "caughtUp", BucketRefused> => {
    const told = telling();
    let isCaughtUp = false;
    /** What is there now, beside what was told before: also what ended while nobody could say so. */
    const listed = Effect.gen(function* () {
      const now = yield* all(filter);
      const living = new Set(now.filter(({ value }) => value !== undefined).map(({ key }) => key));
      const gone = told.keys().filter((key) => !living.has(key));
      const ends = gone.map((key): Entry => ({ key, value: undefined, revision: 0, writtenAt: 0 }));
      for (const key of gone) told.forget(key);
      const items: Array<Entry | "caughtUp"> = [...ends, ...now.flatMap(told.listed)];
      if (!isCaughtUp) items.push("caughtUp");
      isCaughtUp = true;
      return { items, upTo: now.reduce((most, { revision }) => Math.max(most, revision), 0) };
    });
    const persistently = Effect.gen(function* () {
      for (let attempt = 0; ; attempt++) {
        const found = yield* Effect.result(listed);
        if (found._tag === "Success") return found.success;
        if (found.failure._tag === "BucketRefused") return yield* found.failure;
        yield* connection.connected;
        yield* Effect.sleep(retryPauseMillis(attempt));
      }
    });
    const round = Stream.unwrap(
      Effect.map(persistently, ({ items, upTo }) =>
        Stream.concat(
          Stream.fromIterable(items),
          changesAfter(filter, upTo).pipe(Stream.map(told.news), Stream.flattenIterable),
        ),
      ),
    );
    const pause = Stream.drain(Stream.fromEffect(Effect.andThen(connection.connected, Effect.sleep(20))));
    return Stream.forever(Stream.concat(round, pause));
  };

  const self: Bucket = {
    name,
    get,
    put,
    replace: (key, value, revision, lifetime = {}) => publish({ key, value, revision, headers: lives(lifetime) }),
    remove: (key, revision) =>
      Effect.map(publish({ key, revision, headers: removal }), (written) => written !== undefined),
    clear,
    entries: (filter) => Effect.map(all(filter), (found) => found.filter(({ value }) => value !== undefined)),
    watch,
    now: Effect.flatMap(ready, () => serverClock.now(timeQuestion)),
    info: Effect.andThen(
      ready,
      Effect.tryPromise({
        try: () => jsm.streams.info(stream),
        catch: (error) => unavailable(error instanceof Error ? error.message : String(error)),
      }),
    ).pipe(Effect.map(({ state }) => ({ keys: state.messages, bytes: state.bytes }))),
  };
  return self;
});

export const layer = Layer.effect(
  Buckets,
  Effect.gen(function* () {
    const connection = yield* NatsConnection;
    // One for all buckets of a connection, learnt with the first.
    const serverClock = ServerClock.of(connection.nc, yield* Clock.Clock);
    return Buckets.of({ open: (settings) => make(connection, serverClock, settings) });
  }),
);
