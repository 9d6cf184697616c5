/**
 * Filters of a search, as conditions on each of its sources.
 *
 * Room: query.
 */
import { parts, type Source } from "../../projections/search.ts";
import type { SearchFilter } from "./Search.ts";

/** Asked of the names once for a question, not of each row. */
const projects = `(SELECT name FROM names WHERE instr(text, :project) > 0 AND (text = :project
  OR substr(text, 1, length(:project) + 1) = :project || '/' OR substr(text, -length(:project) - 1) = '/' || :project
  OR instr(text, '/' || :project || '/') > 0))`;

const agents = "(SELECT name FROM names WHERE text >= :agent AND text < :agent || char(0x10FFFF))";

/** Neither one of these threads nor a child of one. */
const excepted = "(SELECT n.name FROM names n JOIN json_each(:except) e ON n.text = e.value)";
const notExcepted = `t.thread_id NOT IN ${excepted} AND coalesce(t.parent_thread_id, -1) NOT IN ${excepted}`;

const file = `(EXISTS (SELECT 1 FROM file_names f WHERE f.thread_id = t.thread_id AND f.tenant = r.tenant AND instr(f.path, :file) > 0)
  OR t.thread_id IN (SELECT c.thread_id FROM tool_calls_fts i JOIN tool_calls c ON c.id = i.rowid WHERE i.text MATCH :fileMatch))`;

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
    ...(filter.threadId === undefined ? [] : ["t.thread_id = (SELECT name FROM names WHERE text = :threadId)"]),
    ...((filter.except ?? []).length === 0 ? [] : [notExcepted]),
    ...(filter.project === undefined ? [] : [`${source.cwd} IN ${projects}`]),
    ...(filter.branch === undefined ? [] : [`${source.branch} = (SELECT name FROM names WHERE text = :branch)`]),
    ...(filter.agent === undefined ? [] : [`(t.tool IN ${agents} OR t.client IN ${agents})`]),
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
): string => `r.id, t.thread_id AS thread, r.tenant AS tenant_name, ${source.kind} AS kind,
  r.sequence, ${source.role} AS role, ${source.at} AS at, coalesce(${source.bytes}, 0) AS bytes`;
