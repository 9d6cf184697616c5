/**
 * The program that a wrapped session leaves behind when its recorder is late: it records what the journals of a data
 * folder hold, and ends. Its argument is the data folder.
 *
 * Room: edge.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, Layer, References } from "effect";
import { all } from "./Replay.ts";

const quiet = Layer.succeed(References.MinimumLogLevel, "None");
await Effect.runPromise(all(process.argv[2] ?? "").pipe(Effect.provide(Layer.merge(NodeServices.layer, quiet))));
