/**
 * From an address, or from nothing, to sessions: a publisher, and presence over a connection of its own.
 *
 * Room: coordination.
 *
 * As with `Connect`: never fails because NATS is away, and never waits for it.
 */
import { Effect, Layer } from "effect";
import * as Connect from "../../publish/Connect.ts";
import * as BucketsWhenNeeded from "../bucket/BucketsWhenNeeded.ts";
import * as Presence from "./Presence.ts";
import * as Sessions from "./Sessions.ts";

/** Sessions, and the publisher that they speak through. */
export const layer = (options: Connect.Options = {}) => {
  const buckets = Layer.unwrap(Effect.map(Connect.placeOf(options), ({ log }) => BucketsWhenNeeded.layer(log)));
  return Sessions.layer.pipe(
    Layer.provide(Presence.layer()),
    Layer.provide(buckets.pipe(Layer.provide(Connect.folderLayer(options)))),
    Layer.provideMerge(Connect.layer(options)),
  );
};
