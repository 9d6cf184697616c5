/**
 * The sources of a search: each table with a full-text index, its kinds of hits, and the meaning of filters there.
 *
 * Room: query.
 */
import { countsHere } from "../../projections/activity/counted.ts";
import { messageCounts } from "../../projections/messages.ts";
import { textOf } from "../../projections/text.ts";
import { callCounts } from "../../projections/toolCalls.ts";
import { idText } from "../projection/fold/CompactId.ts";
import type { HitKind, SearchFilter } from "./Search.ts";

export interface Source {
  readonly table: string;
  readonly kinds: ReadonlyArray<HitKind>;
  /** SQL: what is joined to a row `r` and its thread `t`. */
  readonly joins: string;
  readonly kind: string;
  readonly messageId: string;
  readonly callId: string;
  readonly tool: string;
  readonly role: string;
  readonly at: string;
  readonly bytes: string;
  readonly text: string;
  /** Condition for rows with a text, as the index has it. */
  readonly has: string;
  /** Rows that count at all. */
  readonly counts: string;
  readonly cwd: string;
  readonly branch: string;
  /** Model, tool and error that it is of; absent: of none. */
  readonly model?: string;
  readonly ofTool?: string;
  readonly failed?: string;
}

const nameOf = (column: string): string => `(SELECT text FROM names WHERE name = ${column})`;

const callOfPart = "c.thread_id = r.thread_id AND c.tenant = r.tenant AND c.call_id = r.refers_to";

const parts: Source = {
  table: "message_parts",
  kinds: ["said", "thinking", "result", "file"],
  joins: `JOIN messages m ON m.thread_id = r.thread_id AND m.tenant = r.tenant AND m.second_hand = r.second_hand
    AND m.message_id = r.message_id`,
  kind: `CASE WHEN r.type = 'thinking' THEN 'thinking' WHEN r.type = 'file' THEN 'file'
    WHEN r.type = 'tool_result' OR ${nameOf("m.kind")} = 'tool_result' THEN 'result' ELSE 'said' END`,
  messageId: idText("r.message_id"),
  callId: "CASE r.type WHEN 'tool_result' THEN r.refers_to END",
  tool: `CASE r.type WHEN 'tool_result' THEN (SELECT ${nameOf("c.name")} FROM tool_calls c WHERE ${callOfPart} LIMIT 1) END`,
  role: `CASE WHEN ${nameOf("m.kind")} IN ('prompt', 'answer', 'tool_result') THEN ${nameOf("m.role")} ELSE ${nameOf("m.kind")} END`,
  at: "m.occurred_at",
  bytes: "r.bytes",
  text: `coalesce(${textOf("r")}, r.refers_to)`,
  has: "(r.text IS NOT NULL OR r.quoted_in IS NOT NULL OR r.type = 'file')",
  counts: messageCounts("m"),
  cwd: "coalesce(m.cwd, t.cwd)",
  branch: "coalesce(m.branch, t.branch)",
  model: nameOf("m.model"),
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
  tool: nameOf("r.name"),
  role: "NULL",
  at: "r.started_at",
  bytes: "r.arguments_bytes",
  text: "r.arguments",
  has: "r.arguments IS NOT NULL",
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
  tool: nameOf("c.name"),
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

const ofThread = (table: string, kind: HitKind, column: string, at = "NULL"): Source => ({
  table,
  kinds: [kind],
  joins: "",
  kind: `'${kind}'`,
  messageId: "NULL",
  callId: "NULL",
  tool: "NULL",
  role: "NULL",
  at,
  bytes: `length(r.${column})`,
  text: `r.${column}`,
  has: `r.${column} IS NOT NULL`,
  counts: "TRUE",
  cwd: "t.cwd",
  branch: "t.branch",
});

export const sources: ReadonlyArray<Source> = [
  parts,
  calls,
  results,
  ofThread("file_names", "file", "path"),
  ofThread("thread_titles", "title", "title", "t.last_activity_at"),
  ofThread("compactions", "summary", "summary", "r.occurred_at"),
];

const project = (cwd: string): string => `EXISTS (SELECT 1 FROM names n WHERE n.name = ${cwd} AND (n.text = :project
  OR substr(n.text, 1, length(:project) + 1) = :project || '/' OR substr(n.text, -length(:project) - 1) = '/' || :project
  OR instr(n.text, '/' || :project || '/') > 0))`;

/** Neither one of these threads nor a child of one. */
const excepted = "(SELECT n.name FROM names n JOIN json_each(:except) e ON n.text = e.value)";
const notExcepted = `r.thread_id NOT IN ${excepted} AND coalesce(t.parent_thread_id, -1) NOT IN ${excepted}`;

const file = `(EXISTS (SELECT 1 FROM file_names f WHERE f.thread_id = r.thread_id AND f.tenant = r.tenant AND instr(f.path, :file) > 0)
  OR r.thread_id IN (SELECT c.thread_id FROM tool_calls_fts i JOIN tool_calls c ON c.id = i.rowid WHERE i.text MATCH :fileMatch))`;

/** The conditions of a filter on a source; undefined where it can hold nothing of it. */
export const conditionsOf = (source: Source, filter: SearchFilter): ReadonlyArray<string> | undefined => {
  const kinds = filter.kinds ?? source.kinds;
  const wanted = source.kinds.filter((kind) => kinds.includes(kind));
  if (wanted.length === 0) return undefined;
  if (filter.model !== undefined && source.model === undefined) return undefined;
  if (filter.role !== undefined && source !== parts) return undefined;
  if (filter.tool !== undefined && source.ofTool === undefined) return undefined;
  if (filter.hasError === true && source.failed === undefined) return undefined;
  return [
    source.counts,
    ...(wanted.length === source.kinds.length
      ? []
      : [`${source.kind} IN (${wanted.map((kind) => `'${kind}'`).join(", ")})`]),
    ...(filter.tenant === undefined ? [] : ["r.tenant = (SELECT name FROM names WHERE text = :tenant)"]),
    ...(filter.threadId === undefined ? [] : ["r.thread_id = (SELECT name FROM names WHERE text = :threadId)"]),
    ...((filter.except ?? []).length === 0 ? [] : [notExcepted]),
    ...(filter.project === undefined ? [] : [project(source.cwd)]),
    ...(filter.branch === undefined ? [] : [`${source.branch} = (SELECT name FROM names WHERE text = :branch)`]),
    ...(filter.agent === undefined
      ? []
      : [
          `EXISTS (SELECT 1 FROM names n WHERE n.name IN (t.tool, t.client) AND substr(n.text, 1, length(:agent)) = :agent)`,
        ]),
    ...(filter.model === undefined ? [] : [`instr(${source.model ?? "NULL"}, :model) > 0`]),
    ...(filter.role === undefined ? [] : [`${source.role} = :role`]),
    ...(filter.tool === undefined ? [] : [source.ofTool ?? "FALSE"]),
    ...(filter.file === undefined ? [] : [file]),
    ...(filter.since === undefined ? [] : [`${source.at} >= :since`]),
    ...(filter.until === undefined ? [] : [`${source.at} <= :until`]),
    ...(filter.hasError === true ? [source.failed ?? "FALSE"] : []),
  ];
};

/** Columns of a row that are asked for before it is ranked. */
export const columnsOf = (
  source: Source,
): string => `r.id, r.thread_id AS thread, r.tenant AS tenant_name, ${source.kind} AS kind,
  r.sequence, ${source.role} AS role, ${source.at} AS at, coalesce(${source.bytes}, 0) AS bytes`;
