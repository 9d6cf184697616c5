import { assert, describe, it } from "@effect/vitest";
import { Context, Effect, Layer } from "effect";
import * as Configuration from "../../src/coordination/config/Configuration.ts";
import { TaskQueue, type Trouble } from "../../src/coordination/tasks/queue/TaskQueue.ts";
import * as TaskQueueMemory from "../../src/coordination/tasks/queue/TaskQueueMemory.ts";
import * as Tasks from "../../src/coordination/tasks/Tasks.ts";
import { work } from "../../src/coordination/tasks/Worker.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { until } from "../publish/World.ts";

/** A queue that tells each take, in turns, two reasons why it gets nothing. */
let takes = 0;
const troubled = Layer.effectContext(
  Effect.gen(function* () {
    const memory = yield* Layer.build(TaskQueueMemory.layer());
    const take: TaskQueue["Service"]["take"] = ([agentType = ""], trouble) =>
      Effect.suspend(() => {
        takes++;
        for (const reason of ["no right", "no stream", "no right", "no stream"]) trouble?.({ agentType, reason });
        return Effect.never;
      });
    return Context.add(memory, TaskQueue, TaskQueue.of({ ...Context.get(memory, TaskQueue), take }));
  }),
);

const tasks = Tasks.layer().pipe(
  Layer.provideMerge(Configuration.layer()),
  Layer.provideMerge(troubled),
  Layer.provideMerge(EventLogMemory.layer),
);

describe("a worker that cannot get work", () => {
  it.live("tells its owner why, each reason once for all of its places and tries", () =>
    Effect.gen(function* () {
      const told: Array<Trouble> = [];
      const onTrouble = (trouble: Trouble) => void told.push(trouble);
      yield* Effect.forkScoped(work({ agentTypes: ["t"], concurrency: 3, run: () => Effect.succeed(1), onTrouble }));
      yield* until(Effect.sync(() => takes === 3));
      assert.deepStrictEqual(told, [
        { agentType: "t", reason: "no right" },
        { agentType: "t", reason: "no stream" },
      ]);
    }).pipe(Effect.scoped, Effect.provide(tasks)),
  );
});
