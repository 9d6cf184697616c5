import { layer } from "@effect/vitest";
import { Layer } from "effect";
import * as Configuration from "../../src/coordination/config/Configuration.ts";
import * as TaskQueueMemory from "../../src/coordination/tasks/queue/TaskQueueMemory.ts";
import * as TaskQueueNats from "../../src/coordination/tasks/queue/TaskQueueNats.ts";
import * as Tasks from "../../src/coordination/tasks/Tasks.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { suite } from "../contract/TaskVerbsContract.ts";
import { logOnServer } from "../log/natsLayers.ts";

const leaseMillis = 1_000;
const tasks = Tasks.layer().pipe(Layer.provideMerge(Configuration.layer()));

const inMemory = tasks.pipe(
  Layer.provideMerge(TaskQueueMemory.layer({ leaseMillis })),
  Layer.provideMerge(EventLogMemory.layer),
);

const onServer = tasks.pipe(
  Layer.provideMerge(TaskQueueNats.layer({ leaseMillis })),
  Layer.provideMerge(logOnServer()),
);

layer(inMemory, { excludeTestServices: true })("tasks in order, in memory", (it) =>
  suite((name, test) => it.effect(name, test)),
);

layer(onServer, { excludeTestServices: true })("tasks in order, on JetStream", (it) =>
  suite((name, test) => it.effect(name, test)),
);
