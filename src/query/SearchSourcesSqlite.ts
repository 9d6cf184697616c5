/**
 * Filters of a search, as conditions on each of its sources.
 *
 * Room: query.
 */
import type { Database } from "better-sqlite3";
import { parts, type Source } from "../../projections/search.ts";
import { prepared } from "./RowsSqlite.ts";
import type { SearchFilter } from "./Search.ts";
import { byAgent, fileMatchOf, fileThreads, isMain, projectNames } from "./ThreadConditionsSqlite.ts";

/** Neither one of these threads nor a child of one. */
const excepted = "(SELECT n.name FROM names n JOIN json_each(:except) e ON n.text = e.value)";
const notExcepted = `t.thread_id NOT IN ${excepted} AND coalesce(t.parent_thread_id, -1) NOT IN ${excepted}`;

/** Numbers that were asked for once for all sources: see `setsOf`. */
const listed = (set: keyof Sets): string => `(SELECT value FROM json_each(:${set}))`;

/** Working directories and threads that pass, as JSON lists of their numbers. */
export interface Sets {
  readonly cwds?: string;
  readonly fileThreads?: string;
}

const numbersOf = (db: Database, sql: string, bound: Readonly<Record<string, string>>): string =>
  JSON.stringify(
    prepared(db, sql)
      .statement.all(bound)
      .map(([number]) => number),
  );

/** What a filter means in names and threads: each asked for by one question, where the sources would ask it again and again. */
export const setsOf = (db: Database, { file, project }: SearchFilter): Sets => ({
  ...(project === undefined ? {} : { cwds: numbersOf(db, projectNames, { project }) }),
  ...(file === undefined ? {} : { fileThreads: numbersOf(db, fileThreads, { file, fileMatch: fileMatchOf(file) }) }),
});

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
    ...(filter.project === undefined ? [] : [`${source.cwd} IN ${listed("cwds")}`]),
    ...(filter.branch === undefined ? [] : [`${source.branch} = (SELECT name FROM names WHERE text = :branch)`]),
    ...(filter.agent === undefined ? [] : [byAgent]),
    ...(filter.model === undefined ? [] : [`instr(${source.model ?? "NULL"}, :model) > 0`]),
    ...(filter.role === undefined ? [] : [`${source.role} = :role`]),
    ...(filter.tool === undefined ? [] : [source.ofTool ?? "FALSE"]),
    ...(filter.file === undefined ? [] : [`t.thread_id IN ${listed("fileThreads")}`]),
    ...(filter.isMain === true ? [isMain] : []),
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
