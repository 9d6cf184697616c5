/**
 * Tool calls by time: how many, how they ended and what they took, by thread and quarter of an hour.
 *
 * Room: projections.
 */
import { nameText, type View } from "../../src/projection/Projection.ts";
import { type Summed, type Told, upkeepOf } from "./counted.ts";
import { joinTenant, numbered, numberOf, one, orZero, quarter, quarterMillis, same, tableOf, when } from "./sums.ts";
import { countsHere } from "./counted.ts";

/** SQL: whether a row is a call, and not only the result of one that was never seen. */
export const isCall = (row: string): string => `(${row}.sequence IS NOT NULL)`;

/**
 * The reported duration, or what the clock says; the clocks of writers may disagree, so never below zero. Nothing where
 * one entry tells of call and result with one time: that says when it was told.
 */
export const durationOfCall = `coalesce(reported_millis, CASE WHEN result_sequence <> sequence OR ended_at <> started_at
  THEN max(0, ended_at - started_at) END)`;

/** SQL: the duration of a row of `tool_calls`. */
export const duration = (row: string): string => `${row}.duration_millis`;

const told: Told = {
  table: "tool_calls",
  key: ["call_key", "tenant", "second_hand"],
  copy: { copy_of: "call_key" },
  // A server's record of a call that only its agent's hooks tell.
  copiesSecondHand: true,
  is: isCall,
  isBy: ["sequence"],
};

const summed: Summed = {
  table: "call_activity",
  key: {
    quarter_at: quarter("started_at"),
    thread_id: same("thread_id"),
    tenant: same("tenant"),
    name: orZero("name"),
    server: orZero("server"),
  },
  sums: {
    calls: one,
    ok: (row) => `(${row}.outcome IS 'ok')`,
    errors: (row) => `(${row}.outcome IS 'error')`,
    timed: (row) => `(${duration(row)} IS NOT NULL)`,
    duration_micros: (row) => `CAST(round(coalesce(${duration(row)}, 0) * 1000) AS INTEGER)`,
    arguments_bytes: orZero("arguments_bytes"),
    result_bytes: orZero("result_bytes"),
  },
  by: [
    "started_at",
    "thread_id",
    "tenant",
    "name",
    "server",
    "outcome",
    "reported_millis",
    "sequence",
    "result_sequence",
    "ended_at",
    "arguments_bytes",
    "result_bytes",
  ],
};

const toolNumbered = { tool_number: numberOf("the tool") };
const serverNumbered = { server_number: `${numberOf("the server")} Null for a built-in tool.` };

const callActivity: View = {
  name: "v_call_activity",
  doc: "One row per quarter of an hour, thread and tool: its calls, how they ended and what they took. May be added up.",
  columns: {
    ...when,
    tool_name: "Name of the tool.",
    server: "Server that offers it; null for a built-in one.",
    calls: "Calls.",
    ok: "Calls that succeeded.",
    errors: "Calls that failed.",
    timed: "Calls whose duration is known.",
    duration_millis: "Their durations together, milliseconds.",
    arguments_bytes: "Bytes of all arguments.",
    result_bytes: "Bytes of all results.",
    ...numbered,
    ...toolNumbered,
    ...serverNumbered,
  },
  select: `SELECT c.quarter_at, t.text, w.text, ${nameText("c.name")}, ${nameText("c.server")}, c.calls, c.ok, c.errors,
    c.timed, c.duration_micros / 1000.0, c.arguments_bytes, c.result_bytes, c.thread_id, c.name,
    nullif(c.server, 0) FROM call_activity c LEFT JOIN names t ON t.name = c.thread_id ${joinTenant("c")}`,
};

const quarterOfCall = `coalesce(c.started_at - c.started_at % ${quarterMillis}, 0)`;

const durations: View = {
  name: "v_call_durations",
  doc: "One row per call with a known duration: for percentiles, by properties of its thread.",
  columns: {
    ...when,
    tool_name: "Name of the tool.",
    server: "Server that offers it; null for a built-in one.",
    duration_millis: "Duration in milliseconds as reported, else from start to end.",
    ...numbered,
    ...toolNumbered,
    ...serverNumbered,
  },
  select: `SELECT ${quarterOfCall}, ${nameText("c.thread_id")}, w.text, ${nameText("c.name")}, ${nameText("c.server")}, ${duration("c")},
    c.thread_id, c.name, c.server FROM names w CROSS JOIN tool_calls c ON c.tenant = w.name
    WHERE ${isCall("c")} AND ${countsHere("c")} AND ${duration("c")} IS NOT NULL`,
};

