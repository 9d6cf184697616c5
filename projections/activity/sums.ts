/**
 * The common parts of sums by thread and quarter of an hour: their keys, their tables, and their spelling in views.
 *
 * Room: projections.
 *
 * Reports and the first screen read these sums and not the facts, so that a year costs what a day does. Times are the
 * beginning of a quarter of an hour in UTC: every time zone is a whole number of them away, so days of any are sums. By thread,
 * because client, version, project and model by a file's head are known of a thread, and may become known after its messages.
 *
 * Decision: quarters and not hours, because India and Nepal are not whole hours away; all real sets have 495 pairs of thread
 * and quarter for 456 of thread and hour, of 13,116 messages.
 */
import type { Column, Table } from "../../src/projection/Projection.ts";
import type { Summed } from "./counted.ts";

export const quarterMillis = 15 * 60_000;

type OfRow = (row: string) => string;

export const quarter =
  (column: string): OfRow =>
  (row) =>
    `coalesce(${row}.${column} - ${row}.${column} % ${quarterMillis}, 0)`;
export const same =
  (column: string): OfRow =>
  (row) =>
    `${row}.${column}`;
/** A key cannot be null, and neither can a sum: 0 is also the number of no name. */
export const orZero =
  (column: string): OfRow =>
  (row) =>
    `coalesce(${row}.${column}, 0)`;
export const one: OfRow = () => "1";

const names = new Set(["thread_id", "tenant", "kind", "model", "name", "server", "provider"]);

const docs: Readonly<Record<string, string>> = {
  quarter_at: "Beginning of the quarter of an hour, epoch milliseconds; 0 for all without a time.",
  thread_id: "Thread.",
  tenant: "Tenant.",
  kind: "Kind of message.",
  model: "Model.",
  name: "Tool.",
  server: "Server of the tool.",
  provider: "Provider.",
  is_user: "1 for tokens of a model that plays the person.",
  sidechain: "1 for tokens of a sub-agent inside its parent's transcript.",
  is_priced: "1 for those whose cost was said.",
};

/** The table of some sums. */
export const tableOf = (
  { key, sums, table }: Summed,
  doc: string,
  indexes: NonNullable<Table["indexes"]> = [],
): Table => ({
  name: table,
  doc,
  key: Object.keys(key),
  clustered: true,
  columns: Object.fromEntries(
    [...Object.keys(key), ...Object.keys(sums)].map((column): [string, Column] => [
      column,
      { type: names.has(column) ? "name" : "integer", doc: docs[column] ?? `Sum of ${column.replaceAll("_", " ")}.` },
    ]),
  ),
  indexes: [["thread_id", "tenant"], ...indexes],
});

/** SQL: the day of a quarter in SQLite's local time, which is that of `TZ` and of `recollect sql --tz`. */
export const dayOf = (quarterAt: string): string =>
  `CASE WHEN ${quarterAt} <> 0 THEN date(${quarterAt} / 1000, 'unixepoch', 'localtime') END`;

/**
 * SQL: the day of each quarter that a table of sums has, to be joined by it.
 *
 * Decision: once for each quarter and not for each row, because SQLite's local time costs 1.5 µs: the days of 170,000 sums of a
 * year took four times as long. The outer DISTINCT keeps SQLite from asking for each row again.
 */
export const daysOf = (table: string): string =>
  `(SELECT DISTINCT x.quarter_at, ${dayOf("x.quarter_at")} AS day FROM (SELECT DISTINCT quarter_at FROM ${table}) x)`;

/** Columns that the views over sums have in common. */
export const when = {
  quarter_at: "Beginning of the quarter of an hour in UTC, epoch milliseconds; 0 for all without a time.",
  thread_id: "Thread it happened in.",
  tenant: "Tenant the thread belongs to.",
};

/** Number of a name in this database, of which v_names has the text: sums by it take half the time of sums by the text. */
export const numberOf = (what: string): string => `Number of ${what} in this database, as in v_names.`;

/** SQL: the name of a row's tenant `w`; a left join, so that a question of one tenant begins there. */
export const joinTenant = (row: string): string => `LEFT JOIN names w ON w.name = ${row}.tenant`;

/** Number of a row's thread: counts and joins by it take a third of the time of those by its id, a text. */
export const numbered = { thread_number: "Number of the thread in this database, as in v_threads." };
