/**
 * Sets of a search: the names and threads that a filter selects, one statement for each filter.
 *
 * Room: query.
 *
 * Asked of each source and each range, the same was asked up to a hundred times. A set without a member ends the search;
 * one of few threads leads it to their rows.
 */
import type { Database } from "better-sqlite3";
import { parts, type Source } from "../../../projections/search.ts";
import { prepared } from "../RowsSqlite.ts";
import type { SearchFilter } from "./Search.ts";
import {
  byAgent,
  fileMatchOf,
  fileThreads,
  folderOf,
  isMain,
  number,
  projectNames,
} from "../ThreadConditionsSqlite.ts";

/** Threads of a set; of more than these a row's own thread is asked. */
const mostThreads = 5_000;
/** Threads whose rows are looked at one thread after the other: each is a question of some 0.1 ms. */
export const mostLeading = 200;

export interface Sets {
  /** Nothing can pass. */
  readonly isNothing: boolean;
  /** Names of working directories. */
  readonly cwds?: ReadonlyArray<number>;
  /** Names of threads with the file. */
  readonly fileThreads?: ReadonlyArray<number>;
  /** Names of the threads that pass, where they are few. */
  readonly threads?: ReadonlyArray<number>;
}

type Listed = "cwds" | "fileThreads" | "threads";

/** SQL: the members of a set. */
export const listed = (set: Listed): string => `(SELECT value FROM json_each(:${set}))`;

/** Parameters of the sets. */
export const boundSets = (sets: Sets): Readonly<Record<string, string>> =>
  Object.fromEntries(
    (["cwds", "fileThreads", "threads"] as const).flatMap((set) =>
      sets[set] === undefined ? [] : [[set, JSON.stringify(sets[set])] as const],
    ),
  );

/** True where a row can pass in those threads only: a message may have a directory and a branch of its own. */
export const areAll = (source: Source, { branch, project }: SearchFilter): boolean =>
  source !== parts || (project === undefined && branch === undefined);

type Bound = Readonly<Record<string, string | number>>;

const numbersOf = (db: Database, sql: string, bound: Bound): ReadonlyArray<number> =>
  prepared(db, sql)
    .statement.all(bound)
    .flatMap(([one]) => (typeof one === "number" ? [one] : []));

/** Names that must be there for anything to pass. */
const isMissing = (db: Database, names: ReadonlyArray<string | undefined>): boolean =>
  names.some((name) => name !== undefined && numbersOf(db, `SELECT ${number(":name")}`, { name }).length === 0);

/**
 * The threads of a project, of a branch, or with a file, of the agent where one is asked for too, the latest name first. Whether one
 * is hidden is asked of a row that was found: so an index alone answers where a project is asked for.
 */
const threadsOf = (
  db: Database,
  { agent, branch, isMain: isMainOnly }: SearchFilter,
  bound: Bound,
): ReadonlyArray<number> | undefined => {
  const conditions = [
    ...("cwds" in bound ? [`t.cwd IN ${listed("cwds")}`] : []),
    ...(branch === undefined ? [] : [`t.branch = ${number(":branch")}`]),
    ...("fileThreads" in bound ? [`t.thread_id IN ${listed("fileThreads")}`] : []),
  ];
  if (conditions.length === 0) return undefined;
  const narrower = [...(agent === undefined ? [] : [byAgent]), ...(isMainOnly === true ? [isMain] : [])];
  return numbersOf(
    db,
    `SELECT t.thread_id FROM threads t WHERE ${[...conditions, ...narrower].join(" AND ")} ORDER BY t.thread_id DESC LIMIT ${mostThreads + 1}`,
    { ...bound, ...(branch === undefined ? {} : { branch }), ...(agent === undefined ? {} : { agent }) },
  );
};

export const setsOf = (db: Database, filter: SearchFilter): Sets => {
  const { branch, file, project, role, tenant, threadId, tool } = filter;
  if (isMissing(db, [branch, role, tenant, threadId, tool])) return { isNothing: true };
  const cwds =
    project === undefined ? {} : { cwds: numbersOf(db, projectNames, { project, folder: folderOf(project) }) };
  const files =
    file === undefined ? {} : { fileThreads: numbersOf(db, fileThreads, { file, fileMatch: fileMatchOf(file) }) };
  if (cwds.cwds?.length === 0 || files.fileThreads?.length === 0) return { isNothing: true };
  const found = threadsOf(db, filter, boundSets({ isNothing: false, ...cwds, ...files }));
  const isExact = project === undefined && branch === undefined;
  return {
    isNothing: found?.length === 0 && isExact,
    ...cwds,
    ...files,
    ...(found === undefined || found.length > mostThreads ? {} : { threads: found }),
  };
};