const steps: View = {
  name: "v_tool_steps",
  doc: "One row per call: its tool, and the tool that was called next in the same thread.",
  columns: {
    ...when,
    tool_name: "Tool that was called.",
    next_tool_name: "Tool that was called next; null where it was the last call of its thread.",
    sequence: "Stream sequence of the event that tells of the call.",
    ...numbered,
    ...toolNumbered,
    next_tool_number: numberOf("the tool that was called next"),
  },
  select: `SELECT (c.quarter_at), ${nameText("c.thread_id")}, ${nameText("c.tenant")}, ${nameText("c.name")}, ${nameText("c.next")}, (c.sequence), c.thread_id,
    (c.name), (c.next) FROM (SELECT ${quarterOfCall} AS quarter_at, c.thread_id, c.tenant, c.name, c.sequence,
        lead(c.name) OVER (PARTITION BY c.thread_id, c.tenant, c.second_hand ORDER BY c.sequence) AS next
        FROM tool_calls c WHERE ${isCall("c")} AND ${countsHere("c")}) c`,
};

/** The value at a share of the known durations of a tool, nearest rank: from the nearer end of the index. */
const percentile = (percent: number): string => {
  const rank = `((a.timed * ${percent} + 99) / 100)`;
  const [order, place] = percent > 50 ? ["DESC", `a.timed - ${rank} + 1`] : ["ASC", rank];
  return `CASE WHEN a.timed > 0 THEN (SELECT d.millis FROM (SELECT ${duration("c")} AS millis,
      row_number() OVER (ORDER BY ${duration("c")} ${order}) AS place
    FROM tool_calls c WHERE c.tenant = a.tenant AND c.name = a.name AND c.server IS nullif(a.server, 0)
      AND ${duration("c")} IS NOT NULL AND c.elsewhere IS NULL AND c.sequence IS NOT NULL) d WHERE d.place = ${place} LIMIT 1) END`;
};

const toolStats: View = {
  name: "v_tool_stats",
  doc: "One row per tool, server and tenant: how often, how well and how long.",
  columns: {
    tool_name: "Name of the tool.",
    server: "Server that offers it; null for a built-in one.",
    tenant: "Tenant it belongs to.",
    calls: "Number of calls.",
    ok: "Calls that succeeded.",
    errors: "Calls that failed.",
    unknown: "Calls whose result was never seen.",
    threads: "Threads it was called in.",
    timed: "Calls whose duration is known: what mean, percentiles and longest duration are of.",
    mean_duration_millis: "Mean of the known durations in milliseconds; null when none is known.",
    p50_duration_millis: "Median of the known durations in milliseconds, nearest rank; null when none is known.",
    p95_duration_millis:
      "95th percentile of the known durations in milliseconds, nearest rank; null when none is known.",
    p99_duration_millis:
      "99th percentile of the known durations in milliseconds, nearest rank; null when none is known.",
    max_duration_millis: "Longest known duration in milliseconds; null when none is known.",
    arguments_bytes: "Bytes of all arguments.",
    result_bytes: "Bytes of all results.",
    last_at: "Quarter of an hour in which it was last called, epoch milliseconds; null where no record has a time.",
  },
  select: `SELECT ${nameText("a.name")}, ${nameText("nullif(a.server, 0)")}, ${nameText("a.tenant")}, (a.calls), (a.ok), (a.errors), a.calls - a.ok - (a.errors),
    (a.threads), (a.timed), a.duration_micros / 1000.0 / nullif(a.timed, 0), ${percentile(50)}, ${percentile(95)}, ${percentile(99)},
    ${percentile(100)}, (a.arguments_bytes), (a.result_bytes), nullif(a.last_at, 0)
    FROM (SELECT name, server, tenant, sum(calls) AS calls, sum(ok) AS ok, sum(errors) AS errors, count(DISTINCT thread_id) AS threads,
      sum(timed) AS timed, sum(duration_micros) AS duration_micros, sum(arguments_bytes) AS arguments_bytes,
      sum(result_bytes) AS result_bytes, max(quarter_at) AS last_at FROM call_activity GROUP BY name, server, tenant) a`,
};

/**
 * Decision: all sums once more in the order of tools, because a GROUP BY that finds no order sorts every row: the sums of all tools
 * of 171,435 rows took 340 ms so, and 91 ms off the index, for 33 bytes a row.
 */
const byTool = ["tenant", "name", "server", "thread_id", "quarter_at", ...Object.keys(summed.sums)];

export const callActivityTable = tableOf(summed, "One row per quarter, thread and tool.", [byTool]);
export const callActivityViews = [callActivity, toolStats, durations, steps];
export const callUpkeep = upkeepOf(told, summed);
