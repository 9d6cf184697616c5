/**
 * A bucket: small values by key that several processes share, each with a revision and, if wanted, an end.
 *
 * Room: coordination.
 *
 * Promises, each a test in `test/contract/BucketContract.ts`, kept by every layer:
 * - of two writers that replace the same revision exactly one wins, and the other is told so;
 * - a value that has an end is gone after it, never before;
 * - a watch tells of every key that is there and then of every change, also of an end and of what happened while the
 *   server was away; what several changes made of a key in between may be told as one;
 * - a bucket that was deleted under us is made anew at its next use.
 *
 * A bucket is no log: whatever must never be lost is an event.
 */
import { Context, type Effect, Schema, type Scope, type Stream } from "effect";
import { encodeToken } from "../../log/Subject.ts";

/** The bucket cannot be reached or did not answer in time. A write may or may not have happened. */
export class BucketUnavailable extends Schema.TaggedError<BucketUnavailable>()("BucketUnavailable", {
  bucket: Schema.String,
  reason: Schema.String,
  hint: Schema.optionalKey(Schema.String),
}) {
  override get message() {
    return this.reason;
  }
}

/** This key or value can never be in the bucket. Nothing was written. */
export class BucketRefused extends Schema.TaggedError<BucketRefused>()("BucketRefused", {
  bucket: Schema.String,
  key: Schema.String,
  reason: Schema.String,
  hint: Schema.String,
}) {
  override get message() {
    return this.reason;
  }
}

export interface Settings {
  /** Letters, digits, `-` and `_`, as `RECOLLECT_TASKS`. */
  readonly name: string;
  /** One sentence for whoever lists the server's streams. */
  readonly description: string;
  /**
   * - `durable`: acknowledged is as safe as an event, one fsync a write
   * - `quick`: on disk a moment later; a server that is killed loses its last writes (one replica)
   * - `memory`: gone when the server restarts
   */
  readonly storage: "durable" | "quick" | "memory";
  /** Every value ends this long after it was written; absent: never, unless the write says so. */
  readonly ttlMillis?: number | undefined;
  readonly maxBytes: number;
  /** Largest value; at most 1 MiB, what a server takes in one message. */
  readonly maxValueBytes: number;
  /** `refuse`: new keys are `BucketUnavailable`. `forget`: the oldest value goes. */
  readonly whenFull: "refuse" | "forget";
  /** Patience with one request, milliseconds. Default 2,000: longer is worse than none. */
  readonly patienceMillis?: number | undefined;
  /** 1, 3 or 5. Default 1. */
  readonly replicas?: number | undefined;
}

export interface Entry {
  readonly key: string;
  /** Undefined when there is none: never was, removed, or ended. */
  readonly value: Uint8Array | undefined;
  /** Expected by `replace`: that of the value, or of the mark that it is gone, or 0. Ascends within a bucket. */
  readonly revision: number;
  /** Time of its writing, epoch milliseconds by the bucket's clock; 0 for what never was. */
  readonly writtenAt: number;
}

export interface Lifetime {
  /** This value's own end. Whole seconds, rounded up, because the server counts in them; it may stay a second or two longer. */
  readonly ttlMillis?: number | undefined;
}

export type BucketError = BucketUnavailable | BucketRefused;

