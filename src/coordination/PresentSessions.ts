/**
 * From an address, or from nothing, to sessions: a publisher, and presence over a connection of its own.
 *
 * Room: coordination. In: publish (Connect), PresenceKv, Sessions. Out: RecollectSessions, edge.
 *
 * As with `Connect`: never fails because NATS is away, and never waits for it.
 */
import { Effect, Layer } from "effect";
import * as Connect from "../publish/Connect.ts";
import * as PresenceKv from "./PresenceKv.ts";
import * as Sessions from "./Sessions.ts";

/** Sessions, and the publisher that they speak through. */
export const layer = (options: Connect.Options = {}) => {
  const presence = Layer.unwrap(Effect.map(Connect.placeOf(options), ({ log }) => PresenceKv.layerWhenNeeded(log)));
  return Sessions.layer.pipe(
    Layer.provide(presence.pipe(Layer.provide(Connect.folderLayer(options)))),
    Layer.provideMerge(Connect.layer(options)),
  );
};
