/**
 * From an address, or from nothing, to limits: for a program that may begin before its server.
 *
 * Room: coordination. In: publish (Connect), BucketsWhenNeeded, ConfigFile, Limits. Out: edge.
 *
 * Needs the log that `Connect` gives. While it is away the limits that were last known hold, and each decides by its own
 * policy; a process that has never seen its server knows none.
 */
import { Effect, Layer } from "effect";
import * as Connect from "../publish/Connect.ts";
import * as BucketsWhenNeeded from "./BucketsWhenNeeded.ts";
import * as ConfigFile from "./ConfigFile.ts";
import * as LimiterStore from "./LimiterStore.ts";
import * as Limits from "./Limits.ts";

export const layer = (options: Connect.Options = {}) =>
  Layer.unwrap(
    Effect.map(Connect.placeOf(options), ({ folder, log }) =>
      Limits.layer.pipe(
        Layer.provide(LimiterStore.layer),
        Layer.provide(BucketsWhenNeeded.layer(log)),
        Layer.provide(ConfigFile.layer({ folder: folder.root, tenant: options.tenant })),
      ),
    ),
  ).pipe(Layer.provide(Connect.folderLayer(options)));
