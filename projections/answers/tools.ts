/**
 * Answers about tools: how they are used, how long they take, how they fail, what they bring into the context, and loops.
 *
 * Room: projections.
 */
import { nameText, type View } from "../../src/projection/Projection.ts";
import { callCounts } from "../toolCalls.ts";
import { duration } from "../activity/calls.ts";
import { daysOf } from "../activity/sums.ts";
import { iso, isoDoc, named, now, share } from "./spell.ts";

const whose = {
  tool_name: "Name of the tool.",
  server: "Server that offers it; null for a built-in one.",
  server_version: "Version of that server, where a session with it says so; else null.",
  client: "Client program whose threads called it; null when not said.",
  client_version: "Version of the client; null when not said.",
  tenant: "Tenant it belongs to.",
};

const sums = `sum(c.calls) AS calls, sum(c.ok) AS ok, sum(c.errors) AS errors, sum(c.timed) AS timed,
  sum(c.duration_micros) AS duration_micros, sum(c.arguments_bytes) AS arguments_bytes, sum(c.result_bytes) AS result_bytes`;

/** SQL: sums of each tool in each thread, off an index in that order. */
const ofThreads = `(SELECT c.tenant, c.name, c.server, c.thread_id, ${sums}, max(c.quarter_at) AS last_at
      FROM call_activity c GROUP BY c.tenant, c.name, c.server, c.thread_id)`;

const versionOfServer = (row: string): string =>
  `CASE WHEN ${row}.server <> 0 THEN (SELECT s.server_version FROM sessions s WHERE s.thread_id = ${row}.thread_id AND s.tenant = ${row}.tenant LIMIT 1) END`;

const withThread = "LEFT JOIN threads t ON t.thread_id = c.thread_id AND t.tenant = c.tenant";

const counted = {
  calls: "Calls.",
  ok: "Calls that succeeded.",
  errors: "Calls that failed.",
  unknown: "Calls whose result was never seen.",
  error_share: "Of the calls whose result was seen, those that failed.",
};
const countedSql = `(a.calls), (a.ok), (a.errors), a.calls - a.ok - a.errors, ${share("a.errors", "(a.ok + a.errors)")}`;
const mean = "a.duration_micros / 1000.0 / nullif(a.timed, 0)";

const use: View = {
  name: "v_tool_use",
  doc: "One row per tool, server, client and version of both: use, error rate, mean duration, bytes.",
  columns: {
    ...whose,
    ...counted,
    threads: "Threads it was called in.",
    timed: "Calls whose duration is known.",
    mean_duration_millis: "Mean of the known durations, milliseconds; null when none is known.",
    arguments_bytes: "Bytes of all arguments.",
    result_bytes: "Bytes of all results.",
    last_at: "Quarter of an hour in which it was last called, epoch milliseconds; null where no record has a time.",
    last_time: isoDoc,
  },
  select: `SELECT ${nameText("a.name")}, ${named("a.server")}, ${nameText("a.server_version")}, ${nameText("a.client")},
    ${nameText("a.client_version")}, ${nameText("a.tenant")}, ${countedSql}, (a.threads), (a.timed), ${mean}, (a.arguments_bytes),
    (a.result_bytes), nullif(a.last_at, 0), ${iso("a.last_at")}
    FROM (SELECT c.name, c.server, ${versionOfServer("c")} AS server_version, t.client, t.client_version, c.tenant, ${sums},
      count(*) AS threads, max(c.last_at) AS last_at FROM ${ofThreads} c ${withThread} GROUP BY 1, 2, 3, 4, 5, 6) a`,
};

const daily: View = {
  name: "v_tool_days",
  doc: "One row per day of the person, tool, server, client and version: for regressions. Counts may be added up.",
  columns: {
    day: "Day as YYYY-MM-DD, in the time zone of TZ or recollect sql --tz; null for all without a time.",
    tool_name: whose.tool_name,
    server: whose.server,
    client: whose.client,
    client_version: whose.client_version,
    tenant: whose.tenant,
    ...counted,
    timed: "Calls whose duration is known.",
    mean_duration_millis: "Mean of the known durations, milliseconds; null when none is known.",
    result_bytes: "Bytes of all results.",
  },
  select: `SELECT (a.day), ${nameText("a.name")}, ${named("a.server")}, ${nameText("a.client")}, ${nameText("a.client_version")},
    ${nameText("a.tenant")}, ${countedSql}, (a.timed), ${mean}, (a.result_bytes)
    FROM (SELECT q.day, c.name, c.server, t.client, t.client_version, c.tenant, ${sums}
      FROM call_activity c JOIN ${daysOf("call_activity")} q ON q.quarter_at = c.quarter_at ${withThread} GROUP BY 1, 2, 3, 4, 5, 6) a`,
};

