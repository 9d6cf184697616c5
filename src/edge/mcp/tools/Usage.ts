/**
 * `usage`: tokens and what they cost, by day, model, project, agent or thread; or tool calls by tool.
 *
 * Room: edge.
 */
import { Effect, Schema } from "effect";
import { fitting } from "../../../query/brief/Budget.ts";
import { maybeText, moment, since, until, whole } from "../Parameters.ts";
import { known } from "../../../query/brief/Plain.ts";
import { objectsOf, rowsOf } from "../Rows.ts";
import { tool } from "../Tool.ts";

/** What it can be grouped by, and the expression for it. */
const groups = {
  day: "date(u.occurred_at / 1000, 'unixepoch')",
  model: "u.model",
  project: "t.cwd",
  agent: "coalesce(t.tool, t.client)",
  thread: "u.thread_id",
} as const;

const tokenColumns = [
  "messages",
  "input_tokens",
  "output_tokens",
  "cache_read_tokens",
  "cache_write_tokens",
  "cost_usd",
];

const tokenSums = `count(*), coalesce(sum(u.input_tokens), 0), coalesce(sum(u.output_tokens), 0), coalesce(sum(u.cache_read_tokens), 0),
  coalesce(sum(u.cache_write_tokens), 0), round(sum(u.cost_usd), 4)`;

const callColumns = ["calls", "ok", "errors", "unknown", "mean_ms", "longest_ms", "result_bytes"];

const callSums = `count(*), sum(u.outcome = 'ok'), sum(u.outcome = 'error'), sum(u.outcome = 'unknown'), round(avg(u.duration_millis)),
  max(u.duration_millis), coalesce(sum(u.result_bytes), 0)`;

export const usage = tool({
  name: "usage",
  title: "Tokens, cost and tool calls",
  description: `Adds up what was used: tokens sent (input, with what the cache gave) and received (output), and the cost in US dollars where the transcripts say one (cost_usd is absent otherwise), by day (UTC), model, project, agent or thread, the largest first; with by = tool the calls of each tool instead: how many, how they ended, how long they took (milliseconds). sum is over all rows, also those that are not shown.`,
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
    const ofCalls = by === "tool";
    const at = ofCalls ? "u.started_at" : "u.occurred_at";
    const bound = known({
      tenant: who.tenant,
      project: input.project,
      agent: input.agent,
      thread: input.thread,
      model: ofCalls ? undefined : input.model,
      since: yield* moment(input.since),
      until: yield* moment(input.until),
    });
    const conditions = [
      "u.tenant = :tenant",
      ...(bound.project === undefined
        ? []
        : [
            "(t.cwd = :project OR instr(t.cwd || '/', :project || '/') = 1 OR instr(t.cwd || '/', '/' || :project || '/') > 0)",
          ]),
      ...(bound.agent === undefined ? [] : ["(instr(t.tool, :agent) = 1 OR instr(t.client, :agent) = 1)"]),
      ...(bound.thread === undefined ? [] : ["u.thread_id = :thread"]),
      ...(bound.model === undefined ? [] : ["instr(u.model, :model) > 0"]),
      ...(bound.since === undefined ? [] : [`${at} >= :since`]),
      ...(bound.until === undefined ? [] : [`${at} <= :until`]),
    ].join(" AND ");
    const columns = ofCalls ? callColumns : tokenColumns;
    const sums = ofCalls ? callSums : tokenSums;
    const from = `FROM ${ofCalls ? "v_tool_calls" : "v_token_usage"} u LEFT JOIN v_threads t ON t.thread_id = u.thread_id AND t.tenant = u.tenant
      WHERE ${conditions}`;
    const group = by === "tool" ? "u.tool_name" : groups[by];
    const order = by === "day" ? "1 DESC" : ofCalls ? "2 DESC, 1" : "3 DESC, 1";
    const all = yield* rowsOf(`SELECT ${group}, ${sums} ${from} GROUP BY 1 ORDER BY ${order}`, bound);
    const [sum] = objectsOf(columns, yield* rowsOf(`SELECT ${sums} ${from}`, bound));
    const head = { by, sum: sum ?? {} };
    const rows = fitting(head, objectsOf([by, ...columns], all.slice(skip, skip + limit)), tokens);
    const isMore = skip + rows.length < all.length;
    return {
      ...head,
      rows,
      total: all.length,
      truncated: isMore,
      ...(isMore ? { next: { skip: skip + rows.length } } : {}),
    };
  }),
});
