import { assert, layer } from "@effect/vitest";
import { Effect, Stream } from "effect";
import { reportNamed, reports } from "../../../src/query/report/All.ts";
import type { Only } from "../../../src/query/report/Report.ts";
import { type ReportRequest, runReport } from "../../../src/query/report/RunReport.ts";
import { Query } from "../../../src/query/Query.ts";
import { type Called, known, type Met, type Said, type Spent, store } from "./World.ts";

type Row = Readonly<Record<string, unknown>>;

const run = Effect.fnUntraced(function* (name: string, request: Partial<ReportRequest> = {}) {
  const report = reportNamed(name);
  if (report === undefined) return assert.fail(name);
  const answer = yield* runReport(report, { tenant: "default", ofStore: "shown", ...request });
  const rows = (section: string): ReadonlyArray<Row> => {
    const found = answer.sections.find((one) => one.name === section) ?? assert.fail(section);
    return found.rows.map((row) => Object.fromEntries(found.columns.map((column, at) => [column.name, row[at]])));
  };
  return { answer, rows };
});

/** The day of a moment in a zone, by another clock than SQLite's. */
const dayIn = (zone: string) => (at: number) => new Intl.DateTimeFormat("sv-SE", { timeZone: zone }).format(at);

const groups = <A>(list: ReadonlyArray<A>, of: (one: A) => string): ReadonlyMap<string, ReadonlyArray<A>> =>
  Map.groupBy(list, of);

const sum = <A>(list: ReadonlyArray<A>, of: (one: A) => number): number => list.reduce((all, one) => all + of(one), 0);
const unique = (list: ReadonlyArray<{ readonly thread: string }>): number =>
  new Set(list.map((one) => one.thread)).size;

/** The value at a share of a list, nearest rank. */
const rank = (values: ReadonlyArray<number>, percent: number): number | null =>
  values.toSorted((a, b) => a - b)[Math.ceil((values.length * percent) / 100) - 1] ?? null;

const timed = (list: ReadonlyArray<Called>): ReadonlyArray<number> =>
  list.flatMap(({ millis }) => (millis === undefined ? [] : [millis]));

const totals = (of: {
  readonly said: ReadonlyArray<Said>;
  readonly called: ReadonlyArray<Called>;
  readonly spent: ReadonlyArray<Spent>;
}) => ({
  threads: unique(of.said),
  prompts: of.said.filter(({ kind }) => kind === "prompt").length,
  answers: of.said.filter(({ kind }) => kind === "answer").length,
  tool_calls: of.called.length,
  errors: of.called.filter(({ outcome }) => outcome === "error").length,
  input_tokens: sum(of.spent, ({ input }) => input),
  output_tokens: sum(of.spent, ({ output }) => output),
  cost_usd: null,
});

const at = <A extends { readonly at: number }>(list: ReadonlyArray<A>, isIn: (moment: number) => boolean) =>
  list.filter((one) => isIn(one.at));

const only = (isIn: (moment: number) => boolean) =>
  totals({ said: at(known.said, isIn), called: at(known.called, isIn), spent: at(known.spent, isIn) });

const use = (list: ReadonlyArray<Called>) => ({
  calls: list.length,
  ok: list.filter(({ outcome }) => outcome === "ok").length,
  errors: list.filter(({ outcome }) => outcome === "error").length,
  unknown: list.filter(({ outcome }) => outcome === "unknown").length,
  error_rate: list.filter(({ outcome }) => outcome === "error").length / list.length,
  threads: unique(list),
  timed: timed(list).length,
  mean_millis: timed(list).length === 0 ? null : sum(timed(list), (millis) => millis) / timed(list).length,
  p50_millis: rank(timed(list), 50),
  p95_millis: rank(timed(list), 95),
  p99_millis: rank(timed(list), 99),
  longest_millis: rank(timed(list), 100),
});

const spending = (list: ReadonlyArray<Spent>) => ({
  provider_messages: list.length,
  threads: unique(list),
  input_tokens: sum(list, ({ input }) => input),
  output_tokens: sum(list, ({ output }) => output),
  cache_read_tokens: sum(list, ({ cacheRead }) => cacheRead),
  cache_write_tokens: sum(list, ({ cacheWrite }) => cacheWrite),
  reasoning_tokens: sum(list, ({ reasoning }) => reasoning),
  cache_hit_rate: sum(list, ({ cacheRead }) => cacheRead) / sum(list, ({ input }) => input),
  cost_usd: null,
});

