/** A process that runs a supervised nats-server until it is killed. Prints the server's pid. Argument: the folder. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Console, Effect, Layer, Option } from "effect";
import * as DataFolder from "../../../src/machine/DataFolder.ts";
import * as NatsBinary from "../../../src/machine/nats/NatsBinary.ts";
import * as NatsProcess from "../../../src/machine/nats/NatsProcess.ts";

const run = Effect.gen(function* () {
  const server = yield* NatsProcess.NatsProcess;
  yield* Console.log(Option.getOrElse(yield* server.pid, () => 0));
  return yield* Effect.never;
});

NodeRuntime.runMain(
  run.pipe(
    Effect.provide(
      NatsProcess.layer({}).pipe(
        Layer.provide(Layer.merge(DataFolder.layer({ data: process.argv[2] }), NatsBinary.layer)),
        Layer.provide(NodeServices.layer),
      ),
    ),
  ),
);
