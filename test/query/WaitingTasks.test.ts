import { assert, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { Effect } from "effect";
import { join } from "node:path";
import { tasks } from "../../projections/tasks.ts";
import { task } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Projector from "../../src/projection/Projector.ts";
import { makeReaders, type WithReader } from "../../src/query/ConnectionSqlite.ts";
import type { TaskGroup, WaitingTask, WaitingTasks } from "../../src/query/WaitingTasks.ts";
import * as WaitingTasksSqlite from "../../src/query/WaitingTasksSqlite.ts";
import { event, stubLog } from "../projection/StubLog.ts";
import { temporaryFolder } from "../projection/World.ts";

const now = 1_700_000_100_000;
const group: TaskGroup = { tenant: "tenant 1", agentType: "type 1" };

/** Every question, by what it is called. */
const questions: Readonly<Record<keyof WaitingTasks, (waiting: WaitingTasks) => Effect.Effect<unknown, unknown>>> = {
  due: ({ due }) => due({ from: now - 1_000, to: now }),
  nextDue: ({ nextDue }) => nextDue(now),
  moved: ({ moved }) => moved({ after: 100, upTo: 2_000, now }),
  movedBatches: ({ movedBatches }) => movedBatches({ after: 100, upTo: 2_000 }),
  batchesOf: ({ batchesOf }) =>
    batchesOf([{ taskId: "batch 1.0", tenant: group.tenant, batchId: "batch 1" } as WaitingTask]),
  overdue: ({ overdue }) => overdue(now),
  ordered: ({ ordered }) => ordered(0),
  groups: ({ groups }) => groups,
  ofGroup: ({ ofGroup }) => ofGroup({ group, behind: { dueAt: -1, firstSequence: 0 }, dueBy: now }),
  numbers: ({ numbers }) => numbers(now),
  held: ({ held }) => held(0),
};

/** Sorting that is bounded: groups, of which there are few; the tasks of one batch; batches that moved since the last look. */
const allowed: Readonly<Record<string, ReadonlyArray<string>>> = {
  movedBatches: ["USE TEMP B-TREE FOR DISTINCT"],
  batchesOf: ["USE TEMP B-TREE FOR ORDER BY"],
  // What waits is counted by an index that holds all that is asked of it, what is held by its own.
  numbers: [
    "SCAN e",
    "SCAN holds",
    "SCAN tasks USING COVERING INDEX tasks_by_7",
    "SCAN waits",
    "SEARCH h USING AUTOMATIC COVERING INDEX (tenant=? AND agent_type=?) LEFT-JOIN",
    "SEARCH w USING AUTOMATIC COVERING INDEX (tenant=? AND agent_type=?) LEFT-JOIN",
    "USE TEMP B-TREE FOR GROUP BY",
    "USE TEMP B-TREE FOR GROUP BY",
    "USE TEMP B-TREE FOR ORDER BY",
    "USE TEMP B-TREE FOR ORDER BY",
    "USE TEMP B-TREE FOR ORDER BY",
  ],
};

/** Tasks of every kind: due at once and later, ordered, of a batch, to be begun in time, held, ended. */
const entries = Array.from({ length: 1_000 }, (_, at) => {
  const of = { in: task(at % 7 === 0 ? `batch ${at % 70}.${at}` : `t${at}`, `tenant ${at % 3}`) };
  if (at % 11 === 10)
    return event(at + 1, "task.claimed", { attempt: 1 }, { in: task(`t${at - 1}`, `tenant ${at % 3}`) });
  const queue = {
    priority: "normal",
    ...(at % 2 === 0 ? { notBefore: now + at } : {}),
    ...(at % 5 === 0 ? { startBy: now + at } : {}),
  };
  const more = {
    ...(at % 7 === 0 ? { batch: { id: `batch ${at % 70}`, index: at, size: 5_000, atOnce: 1 } } : {}),
    ...(at % 13 === 0 ? { after: ["t1"] } : {}),
  };
  return event(at + 1, "task.submitted", { request: { agentType: `type ${at % 10}` }, queue, ...more }, of);
});

/** Each statement that is prepared, with what SQLite does for it. */
const planning = (db: Database.Database, plans: Map<string, string>) =>
  new Proxy(db, {
    get: (target, key) => {
      if (key !== "prepare") return Reflect.get(target, key, target);
      return (text: string) => {
        const named = Object.fromEntries([...text.matchAll(/:(\w+)/g)].map(([, name = ""]) => [name, 1]));
        const statement = target.prepare<Array<unknown>, { readonly detail: string }>(`EXPLAIN QUERY PLAN ${text}`);
        const steps = text.includes("?") ? statement.all(1) : statement.all(named);
        plans.set(text, steps.map(({ detail }) => detail).join("\n"));
        return target.prepare(text);
      };
    },
  });

describe("questions about the tasks that wait", () => {
  it.live(
    "are answered by an index: none walks through a table or sorts what it found, with statistics or without",
    () =>
      Effect.gen(function* () {
        const path = join(yield* temporaryFolder, "recollect.db");
        const projector = yield* Projector.make({ path, projections: [tasks] }).pipe(
          Effect.provideService(EventLog, stubLog(entries).service),
        );
        yield* projector.awaitSequence(entries.length);
        for (const statistics of ["", "PRAGMA analysis_limit = 1000; ANALYZE;"]) {
          const db = yield* Effect.acquireRelease(
            Effect.sync(() => new Database(path)),
            (open) => Effect.sync(() => open.close()),
          );
          db.exec(statistics);
          for (const [name, ask] of Object.entries(questions)) {
            const plans = new Map<string, string>();
            const read: WithReader = (work) => Effect.sync(() => work(planning(db, plans)));
            yield* ask(WaitingTasksSqlite.make(read));
            assert.isAbove(plans.size, 0, name);
            const steps = [...plans.values()].flatMap((plan) => plan.split("\n"));
            const walks = steps.filter((step) => /^SCAN (?!CONSTANT ROW)|TEMP B-TREE|AUTOMATIC/.test(step));
            assert.deepStrictEqual(walks.toSorted(), allowed[name] ?? [], `${name}: ${steps.join("\n")}`);
          }
        }
      }),
  );

  it.live("tell how long tasks had waited that began lately, and how often those were tried that ended lately", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "recollect.db");
      const at = 1_700_000_000_000;
      const said = (id: string, ...events: ReadonlyArray<readonly [type: string, after: number, data: object]>) =>
        events.map(([type, after, data]) => ({ type: `task.${type}`, data, in: task(id), occurredAt: at + after }));
      const submitted = { request: { agentType: "a" }, queue: { priority: "normal" } };
      const events = [
        ...said(
          "one",
          ["submitted", 0, submitted],
          ["claimed", 2_000, { attempt: 1, begun: true }],
          ["completed", 3_000, {}],
        ),
        ...said("two", ["submitted", 0, submitted], ["claimed", 4_000, { attempt: 1, begun: true }]),
        ...said(
          "three",
          ["submitted", 0, submitted],
          ["claimed", 1_000, { attempt: 1, begun: true }],
          ["released", 2_000, { reason: "failed", pauseMillis: 1_000 }],
          ["claimed", 9_000, { attempt: 2, begun: true }],
          ["completed", 9_500, {}],
        ),
      ].map(({ data, type, ...more }, index) => event(index + 1, type, data, more));
      const projector = yield* Projector.make({ path, projections: [tasks] }).pipe(
        Effect.provideService(EventLog, stubLog(events).service),
      );
      yield* projector.awaitSequence(events.length);
      const waiting = WaitingTasksSqlite.make(yield* makeReaders(path));
      const of = { tenant: "default", agentType: "a", waiting: 0, delayed: 0, oldestAt: null };
      const times = { meanWaitMillis: 3_000, longestWaitMillis: 4_000, meanAttempts: 1.5 };
      assert.deepStrictEqual(yield* waiting.numbers(at + 60_000), [{ ...of, held: 1, ...times }]);
      const none = { meanWaitMillis: null, longestWaitMillis: null, meanAttempts: null };
      assert.deepStrictEqual(yield* waiting.numbers(at + 600_000), [{ ...of, held: 1, ...none }]);
    }),
  );
});
