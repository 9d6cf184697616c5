import { layer } from "@effect/vitest";
import { Layer } from "effect";
import * as Configuration from "../../src/coordination/Configuration.ts";
import * as TaskQueueMemory from "../../src/coordination/TaskQueueMemory.ts";
import * as TaskQueueNats from "../../src/coordination/TaskQueueNats.ts";
import * as Tasks from "../../src/coordination/Tasks.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { leaseMillis, suite } from "../contract/TasksContract.ts";
import { logOnServer } from "../log/natsLayers.ts";

const inMemory = Tasks.layer().pipe(
  Layer.provideMerge(Configuration.layer()),
  Layer.provideMerge(TaskQueueMemory.layer({ leaseMillis })),
  Layer.provideMerge(EventLogMemory.layer),
);

const onServer = Tasks.layer().pipe(
  Layer.provideMerge(Configuration.layer()),
  Layer.provideMerge(TaskQueueNats.layer({ leaseMillis })),
  Layer.provideMerge(logOnServer()),
);

layer(inMemory, { excludeTestServices: true })("tasks in memory", (it) => suite((name, test) => it.effect(name, test)));

layer(onServer, { excludeTestServices: true })("tasks on JetStream", (it) =>
  suite((name, test) => it.effect(name, test)),
);
