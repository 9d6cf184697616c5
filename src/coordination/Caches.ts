/**
 * From an address, or from nothing, to what the caches stand on: their wire, and the configuration of the data folder.
 *
 * Room: coordination. In: publish (Connect), CacheWireNats, ConfigFile. Out: RecollectCache, edge.
 *
 * As with `Connect`: never fails because NATS is away, and never waits for it.
 */
import { Effect, Layer } from "effect";
import * as Connect from "../publish/Connect.ts";
import * as CacheWireNats from "./CacheWireNats.ts";
import * as ConfigFile from "./ConfigFile.ts";

/** Needs the log of `Connect.layer` of the same options. */
export const around = (options: Connect.Options) =>
  Layer.unwrap(
    Effect.map(Connect.placeOf(options), ({ folder, log }) =>
      Layer.merge(
        CacheWireNats.layerWhenNeeded(log),
        ConfigFile.layer({ folder: folder.root, tenant: options.tenant }),
      ),
    ),
  ).pipe(Layer.provide(Connect.folderLayer(options)));
