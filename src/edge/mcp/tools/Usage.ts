/**
 * `usage`: tokens and what they cost, by day, model, project, agent or thread; or tool calls by tool.
 *
 * Room: edge.
 */
import { Effect, Schema } from "effect";
import type { JsonObject, JsonValue } from "../../../domain/Json.ts";
import { fitting } from "../../../query/brief/Budget.ts";
import { cellOf, known, minute } from "../../../query/brief/Plain.ts";
import { Query } from "../../../query/Query.ts";
import { cost } from "../../../query/report/definitions/spending.ts";
import { tools } from "../../../query/report/definitions/tools.ts";
import { type ReportRequest, runReport, type SectionAnswer } from "../../../query/report/RunReport.ts";
import type { Unit } from "../../../query/report/Unit.ts";
import type { Value } from "../../../query/Sql.ts";
import { Desk } from "../Desk.ts";
import { maybeText, moment, since, until, whole } from "../Parameters.ts";
import { tool } from "../Tool.ts";

/** Most rows of a report. */
const all = 10_000;

/** A figure as a model reads it: times in words, shares and dollars with four digits behind the point. */
const figure = (value: Value, unit: Unit): JsonValue => {
  if (unit === "moment") return minute(typeof value === "number" ? value : undefined) ?? null;
  if (typeof value !== "number") return cellOf(value);
  if (unit === "millis") return Math.round(value);
  return unit === "share" || unit === "usd" ? Number(value.toFixed(4)) : cellOf(value);
};

/** Rows of a section, the first column under the name it was asked by. */
const rowsIn = ({ columns, rows }: SectionAnswer, by: string | undefined): ReadonlyArray<JsonObject> =>
  rows.map((row) =>
    known(
      Object.fromEntries(
        columns.map(({ name, unit }, at) => [at === 0 ? (by ?? name) : name, figure(row[at] ?? null, unit)] as const),
      ),
    ),
  );

/** Counts of calls over all rows; shares and percentiles do not add up. */
const sumOf = (rows: ReadonlyArray<JsonObject>): JsonObject =>
  Object.fromEntries(
    ["calls", "ok", "errors", "unknown", "result_bytes"].map((name) => [
      name,
      rows.reduce((sum, row) => sum + Number(row[name] ?? 0), 0),
    ]),
  );

const called = Effect.fnUntraced(function* (request: ReportRequest) {
  const { sections } = yield* runReport(tools, { ...request, by: "tool", sections: ["use", "context"] });
  const [use, context] = sections.map((section) => rowsIn(section, "tool"));
  const bytes = new Map(context?.map((row) => [row["tool"], row["result_bytes"] ?? 0]));
  const rows = (use ?? []).map((row) => ({ ...row, result_bytes: bytes.get(row["tool"]) ?? 0 }));
  return { sum: sumOf(rows), rows };
});

const spent = Effect.fnUntraced(function* (request: ReportRequest, by: string) {
  const { sections } = yield* runReport(cost, { ...request, by, sections: ["totals", "spent"] });
  const [totals, rows] = sections;
  return {
    sum: totals === undefined ? {} : (rowsIn(totals, undefined)[0] ?? {}),
    rows: rows === undefined ? [] : rowsIn(rows, by),
  };
});

export const usage = tool({
  name: "usage",
  title: "Tokens, cost and tool calls",
  description: `Adds up what was used: tokens sent (input, with what the cache gave) and received (output), and the cost in US dollars where the transcripts say one (cost_usd is absent otherwise), by day (UTC), model, project, agent or thread, the dearest and largest first; with by = tool the calls of each tool instead: how many, how they ended, how long they took (milliseconds, with percentiles). The same figures as the reports cost and tools; times count by quarters of an hour. sum is over all rows, also those that are not shown.`,
  deed: "read",
  parameters: {
    by: Schema.Literals(["day", "model", "project", "agent", "thread", "tool"]).annotate({
      description: "What to group by",
    }),
    project: maybeText("Only where the working directory is this, below it, or has this name"),
    agent: maybeText("Only of this agent: claude, codex, gemini …"),
    model: maybeText("Only of models with this in their name (not for by = tool)"),
    thread: maybeText("Only of this thread (its whole id)"),
    since,
    until,
    limit: whole("Most rows, 1 to 500. Default 50.", 1, 500),
    skip: whole("Rows to leave out: `next` of an answer gives it", 0, 10_000),
  },
  handle: Effect.fnUntraced(function* (input, { tokens, who }) {
    const { by, limit = 50, skip = 0 } = input;
    const query = yield* (yield* Desk).query;
    const { agent, model, project, thread } = input;
    const request: ReportRequest = {
      tenant: who.tenant,
      zone: "UTC",
      since: yield* moment(input.since),
      until: yield* moment(input.until),
      only: { project, agent, thread, ...(by === "tool" ? {} : { model }) },
      limit: all,
      trends: "none",
    };
    const found = yield* Effect.provideService(by === "tool" ? called(request) : spent(request, by), Query, query);
    const head = { by, sum: found.sum };
    const rows = fitting(head, found.rows.slice(skip, skip + limit), tokens);
    const isMore = skip + rows.length < found.rows.length;
    return {
      ...head,
      rows,
      total: found.rows.length,
      truncated: isMore,
      ...(isMore ? { next: { skip: skip + rows.length } } : {}),
    };
  }),
});