export interface Bucket {
  readonly name: string;
  readonly get: (key: string) => Effect.Effect<Entry, BucketError>;
  /** Writes whatever is there. Returns the new revision. */
  readonly put: (key: string, value: Uint8Array, lifetime?: Lifetime) => Effect.Effect<number, BucketError>;
  /** Writes only if the key still has that revision (0: never written). Undefined when another process wrote first. */
  readonly replace: (
    key: string,
    value: Uint8Array,
    revision: number,
    lifetime?: Lifetime,
  ) => Effect.Effect<number | undefined, BucketError>;
  /**
   * Removes the value, with `revision` only if the key still has that one. False when another process wrote first. It leaves
   * a mark for a minute, for those who watch; `dropped`: the mark goes at once, where it would lie before what comes later.
   */
  readonly remove: (key: string, revision?: number, mark?: "kept" | "dropped") => Effect.Effect<boolean, BucketError>;
  /**
   * Removes everything whose key matches, in one request however much it is, and leaves no mark; with `upTo` only what has
   * that revision or an earlier one. Returns how many values and marks went. A `watch` is not told.
   */
  readonly clear: (filter: string, upTo?: number) => Effect.Effect<number, BucketError>;
  /**
   * The first values and marks whose key matches, in ascending order of revision, in one request: those behind `after`
   * (default 0), at most `most`. `more`: how many follow.
   */
  readonly next: (
    filter: string,
    options: { readonly after?: number; readonly most: number },
  ) => Effect.Effect<{ readonly entries: ReadonlyArray<Entry>; readonly more: number }, BucketError>;
  /** Everything whose key matches, as it is now, oldest first. `*` stands for one token of a key, a last `>` for the rest. */
  readonly entries: (filter: string) => Effect.Effect<ReadonlyArray<Entry>, BucketError>;
  /**
   * Values that match, then `"caughtUp"` once, then every change as it comes, for ever. After the server was away it goes
   * on with what changed meanwhile.
   */
  readonly watch: (filter: string) => Stream.Stream<Entry | "caughtUp", BucketRefused>;
  /**
   * Says nothing but that something which matches may have been written: once as soon as it listens, then at each write,
   * for ever. Values written while the server was away are told by listening again.
   */
  readonly touched: (filter: string) => Stream.Stream<void, BucketRefused>;
  /** The time by the bucket's clock, epoch milliseconds: one clock for every process, as good as half a round trip. */
  readonly now: Effect.Effect<number, BucketUnavailable>;
  /** Count of the values, with the marks of removed ones, and their bytes. */
  readonly info: Effect.Effect<{ readonly keys: number; readonly bytes: number }, BucketUnavailable>;
}

export class Buckets extends Context.Service<
  Buckets,
  {
    /** The bucket of that name; made at its first use, or brought in line with these settings. Touches nothing yet. */
    readonly open: (settings: Settings) => Effect.Effect<Bucket, never, Scope.Scope>;
  }
>()("recollect/coordination/Buckets") {}

/** A key of several names, each of them any text. Filters may have `*` and `>` between them, so those are encoded too. */
export const keyOf = (...names: ReadonlyArray<string>): string => names.map(encodeToken).join(".");

/** Longest key, in characters: nats-server keeps every subject in memory, and an id alone may take 600 of them. */
export const maxKeyLength = 2_000;

const keyPattern = /^[-\w/=]+(?:\.[-\w/=]+)*$/;
const filterPattern = /^(?:(?:[-\w/=]+|\*)(?:\.(?:[-\w/=]+|\*))*(?:\.>)?|>)$/;

/** Fault of a key; undefined when it can be one. */
export const faultOfKey = (key: string): string | undefined => {
  if (key.length > maxKeyLength) return `the key has ${key.length} characters; at most ${maxKeyLength} are possible`;
  return keyPattern.test(key) ? undefined : "the key is empty or has characters that a key cannot have";
};

export const faultOfFilter = (filter: string): string | undefined =>
  filter.length <= maxKeyLength && filterPattern.test(filter) ? undefined : "this is no filter for keys";

/** True when a key matches a filter. */
export const matches = (filter: string, key: string): boolean => {
  const wanted = filter.split(".");
  const tokens = key.split(".");
  for (const [at, token] of wanted.entries()) {
    if (token === ">") return tokens.length > at;
    if (tokens[at] === undefined || (token !== "*" && token !== tokens[at])) return false;
  }
  return tokens.length === wanted.length;
};

/** Memory of what a watcher has been told: passes on what is news to it, and says which keys it believes in. */
export const telling = () => {
  const told = new Map<string, number>();
  const pass = (entry: Entry): ReadonlyArray<Entry> => {
    if (entry.value === undefined) return told.delete(entry.key) ? [entry] : [];
    told.set(entry.key, entry.revision);
    return [entry];
  };
  return {
    keys: () => [...told.keys()],
    forget: (key: string) => void told.delete(key),
    /** The entry of a list, if the watcher does not know it. A bucket that was lost counts anew: any other revision is news. */
    listed: (entry: Entry): ReadonlyArray<Entry> => (entry.revision === told.get(entry.key) ? [] : pass(entry)),
    /** The entry of a change, if it comes after what the watcher knows: a value, or the end of one. */
    news: (entry: Entry): ReadonlyArray<Entry> => (entry.revision <= (told.get(entry.key) ?? 0) ? [] : pass(entry)),
  };
};
