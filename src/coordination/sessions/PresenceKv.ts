/**
 * Presence on a NATS server.
 *
 * Room: coordination.
 */
import { Layer } from "effect";
import * as BucketKv from "../bucket/BucketKv.ts";
import * as Presence from "./Presence.ts";

export const layer = (options: Presence.Options = {}) => Presence.layer(options).pipe(Layer.provide(BucketKv.layer));
