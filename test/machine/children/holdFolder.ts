/** A process that holds a data folder until it is killed. Says "held" when it does. Argument: the folder. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Console, Effect, Layer, Logger } from "effect";
import * as DataFolder from "../../../src/machine/DataFolder.ts";
import * as FolderLock from "../../../src/machine/FolderLockSqlite.ts";
import * as Instance from "../../../src/machine/Instance.ts";

const hold = Effect.gen(function* () {
  yield* FolderLock.acquire();
  yield* Instance.publish({ pid: process.pid, nats: "nats://127.0.0.1:1", database: "x", startedAt: 1, version: "0" });
  yield* Console.log("held");
  return yield* Effect.never;
});

NodeRuntime.runMain(
  hold.pipe(
    Effect.scoped,
    // Without a logger: a warning about open files would be its first line, before it holds anything.
    Effect.provide(
      DataFolder.layer({ data: process.argv[2] }).pipe(
        Layer.provideMerge(Layer.merge(NodeServices.layer, Logger.layer([]))),
      ),
    ),
  ),
);
