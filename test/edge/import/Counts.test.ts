import { assert, describe, layer } from "@effect/vitest";
import { Context, Effect, Layer } from "effect";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ImportReport } from "../../../src/edge/import/Report.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import { reportNamed } from "../../../src/query/report/All.ts";
import { runReport } from "../../../src/query/report/RunReport.ts";
import { dataRoot } from "../../domain/realEntries.ts";
import { imported, rows, store } from "../../support/Imported.ts";
import { countsOf, sets } from "../../support/RawCounts.ts";
import { holdEstimates, holdPercentiles } from "./rawReports.ts";

if (dataRoot === undefined)
  console.warn("SKIPPED: the real transcripts are not there; set RECOLLECT_TEST_DATA to their folder");

/** Rows of the set that is in the store. */
class Report extends Context.Service<Report, ImportReport>()("recollect/test/Report") {}

const pairs = (statement: string) =>
  Effect.map(rows(statement), (found) => Object.fromEntries(found) as Readonly<Record<string, number>>);

/** What SQL says of the whole store. */
const inSql = Effect.gen(function* () {
  const [[threads] = []] = yield* rows("SELECT count(*) FROM v_threads");
  const messages = yield* pairs("SELECT role, count(*) FROM v_messages GROUP BY 1 ORDER BY 1");
  const [[toolCalls] = []] = yield* rows("SELECT count(*) FROM v_tool_calls");
  const outcomes = {
    ok: 0,
    error: 0,
    unknown: 0,
    ...(yield* pairs("SELECT outcome, count(*) FROM v_tool_calls GROUP BY 1")),
  };
  const [[input, output, cacheRead, cacheWrite, reasoning] = []] = yield* rows(
    `SELECT total(input_tokens), total(output_tokens), total(cache_read_tokens), total(cache_write_tokens), total(reasoning_tokens)
     FROM v_token_usage`,
  );
  const tokens = { input, output, cacheRead, cacheWrite, reasoning };
  return { threads, messages, toolCalls, outcomes, tokens };
});

/** What the reports say of the whole store, each in another way. */
const inReports = Effect.gen(function* () {
  const columns = Effect.fnUntraced(function* (name: string, section: string, by?: string) {
    const report = reportNamed(name) ?? assert.fail(name);
    const request = { tenant: "default", sections: [section], limit: 10_000, ...(by === undefined ? {} : { by }) };
    const [answer] = (yield* runReport(report, request)).sections;
    return (column: string): number => {
      const at = answer?.columns.findIndex((one) => one.name === column) ?? -1;
      assert.isAtLeast(at, 0, `${name} ${section} ${column}`);
      return (answer?.rows ?? []).reduce((sum, row) => sum + Number(row[at] ?? 0), 0);
    };
  });
  const calls = yield* columns("tools", "use", "thread");
  const errors = yield* columns("errors", "top");
  const cut = yield* columns("tools", "use", "day");
  const spent = yield* columns("models", "spent");
  const days = yield* columns("cost", "spent", "month");
  const totals = yield* columns("overview", "totals");
  const taken = yield* columns("storage", "types");
  return {
    toolCalls: totals("tool_calls"),
    outcomes: { ok: calls("ok"), error: errors("errors"), unknown: cut("unknown") },
    tokens: {
      input: spent("input_tokens"),
      output: days("output_tokens"),
      cacheRead: spent("cache_read_tokens"),
      cacheWrite: days("cache_write_tokens"),
      reasoning: spent("reasoning_tokens"),
    },
    costUsd: days("cost_usd"),
    events: taken("events"),
  };
});

/** Sets whose lines say of each response which model gave it and when. */
const spokenSets = new Set(["claude-code-entire", "pi-session", "gemini-cli-entire"]);
/** Sets in which a tool is named at each call. */
const namedSets = new Set([...spokenSets, "tau-bench-airline", "tau2-results", "inspect-eval-logs"]);

/** Rows of a part of a report, by the first column. */
const rowsBy = Effect.fnUntraced(function* (name: string, section: string, by: string) {
  const report = reportNamed(name) ?? assert.fail(name);
  const request = { tenant: "default", zone: "UTC", sections: [section], limit: 10_000, by };
  const [answer] = (yield* runReport(report, request)).sections;
  const columns = answer?.columns.map((column) => column.name) ?? [];
  return (answer?.rows ?? []).map((row) => Object.fromEntries(row.map((value, at) => [columns[at] ?? "", value])));
});

