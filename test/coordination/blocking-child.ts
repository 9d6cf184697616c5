/**
 * A worker whose handler keeps its thread: `node blocking-child.ts URL TYPE LEASE MILLIS`. Its first line says that it works.
 */
import { Effect, Layer } from "effect";
import { writeSync } from "node:fs";
import * as TaskQueueNats from "../../src/coordination/tasks/queue/TaskQueueNats.ts";
import * as Tasks from "../../src/coordination/tasks/Tasks.ts";
import { work } from "../../src/coordination/tasks/Worker.ts";
import { logAt } from "../log/natsLayers.ts";

const [url = "", agentType = "", lease = "", millis = ""] = process.argv.slice(2);

const block = Effect.sync(() => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(millis));
  return "late";
});

const layer = Tasks.layer().pipe(
  Layer.provide(TaskQueueNats.layer({ leaseMillis: Number(lease) })),
  Layer.provide(logAt(url)),
);
const ready = Effect.sync(() => writeSync(1, "working\n"));
await Effect.runPromise(
  Effect.andThen(ready, work({ agentTypes: [agentType], run: () => block })).pipe(Effect.provide(layer)),
);
