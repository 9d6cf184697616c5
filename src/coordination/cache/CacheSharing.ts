/**
 * Sharing between the caches of many processes: a place for what is shared, and news of what is no longer so.
 *
 * Room: coordination.
 *
 * Promises, each a test in `test/contract/FileCacheContract.ts` or `test/coordination/FileCacheNats.test.ts`:
 * - what is told reaches every process that listens and is connected, the teller included;
 * - a process that was not connected for a while is told that it may have missed something.
 */
import { Context, type Effect, Schema, type Scope } from "effect";
import type { Buckets } from "../bucket/Bucket.ts";

/** News of what no process may believe any longer. */
export const News = Schema.Union([
  Schema.Struct({ forget: Schema.Literals(["path", "folder"]), path: Schema.String }),
  Schema.Struct({ forget: Schema.Literal("files") }),
  Schema.Struct({
    forget: Schema.Literal("responses"),
    kind: Schema.optionalKey(Schema.String),
    name: Schema.optionalKey(Schema.String),
  }),
]);
export type News = typeof News.Type;

/** Counts of a process since it began. */
export const CacheReport = Schema.Struct({
  process: Schema.String,
  cache: Schema.Literals(["files", "responses"]),
  counts: Schema.Record(Schema.String, Schema.Finite),
});
export type CacheReport = typeof CacheReport.Type;

/** Bytes too large for a bucket, by SHA-256; each goes after a while. Fails with a sentence. */
export interface Objects {
  readonly put: (bytes: Uint8Array) => Effect.Effect<unknown, unknown>;
  readonly get: (sha256: string) => Effect.Effect<Uint8Array | undefined, unknown>;
  readonly clear: Effect.Effect<void, unknown>;
  readonly bytes: Effect.Effect<number, unknown>;
}

export interface Shared {
  readonly buckets: Buckets["Service"];
  /** Touches nothing until its first use; opened again with other ends, it is brought in line with them. */
  readonly objects: (settings: {
    readonly name: string;
    readonly ttlMillis: number;
    readonly maxBytes: number;
  }) => Objects;
}

/** Plain callbacks: news must take effect before anything else runs. */
export interface Listener {
  readonly tenant: string;
  readonly heard: (news: News) => void;
  /** News may have been missed. */
  readonly missed: () => void;
  readonly report: () => CacheReport;
}

export class CacheSharing extends Context.Service<
  CacheSharing,
  {
    /** The place of what is shared; undefined while NATS is unreachable. */
    readonly shared: () => Shared | undefined;
    /** Listens until the scope closes. */
    readonly listen: (listener: Listener) => Effect.Effect<void, never, Scope.Scope>;
    /** Returns true when the server has it, false when NATS is unreachable. */
    readonly tell: (tenant: string, news: News) => Effect.Effect<boolean>;
    /** Counts of the processes that listen, as far as they answer within a second. */
    readonly gather: (tenant: string) => Effect.Effect<ReadonlyArray<CacheReport>>;
  }
>()("recollect/coordination/CacheWire") {}
