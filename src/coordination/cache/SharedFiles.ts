/**
 * Contents of files that processes share: by path and version, and by hash.
 *
 * Room: coordination.
 *
 * Two kinds of keys in one bucket: `at.<tenant>.<machine>.<each name of the path>` says which version lies there and what
 * its hash is, and holds the bytes as well when they are few, so that a hit is one round trip; `of.<sha256>` holds bytes by
 * hash. A file larger than a value may be is an object of that name. A folder is a beginning of keys, so all that lies
 * in it goes in one request.
 *
 * Everything here may fail and nothing here matters: the caller reads the file instead.
 */
import { Effect, Option, Scope } from "effect";
import { hash } from "node:crypto";
import { sep } from "node:path";
import { type Bucket, faultOfFilter, faultOfKey, keyOf, type Settings } from "../bucket/Bucket.ts";
import type { CacheSharing, Objects, Shared } from "./CacheSharing.ts";
import { isSame, type Version } from "./DiskFile.ts";
import * as BestEffort from "./BestEffort.ts";

export const bucketName = "RECOLLECT_FILES";
export const objectsName = "RECOLLECT_FILE_CONTENTS";
/**
 * Bytes that stand beside the version. They are stored a second time under their hash; 32 KiB hold nine of ten source files
 * and cost the server less than the second round trip would.
 */
const besideBytes = 32 * 1024;
/** Bytes in one value of the bucket; a value may have 1 MiB, and the larger it is the longer others wait behind it. */
const valueBytes = 256 * 1024;
/** Of the bytes that may be shared, this part is for the bucket; large files are few and fill the rest. */
const bucketShare = 0.25;
/** Some megabytes, read in place of a file. */
const objectMillis = 1_000;
/** Many megabytes take their time, behind the answer. */
const keepMillis = 10_000;
/** Patience of a caller that forgets, or looks after the cache. */
const forgetMillis = 5_000;

/** Version that lies at a path. */
interface At extends Version {
  readonly sha256: string;
}

/**
 * Value that a cache wrote there; undefined for that of another program. Without a Schema, because it is on the way of every hit,
 * and what is believed of it is compared: the version with the file's, the hash with the bytes.
 */
const atOf = (text: string): At | undefined => {
  try {
    const { changedAt, device, inode, modifiedAt, sha256, size } = JSON.parse(text) as Partial<At>;
    if (typeof sha256 !== "string" || size === undefined || inode === undefined || device === undefined)
      return undefined;
    return modifiedAt === undefined || changedAt === undefined
      ? undefined
      : { sha256, size, modifiedAt, changedAt, inode, device };
  } catch {
    return undefined;
  }
};

const newline = 0x0a;

export const digestOf = (bytes: Uint8Array): string => hash("sha256", bytes, "hex");

/** A shared content that was found, and the revision of what was found in its place. */
export interface Found {
  readonly file: { readonly sha256: string; readonly bytes: Uint8Array } | undefined;
  readonly revision: number;
}

