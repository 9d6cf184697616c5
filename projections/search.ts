/**
 * Search: each table with a full-text index, and what of it is a hit of which kind; in SQL as one view over all of them.
 *
 * Room: projections.
 *
 * The view is asked with `words MATCH '…'`, which SQLite hands to each index as long as it can write the view's arms into
 * the question: they have the same affinities, and stand in no sum and no join (`v_search`'s documentation has the way).
 */
import { idText } from "../src/projection/fold/CompactId.ts";
import { nameText, type Projection } from "../src/projection/Projection.ts";
import { fullTextName } from "../src/projection/SchemaSqlite.ts";
import { countsHere } from "./activity/counted.ts";
import { messageCounts } from "./messages.ts";
import { textOf } from "./text.ts";
import { callCounts } from "./toolCalls.ts";

/** Kind of text of a hit. */
export const hitKinds = ["said", "thinking", "arguments", "result", "file", "title", "summary"] as const;
export type HitKind = (typeof hitKinds)[number];

export interface Source {
  readonly table: string;
  readonly kinds: ReadonlyArray<HitKind>;
  /** SQL: what is joined to a row `r`; its thread `t` is joined after it, by `thread` and `r.tenant`. */
  readonly joins: string;
  /** SQL: the name of its thread. Default: the row's own. */
  readonly thread?: string;
  readonly kind: string;
  readonly messageId: string;
  readonly callId: string;
  readonly tool: string;
  readonly role: string;
  readonly at: string;
  readonly bytes: string;
  readonly text: string;
  /** The text is JSON. */
  readonly isJson?: boolean;
  /** Condition for rows with a text, as the index has it. */
  readonly has: string;
  /** SQL: ids of a thread's rows; and of the latest rows up to a time, by an index. */
  readonly idsOfThread?: string;
  readonly idsUntil?: string;
  /** Rows that count at all. */
  readonly counts: string;
  readonly cwd: string;
  readonly branch: string;
  /** Model, tool and error that it is of; absent: of none. */
  readonly model?: string;
  readonly ofTool?: string;
  readonly failed?: string;
}

/** The number of a name: asked once for a question, where `nameText` is asked for each row. */
const nameOf = (text: string): string => `(SELECT name FROM names WHERE text = '${text}')`;

/** The call that a part answers: the one whose first result came with it. */
const callOfPart = `c.thread_id = r.thread_id AND c.tenant = r.tenant AND c.result_sequence = r.sequence
  AND c.call_id = r.refers_to`;

/** SQL: the number of a part's role: its message's, or its kind where that is no prompt, answer or result. */
export const roleNumber = `iif(m.kind IN (SELECT name FROM names WHERE text IN ('prompt', 'answer', 'tool_result')), m.role, m.kind)`;

export const parts: Source = {
  table: "message_parts",
  kinds: ["said", "thinking", "result", "file"],
  joins: `JOIN messages m ON m.thread_id = r.thread_id AND m.tenant = r.tenant AND m.second_hand = r.second_hand
    AND m.message_id = r.message_id`,
  kind: `CASE WHEN r.type = 'thinking' THEN 'thinking' WHEN r.type = 'file' THEN 'file'
    WHEN r.type = 'tool_result' OR m.kind = ${nameOf("tool_result")} THEN 'result' ELSE 'said' END`,
  messageId: idText("r.message_id"),
  callId: "CASE r.type WHEN 'tool_result' THEN r.refers_to END",
  tool: `CASE r.type WHEN 'tool_result' THEN (SELECT ${nameText("c.name")} FROM tool_calls c WHERE ${callOfPart} LIMIT 1) END`,
  role: nameText(roleNumber),
  at: "m.occurred_at",
  bytes: "r.bytes",
  text: `coalesce(${textOf("r")}, r.refers_to)`,
  has: "(r.text IS NOT NULL OR r.quoted_in IS NOT NULL OR r.type = 'file')",
  idsOfThread: "SELECT id FROM message_parts WHERE thread_id = (SELECT name FROM names WHERE text = :threadId)",
  idsUntil: `SELECT p.id FROM (SELECT * FROM messages WHERE occurred_at <= :until ORDER BY occurred_at DESC LIMIT 200) m
    JOIN message_parts p ON p.thread_id = m.thread_id AND p.tenant = m.tenant AND p.second_hand = m.second_hand
      AND p.message_id = m.message_id`,
  counts: messageCounts("m"),
  cwd: "coalesce(m.cwd, t.cwd)",
  branch: "coalesce(m.branch, t.branch)",
  model: nameText("m.model"),
  ofTool: `r.type = 'tool_result' AND EXISTS (SELECT 1 FROM tool_calls c WHERE ${callOfPart}
    AND c.name = (SELECT name FROM names WHERE text = :tool))`,
  failed: `r.type = 'tool_result' AND EXISTS (SELECT 1 FROM tool_calls c WHERE ${callOfPart} AND c.outcome = 'error')`,
};

const calls: Source = {
  table: "tool_calls",
  kinds: ["arguments"],
  joins: "",
  kind: "'arguments'",
  messageId: idText("r.message_id"),
  callId: "r.call_id",
  tool: nameText("r.name"),
  role: "NULL",
  at: "r.started_at",
  bytes: "r.arguments_bytes",
  text: "r.arguments",
  isJson: true,
  has: "r.arguments IS NOT NULL",
  idsOfThread: "SELECT id FROM tool_calls WHERE thread_id = (SELECT name FROM names WHERE text = :threadId)",
  idsUntil: `SELECT id FROM tool_calls WHERE sequence IS NOT NULL AND started_at <= :until ORDER BY started_at DESC LIMIT 200`,
  counts: callCounts("r"),
  cwd: "t.cwd",
  branch: "t.branch",
  ofTool: "r.name = (SELECT name FROM names WHERE text = :tool)",
  failed: "r.outcome = 'error'",
};