/** Each group of `truth` is one row, and there is no other. */
const same = (rows: ReadonlyArray<Row>, key: string, truth: ReadonlyMap<string, Row>) => {
  assert.sameMembers(
    rows.map((row) => String(row[key])),
    [...truth.keys()],
  );
  for (const row of rows) assert.deepInclude(row, truth.get(String(row[key])) ?? {});
};

const mapped = <A, B>(map: ReadonlyMap<string, A>, of: (one: A) => B): ReadonlyMap<string, B> =>
  new Map([...map].map(([key, value]) => [key, of(value)]));

/** Quarters of an hour in UTC, so that the sums begin and end where the truth does. */
const since = Date.UTC(2026, 2, 28, 3, 15);
const until = Date.UTC(2026, 2, 28, 22, 45);
const isIn = (moment: number) => moment >= since && moment < until;

layer(store, { excludeTestServices: true })("reports", (it) => {
  it.effect("add up what was said, done and spent, in all, in a time and by day of any zone", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* run("overview")).rows("totals"), [only(() => true)]);
      assert.deepStrictEqual((yield* run("overview", { since, until })).rows("totals"), [only(isIn)]);
      for (const zone of ["UTC", "Asia/Kathmandu", "America/New_York"]) {
        const day = dayIn(zone);
        const days = new Set(known.said.map((one) => day(one.at)));
        const truth = new Map([...days].map((name) => [name, only((moment) => day(moment) === name)]));
        const { rows } = yield* run("overview", { zone });
        same(rows("days"), "day", truth);
        assert.deepStrictEqual(
          rows("days").map((row) => row["day"]),
          [...days].toSorted().toReversed(),
          "the latest first",
        );
      }
      const agents = groups(known.said, (one) => known.agentOf(one.thread));
      same(
        (yield* run("overview")).rows("agents"),
        "agent",
        mapped(agents, (list) => ({ threads: unique(list), messages: list.length })),
      );
    }),
  );

  it.effect(
    "are narrowed to a project, an agent, a model and a thread, every part of them, and refuse what they cannot",
    () =>
      Effect.gen(function* () {
        const [thread = ""] = known.called.map((one) => one.thread);
        const wanted: ReadonlyArray<
          readonly [Only, (one: { readonly thread: string; readonly model?: string }) => boolean]
        > = [
          [{ thread }, (one) => one.thread === thread],
          [{ project: known.projectOf(thread) }, (one) => known.projectOf(one.thread) === known.projectOf(thread)],
          [{ project: "project-1" }, (one) => known.projectOf(one.thread) === "/home/ana/project-1"],
          [{ agent: "codex" }, (one) => known.agentOf(one.thread) === "codex"],
          [{ model: "haik", agent: "codex" }, (one) => one.model === "haiku" && known.agentOf(one.thread) === "codex"],
        ];
        for (const [narrow, isOf] of wanted) {
          const some = known.spent.filter(isOf);
          assert.isAbove(some.length, 0);
          const { rows } = yield* run("cost", { only: narrow, by: "model" });
          same(
            rows("spent"),
            "model",
            mapped(
              groups(some, (one) => one.model),
              spending,
            ),
          );
          assert.deepInclude(rows("totals")[0], spending(some));
          yield* run("models", { only: narrow });
          if (narrow.model !== undefined) continue;
          const used = (yield* run("tools", { only: narrow, trends: "none" })).rows("use");
          same(
            used,
            "tool_name",
            mapped(
              groups(known.called.filter(isOf), (one) => one.tool),
              use,
            ),
          );
        }
        for (const [name, narrow] of [
          ["tools", { model: "opus" }],
          ["storage", { thread }],
        ] as const)
          assert.match((yield* Effect.flip(run(name, { only: narrow }))).message, /cannot be narrowed/);
      }),
  );

  it.effect("count calls, outcomes and durations by tool, server, agent, project, day and month", () =>
    Effect.gen(function* () {
      const by: Readonly<Record<string, readonly [string, (one: Called) => string]>> = {
        tool: ["tool_name", (one) => one.tool],
        server: ["server", (one) => String(one.server ?? null)],
        agent: ["agent", (one) => known.agentOf(one.thread)],
        project: ["project", (one) => known.projectOf(one.thread)],
        thread: ["thread_id", (one) => one.thread],
        day: ["day", (one) => dayIn("Asia/Kathmandu")(one.at)],
        month: ["month", (one) => dayIn("Asia/Kathmandu")(one.at).slice(0, 7)],
      };
      for (const [name, [column, of]] of Object.entries(by)) {
        const { rows } = yield* run("tools", { by: name, zone: "Asia/Kathmandu" });
        same(rows("use"), column, mapped(groups(known.called, of), use));
      }
      const some = known.called.filter((one) => isIn(one.at));
      const { answer, rows } = yield* run("tools", { since, until, zone: "UTC" });
      same(
        rows("use"),
        "tool_name",
        mapped(
          groups(some, (one) => one.tool),
          use,
        ),
      );
      const bytes = sum(some, ({ resultBytes }) => resultBytes);
      same(
        rows("context"),
        "tool_name",
        mapped(
          groups(some, (one) => one.tool),
          (list) => ({
            result_bytes: sum(list, ({ resultBytes }) => resultBytes),
            result_share: sum(list, ({ resultBytes }) => resultBytes) / bytes,
            mean_result_bytes: sum(list, ({ resultBytes }) => resultBytes) / list.length,
            arguments_bytes: sum(list, ({ argumentsBytes }) => argumentsBytes),
          }),
        ),
      );
      const [section] = answer.sections;
      const trend = section?.trend ?? assert.fail("no trend");
      assert.deepStrictEqual(trend.days, ["2026-03-28"]);
      assert.deepStrictEqual(
        trend.rows.map(([calls]) => calls),
        section?.rows.map((row) => row[1]),
      );
    }),
  );

  it.effect("tell what follows what, loops, calls that were cut, and errors with first and last seen", () =>
    Effect.gen(function* () {
      const { rows } = yield* run("tools");
      const pairs = [...groups(known.called, (one) => one.thread).values()].flatMap((list) =>
        list.flatMap((one, index) => (list[index + 1] === undefined ? [] : [`${one.tool} ${list[index + 1]?.tool}`])),
      );
      assert.deepStrictEqual(
        new Map(
          rows("next").map((row) => [`${String(row["tool_name"])} ${String(row["next_tool_name"])}`, row["times"]]),
        ),
        mapped(
          groups(pairs, (pair) => pair),
          (list) => list.length,
        ) as never,
      );
      const loops = [...groups(known.called, (one) => `${one.thread} ${one.tool} ${one.arguments}`)].filter(
        ([, list]) => list.length >= 3,
      );
      assert.isNotEmpty(loops);
      assert.sameMembers(
        rows("loops").map(
          (row) =>
            `${String(row["thread_id"])} ${String(row["tool_name"])} ${String(row["arguments"])} ${String(row["times"])}`,
        ),
        loops.map(([key, list]) => `${key} ${list.length}`),
      );
      assert.sameMembers(
        rows("cut").map((row) => `${String(row["thread_id"])} ${String(row["started_at"])}`),
        known.called.filter(({ outcome }) => outcome === "unknown").map((one) => `${one.thread} ${one.at}`),
      );
      const failed = groups(
        known.called.filter(({ outcome }) => outcome === "error"),
        (one) => one.tool,
      );
      const errors = yield* run("errors");
      same(
        errors.rows("top"),
        "tool_name",
        mapped(failed, (list) => ({
          error_type: "exit_code",
          error_message: "Exit code 1",
          errors: list.length,
          threads: unique(list),
          first_at: Math.min(...list.map((one) => one.at)),
          last_at: Math.max(...list.map((one) => one.at)),
        })),
      );
      assert.strictEqual(
        sum(errors.rows("rate"), (row) => Number(row["errors"])),
        sum([...failed.values()], (list) => list.length),
      );
    }),
  );

  it.effect("count tokens once, by model, project, day and thread, with what the cache gave", () =>
    Effect.gen(function* () {
      const byModel = mapped(
        groups(known.spent, (one) => one.model),
        spending,
      );
      same((yield* run("models")).rows("spent"), "model", byModel);
      const { rows } = yield* run("cost", { by: "project" });
      same(
        rows("spent"),
        "project",
        mapped(
          groups(known.spent, (one) => known.projectOf(one.thread)),
          spending,
        ),
      );
      assert.lengthOf(rows("totals"), 1);
      assert.deepInclude(rows("totals")[0], { ...spending(known.spent), priced_share: 0 });
      same(
        rows("dearest"),
        "thread_id",
        mapped(
          groups(known.spent, (one) => one.thread),
          (list) => ({
            input_tokens: sum(list, ({ input }) => input),
            output_tokens: sum(list, ({ output }) => output),
            delegated_threads: 0,
          }),
        ),
      );
      const days = yield* run("cost", { by: "day", zone: "Asia/Kathmandu" });
      same(
        days.rows("spent"),
        "day",
        mapped(
          groups(known.spent, (one) => dayIn("Asia/Kathmandu")(one.at)),
          spending,
        ),
      );
    }),
  );

  it.effect("keep what is estimated by the price list apart from what was reported, and say what has no price", () =>
    Effect.gen(function* () {
      const estimateOf = (list: ReadonlyArray<Spent>) =>
        sum(list, (one) =>
          one.model === "haiku"
            ? 0
            : ((one.input - one.cacheRead - one.cacheWrite) * 5 +
                one.cacheRead * 0.5 +
                one.cacheWrite * 6.25 +
                one.output * 25) /
              1e6,
        );
      const unpriced = (list: ReadonlyArray<Spent>) => list.filter(({ model }) => model === "haiku").length;
      for (const [by, column, of] of [
        ["model", "model", (one: Spent) => one.model],
        ["project", "project", (one: Spent) => known.projectOf(one.thread)],
        ["day", "day", (one: Spent) => dayIn("UTC")(one.at)],
      ] as const) {
        const { rows } = yield* run("cost", { by, zone: "UTC" });
        const groups_ = groups(known.spent, of);
        for (const row of rows("spent")) {
          const list = groups_.get(String(row[column])) ?? assert.fail(String(row[column]));
          assert.closeTo(Number(row["estimated_usd"]), estimateOf(list), 1e-9);
          assert.strictEqual(row["estimated_usd"] === null, estimateOf(list) === 0);
          assert.strictEqual(row["unpriced_messages"], unpriced(list));
          assert.isNull(row["cost_usd"]);
        }
      }
      const { rows } = yield* run("cost");
      assert.closeTo(Number(rows("totals")[0]?.["estimated_usd"]), estimateOf(known.spent), 1e-9);
      const dearest = rows("dearest").map((row) => Number(row["estimated_usd"]));
      assert.deepStrictEqual(
        dearest,
        dearest.toSorted((a, b) => b - a),
      );
      const byThread = groups(known.spent, (one) => one.thread);
      assert.closeTo(dearest[0] ?? 0, Math.max(...[...byThread.values()].map(estimateOf)), 1e-9);
    }),
  );

  it.effect("tell projects, threads and turns", () =>
    Effect.gen(function* () {
      const of = (list: ReadonlyArray<Said>) => {
        const ids = new Set(list.map((one) => one.thread));
        const isOf = (one: { readonly thread: string }) => ids.has(one.thread);
        const { answers, threads, tool_calls, ...rest } = totals({
          said: list,
          called: known.called.filter(isOf),
          spent: known.spent.filter(isOf),
        });
        return { ...rest, tool_calls, messages: answers + rest.prompts, count: threads };
      };
      const byProject = mapped(
        groups(known.said, (one) => known.projectOf(one.thread)),
        (list) => {
          const { count, ...rest } = of(list);
          return { ...rest, threads: count };
        },
      );
      same((yield* run("projects")).rows("projects"), "project", byProject);
      const touched = known.called.filter((one) => /^(?:Read|Edit)$/.test(one.tool) && one.outcome !== "error");
      const fileOf = (one: Called) =>
        `${(JSON.parse(one.arguments) as { path: string }).path} ${known.agentOf(one.thread)}`;
      assert.sameDeepMembers(
        (yield* run("projects"))
          .rows("used")
          .map((row) => [
            `${String(row["path"])} ${String(row["agent"])}`,
            row["reads"],
            row["writes"],
            row["threads"],
            row["last_at"],
          ]),
        [...groups(touched, fileOf)].map(([key, list]) => [
          key,
          list.filter(({ tool }) => tool === "Read").length,
          list.filter(({ tool }) => tool === "Edit").length,
          unique(list),
          Math.max(...list.map((one) => one.at)),
        ]),
      );
      const byThread = mapped(
        groups(known.said, (one) => one.thread),
        (list) => {
          const { count: _, ...rest } = of(list);
          return rest;
        },
      );
      const { rows } = yield* run("threads");
      same(rows("longest"), "thread_id", byThread);
      const turns = mapped(
        groups(known.said, (one) => known.agentOf(one.thread)),
        (list) => ({
          prompts: of(list).prompts,
          tools_per_prompt: of(list).tool_calls / of(list).prompts,
          messages_per_prompt: list.length / of(list).prompts,
        }),
      );
      same(rows("turns"), "agent", turns);
    }),
  );

  it.effect("tell how tasks stand, how long they were in each state, and what the log took", () =>
    Effect.gen(function* () {
      const { rows } = yield* run("tasks");
      assert.deepStrictEqual(rows("types"), [
        {
          agent_type: "coder",
          tasks: 3,
          started: 2,
          ended: 2,
          completed: 1,
          failed: 1,
          cancelled: 0,
          completed_share: 0.5,
          mean_wait_millis: 4000,
          mean_millis: 4000,
          max_millis: 6000,
        },
      ]);
      assert.deepInclude(
        rows("states").find((row) => row["status"] === "running"),
        { times: 2, left: 2, mean_millis: 4000, max_millis: 6000, sum_millis: 8000 },
      );
      assert.deepStrictEqual(
        rows("stuck").map((row) => row["task_id"]),
        ["k3"],
      );
      assert.deepInclude(rows("failures")[0], { error_type: "crashed", tasks: 1 });
      assert.deepStrictEqual(rows("illegal"), []);
      const { rows: stored } = yield* run("storage");
      const types = groups(stored("types"), (row) => String(row["type"]));
      const truth = groups(known.entries, (entry) => entry.type);
      assert.sameMembers([...types.keys()], [...truth.keys()]);
      for (const [type, list] of truth) {
        const [events, bytes] = ["events", "data_bytes"].map((name) =>
          sum(types.get(type) ?? [], (row) => Number(row[name])),
        );
        assert.deepStrictEqual([events, bytes], [list.length, sum(list, ({ body }) => body.length)], type);
      }
      assert.strictEqual(
        sum(stored("days"), (row) => Number(row["events"])),
        known.entries.length,
      );
      const audit = yield* run("audit");
      assert.strictEqual(
        sum(audit.rows("actors"), (row) => Number(row["events"])),
        known.entries.length,
      );
      const inLedger = yield* (yield* Query).select(
        "SELECT actor, coalesce(meaning, type), count(*), count(DISTINCT subject) FROM v_events GROUP BY 1, 2",
      );
      assert.isAbove(inLedger.rows.length, 5);
      assert.sameDeepMembers(
        audit.rows("actors").map((row) => [row["actor"], row["type"], row["events"], row["histories"]]),
        inLedger.rows.map((row) => [...row]),
      );
    }),
  );

  it.effect("tell sessions by client, server and end", () =>
    Effect.gen(function* () {
      const { rows } = yield* run("sessions");
      const by = (list: ReadonlyArray<Met>, of: (one: Met) => ReadonlyArray<unknown>) =>
        groups(list, (one) => JSON.stringify(of(one)));
      const keyOf = (row: Row, ...names: ReadonlyArray<string>) => JSON.stringify(names.map((name) => row[name]));
      const mean = (values: ReadonlyArray<number>) => values.reduce((all, one) => all + one, 0) / values.length;
      assert.deepStrictEqual(
        new Map(
          rows("clients").map((row) => [
            keyOf(row, "client", "client_release"),
            [row["sessions"], row["open"], row["mean_millis"], row["last_at"]],
          ]),
        ),
        mapped(
          by(known.met, (one) => [one.client, one.version]),
          (list) => {
            const ended = list.flatMap(({ lasted }) => (lasted === undefined ? [] : [lasted]));
            return [
              list.length,
              list.length - ended.length,
              ended.length === 0 ? null : mean(ended),
              Math.max(...list.map((one) => one.at)),
            ];
          },
        ) as never,
      );
      assert.deepStrictEqual(
        new Map(
          rows("servers").map((row) => [
            keyOf(row, "server"),
            [row["server_release"], row["sessions"], row["failed"], row["last_at"]],
          ]),
        ),
        mapped(
          by(
            known.met.filter(({ server }) => server !== null),
            (one) => [one.server],
          ),
          (list) => [
            "9",
            list.length,
            list.filter(({ exitCode }) => exitCode === 1).length,
            Math.max(...list.map((one) => one.at)),
          ],
        ) as never,
      );
      assert.deepStrictEqual(
        new Map(rows("ends").map((row) => [keyOf(row, "reason", "exit_code"), row["sessions"]])),
        mapped(
          by(known.met, (one) => [one.lasted === undefined ? null : "closed", one.exitCode]),
          (list) => list.length,
        ) as never,
      );
    }),
  );

  it.effect("tell each tool by version of the client, and histories and sources by what the log took of them", () =>
    Effect.gen(function* () {
      const { rows } = yield* run("tools", { limit: 1000 });
      const key = (one: Called) => `${one.tool} ${known.agentOf(one.thread)} ${known.versionOf(one.thread)}`;
      const quarter = (moment: number) => moment - (moment % 900_000);
      assert.deepStrictEqual(
        new Map(
          rows("versions").map(({ client, tool_name, version, ...row }) => [
            `${String(tool_name)} ${String(client)} ${String(version)}`,
            row,
          ]),
        ),
        mapped(groups(known.called, key), (list) => {
          const { calls, error_rate, errors } = use(list);
          const times = list.map((one) => quarter(one.at));
          return { calls, errors, error_rate, first_at: Math.min(...times), last_at: Math.max(...times) };
        }) as never,
      );
      const bytes = (list: typeof known.entries) => [list.length, sum(list, ({ body }) => body.length)];
      const { rows: stored } = yield* run("storage", { limit: 1000 });
      assert.deepStrictEqual(
        new Map(
          stored("histories").map((row) => [
            `${String(row["kind"])} ${String(row["subject"])}`,
            [row["events"], row["data_bytes"]],
          ]),
        ),
        mapped(
          groups(known.entries, ({ history }) => `${history.kind} ${history.id}`),
          bytes,
        ) as never,
      );
      assert.deepStrictEqual(
        new Map(stored("sources").map((row) => [String(row["source"]), [row["events"], row["data_bytes"]]])),
        mapped(
          groups(known.entries, ({ source }) => source),
          bytes,
        ) as never,
      );
    }),
  );

  it.effect("show who is no operator nothing of the whole store, and refuse it by name", () =>
    Effect.gen(function* () {
      for (const [name, section] of [
        ["storage", "pipeline"],
        ["audit", "store"],
      ] as const) {
        const sections = ({ answer }: Effect.Success<ReturnType<typeof run>>) => answer.sections.map((one) => one.name);
        assert.include(sections(yield* run(name)), section);
        assert.notInclude(sections(yield* run(name, { ofStore: undefined })), section);
        const error = yield* Effect.flip(run(name, { ofStore: undefined, sections: [section] }));
        assert.strictEqual(error._tag, "QueryRefused");
      }
      // No statement of theirs asks anything that is not of one tenant.
      for (const report of reports)
        for (const { isOfStore, name, sql } of report.sections)
          if (isOfStore !== true) assert.include(sql, ":tenant", `${report.name} ${name}`);
    }),
  );

  it.effect("have a unit and a sentence for each column, and statements that SQL of anybody takes as they stand", () =>
    Effect.gen(function* () {
      const query = yield* Query;
      for (const report of reports) {
        const names = ["", ...Object.keys(report.by)];
        for (const by of names) {
          const answer = yield* runReport(report, {
            tenant: "default",
            ofStore: "shown",
            ...(by === "" ? {} : { by }),
            limit: 3,
          });
          for (const section of answer.sections) {
            const where = `${report.name} ${section.name} ${by}`;
            for (const row of section.rows) assert.lengthOf(row, section.columns.length, where);
            for (const { doc, name } of section.columns)
              assert.match(doc, /^\S.{3,}\.$/s, `${where}.${name} needs a sentence`);
            assert.lengthOf(new Set(section.columns.map(({ name }) => name)), section.columns.length, where);
            const plotted = section.plot === undefined ? [] : [section.plot.x, ...section.plot.y];
            for (const name of plotted)
              assert.include(
                section.columns.map((column) => column.name),
                name,
                where,
              );
            if (section.trend !== undefined) assert.lengthOf(section.trend.rows, section.rows.length, where);
          }
        }
      }
      const { answer } = yield* run("tools");
      const [section] = answer.sections;
      const asked = query.sql(section?.sql ?? "", section?.parameters ?? {});
      const found = yield* Effect.scoped(Effect.flatMap(asked, ({ rows }) => Stream.runCollect(rows)));
      assert.deepStrictEqual([...found], [...(section?.rows ?? [])]);
      for (const wrong of [{ by: "nothing" }, { sections: ["nothing"] }]) {
        const error = yield* Effect.flip(run("tools", wrong));
        assert.strictEqual(error._tag, "QueryRefused");
      }
    }),
  );
});
