/**
 * Filters of a search, as conditions on each of its sources.
 *
 * Room: query.
 */
import { parts, type Source } from "../../projections/search.ts";
import type { SearchFilter } from "./Search.ts";

const project = (cwd: string): string => `EXISTS (SELECT 1 FROM names n WHERE n.name = ${cwd} AND (n.text = :project
  OR substr(n.text, 1, length(:project) + 1) = :project || '/' OR substr(n.text, -length(:project) - 1) = '/' || :project
  OR instr(n.text, '/' || :project || '/') > 0))`;

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
): string => `r.id, t.thread_id AS thread, r.tenant AS tenant_name, ${source.kind} AS kind,
  r.sequence, ${source.role} AS role, ${source.at} AS at, coalesce(${source.bytes}, 0) AS bytes`;
