/**
 * From an address, or from nothing, to limits: for a program that may begin before its server.
 *
 * Room: coordination. In: publish (Connect), BucketsWhenNeeded, Configuration, Limits. Out: edge.
 *
 * Needs the log that `Connect` gives. While it is away the limits that were last known hold, and each decides by its own
 * policy; a process that has never seen its server knows none.
 */
import { Effect, Layer } from "effect";
import * as Connect from "../publish/Connect.ts";
import * as BucketsWhenNeeded from "./BucketsWhenNeeded.ts";
import * as Configuration from "./Configuration.ts";
import * as LimiterStore from "./LimiterStore.ts";
import * as Limits from "./Limits.ts";

export const layer = (options: Connect.Options = {}) => {
  const buckets = Layer.unwrap(Effect.map(Connect.placeOf(options), ({ log }) => BucketsWhenNeeded.layer(log)));
  return Limits.layer.pipe(
    Layer.provide(LimiterStore.layer),
    Layer.provide(buckets.pipe(Layer.provide(Connect.folderLayer(options)))),
    Layer.provide(Configuration.layer({ tenant: options.tenant })),
  );
};
