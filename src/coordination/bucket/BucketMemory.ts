/**
 * Buckets in the memory of one process: for tests, and the example that the other layer follows.
 *
 * Room: coordination.
 *
 * Opened twice under one name it is one bucket, so that two services over one layer are two processes.
 */
import { Clock, Effect, Layer, PubSub, type Scope, Stream } from "effect";
import {
  type Bucket,
  type BucketError,
  BucketRefused,
  Buckets,
  BucketUnavailable,
  type Entry,
  faultOfFilter,
  faultOfKey,
  type Lifetime,
  matches,
  type Settings,
  telling,
} from "./Bucket.ts";

interface Held extends Entry {
  readonly endsAt: number;
}

const make = Effect.fnUntraced(function* (settings: Settings, scope: Scope.Scope) {
  const { name } = settings;
  const held = new Map<string, Held>();
  const changes = yield* PubSub.unbounded<Entry>();
  const clock = yield* Clock.Clock;
  let revision = 0;

  const bytes = () => [...held.values()].reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0);

  const write = (key: string, value: Uint8Array | undefined, lifetime: Lifetime = {}): Effect.Effect<number> =>
    Effect.gen(function* () {
      const writtenAt = clock.currentTimeMillisUnsafe();
      const lifeMillis = Math.min(lifetime.ttlMillis ?? Infinity, settings.ttlMillis ?? Infinity);
      const entry = { key, value, revision: ++revision, writtenAt };
      // As the other layer: whoever comes last stands last.
      held.delete(key);
      held.set(key, { ...entry, endsAt: value === undefined ? Infinity : writtenAt + lifeMillis });
      while (settings.whenFull === "forget" && bytes() > settings.maxBytes) {
        const [oldest] = held.keys();
        if (oldest === undefined) break;
        held.delete(oldest);
      }
      yield* PubSub.publish(changes, entry);
      if (value !== undefined && lifeMillis < Infinity) {
        yield* Effect.forkIn(Effect.andThen(Effect.sleep(lifeMillis), swept), scope);
      }
      return entry.revision;
    });

  /** Ends what has ended, and says so. */
  const swept: Effect.Effect<void> = Effect.suspend(() => {
    const now = clock.currentTimeMillisUnsafe();
    const ended = [...held.values()].filter(({ endsAt }) => endsAt <= now);
    return Effect.forEach(ended, ({ key }) => write(key, undefined), { discard: true });
  });

  const check = (key: string, value?: Uint8Array): Effect.Effect<void, BucketError> => {
    const tooLarge =
      value !== undefined && value.length > settings.maxValueBytes
        ? `the value has ${value.length} bytes; at most ${settings.maxValueBytes} are possible`
        : undefined;
    const reason = faultOfKey(key) ?? tooLarge;
    const isFull =
      settings.whenFull === "refuse" &&
      !held.has(key) &&
      bytes() + key.length + (value?.length ?? 0) > settings.maxBytes;
    if (reason !== undefined) {
      return Effect.fail(new BucketRefused({ bucket: name, key, reason, hint: "Use a shorter value, and keyOf." }));
    }
    return value !== undefined && isFull
      ? Effect.fail(new BucketUnavailable({ bucket: name, reason: "the bucket is full" }))
      : Effect.void;
  };

  const now = (key: string): Entry => {
    const found = held.get(key);
    if (found === undefined) return { key, value: undefined, revision: 0, writtenAt: 0 };
    const { endsAt: _, ...entry } = found;
    return entry;
  };

  const replace = (key: string, value: Uint8Array | undefined, expected: number | undefined, lifetime?: Lifetime) =>
    Effect.gen(function* () {
      yield* check(key, value);
      yield* swept;
      if (expected !== undefined && now(key).revision !== expected) return undefined;
      return yield* write(key, value, lifetime);
    });

  const filtered = (filter: string) => {
    const reason = faultOfFilter(filter);
    return reason === undefined
      ? Effect.void
      : Effect.fail(new BucketRefused({ bucket: name, key: filter, reason, hint: "Tokens between dots." }));
  };

  const entries = Effect.fnUntraced(function* (filter: string) {
    yield* filtered(filter);
    yield* swept;
    return [...held.values()]
      .filter(({ key, value }) => value !== undefined && matches(filter, key))
      .map(({ key }) => now(key));
  });

  const self: Bucket = {
    name,
    get: (key) =>
      Effect.andThen(
        Effect.andThen(check(key), swept),
        Effect.sync(() => now(key)),
      ),
    put: (key, value, lifetime) => Effect.map(replace(key, value, undefined, lifetime), (written) => written ?? 0),
    replace,
    remove: (key, expected, mark = "kept") =>
      Effect.map(replace(key, undefined, expected), (written) => {
        if (written !== undefined && mark === "dropped") held.delete(key);
        return written !== undefined;
      }),
    clear: (filter, upTo = Infinity) =>
      Effect.map(filtered(filter), () => {
        const gone = [...held.values()].filter((entry) => entry.revision <= upTo && matches(filter, entry.key));
        for (const { key } of gone) held.delete(key);
        return gone.length;
      }),
    next: Effect.fnUntraced(function* (filter, { after = 0, most }) {
      yield* filtered(filter);
      yield* swept;
      const all = [...held.values()].filter((entry) => entry.revision > after && matches(filter, entry.key));
      return { entries: all.slice(0, most).map(({ key }) => now(key)), more: Math.max(0, all.length - most) };
    }),
    entries,
    watch: (filter) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const later = yield* PubSub.subscribe(changes);
          const first = yield* entries(filter);
          const told = telling();
          return Stream.concat(
            Stream.fromIterable<Entry | "caughtUp">([...first.flatMap(told.listed), "caughtUp"]),
            Stream.fromSubscription(later).pipe(
              Stream.filter(({ key }) => matches(filter, key)),
              Stream.map(told.news),
              Stream.flattenIterable,
            ),
          );
        }),
      ),
    touched: (filter) =>
      Stream.unwrap(
        Effect.map(Effect.andThen(filtered(filter), PubSub.subscribe(changes)), (later) =>
          Stream.concat(
            Stream.make(undefined),
            Stream.fromSubscription(later).pipe(
              Stream.filter(({ key }) => matches(filter, key)),
              Stream.map(() => undefined),
            ),
          ),
        ),
      ),
    now: Effect.sync(() => clock.currentTimeMillisUnsafe()),
    info: Effect.map(swept, () => ({ keys: held.size, bytes: bytes() })),
  };
  return self;
});

export const layer = Layer.effect(
  Buckets,
  Effect.map(Effect.scope, (scope) => {
    const opened = new Map<string, Bucket>();
    return Buckets.of({
      open: Effect.fnUntraced(function* (settings: Settings) {
        const bucket = opened.get(settings.name) ?? (yield* make(settings, scope));
        opened.set(settings.name, bucket);
        return bucket;
      }),
    });
  }),
);
