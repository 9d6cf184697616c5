/**
 * Folds a stream in a process of its own: `catch-up` or `rebuild`, then the server's URL, the database and the last
 * sequence. Its output is the seconds it took, without the time of its start.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime";
import { Effect, Layer, References } from "effect";
import { readModels } from "../projections/all.ts";
import * as Projector from "../src/projection/Projector.ts";
import { rebuild } from "../src/projection/rebuild/Rebuild.ts";
import { logAt } from "../test/log/natsLayers.ts";

const [what = "", url = "", path = "", events = "0"] = process.argv.slice(2);

const catchUp = Effect.scoped(
  Effect.gen(function* () {
    const projector = yield* Projector.make({ path, projections: readModels });
    yield* projector.awaitSequence(Number(events));
  }),
);
const work = what === "rebuild" ? Effect.asVoid(rebuild({ path, projections: readModels })) : catchUp;

const timed = Effect.gen(function* () {
  const began = performance.now();
  yield* work;
  process.stdout.write(`${(performance.now() - began) / 1000}\n`);
});

NodeRuntime.runMain(
  timed.pipe(
    Effect.provide(logAt(url).pipe(Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Error")))),
    Effect.orDie,
  ),
);
