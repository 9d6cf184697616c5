/** Percentiles, estimated costs and files of reports of an imported set against the agents' raw files, read here by code of their own. */
import { assert } from "@effect/vitest";
import { Effect } from "effect";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { reportNamed } from "../../../src/query/report/All.ts";
import { runReport } from "../../../src/query/report/RunReport.ts";
import { countsOf } from "../../support/RawCounts.ts";

interface Block {
  readonly type?: string;
  readonly id?: string;
  readonly tool_use_id?: string;
  readonly name?: string;
  readonly input?: Readonly<Record<string, unknown>>;
  readonly is_error?: boolean;
}
interface Line {
  readonly type?: string;
  readonly sessionId?: string;
  readonly timestamp?: string;
  readonly message?: { readonly content?: unknown };
  readonly data?: { readonly message?: Line };
  readonly toolUseResult?: unknown;
}
interface Answered {
  readonly at: number;
  readonly isError: boolean;
  readonly reported: number | undefined;
}

/** Claude Code says it of sub-agents and fetches in milliseconds, and of web searches in seconds. */
const reportedMillis = (result: unknown): number | undefined => {
  const of = Object(result) as Readonly<Record<string, number | undefined>>;
  const seconds = of["durationSeconds"];
  return of["totalDurationMs"] ?? of["durationMs"] ?? (seconds === undefined ? undefined : seconds * 1000);
};

const linesOf = (file: string): ReadonlyArray<Line> =>
  readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line): ReadonlyArray<Line> => {
      try {
        return [JSON.parse(line) as Line];
      } catch {
        return [];
      }
    });

/** Calls of Claude Code's transcripts, each once however often it was copied, with the first result. */
const callsOf = (folder: string) => {
  const calls = new Map<string, { readonly name: string; readonly at: number; readonly path: unknown }>();
  const results = new Map<string, Answered>();
  for (const file of readdirSync(folder).toSorted())
    for (const line of file.endsWith(".jsonl") ? linesOf(join(folder, file)) : []) {
      const inner = line.type === "progress" ? (line.data?.message ?? line) : line;
      const at = Date.parse(inner.timestamp ?? line.timestamp ?? "");
      const content = inner.message?.content;
      for (const block of Array.isArray(content) ? (content as ReadonlyArray<Block>) : []) {
        const key = `${line.sessionId ?? file} ${block.id ?? block.tool_use_id ?? ""}`;
        const input = block.input ?? {};
        if (block.type === "tool_use" && !calls.has(key))
          calls.set(key, { name: block.name ?? "", at, path: input["file_path"] ?? input["notebook_path"] });
        if (block.type === "tool_result" && !results.has(key))
          results.set(key, {
            at,
            isError: block.is_error === true,
            reported: reportedMillis(line.toolUseResult),
          });
      }
    }
  return [...calls].map(([key, call]) => ({ ...call, result: results.get(key) }));
};

const rank = (values: ReadonlyArray<number>, percent: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil((values.length * percent) / 100) - 1] ?? 0;

const rowsOf = Effect.fnUntraced(function* (name: string, section: string, by?: string) {
  const report = reportNamed(name) ?? assert.fail(name);
  const request = { tenant: "default", zone: "UTC", sections: [section], limit: 10_000, by };
  const [answer] = (yield* runReport(report, request)).sections;
  const columns = answer?.columns.map((column) => column.name) ?? [];
  return (answer?.rows ?? []).map((row): Readonly<Record<string, unknown>> =>
    Object.fromEntries(row.map((value, at) => [columns[at] ?? "", value])),
  );
});

/** US dollars for a million tokens: input, output, read from the cache, written to it. */
const prices: Readonly<Record<string, readonly [number, number, number, number]>> = {
  "claude-opus-4-5-20251101": [5, 25, 0.5, 6.25],
  "claude-opus-4-6": [5, 25, 0.5, 6.25],
  "claude-sonnet-4-5-20250929": [3, 15, 0.3, 3.75],
  "claude-haiku-4-5-20251001": [1, 5, 0.1, 1.25],
  "gemini-2.5-flash": [0.3, 2.5, 0.03, 0.3],
};

/** The percentiles of each tool, and who read and wrote each file, as the raw files of this folder give them. */
export const holdPercentiles = Effect.fnUntraced(function* (folder: string) {
  const calls = callsOf(folder);
  const timed = Map.groupBy(
    calls.flatMap(({ at, name, result }) =>
      result === undefined ? [] : [{ name, millis: result.reported ?? Math.max(0, result.at - at) }],
    ),
    ({ name }) => name,
  );
  const used = (yield* rowsOf("tools", "use", "tool")).filter((row) => row["timed"] !== 0);
  assert.sameMembers(
    used.map((row) => row["tool_name"]),
    [...timed.keys()],
  );
  for (const row of used) {
    const millis = (timed.get(String(row["tool_name"])) ?? []).map((one) => one.millis);
    assert.strictEqual(row["timed"], millis.length);
    for (const percent of [50, 95, 99])
      assert.closeTo(Number(row[`p${percent}_millis`]), rank(millis, percent), 1e-6, `${String(row["tool_name"])}`);
  }
  const [all] = yield* rowsOf("tools", "use", "agent");
  const every = [...timed.values()].flat().map(({ millis }) => millis);
  assert.deepInclude(all, { timed: every.length, p50_millis: rank(every, 50), p95_millis: rank(every, 95) });

  const writers = new Set(["Write", "Edit", "MultiEdit", "NotebookEdit"]);
  const files = new Map<string, { reads: number; writes: number }>();
  for (const { name, path, result } of calls) {
    if (typeof path !== "string" || result?.isError === true) continue;
    if (!writers.has(name) && name !== "Read" && name !== "NotebookRead") continue;
    const file = files.get(path) ?? { reads: 0, writes: 0 };
    files.set(path, file);
    if (writers.has(name)) file.writes += 1;
    else file.reads += 1;
  }
  assert.isAbove(files.size, 100);
  const found = yield* rowsOf("projects", "used");
  assert.deepStrictEqual(
    new Map(found.map((row) => [row["path"], { reads: row["reads"], writes: row["writes"] }])),
    files as Map<unknown, unknown>,
  );
});

/** The estimated cost of each model of a set, by the raw tokens, and no task nor session of ours. */
export const holdEstimates = Effect.fnUntraced(function* (
  set: "claude-code-entire" | "gemini-cli-entire",
  root: string,
) {
  const { models } = countsOf(set, root);
  for (const row of yield* rowsOf("models", "spent", "model")) {
    const model = String(row["model"]);
    const tokens = models[model] ?? assert.fail(model);
    const price = prices[model];
    if (price === undefined) assert.isNull(row["estimated_usd"], model);
    else {
      const fresh = tokens.input - tokens.cacheRead - tokens.cacheWrite;
      const [input, output, read, written] = price;
      const usd = fresh * input + tokens.output * output + tokens.cacheRead * read + tokens.cacheWrite * written;
      assert.closeTo(Number(row["estimated_usd"]), usd / 1e6, 1e-6, model);
    }
  }
  for (const [report, section] of [
    ["tasks", "types"],
    ["tasks", "open"],
    ["sessions", "clients"],
  ] as const)
    assert.deepStrictEqual(yield* rowsOf(report, section), []);
});
