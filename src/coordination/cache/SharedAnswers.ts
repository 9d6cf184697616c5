/**
 * Answers that processes share: one store of Effect's persistence for each tool or model of a tenant.
 *
 * Room: coordination.
 */
import { Effect, Exit, Layer, Option, Schema, Scope } from "effect";
import { Persistable, Persistence } from "effect/persistence";
import { type Bucket, BucketUnavailable, keyOf, type Settings } from "../bucket/Bucket.ts";
import type { CacheSharing, Shared } from "./CacheSharing.ts";
import * as PersistenceBucket from "../bucket/PersistenceBucket.ts";
import type { Request } from "./RequestKey.ts";
import * as BestEffort from "./BestEffort.ts";
import * as SharedFlights from "./SharedFlights.ts";

export const bucketName = "RECOLLECT_RESPONSES";
/** Patience of a caller that forgets, or looks after the cache. */
const careMillis = 5_000;

/** The answers of one tool or model, or all of the tenant. */
export type Forgetting = Pick<Request, "kind" | "name"> | "all";

export const Kept = Schema.Struct({ json: Schema.String, answeredAt: Schema.Finite, tookMillis: Schema.Finite });
export type Kept = typeof Kept.Type;

class Asking extends Persistable.Class<{ readonly payload: { readonly key: string } }>()("Asking", {
  primaryKey: ({ key }) => key,
  success: Kept,
}) {}

const settingsOf = (maxBytes: number, patienceMillis: number): Settings => ({
  name: bucketName,
  description: "Recollect: answers of tools and models. A cache: may be deleted at any time.",
  storage: "quick",
  maxBytes,
  maxValueBytes: 1024 * 1024 - 1024,
  whenFull: "forget",
  patienceMillis,
});

export const make = (options: {
  readonly wire: CacheSharing["Service"];
  readonly tenant: string;
  readonly patienceMillis: number;
  readonly maxBytes: Effect.Effect<number>;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}) =>
  Effect.gen(function* () {
    const { maxBytes, now, patienceMillis, tenant, wire } = options;
    const scope = yield* Effect.scope;
    const there = BestEffort.make(wire, now);
    let current: { readonly of: Shared; readonly maxBytes: number; readonly bucket: Bucket } | undefined;

    const bucketOf = Effect.fnUntraced(function* (shared: Shared) {
      const most = yield* maxBytes;
      if (current?.of === shared && current.maxBytes === most) return current.bucket;
      const bucket = yield* Scope.provide(shared.buckets.open(settingsOf(most, patienceMillis)), scope);
      current = { of: shared, maxBytes: most, bucket };
      return bucket;
    });
    const bucket = Effect.suspend(() => {
      const shared = wire.shared();
      return shared === undefined
        ? Effect.fail(new BucketUnavailable({ bucket: bucketName, reason: "NATS is unreachable" }))
        : bucketOf(shared);
    });
    const persistence = yield* Persistence.Persistence.pipe(
      Effect.provide(
        Persistence.layer.pipe(
          Layer.provide(Layer.succeed(Persistence.BackingPersistence, PersistenceBucket.make(bucket, [tenant]))),
        ),
      ),
    );
    const storeOf = ({ kind, name }: { readonly kind: string; readonly name: string }, ttlMillis = 0) =>
      Scope.provide(persistence.make({ storeId: `${kind} ${name}`, timeToLive: () => ttlMillis }), scope);
    return {
      flights: yield* SharedFlights.make({ there, tenant, patienceMillis, now }),
      get: (request: Request, key: string) =>
        there
          .attempt(() => Effect.flatMap(storeOf(request), (store) => store.get(new Asking({ key }))))
          .pipe(Effect.map(Option.flatMap((exit) => (exit === undefined ? Option.none() : Exit.getSuccess(exit))))),
      set: (request: Request, key: string, kept: Kept, ttlMillis: number) =>
        there.attempt(() =>
          Effect.flatMap(storeOf(request, ttlMillis), (store) => store.set(new Asking({ key }), Exit.succeed(kept))),
        ),
      clear: (what: Forgetting) =>
        there.attempt(
          (shared) =>
            what === "all"
              ? Effect.flatMap(bucketOf(shared), (open) => open.clear(`${keyOf(tenant)}.>`))
              : Effect.flatMap(storeOf(what), (store) => store.clear),
          careMillis,
        ),
      usage: there.attempt((shared) => Effect.flatMap(bucketOf(shared), (open) => open.info), careMillis),
      failures: there.failures,
    };
  });
