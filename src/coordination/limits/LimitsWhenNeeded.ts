/**
 * From an address, or from nothing, to limits: for a program that may begin before its server.
 *
 * Room: coordination.
 *
 * Needs the configuration of the same place. While the log is away the limits that were last known hold, and each decides
 * by its own policy; a process that has never seen its server knows only those of its file and its environment.
 */
import { Effect, Layer } from "effect";
import * as Connect from "../../publish/Connect.ts";
import * as BucketsWhenNeeded from "../bucket/BucketsWhenNeeded.ts";
import * as LimiterStore from "./LimiterStore.ts";
import * as Limits from "./Limits.ts";

export const layer = (options: Connect.Options = {}) =>
  Layer.unwrap(
    Effect.map(Connect.placeOf(options), ({ log }) =>
      Limits.layer.pipe(Layer.provide(LimiterStore.layer), Layer.provide(BucketsWhenNeeded.layer(log))),
    ),
  ).pipe(Layer.provide(Connect.folderLayer(options)));
