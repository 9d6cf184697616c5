/** Configuration and limits on a server: what a process that shares them has, on a connection of its own. */
import { Context, Effect, Layer } from "effect";
import { Buckets } from "../src/coordination/bucket/Bucket.ts";
import * as BucketKv from "../src/coordination/bucket/BucketKv.ts";
import * as Configuration from "../src/coordination/config/Configuration.ts";
import type { Limit } from "../src/coordination/config/Limit.ts";
import * as Limits from "../src/coordination/limits/Limits.ts";
import * as EventLogNats from "../src/log/EventLogNats.ts";
import * as NatsConnection from "../src/log/connection/NatsConnectionNats.ts";

export const shared = Effect.fnUntraced(function* (servers: string) {
  const built = yield* Layer.build(
    Limits.layer.pipe(
      Layer.provideMerge(BucketKv.layer),
      Layer.provideMerge(Configuration.layer()),
      Layer.provide(EventLogNats.layer()),
      Layer.provide(NatsConnection.layer({ servers, name: "bench" })),
    ),
  );
  return {
    config: Context.get(built, Configuration.Configuration),
    limits: Context.get(built, Limits.Limits),
    bucket: yield* Context.get(built, Buckets).open(Limits.bucketSettings),
  };
});

/** A limit that is concerned by every tool call of a user, and that never refuses here. */
export const wideLimit: Limit = { per: ["user"], limit: 1_000_000, windowMillis: 1_000 };