const results: Source = {
  table: "tool_results",
  kinds: ["result"],
  joins: `JOIN tool_calls c ON c.call_key = r.call_key AND c.tenant = r.tenant AND c.second_hand = r.second_hand
    AND c.result_sequence = r.sequence AND c.result_ordinal = r.ordinal`,
  kind: "'result'",
  messageId: idText("c.message_id"),
  callId: "c.call_id",
  tool: nameText("c.name"),
  role: "NULL",
  at: "c.ended_at",
  bytes: "c.result_bytes",
  text: textOf("r"),
  has: "r.call_key IS NOT NULL AND (r.text IS NOT NULL OR r.quoted_in IS NOT NULL)",
  counts: countsHere("c"),
  cwd: "t.cwd",
  branch: "t.branch",
  ofTool: "c.name = (SELECT name FROM names WHERE text = :tool)",
  failed: "c.outcome = 'error'",
};

const ofThread = (
  table: string,
  kind: HitKind,
  column: string,
  more: Partial<Pick<Source, "at" | "joins" | "thread">> = {},
): Source => ({
  table,
  kinds: [kind],
  joins: "",
  kind: `'${kind}'`,
  messageId: "NULL",
  callId: "NULL",
  tool: "NULL",
  role: "NULL",
  at: "NULL",
  bytes: `length(r.${column})`,
  text: `r.${column}`,
  has: `r.${column} IS NOT NULL`,
  counts: "TRUE",
  cwd: "t.cwd",
  branch: "t.branch",
  ...more,
});

export const sources: ReadonlyArray<Source> = [
  parts,
  calls,
  results,
  ofThread("file_names", "file", "path"),
  ofThread("thread_titles", "title", "title", { at: "t.last_activity_at" }),
  // A summary gives a title to the thread of a line, which may stand in any file.
  ofThread("line_titles", "title", "title", {
    at: "t.last_activity_at",
    joins: "JOIN message_lines l ON l.line_id = r.line_id AND l.tenant = r.tenant AND l.thread_id IS NOT NULL",
    thread: "l.thread_id",
  }),
  ofThread("compactions", "summary", "summary", { at: "r.occurred_at" }),
];

/** SQL: what is joined to a row `r` of a source, its thread `t` among it. */
export const joinsOf = ({ joins, thread = "r.thread_id" }: Source): string =>
  `${joins} JOIN threads t ON t.thread_id = ${thread} AND t.tenant = r.tenant`;

/** Current time, epoch milliseconds: a view takes no parameter. */
const now = "CAST(strftime('%s', 'now') AS INTEGER) * 1000";
const isShown = `coalesce(t.deleted_at, 0) = 0 AND (coalesce(t.expires_at, 0) = 0 OR t.expires_at > ${now})`;

const armOf = (source: Source): string => {
  const index = fullTextName(source.table);
  const texts = [
    nameText("t.thread_id"),
    nameText("t.tenant"),
    source.kind,
    source.messageId,
    source.callId,
    source.tool,
    source.role,
    source.text,
  ].map((term) => `CAST(${term} AS TEXT)`);
  const numbers = [source.at, "r.sequence"].map((term) => `CAST(${term} AS INTEGER)`);
  return `SELECT ${[...texts, ...numbers, `i.${index}`].join(", ")} FROM ${index} i CROSS JOIN ${source.table} r ON r.id = i.rowid
    ${joinsOf(source).replaceAll("JOIN", "CROSS JOIN")} WHERE ${source.counts} AND ${isShown}`;
};

export const search: Projection = {
  name: "search",
  version: 1,
  doc: "One view over all full-text indexes.",
  tables: [],
  views: [
    {
      name: "v_search",
      doc:
        "One row per text in which words stand, asked with words MATCH in a SELECT of its own: SELECT … FROM v_search WHERE words MATCH 'lock*'. " +
        "For sums and joins: WITH hits AS MATERIALIZED (that SELECT) SELECT … FROM hits. Threads that are deleted or expired are left out.",
      columns: {
        thread_id: "Thread it stands in.",
        tenant: "Tenant the thread belongs to.",
        kind: "said, thinking, arguments of a tool call, result of one, file (a name), title, or summary of a compaction.",
        message_id: "Message it belongs to; null where there is none.",
        tool_call_id: "Tool call it was given to or answers; null where there is none.",
        tool_name: "Tool of that call; null where there is none.",
        role: "Who said it: the message's role, or its kind where that is no prompt, answer or result; else null.",
        text: "The text, cut after 1 MiB; of arguments, JSON.",
        occurred_at: "When it was said, given or answered, epoch milliseconds; null when no time was said.",
        sequence: "Its place: the stream sequence of its event, which recollect thread ID --around takes.",
        words:
          "What MATCH is asked of, in FTS5's language: words, \"a phrase\", begin*, AND, OR, NOT; search_match('as typed') of recollect sql writes that. Holds nothing to read.",
      },
      select: sources.map(armOf).join(" UNION ALL "),
    },
  ],
  facts: [],
  handle: () => [],
};
