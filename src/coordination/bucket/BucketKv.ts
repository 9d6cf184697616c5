/**
 * Buckets in JetStream: each a KV bucket, readable with every NATS client's own KV functions.
 *
 * Room: coordination.
 *
 * One operation is one round trip. Nothing is repeated in silence: only where the server says that it has no such stream, the
 * bucket is made (again) and the same is asked once more.
 *
 * Decision: own requests in place of the client's KV, because its `put` cannot give a value an end (ADR-48 forbids it for
 * buckets with several values a key; ours have one), and its watch goes on a minute after a reconnect and leaves a
 * consumer behind for five.
 */
import { DeliverPolicy, type JsMsg, type OrderedPushConsumerOptions } from "@nats-io/jetstream";
import { headers } from "@nats-io/transport-node";
import { Clock, Effect, Layer, Queue, Semaphore, Stream } from "effect";
import * as DirectGet from "../../log/read/DirectGetNats.ts";
import type { NoAnswer } from "../../log/connection/RepliesNats.ts";
import { NatsConnection } from "../../log/connection/NatsConnectionNats.ts";
import { retryPauseMillis } from "../../log/connection/PatienceNats.ts";
import { type ApiError, apiCode, ask, isPlace } from "../../log/connection/RequestNats.ts";
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
import { ensureStream, markMillis } from "./BucketStreamNats.ts";
import { ServerClock } from "../../log/connection/ServerClockNats.ts";

type Connection = NatsConnection["Service"];

/** Coordination that takes longer than this is worse than none. */
const timeoutMillis = 2_000;

/** Longest wait of the end of a watch for its consumer to go. */
const farewellMillis = 500;

const rest = (millis: number) => new Promise((resolve) => void setTimeout(resolve, millis).unref());

/** Whole seconds: what the server understands. */
const ttlHeader = (millis: number): string => `${Math.max(1, Math.ceil(millis / 1000))}s`;

interface PubAck {
  readonly seq?: unknown;
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

  /** One round trip; a second one only after the server said that it has no such stream. */
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
    if (ack.error === undefined)
      return isPlace(ack.seq) ? ack.seq : yield* unavailable("the answer is no acknowledgement of a stream");
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

  const next: Bucket["next"] = Effect.fnUntraced(function* (filter, { after = 0, most }) {
    yield* filtered(filter);
    yield* ready;
    const batch = yield* Effect.mapError(
      direct.batch(stream, { seq: after + 1, next_by_subj: `${prefix}${filter}` }, most),
      ({ reason }) => {
        isThere = false;
        return unavailable(reason);
      },
    );
    return { entries: batch.map(entryOf), more: batch.at(-1)?.pending ?? 0 };
  });

  /** Each key has one message, so everything in order of sequence is every key once. Marks included. */
  const all = Effect.fnUntraced(function* (filter: string) {
    const found = new Map<string, Entry>();
    for (let after = 0; ;) {
      const { entries, more } = yield* next(filter, { after, most: Infinity });
      for (const entry of entries) {
        // A key that was written while we read comes again, behind.
        found.delete(entry.key);
        found.set(entry.key, entry);
      }
      if (more === 0) return [...found.values()];
      after = entries.at(-1)?.revision ?? after;
    }
  });

  /** The server does it by itself: no value travels. A purge goes up to a sequence, without that one. */
  const clear: Bucket["clear"] = Effect.fnUntraced(function* (filter, upTo) {
    yield* filtered(filter);
    yield* ready;
    const until = upTo === undefined ? {} : { seq: upTo + 1 };
    const { purged } = yield* Effect.tryPromise({
      try: () => jsm.streams.purge(stream, { filter: `${prefix}${filter}`, ...until }),
      catch: (error) => {
        isThere = false;
        return unavailable(error instanceof Error ? error.message : String(error));
      },
    });
    return purged;
  });

  /** Everything that a consumer brings, until the connection or the consumer is lost; `first` as soon as it is there. */
  const consumed = <A>(options: {
    readonly consumer: Partial<OrderedPushConsumerOptions>;
    readonly of: (message: JsMsg) => A;
    readonly first?: A;
  }) =>
    Stream.callback<A>((queue) =>
      Effect.acquireRelease(
        Effect.tryPromise(async () => {
          const consumer = await js.consumers.getPushConsumer(stream, options.consumer);
          const messages = await consumer.consume({
            callback: (message) => void Queue.offerUnsafe(queue, options.of(message)),
          });
          if ("first" in options) Queue.offerUnsafe(queue, options.first);
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

  /** Every change after a revision. */
  const changesAfter = (filter: string, revision: number) =>
    consumed({
      consumer: {
        filter_subjects: [`${prefix}${filter}`],
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: revision + 1,
      },
      of: (message) => {
        const found: Record<string, string> = {};
        for (const header of ["KV-Operation", "Nats-Marker-Reason"]) {
          const text = message.headers?.get(header) ?? "";
          if (text !== "") found[header] = text;
        }
        const { data: body, seq: sequence, subject } = message;
        const recordedAt = Math.floor(message.info.timestampNanos / 1e6);
        return entryOf({ subject, sequence, recordedAt, headers: found, body });
      },
    });

  const untilThere = Stream.drain(Stream.fromEffect(Effect.andThen(connection.connected, Effect.sleep(20))));

  const touched = (filter: string): Stream.Stream<void, BucketRefused> => {
    const writes = consumed<void>({
      consumer: {
        filter_subjects: [`${prefix}${filter}`],
        deliver_policy: DeliverPolicy.New,
        headers_only: true,
      },
      of: () => undefined,
      first: undefined,
    });
    const round = Stream.unwrap(Effect.as(Effect.andThen(filtered(filter), Effect.ignore(ready)), writes));
    return Stream.forever(Stream.concat(round, untilThere));
  };

  const watch = (filter: string): Stream.Stream<Entry | "caughtUp", BucketRefused> => {
    const told = telling();
    let isCaughtUp = false;
    /** Changes since what was told before: also what ended while the server was unreachable. */
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
    return Stream.forever(Stream.concat(round, untilThere));
  };

  /** Said once and not waited for: a mark that stays ends by itself. */
  const forgetMark = (key: string, revision: number): void => {
    if (!link.connected || nc.isClosed()) return;
    const mark = { filter: `${prefix}${key}`, seq: revision + 1 };
    nc.publish(`$JS.API.STREAM.PURGE.${stream}`, JSON.stringify(mark));
  };

  const self: Bucket = {
    name,
    get,
    put,
    replace: (key, value, revision, lifetime = {}) => publish({ key, value, revision, headers: lives(lifetime) }),
    remove: (key, revision, mark = "kept") =>
      Effect.map(publish({ key, revision, headers: removal }), (written) => {
        if (written !== undefined && mark === "dropped") forgetMark(key, written);
        return written !== undefined;
      }),
    clear,
    entries: (filter) => Effect.map(all(filter), (found) => found.filter(({ value }) => value !== undefined)),
    watch,
    touched,
    next,
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
