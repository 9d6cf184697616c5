/**
 * `query`: one reading SQL statement over the documented views.
 *
 * Room: edge.
 */
import { Effect, Option, Stream } from "effect";
import { auditSql } from "../../../client/AuditedSql.ts";
import { sqlAtOnce, tooManyStatements } from "../../http/SqlAtOnce.ts";
import { Desk } from "../Desk.ts";
import { clip, fitting } from "../../../query/brief/Budget.ts";
import { text, whole } from "../Parameters.ts";
import { cellOf } from "../../../query/brief/Plain.ts";
import { Refused } from "../Refusal.ts";
import { type Call, tool } from "../Tool.ts";

/** Most rows that are counted for `total`. */
const mostCounted = 20_000;
/** An expression without an alias is its column's name, however long it is. */
const longestName = 120;
/** A model asks again rather than wait for longer. */
const timeoutMillis = 60_000;
/** Held in memory at once, bytes of all values. */
const mostBytes = 32_000_000;

/** The rows that fit, of a statement that is recorded first. */
const answered = Effect.fnUntraced(function* (
  input: { readonly sql: string; readonly skip?: number | undefined },
  { tokens, who }: Call,
) {
  const desk = yield* Desk;
  const query = yield* desk.query;
  const options = { maxRows: mostCounted + 1, maxBytes: mostBytes, timeoutMillis };
  // Without a log or a spool to write to the statement is not recorded: the database is a file that its owner may read anyway.
  const writing = yield* Effect.option(desk.writing);
  if (Option.isSome(writing))
    yield* Effect.provideContext(
      auditSql({
        statement: input.sql,
        options,
        door: "mcp",
        actor: who.name === undefined ? undefined : `mcp/${who.name}`,
      }),
      writing.value,
    );
  const { columns: names, isCut, rows } = yield* query.sql(input.sql, [], options);
  const columns = names.map((name) => clip(name, longestName));
  const found = yield* Stream.runCollect(rows);
  const { skip = 0 } = input;
  const cells = found.slice(skip, mostCounted).map((row) => columns.map((_, at) => cellOf(row[at])));
  const shown = fitting({ columns }, cells, tokens);
  const isWhole = found.length <= mostCounted && !(yield* isCut);
  const isMore = skip + shown.length < found.length;
  return {
    columns,
    rows: shown,
    total: isWhole ? found.length : `more than ${Math.min(found.length, mostCounted)}`,
    truncated: isMore,
    ...(isMore ? { next: { skip: skip + shown.length } } : {}),
  };
}, Effect.scoped);

/** One more than may run at once, over all doors, is refused. */
const busy = new Refused({ message: tooManyStatements, hint: "Ask again when one of them has ended." });

export const sqlQuery = tool({
  name: "query",
  title: "Ask in SQL",
  description: `Runs one reading SQLite statement (SELECT, WITH, VALUES, EXPLAIN) over the record: counts, sums, rankings, whatever the other tools do not give. Times are epoch milliseconds; datetime(x / 1000, 'unixepoch') shows them. Views and their main columns:
v_threads(thread_id, title, opening, tool = agent, model, cwd, branch, opened_at, last_activity_at, messages, prompts, answers, tool_calls, parent_thread_id);
v_messages(thread_id, sequence = place, role, kind: prompt | answer | tool_result …, text, model, occurred_at);
v_tool_calls(thread_id, sequence, tool_name, server, arguments = JSON text, outcome: ok | error | unknown, error_message, result, result_bytes, duration_millis, started_at);
v_token_usage(thread_id, model, input_tokens, output_tokens, cache_read_tokens, cost_usd, occurred_at);
v_files_read(thread_id, path, read_at); v_tasks(task_id, agent_type, status, description, submitted_at, ended_at).
More: SELECT * FROM v_dictionary WHERE view = 'v_messages'. A refusal says why.`,
  deed: "sql",
  parameters: {
    sql: text("The statement. Give it a LIMIT, and substr(text, 1, 300) for long texts.", 20_000),
    skip: whole("Rows to leave out: `next` of an answer gives it", 0, mostCounted),
  },
  handle: (input, call) =>
    Effect.flatMap(sqlAtOnce.withPermitsIfAvailable(1)(answered(input, call)), (answer) =>
      answer._tag === "Some" ? Effect.succeed(answer.value) : Effect.fail(busy),
    ),
});
