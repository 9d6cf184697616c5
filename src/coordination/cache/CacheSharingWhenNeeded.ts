/**
 * From an address, or from nothing, to the wire of the caches: for a program that may begin before its server.
 *
 * Room: coordination.
 *
 * As with `Connect`: never fails because NATS is away, and never waits for it.
 */
import { Effect, Layer } from "effect";
import * as Connect from "../../publish/Connect.ts";
import * as CacheWireNats from "./CacheSharingNats.ts";

export const layer = (options: Connect.Options = {}) =>
  Layer.unwrap(Effect.map(Connect.placeOf(options), ({ log }) => CacheWireNats.layerWhenNeeded(log))).pipe(
    Layer.provide(Connect.folderLayer(options)),
  );
