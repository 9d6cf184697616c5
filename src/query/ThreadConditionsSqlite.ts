/**
 * Conditions on a row of `threads t` that lists and searches share, each with its parameter.
 *
 * Room: query.
 */
import { askedWords } from "../domain/search/SearchWords.ts";
import type { ThreadConditions } from "./ThreadFilter.ts";

/** A name's number; null, and so equal to nothing, for a text that no row has. */
export const number = (parameter: string): string => `(SELECT name FROM names WHERE text = ${parameter})`;

/** SQL: a path with `/` between its folders, as Windows takes it too, and none at its end. */
const plainPath = (path: string): string => `rtrim(replace(${path}, '\\', '/'), '/')`;

/** SQL: true for a working directory that is `:project`, lies below it, or has it as the name of a folder. */
export const isInProject = (cwd: string): string =>
  `(instr(${plainPath(cwd)} || '/', ${plainPath(":project")} || '/') = 1
    OR instr(${plainPath(cwd)} || '/', '/' || ${plainPath(":project")} || '/') > 0)`;

/** Names of working directories in `:project`. The last folder's name is looked for first: most names have it not. */
export const projectNames = `SELECT name FROM names WHERE instr(text, :folder) > 0 AND ${isInProject("text")}`;

/** The last folder of a path, which every path in it names. */
export const folderOf = (project: string): string => /([^/\\]*)[/\\]*$/.exec(project)?.[1] ?? "";

const agentNames = "(SELECT name FROM names WHERE text >= :agent AND text < :agent || char(0x10FFFF))";

/** The agent's program, or its beginning: `claude` for `claude-code`. */
export const byAgent = `(t.tool IN ${agentNames} OR t.client IN ${agentNames})`;

/** Names of threads that read a file of this name (`:file`, `:fileMatch`), or named it to a tool. */
export const fileThreads = `SELECT f.thread_id FROM file_names_fts i JOIN file_names f ON f.id = i.rowid
    WHERE i.text MATCH :fileMatch AND instr(f.path, :file) > 0
  UNION SELECT c.thread_id FROM tool_calls_fts i JOIN tool_calls c ON c.id = i.rowid WHERE i.text MATCH :fileMatch`;

/** The words of a path as the indexes have them, one behind the other. */
export const fileMatchOf = (path: string): string => `"${askedWords(path).phrase.replaceAll('"', '""')}"`;

/** True for a thread that works for no other one that is here: a root, or a fork. */
export const isMain = `(t.parent_thread_id IS NULL OR t.parent_relation IS 'fork' OR NOT EXISTS (
  SELECT 1 FROM threads p WHERE p.thread_id = t.parent_thread_id AND p.tenant = t.tenant))`;

const modelNames = "(SELECT name FROM names WHERE instr(text, :model) > 0)";

const inThread = (alias: string): string => `${alias}.thread_id = t.thread_id AND ${alias}.tenant = t.tenant`;

const conditions: Readonly<Record<keyof ThreadConditions, string>> = {
  project: `t.cwd IN (${projectNames})`,
  branch: `t.branch = ${number(":branch")}`,
  agent: byAgent,
  model: `(t.model IN ${modelNames} OR EXISTS (SELECT 1 FROM message_activity m WHERE ${inThread("m")} AND m.model IN ${modelNames}))`,
  role: `EXISTS (SELECT 1 FROM messages m WHERE ${inThread("m")} AND m.role = ${number(":role")})`,
  tool: `(t.tool = ${number(":tool")} OR EXISTS (SELECT 1 FROM tool_calls c WHERE ${inThread("c")} AND c.name = ${number(":tool")}))`,
  file: `t.thread_id IN (${fileThreads})`,
  hasError: `EXISTS (SELECT 1 FROM call_activity c WHERE ${inThread("c")} AND c.errors > 0)`,
  isMain,
  since: "t.listed_at >= :since",
  until: "coalesce(t.opened_at, t.listed_at) <= :until",
};

const isGiven = (value: unknown): boolean => value !== undefined && value !== false;

/** Conditions of a filter on `threads t`, and their parameters. */
export const narrowing = (
  filter: ThreadConditions,
): { readonly conditions: ReadonlyArray<string>; readonly values: Readonly<Record<string, string | number>> } => {
  const names = (Object.keys(conditions) as ReadonlyArray<keyof ThreadConditions>).filter((name) =>
    isGiven(filter[name]),
  );
  const values = names.flatMap((name) => {
    const value = filter[name];
    return typeof value === "string" || typeof value === "number" ? [[name, value] as const] : [];
  });
  return {
    conditions: names.map((name) => conditions[name]),
    values: {
      ...Object.fromEntries(values),
      ...(filter.project === undefined ? {} : { folder: folderOf(filter.project) }),
      ...(filter.file === undefined ? {} : { fileMatch: fileMatchOf(filter.file) }),
    },
  };
};
