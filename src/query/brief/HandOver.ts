/**
 * A brief of one conversation for another agent: what was asked, where it stands, what was touched, and where it is said.
 *
 * Room: query.
 *
 * Taken from the record and not written by a model: everything in it has a place, at which the words themselves can be read.
 */
import { Effect } from "effect";
import type { JsonObject, JsonValue } from "../../domain/Json.ts";
import { Query, type ThreadRow } from "../Query.ts";
import { clip, shrunk, sizeOf } from "./Budget.ts";
import { cellOf, known, minute, titleOf } from "./Plain.ts";

const ofThread = "thread_id = :thread AND tenant = :tenant";
const own = `${ofThread} AND is_abandoned = 0 AND is_copied = 0`;
const prompts = (order: "" | "DESC", limit: number) =>
  `SELECT sequence, occurred_at, text, message_id FROM v_messages WHERE ${own} AND kind IN ('prompt', 'task')
   ORDER BY sequence ${order}, ordinal ${order} LIMIT ${limit}`;

const lastPrompts = 6;
const lastFailures = 5;
const mostFiles = 30;
const mostTools = 12;
const lengths = { goal: 1_500, prompt: 500, answer: 2_500, summary: 4_000, error: 240 };

const said = ([sequence, at, text]: ReadonlyArray<JsonValue>, length: number): JsonObject =>
  known({
    place: sequence,
    at: typeof at === "number" ? minute(at) : undefined,
    text: clip(String(text ?? "").trim(), length),
  }) as JsonObject;

/** In the order in which they are given up when the budget is small. */
const lessImportant = ["failures", "tools", "files", "related", "asked_then"];

/** Files that a call of an editing tool names. */
const changed = `SELECT DISTINCT path FROM (SELECT coalesce(json_extract(arguments, '$.file_path'), json_extract(arguments, '$.path'),
    json_extract(arguments, '$.filePath')) AS path, sequence FROM v_tool_calls
  WHERE ${ofThread} AND json_valid(arguments) AND (tool_name LIKE '%edit%' OR tool_name LIKE '%write%' OR tool_name LIKE '%replace%' OR tool_name LIKE '%create%')
  ORDER BY sequence DESC) WHERE path IS NOT NULL LIMIT ${mostFiles}`;

/** A brief, and what was given up for its budget. */
export interface Brief {
  readonly brief: JsonObject;
  /** Names of the parts that are not in it. */
  readonly leftOut: ReadonlyArray<string>;
  /** True when it is not all of it: parts are left out, or texts cut. */
  readonly isCut: boolean;
}

/** The brief of a thread within a number of tokens, as `size` counts them (default: those of its JSON). */
export const briefOf = Effect.fnUntraced(function* (given: {
  readonly thread: ThreadRow;
  readonly tokens: number;
  readonly size?: (brief: JsonObject) => number;
}) {
  const { thread } = given;
  const query = yield* Query;
  const bound = { thread: thread.threadId, tenant: thread.tenant };
  const ask = (statement: string) =>
    Effect.map(query.select(statement, bound), ({ rows }) => rows.map((row) => row.map(cellOf)));
  const [first] = yield* ask(prompts("", 1));
  const then = (yield* ask(prompts("DESC", lastPrompts))).toReversed();
  const [answer] = yield* ask(`SELECT sequence, occurred_at, text FROM v_messages WHERE ${own} AND kind = 'answer'
    AND coalesce(text, '') <> '' ORDER BY sequence DESC, ordinal DESC LIMIT 1`);
  const [summary] =
    yield* ask(`SELECT sequence, occurred_at, summary FROM v_compactions WHERE ${ofThread} AND summary IS NOT NULL
    ORDER BY sequence DESC LIMIT 1`);
  const files = yield* ask(changed);
  const tools = yield* ask(`SELECT tool_name, count(*), sum(outcome = 'error') FROM v_tool_calls WHERE ${ofThread}
    GROUP BY 1 ORDER BY 2 DESC LIMIT ${mostTools}`);
  const failures =
    yield* ask(`SELECT sequence, tool_name, coalesce(error_message, result) FROM v_tool_calls WHERE ${ofThread}
    AND outcome = 'error' ORDER BY sequence DESC LIMIT ${lastFailures}`);
  const unanswered =
    yield* ask(`SELECT sequence, tool_name, substr(arguments, 1, 200) FROM v_tool_calls WHERE ${ofThread}
    AND outcome = 'unknown' AND sequence > coalesce((SELECT max(sequence) FROM v_messages WHERE ${own} AND kind = 'prompt'), 0)
    ORDER BY sequence LIMIT 5`);
  const tasks =
    yield* ask(`SELECT task_id, status, coalesce(description, agent_type), output FROM v_tasks WHERE ${ofThread}
    ORDER BY first_sequence DESC LIMIT 10`);
  const related = yield* ask(`SELECT thread_id, parent_relation, coalesce(title, opening) FROM v_threads
    WHERE parent_thread_id = :thread AND tenant = :tenant ORDER BY listed_at DESC LIMIT 10`);
  const firstId = first?.[3];
  const list = (rows: ReadonlyArray<JsonValue>) => (rows.length === 0 ? undefined : rows);
  const brief: Record<string, JsonValue> = {
    ...(known({
      thread: thread.threadId,
      title: titleOf(thread),
      agent: thread.tool ?? thread.client,
      model: thread.model,
      folder: thread.cwd,
      branch: thread.branch,
      began: minute(thread.openedAt),
      last_active: minute(thread.lastActivityAt),
      turns: thread.prompts,
      asked_first: first === undefined ? undefined : said(first, lengths.goal),
      asked_then: list(then.filter(([, , , id]) => id !== firstId).map((row) => said(row, lengths.prompt))),
      summary: summary === undefined ? undefined : said(summary, lengths.summary),
      answered_last: answer === undefined ? undefined : said(answer, lengths.answer),
      left_open: list(
        unanswered.map(([place, name, args]): JsonValue => known({ place, tool: name, arguments: args }) as JsonObject),
      ),
      tasks: list(
        tasks.map(
          ([id, status, about, output]): JsonValue =>
            known({
              task: id,
              status,
              about,
              output: typeof output === "string" ? clip(output, 200) : undefined,
            }) as JsonObject,
        ),
      ),
      files: list(files.map(([path]) => path ?? null)),
      tools: list(
        tools.map(
          ([name, calls, errors]): JsonValue => `${String(name)}: ${String(calls)} calls, ${String(errors)} failed`,
        ),
      ),
      failures: list(
        failures.map(([place, name, error]): JsonValue => ({
          place: place ?? null,
          tool: name ?? null,
          error: clip(String(error ?? ""), lengths.error),
        })),
      ),
      related: list(
        related.map(
          ([id, relation, title]): JsonValue =>
            known({
              thread: id,
              relation,
              title: typeof title === "string" ? clip(title, 80) : undefined,
            }) as JsonObject,
        ),
      ),
    }) as JsonObject),
  };
  const size = (value: JsonValue) => (given.size ?? sizeOf)(value as JsonObject);
  const leftOut: Array<string> = [];
  let fitted: JsonValue = brief;
  for (const name of ["", ...lessImportant]) {
    if (name in brief) {
      delete brief[name];
      leftOut.push(name);
    }
    fitted = size(brief) <= given.tokens ? brief : shrunk(brief, given.tokens, size);
    if (size(fitted) <= given.tokens) break;
  }
  return { brief: fitted as JsonObject, leftOut, isCut: leftOut.length > 0 || fitted !== brief } satisfies Brief;
});