const place = (percent: number): string =>
  `max(CASE WHEN d.place = (d.timed * ${percent} + 99) / 100 THEN d.millis END)`;

const latency: View = {
  name: "v_tool_latency",
  doc: "One row per tool, server, client and version: percentiles of the known durations, nearest rank.",
  columns: {
    tool_name: whose.tool_name,
    server: whose.server,
    client: whose.client,
    client_version: whose.client_version,
    tenant: whose.tenant,
    timed: "Calls whose duration is known.",
    p50_duration_millis: "Median, milliseconds.",
    p95_duration_millis: "95th percentile, milliseconds.",
    p99_duration_millis: "99th percentile, milliseconds.",
    max_duration_millis: "Longest, milliseconds.",
  },
  select: `SELECT ${nameText("d.name")}, ${nameText("d.server")}, ${nameText("d.client")}, ${nameText("d.client_version")},
    ${nameText("d.tenant")}, max(d.timed), ${place(50)}, ${place(95)}, ${place(99)}, max(d.millis)
    FROM (SELECT c.name, c.server, t.client, t.client_version, c.tenant, ${duration("c")} AS millis,
      row_number() OVER (PARTITION BY c.tenant, c.name, c.server, t.client, t.client_version ORDER BY ${duration("c")}) AS place,
      count(*) OVER (PARTITION BY c.tenant, c.name, c.server, t.client, t.client_version ORDER BY ${duration("c")}
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS timed
      FROM tool_calls c ${withThread} WHERE ${callCounts("c")} AND ${duration("c")} IS NOT NULL) d
    WHERE d.place IN ((d.timed * 50 + 99) / 100, (d.timed * 95 + 99) / 100, (d.timed * 99 + 99) / 100, d.timed)
    GROUP BY d.name, d.server, d.client, d.client_version, d.tenant`,
};

const context: View = {
  name: "v_tool_context",
  doc: "One row per tool and tenant: what its results and arguments bring into the context of models.",
  columns: {
    tool_name: whose.tool_name,
    tenant: whose.tenant,
    calls: "Calls.",
    result_bytes: "Bytes of all results.",
    arguments_bytes: "Bytes of all arguments.",
    mean_result_bytes: "Mean size of a result, bytes; null when none was seen.",
    context_share: "Of the bytes of all results and arguments of the tenant, those of this tool.",
  },
  select: `SELECT ${nameText("a.name")}, ${nameText("a.tenant")}, (a.calls), (a.result_bytes), (a.arguments_bytes),
    1.0 * a.result_bytes / nullif(a.ok + a.errors, 0),
    ${share("(a.result_bytes + a.arguments_bytes)", "sum(a.result_bytes + a.arguments_bytes) OVER (PARTITION BY a.tenant)")}
    FROM (SELECT c.name, c.tenant, ${sums} FROM call_activity c GROUP BY c.name, c.tenant) a`,
};

const errors: View = {
  name: "v_errors",
  doc: "One row per tool and error in equal words: how often, where, when first and last.",
  columns: {
    tool_name: "Name of the tool; null where the call was never seen.",
    server: whose.server,
    tenant: whose.tenant,
    error_type: "Kind of error, where the caller gives one; else null.",
    error_message: "The first 200 letters of what it said; null when it said nothing.",
    errors: "How often.",
    threads: "Threads it happened in.",
    first_at: "When it came first, epoch milliseconds; null where no record has a time.",
    last_at: "When it came last, epoch milliseconds; null where no record has a time.",
    first_time: isoDoc,
    last_time: isoDoc,
    last_sequence: "Stream sequence of the event that brought it last.",
  },
  select: `SELECT ${nameText("a.name")}, ${nameText("a.server")}, ${nameText("a.tenant")}, ${nameText("a.error_type")}, (a.message),
    (a.errors), (a.threads), (a.first_at), (a.last_at), ${iso("a.first_at")}, ${iso("a.last_at")}, (a.last_sequence)
    FROM (SELECT c.name, c.server, c.tenant, c.error_type, substr(c.error_message, 1, 200) AS message, count(*) AS errors,
      count(DISTINCT c.thread_id) AS threads, min(coalesce(c.ended_at, c.started_at)) AS first_at,
      max(coalesce(c.ended_at, c.started_at)) AS last_at, max(c.result_sequence) AS last_sequence
      FROM tool_calls c WHERE c.outcome = 'error' AND c.elsewhere IS NULL GROUP BY 1, 2, 3, 4, 5) a`,
};