export interface Options {
  readonly wire: CacheSharing["Service"];
  readonly tenant: string;
  readonly machine: string;
  readonly patienceMillis: number;
  /** As configured at this moment. */
  readonly ends: Effect.Effect<{ readonly ttlMillis: number; readonly maxBytes: number }>;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

interface Open {
  readonly of: Shared;
  readonly ttlMillis: number;
  readonly maxBytes: number;
  readonly patienceMillis: number;
  readonly bucket: Bucket;
  readonly objects: Objects;
}

const settingsOf = ({ maxBytes, patienceMillis, ttlMillis }: Omit<Open, "of" | "bucket" | "objects">): Settings => ({
  name: bucketName,
  description: "Recollect: contents of files. A cache: may be deleted at any time.",
  storage: "quick",
  ttlMillis,
  maxBytes: Math.floor(maxBytes * bucketShare),
  maxValueBytes: valueBytes,
  whenFull: "forget",
  patienceMillis,
});

const namesOf = (path: string): ReadonlyArray<string> => path.split(sep).filter((name) => name !== "");

export const make = (options: Options) =>
  Effect.gen(function* () {
    const { ends, machine, now, patienceMillis, tenant, wire } = options;
    const scope = yield* Effect.scope;
    let current: Open | undefined;
    const there = BestEffort.make(wire, now);

    /** Bucket and objects with the ends that are configured now. */
    const opened = Effect.fnUntraced(function* (shared: Shared) {
      const { maxBytes, ttlMillis } = yield* ends;
      if (current?.of === shared && current.ttlMillis === ttlMillis && current.maxBytes === maxBytes) return current;
      const bucket = yield* Effect.provideService(
        shared.buckets.open(settingsOf({ ttlMillis, maxBytes, patienceMillis })),
        Scope.Scope,
        scope,
      );
      const objectBytes = maxBytes - Math.floor(maxBytes * bucketShare);
      const objects = shared.objects({ name: objectsName, ttlMillis, maxBytes: objectBytes });
      return (current = { of: shared, ttlMillis, maxBytes, patienceMillis, bucket, objects });
    });

    const attempt = <A>(work: (open: Open) => Effect.Effect<A, unknown>, millis?: number) =>
      there.attempt((shared) => Effect.flatMap(opened(shared), work), millis);

    const keysAt = keyOf("at", tenant, machine);
    const keyAt = (path: string): string => `${keysAt}.${keyOf(...namesOf(path))}`;
    const keyBy = (sha256: string): string => keyOf("of", sha256);

    /** Undefined for bytes that do not match their name. */
    const checked = (sha256: string, bytes: Uint8Array | undefined): Uint8Array | undefined =>
      bytes !== undefined && digestOf(bytes) === sha256 ? bytes : undefined;

    const bySha = Effect.fnUntraced(function* ({ bucket, objects }: Open, sha256: string) {
      const { value } = yield* bucket.get(keyBy(sha256));
      return checked(sha256, value) ?? (yield* Effect.timeout(objects.get(sha256), objectMillis));
    });

    const readAt = (value: Uint8Array) => {
      const end = value.indexOf(newline);
      const head = Buffer.from(value.buffer, value.byteOffset, end < 0 ? value.length : end);
      const at = atOf(head.toString("utf8"));
      return at === undefined ? undefined : { at, bytes: end < 0 ? undefined : value.subarray(end + 1) };
    };

    const find = (path: string, version: Version): Effect.Effect<Found | undefined> => {
      const key = keyAt(path);
      if (faultOfKey(key) !== undefined) return Effect.undefined;
      const found = attempt(
        Effect.fnUntraced(function* (open) {
          const { revision, value } = yield* open.bucket.get(key);
          const read = value === undefined ? undefined : readAt(value);
          if (read === undefined || !isSame(read.at, version)) return { file: undefined, revision };
          const { sha256 } = read.at;
          const beside = checked(sha256, read.bytes);
          const bytes = beside ?? (read.bytes === undefined ? yield* bySha(open, sha256) : undefined);
          return { file: bytes === undefined ? undefined : { sha256, bytes }, revision };
        }),
      );
      return Effect.map(found, Option.getOrUndefined);
    };

    /** `revision`: that found before the file was read; a write or removal since then stays as it is. */
    const keep = (file: {
      readonly path: string;
      readonly version: Version;
      readonly sha256: string;
      readonly bytes: Uint8Array;
      readonly revision: number;
    }): Effect.Effect<boolean> => {
      const { bytes, path, revision, sha256, version } = file;
      const key = keyAt(path);
      const head = Buffer.from(`${JSON.stringify({ path, sha256, ...version })}`, "utf8");
      const isBeside = bytes.length <= besideBytes;
      const value = isBeside ? Buffer.concat([head, Uint8Array.of(newline), bytes]) : head;
      const kept = attempt(
        Effect.fnUntraced(function* ({ bucket, objects }) {
          const at = faultOfKey(key) === undefined ? bucket.replace(key, value, revision) : Effect.void;
          // Bytes kept under that hash before are the same.
          const by = bytes.length > valueBytes ? objects.put(bytes) : bucket.replace(keyBy(sha256), bytes, 0);
          if (isBeside) return yield* Effect.all([by, at], { concurrency: 2, discard: true });
          // The bytes first: a version whose bytes are nowhere is of no use.
          yield* by;
          yield* at;
        }),
        keepMillis,
      );
      return Effect.map(kept, Option.isSome);
    };

    return {
      find,
      keep,
      bySha: (sha256: string): Effect.Effect<Uint8Array | undefined> =>
        Effect.map(
          attempt((open) => bySha(open, sha256)),
          Option.getOrUndefined,
        ),
      /** On every machine of the tenant. False: nothing is shared now, so it may still be there. */
      forget: (what: { readonly path: string } | { readonly folder: string } | "all"): Effect.Effect<boolean> =>
        Effect.map(
          attempt(
            Effect.fnUntraced(function* ({ bucket, objects }) {
              if (what === "all") {
                yield* bucket.clear(">");
                return yield* objects.clear;
              }
              const isFolder = "folder" in what;
              const names = namesOf(isFolder ? what.folder : what.path).map((name) => keyOf(name));
              const filter = ["at", keyOf(tenant), "*", ...names, ...(isFolder ? [">"] : [])].join(".");
              // Of a path that is too long for a key nothing is shared.
              if (faultOfFilter(filter) === undefined) yield* bucket.clear(filter);
            }),
            forgetMillis,
          ),
          Option.isSome,
        ),
      usage: attempt(
        ({ bucket, objects }) => Effect.all({ bucket: bucket.info, objectBytes: objects.bytes }),
        forgetMillis,
      ),
      failures: there.failures,
    };
  });
