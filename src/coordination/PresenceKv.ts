/**
 * Presence on a NATS server.
 *
 * Room: coordination. In: BucketKv, Presence. Out: edge, main.
 */
import { Layer } from "effect";
import * as BucketKv from "./BucketKv.ts";
import * as Presence from "./Presence.ts";

export const layer = (options: Presence.Options = {}) => Presence.layer(options).pipe(Layer.provide(BucketKv.layer));
