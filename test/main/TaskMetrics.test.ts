import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { PrometheusMetrics } from "effect/observability";
import { Tasks } from "../../src/coordination/tasks/Tasks.ts";
import * as TaskMetrics from "../../src/main/TaskMetrics.ts";
import { Query } from "../../src/query/Query.ts";
import type { GroupNumbers } from "../../src/query/WaitingTasks.ts";
import { until } from "../publish/World.ts";

const at = 1_700_000_000_000;

describe("metrics of tasks", () => {
  it.live("say for each agent type what waits, since when, how long tasks waited and how often they were tried", () =>
    Effect.gen(function* () {
      const numbers: GroupNumbers = {
        tenant: "metered",
        agentType: "reviewer",
        waiting: 7,
        delayed: 2,
        held: 3,
        oldestAt: at - 90_000,
        meanWaitMillis: 1_500,
        longestWaitMillis: 4_000,
        meanAttempts: 1.25,
      };
      const query = { waiting: { numbers: () => Effect.succeed([numbers]) } } as unknown as Query["Service"];
      yield* TaskMetrics.keepTelling.pipe(
        Effect.provideService(Query, query),
        Effect.provideService(Tasks, { now: Effect.succeed(at) } as Tasks["Service"]),
        Effect.forkScoped,
      );
      const lines = Effect.map(PrometheusMetrics.format(), (text) =>
        text.split("\n").filter((line) => line.includes('"metered"')),
      );
      yield* until(Effect.map(lines, ({ length }) => length === 7));
      const values = (yield* lines).map((line) => {
        const [, name, labels = "", value] = /^(\w+)\{(.*)\} (.+)$/.exec(line) ?? [];
        assert.include(labels, 'agent_type="reviewer"');
        return `${name} ${/what="(\w+)"/.exec(labels)?.[1] ?? ""} ${value}`;
      });
      assert.deepStrictEqual(values.toSorted(), [
        "recollect_tasks delayed 2",
        "recollect_tasks held 3",
        "recollect_tasks waiting 7",
        "recollect_tasks_attempts  1.25",
        "recollect_tasks_oldest_seconds  90",
        "recollect_tasks_wait_seconds longest 4",
        "recollect_tasks_wait_seconds mean 1.5",
      ]);
    }),
  );
});
