/**
 * Filters of a search, as conditions on each of its sources.
 *
 * Room: query.
 */
import { type HitKind, parts, roleNumber, type Source } from "../../../projections/search.ts";
import type { SearchFilter } from "./Search.ts";
import { areAll, listed, type Sets } from "./SearchSetsSqlite.ts";
import { byAgent, isMain, number } from "../ThreadConditionsSqlite.ts";

/** Neither one of these threads nor a child of one. */
const excepted = "(SELECT n.name FROM names n JOIN json_each(:except) e ON n.text = e.value)";
const notExcepted = `t.thread_id NOT IN ${excepted} AND coalesce(t.parent_thread_id, -1) NOT IN ${excepted}`;

/** Kinds that a part's own row tells: its message is not asked for. */
const ownKinds = (source: Source, wanted: ReadonlyArray<HitKind>): ReadonlyArray<string> =>
  source === parts && wanted.every((kind) => kind === "thinking" || kind === "file")
    ? [`r.type IN (${wanted.map((kind) => `'${kind}'`).join(", ")})`]
    : [];

/** The conditions of a filter on a source; undefined where it can hold nothing of it. */
export const conditionsOf = (source: Source, filter: SearchFilter, sets: Sets): ReadonlyArray<string> | undefined => {
  if (sets.isNothing) return undefined;
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
      : [...ownKinds(source, wanted), `${source.kind} IN (${wanted.map((kind) => `'${kind}'`).join(", ")})`]),
    // First, so that nothing is joined to a row of another thread.
    ...(sets.threads !== undefined && areAll(source, filter)
      ? [`${source.thread ?? "r.thread_id"} IN ${listed("threads")}`]
      : []),
    ...(filter.tenant === undefined ? [] : [`r.tenant = ${number(":tenant")}`]),
    ...(filter.threadId === undefined ? [] : [`t.thread_id = ${number(":threadId")}`]),
    ...((filter.except ?? []).length === 0 ? [] : [notExcepted]),
    ...(filter.project === undefined ? [] : [`${source.cwd} IN ${listed("cwds")}`]),
    ...(filter.branch === undefined ? [] : [`${source.branch} = ${number(":branch")}`]),
    ...(filter.agent === undefined ? [] : [byAgent]),
    ...(filter.model === undefined ? [] : [`instr(${source.model ?? "NULL"}, :model) > 0`]),
    ...(filter.role === undefined ? [] : [`${roleNumber} = ${number(":role")}`]),
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
