/**
 * The daemon's parts, loaded when this process runs them: beside a running instance a command never does.
 *
 * Room: main.
 */
import { Effect, Layer } from "effect";
import type { Options } from "./Daemon.ts";

export const layer = (options: Options) =>
  Layer.unwrap(
    Effect.map(
      Effect.promise(() => import("./Daemon.ts")),
      (Daemon) => Daemon.layer(options),
    ),
  );
