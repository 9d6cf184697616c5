import * as NodeServices from "@effect/platform-node/NodeServices";
import { assert, describe, it } from "@effect/vitest";
import { headers as natsHeaders } from "@nats-io/transport-node";
import { Context, Effect, FileSystem, Layer, References } from "effect";
import * as TaskQueueNats from "../../src/coordination/tasks/queue/TaskQueueNats.ts";
import { Tasks } from "../../src/coordination/tasks/Tasks.ts";
import { task as historyOf } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import { NatsConnection } from "../../src/log/connection/NatsConnectionNats.ts";
import { folding } from "../../src/main/Folding.ts";
import { reading } from "../../src/main/Layers.ts";
import * as TaskFilling from "../../src/main/TaskFilling.ts";
import { compose } from "../../src/publish/write/NewEvent.ts";
import * as Query from "../../src/query/QuerySqlite.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { writing } from "../support/writing.ts";
import { eventsOf } from "../publish/World.ts";

const tomorrow = 24 * 3_600_000;

/** As a program in any language submits: into the log, and not into the queue. */
const publishedAll = Effect.fnUntraced(function* (
  tasks: ReadonlyArray<{ readonly id: string; readonly agentType: string; readonly notBefore?: number }>,
  tenant: string,
) {
  const log = yield* EventLog;
  const appends = yield* Effect.forEach(tasks, ({ agentType, id, notBefore }) =>
    Effect.map(
      compose(
        {
          history: historyOf(id, tenant),
          type: "task.submitted",
          data: { request: { agentType }, queue: { priority: "normal", maxAttempts: 3, notBefore } },
        },
        writing("another program"),
      ),
      ({ event, history }) => ({ history, events: [event], expected: 0 }),
    ),
  );
  yield* log.appendAll(appends);
});

const many = (count: number, agentType: string, notBefore?: number) =>
  Array.from({ length: count }, (_, index) => ({
    id: `${agentType} ${index}`,
    agentType,
    ...(notBefore === undefined ? {} : { notBefore }),
  }));

describe("the daemon's filling of the task queue", () => {
  it.live(
    "puts in what others submit, what comes due, and all of it after the queue was lost, whatever else waits",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem;
        const database = `${yield* fs.makeTempDirectoryScoped({ prefix: "recollect-filling-" })}/recollect.db`;
        const { url } = yield* NatsServer.make({ sync: "2m" });
        const daemon = TaskFilling.layer.pipe(
          Layer.provide(Query.layer({ path: database })),
          Layer.provideMerge(folding(database)),
          Layer.provideMerge(reading({ servers: url })),
        );
        const rooms = yield* Layer.build(daemon);
        const they = Context.get(
          yield* Layer.build(TaskFilling.tasksOf({ tenant: "they" })).pipe(Effect.provide(rooms)),
          Tasks,
        );
        const claimed = (agentType: string) => they.claim({ agentTypes: [agentType] });
        yield* Effect.gen(function* () {
          const now = yield* they.now;
          // More than a page that is due tomorrow, and a backlog of another tenant of six pages that nobody works on.
          yield* publishedAll(many(600, "tomorrow", now + tomorrow), "default");
          for (const type of ["nobody's", "no one's", "unknown"]) yield* publishedAll(many(1_000, type), "default");
          yield* publishedAll([{ id: "now", agentType: "now" }], "they");
          yield* (yield* claimed("now")).complete();

          const due = (yield* they.now) + 1_500;
          yield* publishedAll([{ id: "soon", agentType: "soon", notBefore: due }], "they");
          yield* (yield* claimed("soon")).complete();
          const events = yield* eventsOf(historyOf("soon", "they"));
          assert.isAtLeast(events.find(({ type }) => type === "task.claimed")?.recordedAt ?? 0, due);

          // One that is held, and one that waits, when the queue is deleted.
          yield* they.submit({ agentType: "held" }, { id: "held" });
          const held = yield* claimed("held");
          yield* they.submit({ agentType: "lost" }, { id: "lost" });
          const { taskIds } = yield* they.submitBatch(
            [1, 2, 3].map(() => ({ agentType: "batch" })),
            { atOnce: 1 },
          );
          const { jsm } = yield* NatsConnection;
          yield* Effect.promise(() => jsm.streams.delete(TaskQueueNats.streamName));
          assert.strictEqual((yield* claimed("lost")).taskId, "lost");
          // It did not wait for the backlog of the other tenant.
          const { state } = yield* Effect.promise(() => jsm.streams.info(TaskQueueNats.streamName));
          assert.isBelow(state.messages, 2_500);
          for (const id of taskIds) {
            const lease = yield* claimed("batch");
            assert.strictEqual(lease.taskId, id);
            yield* lease.complete();
          }
          yield* held.complete();
        }).pipe(Effect.provide(rooms));
      }).pipe(Effect.provide(NodeServices.layer), Effect.provideService(References.MinimumLogLevel, "None")),
    60_000,
  );

  it.live(
    "leaves a waiting task alone whose entry it has heard, and puts it in later, because the entry may have been refused",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem;
        const database = `${yield* fs.makeTempDirectoryScoped({ prefix: "recollect-filling-" })}/recollect.db`;
        const { url } = yield* NatsServer.make({ sync: "2m" });
        const daemon = TaskFilling.layer.pipe(
          Layer.provide(Query.layer({ path: database })),
          Layer.provideMerge(folding(database)),
          Layer.provideMerge(reading({ servers: url })),
        );
        const rooms = yield* Layer.build(daemon);
        const tasks = Context.get(
          yield* Layer.build(TaskFilling.tasksOf({ tenant: "default" })).pipe(Effect.provide(rooms)),
          Tasks,
        );
        yield* Effect.gen(function* () {
          const { nc } = yield* NatsConnection;
          const puts: Array<string> = [];
          nc.subscribe(TaskQueueNats.allEntries, { callback: (_, { subject }) => void puts.push(subject) });
          // The first look puts in whatever waits.
          yield* publishedAll([{ id: "first", agentType: "first" }], "default");
          yield* (yield* tasks.claim({ agentTypes: ["first"] })).complete();
          yield* tasks.submit({ agentType: "waits" }, { id: "waits" });
          // Heard by all, and refused by the queue.
          const refused = TaskQueueNats.subjectOf("default", {
            taskId: "refused",
            agentType: "refused",
            priority: "normal",
          });
          const headers = natsHeaders();
          headers.set("Nats-Expected-Stream", "ANOTHER");
          nc.publish(refused, "{}", { headers });
          yield* publishedAll([{ id: "refused", agentType: "refused" }], "default");
          // Those who come later are put in, so the look has gone past the two.
          yield* publishedAll([{ id: "after", agentType: "after" }], "default");
          yield* (yield* tasks.claim({ agentTypes: ["after"] })).complete();
          const putsOf = (type: string) => puts.filter((subject) => subject.includes(`.${type}.`)).length;
          assert.deepStrictEqual([putsOf("waits"), putsOf("refused"), putsOf("after")], [1, 1, 1]);
          yield* (yield* tasks.claim({ agentTypes: ["refused"] })).complete();
          assert.strictEqual(putsOf("refused"), 2);
        }).pipe(Effect.provide(rooms));
      }).pipe(Effect.provide(NodeServices.layer), Effect.provideService(References.MinimumLogLevel, "None")),
    60_000,
  );
});