/** Every tool, model and day with its own numbers, and no other. */
const holdEachRow = Effect.fnUntraced(function* (raw: ReturnType<typeof countsOf>) {
  if (namedSets.has(raw.set)) {
    const used = yield* rowsBy("tools", "use", "tool");
    const found = used.map(({ errors, ok, tool_name: name, unknown }) => [name, { ok, error: errors, unknown }]);
    assert.deepStrictEqual(Object.fromEntries(found), raw.tools);
    for (const { calls, error_rate: rate, errors } of used)
      assert.approximately(Number(rate), Number(errors) / Number(calls), 1e-12);
  }
  if (!spokenSets.has(raw.set)) return;
  const tokensOf = (row: Readonly<Record<string, unknown>>) => ({
    input: row["input_tokens"],
    output: row["output_tokens"],
    cacheRead: row["cache_read_tokens"],
    cacheWrite: row["cache_write_tokens"],
    reasoning: row["reasoning_tokens"],
  });
  const models = yield* rowsBy("models", "spent", "model");
  assert.deepStrictEqual(Object.fromEntries(models.map((row) => [row["model"], tokensOf(row)])), raw.models);
  const days = yield* rowsBy("cost", "spent", "day");
  const sums = new Map<string, number>();
  for (const [key, { input, output }] of Object.entries(raw.days))
    sums.set(key.slice(0, 10), (sums.get(key.slice(0, 10)) ?? 0) + input + output);
  assert.deepStrictEqual(
    new Map(days.map((row) => [row["day"], Number(row["input_tokens"]) + Number(row["output_tokens"])])),
    sums as Map<unknown, number>,
  );
});

/** What pi says that its messages cost, added up line by line. */
const rawCostOfPi = (root: string): number =>
  readFileSync(join(root, "pi-session", "large-session.jsonl"), "utf8")
    .split("\n")
    .reduce((sum, line) => {
      const said: unknown = line === "" ? {} : JSON.parse(line);
      const usage = (
        said as { readonly message?: { readonly usage?: { readonly cost?: { readonly total?: number } } } }
      ).message?.usage;
      return sum + (usage?.cost?.total ?? 0);
    }, 0);

describe.skipIf(dataRoot === undefined)("an import of real transcripts", () => {
  const root = dataRoot ?? "";
  for (const set of sets) {
    const whole = Layer.effect(Report, imported([join(root, set)])).pipe(Layer.provideMerge(Layer.fresh(store)));
    layer(whole, { excludeTestServices: true, timeout: 180_000 })((it) => {
      it.effect(`of ${set} comes out of SQL and of the reports with the counts of its raw files`, () =>
        Effect.gen(function* () {
          const report = yield* Report;
          const { lastSequence } = yield* Effect.flatMap(EventLog, (log) => log.info);
          const raw = countsOf(set, root);
          const { toolCallOccurrences: toolCalls, outcomes, threads, tokens } = raw;
          const messages = Object.fromEntries(Object.entries(raw.messages).toSorted());
          assert.deepStrictEqual(yield* inSql, { threads, messages, toolCalls, outcomes, tokens });
          const { costUsd, events, ...reported } = yield* inReports;
          assert.deepStrictEqual(reported, { toolCalls, outcomes, tokens });
          assert.strictEqual(events, lastSequence);
          yield* holdEachRow(raw);
          if (set === "pi-session") {
            assert.isAbove(costUsd, 1);
            assert.approximately(costUsd, rawCostOfPi(root), 1e-6);
          }
          assert.strictEqual(report.eventsAppended, lastSequence);
          assert.deepStrictEqual(report.refused, []);
        }),
      );

      if (set === "claude-code-entire")
        it.effect(
          "has the percentiles of each tool, and who read and wrote each file, as the raw files give them",
          () => holdPercentiles(join(root, set)),
        );

      if (set === "claude-code-entire" || set === "gemini-cli-entire")
        it.effect(
          `has the estimated cost of each model of ${set}, by the raw tokens, and no task nor session of ours`,
          () => holdEstimates(set, root),
        );
    });
  }
});