const open: View = {
  name: "v_open_calls",
  doc: "One row per tool call whose outcome was never seen: cut by a crash, or still at work.",
  columns: {
    call_key: "What makes it one call in its tenant.",
    tool_call_id: "Id of the call as the format writes it.",
    thread_id: "Thread the call was made in.",
    tenant: whose.tenant,
    tool_name: whose.tool_name,
    server: whose.server,
    started_at: "When it was asked for, epoch milliseconds; null where no record has a time.",
    started_time: isoDoc,
    is_cut:
      "1 when its thread went on after it, or has been silent for an hour, else 0: then it is probably still at work.",
    sequence: "Stream sequence of the event that tells of the call.",
  },
  select: `SELECT c.call_key, c.call_id, t.text, ${nameText("c.tenant")}, ${nameText("c.name")}, ${nameText("c.server")}, c.started_at,
    ${iso("c.started_at")}, coalesce((SELECT (SELECT count(*) FROM messages m WHERE m.thread_id = c.thread_id AND m.sequence > c.sequence
        AND m.kind = (SELECT name FROM names WHERE text = 'prompt') LIMIT 1) > 0 OR h.listed_at < ${now} - 3600000
      FROM threads h WHERE h.thread_id = c.thread_id AND h.tenant = c.tenant), 0), c.sequence
    FROM tool_calls c LEFT JOIN names t ON t.name = c.thread_id WHERE c.result_sequence IS NULL AND ${callCounts("c")}`,
};

const sequences: View = {
  name: "v_tool_sequences",
  doc: "One row per tool and the tool that was called next in the same thread: what follows what.",
  columns: {
    tool_name: "Tool that was called.",
    next_tool_name: "Tool that was called next; null where it was the last call of its thread.",
    tenant: whose.tenant,
    times: "How often.",
    follow_share: "Of all calls of the first tool, those that were followed so.",
  },
  select: `SELECT ${nameText("a.name")}, ${nameText("a.next")}, ${nameText("a.tenant")}, (a.times),
    ${share("a.times", "sum(a.times) OVER (PARTITION BY a.tenant, a.name)")}
    FROM (SELECT s.name, s.next, s.tenant, count(*) AS times FROM (SELECT c.name, c.tenant,
        lead(c.name) OVER (PARTITION BY c.thread_id, c.tenant, c.second_hand ORDER BY c.sequence) AS next
        FROM tool_calls c WHERE ${callCounts("c")}) s GROUP BY s.name, s.next, s.tenant) a`,
};

/** Fewer equal calls are no loop. */
const loopFrom = 3;

const loops: View = {
  name: "v_loops",
  doc: `One row per thread, tool and equal arguments that were given at least ${loopFrom} times: an agent that goes in circles.`,
  columns: {
    thread_id: "Thread it happened in.",
    tenant: whose.tenant,
    tool_name: whose.tool_name,
    times: "How often the tool was called with these arguments.",
    errors: "How many of these calls failed.",
    arguments: "The arguments, as JSON text.",
    first_sequence: "Stream sequence of the first of these calls.",
    last_sequence: "Stream sequence of the last of them.",
  },
  select: `SELECT t.text, ${nameText("a.tenant")}, ${nameText("a.name")}, (a.times),
    (SELECT count(*) FROM tool_calls e WHERE e.name = a.name AND e.thread_id = a.thread_id AND e.arguments_key = a.arguments_key
      AND e.tenant = a.tenant AND e.outcome = 'error' AND e.elsewhere IS NULL),
    (SELECT e.arguments FROM tool_calls e WHERE e.name = a.name AND e.thread_id = a.thread_id AND e.arguments_key = a.arguments_key
      AND e.tenant = a.tenant LIMIT 1), (a.first_sequence), (a.last_sequence)
    FROM (SELECT c.name, c.thread_id, c.arguments_key, c.tenant, count(*) AS times, min(c.sequence) AS first_sequence,
      max(c.sequence) AS last_sequence FROM tool_calls c WHERE ${callCounts("c")} AND c.arguments_key IS NOT NULL
      GROUP BY c.name, c.thread_id, c.arguments_key, c.tenant HAVING count(*) >= ${loopFrom}) a
    LEFT JOIN names t ON t.name = a.thread_id`,
};

export const toolAnswers: ReadonlyArray<View> = [use, daily, latency, context, errors, open, sequences, loops];
