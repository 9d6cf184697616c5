/**
 * Rows that count once: others stand aside because a row tells the same; and sums by time over those that count.
 *
 * Room: projections.
 *
 * A column `elsewhere` says so: null for a row that counts, 1 where it is told first-hand, 2 where the thread it was
 * copied from holds it. SQLite keeps it and the sums in step by triggers, so that the order of events changes nothing, and a
 * rebuild makes both at once when all rows are there.
 *
 * Decision: stored, not asked of each row, because the question is a subquery for every row of every report.
 */
import type { Twin } from "../../src/domain/Fact.ts";
import type { Column, Upkeep } from "../../src/projection/Projection.ts";

/** A table whose rows may be told twice: key columns `thread_id`, `tenant` and `second_hand` among its columns. */
export interface Told {
  readonly table: string;
  readonly key: ReadonlyArray<string>;
  /** Columns that name what a row is a copy of: in it, and in the row that it is a copy of. */
  readonly copy: Readonly<Record<string, string>>;
  /** A first-hand row may be a copy of one that is told second-hand alone: that one counts then. */
  readonly copiesSecondHand?: true;
  /** SQL over a row: whether it is one at all, where a table has others too. */
  readonly is?: (row: string) => string;
  /** Columns on which `is` depends. */
  readonly isBy?: ReadonlyArray<string>;
}

/** Columns of things that are the same in threads whose origin is not said (`Fact.ts`). */
export const twinColumns = {
  twin: {
    type: "id",
    merge: "first",
    doc: "Name of the same thing in every thread that holds it, where one was given.",
  },
  twin_rank: { type: "integer", merge: "first", doc: "0 for the original, else the sequence: the least counts." },
} as const satisfies Readonly<Record<string, Column>>;

export const twinIndex = { on: ["twin", "tenant"], where: "twin IS NOT NULL" } as const;

/** The cells of these columns. */
export const twinCells = (twin: Twin | undefined, sequence: number) =>
  twin === undefined ? {} : { twin: twin.name, twin_rank: twin.isOriginal ? 0 : sequence };

export const elsewhere: Column = {
  type: "integer",
  doc: "1 where it stands first-hand, 2 where the thread it was copied from or another one holds it, and both do not count here.",
};

/** SQL: whether a row counts. */
export const countsHere = (row: string): string => `${row}.elsewhere IS NULL`;

const isOne = (told: Told, row: string): string => told.is?.(row) ?? "TRUE";

const same = (columns: ReadonlyArray<string>, left: string, right: string): string =>
  columns.map((name) => `${left}.${name} IS ${right}.${name}`).join(" AND ");

const equal = (columns: ReadonlyArray<string>, left: string, right: string): string =>
  columns.map((name) => `${left}.${name} = ${right}.${name}`).join(" AND ");

const copyColumns = ({ copy }: Told): ReadonlyArray<string> => Object.keys(copy);

const isCopy = (told: Told, row: string): string =>
  copyColumns(told)
    .map((name) => `${row}.${name} IS NOT NULL`)
    .join(" AND ");

/** True where one row names the other as its original, from whichever source either came. */
const namesAsOriginal = (told: Told, copy: string, original: string): string =>
  [
    ...Object.entries(told.copy).map(([mine, its]) => `${original}.${its} = ${copy}.${mine}`),
    equal(["tenant"], original, copy),
  ].join(" AND ");

const copyOf = (told: Told, copy: string, original: string): string => {
  const alike = equal(["second_hand"], original, copy);
  const alone = `${copy}.second_hand = 0 AND ${original}.second_hand = 1 AND ${original}.elsewhere IS NOT 1`;
  return `${namesAsOriginal(told, copy, original)} AND ${told.copiesSecondHand === true ? `(${alike} OR (${alone}))` : alike}`;
};

/** One row of the same thing counts before another one does. */
const isTwinBefore = (told: Told, first: string, second: string): string =>
  `${equal(["twin", "tenant", "second_hand"], first, second)} AND ${first}.twin_rank < ${second}.twin_rank AND ${isOne(told, first)}`;

/** Value of `elsewhere` of a row. */
const stateOf = (told: Told, row: string): string =>
  `CASE WHEN ${row}.second_hand = 1 AND EXISTS (SELECT 1 FROM ${told.table} w WHERE ${equal(["thread_id", "tenant"], "w", row)}
      AND w.second_hand = 0 AND ${isOne(told, "w")}) THEN 1
    WHEN ${isCopy(told, row)} AND EXISTS (SELECT 1 FROM ${told.table} o WHERE ${copyOf(told, row, "o")} AND ${isOne(told, "o")}) THEN 2
    WHEN ${row}.twin IS NOT NULL AND EXISTS (SELECT 1 FROM ${told.table} o WHERE ${isTwinBefore(told, "o", row)}) THEN 2 END`;

/** Other rows stand aside when this one comes. */
const others = (told: Told): string => {
  const { table } = told;
  return `UPDATE ${table} SET elsewhere = 1 WHERE new.second_hand = 0 AND ${equal(["thread_id", "tenant"], table, "new")}
      AND ${table}.second_hand = 1 AND ${table}.elsewhere IS NOT 1;
    UPDATE ${table} SET elsewhere = 2 WHERE ${copyOf(told, table, "new")} AND ${isCopy(told, table)} AND ${table}.elsewhere IS NULL;
    ${twins(told)}`;
};

/** Rows of the same thing stand aside when one comes that counts before them. */
const twins = (told: Told): string =>
  `UPDATE ${told.table} SET elsewhere = 2 WHERE new.twin IS NOT NULL AND ${isTwinBefore(told, "new", told.table)} AND ${told.table}.elsewhere IS NULL;`;

/** SQL over a row: what it adds to which sum. */
export interface Summed {
  readonly table: string;
  readonly key: Readonly<Record<string, (row: string) => string>>;
  /** The first counts rows. Integers, so that their order changes nothing. */
  readonly sums: Readonly<Record<string, (row: string) => string>>;
  /** Columns of the told table on which key and sums depend. */
  readonly by: ReadonlyArray<string>;
}

const join = (parts: ReadonlyArray<string>, between = ", "): string => parts.join(between);
const values = (
  given: Readonly<Record<string, (row: string) => string>>,
  row: string,
  sign = "",
): ReadonlyArray<string> => Object.values(given).map((of) => `${sign}(${of(row)})`);

/** Adds a row to its sum, or takes it out of there. A sum over nothing is no row, whichever came first. */
const adding = (summed: Summed, row: string, sign: "" | "-"): string => {
  const names = [...Object.keys(summed.key), ...Object.keys(summed.sums)];
  const sets = Object.keys(summed.sums).map((name) => `${name} = ${name} + excluded.${name}`);
  return `INSERT INTO ${summed.table} (${join(names)}) VALUES (${join([...values(summed.key, row), ...values(summed.sums, row, sign)])})
      ON CONFLICT (${join(Object.keys(summed.key))}) DO UPDATE SET ${join(sets)};`;
};

const keysAre = (summed: Summed, row: string): string =>
  Object.entries(summed.key)
    .map(([name, of]) => `${name} = (${of(row)})`)
    .join(" AND ");

const clearing = (summed: Summed, row: string): string =>
  `DELETE FROM ${summed.table} WHERE ${keysAre(summed, row)} AND ${Object.keys(summed.sums)
    .map((name) => `${name} = 0`)
    .join(" AND ")};`;

const keyIsSame = (summed: Summed): string =>
  Object.values(summed.key)
    .map((of) => `(${of("old")}) = (${of("new")})`)
    .join(" AND ");

const sumIsSame = (summed: Summed): string =>
  Object.values(summed.sums)
    .map((of) => `(${of("old")}) = (${of("new")})`)
    .join(" AND ");

const counts = (told: Told, row: string): string => `(${row}.elsewhere IS NULL AND ${isOne(told, row)})`;

/**
 * The rows of a told table that count, and one table of sums over them. A trigger may run inside another one's change, so
 * each adds and takes out by itself, and no order is relied on.
 */
export const upkeepOf = (told: Told, summed: Summed): Upkeep => {
  const { isBy = [], key, table } = told;
  const watched = [...new Set(["thread_id", ...copyColumns(told), "twin"])].filter((name) => !key.includes(name));
  const by = [...new Set([...summed.by, ...isBy, "elsewhere"])];
  const state = stateOf(told, table);
  const own = `UPDATE ${table} SET elsewhere = ${state} WHERE ${equal(key, table, "new")} AND elsewhere IS NOT (${state})`;
  const mayStandAside = `(new.second_hand = 1 OR new.twin IS NOT NULL OR (${isCopy(told, "new")}))`;
  const isThere = isOne(told, "new");
  /** An original that stands aside, or counts again, changes whether its copies do. */
  const witnessed = `UPDATE ${table} SET elsewhere = ${state} WHERE ${namesAsOriginal(told, table, "new")} AND ${isCopy(told, table)}
    AND ${table}.second_hand = 0 AND elsewhere IS NOT (${state});`;
  const add = `INSERT INTO ${summed.table} (${join([...Object.keys(summed.key), ...Object.keys(summed.sums)])})`;
  return {
    fill: [
      `UPDATE ${table} SET elsewhere = 1 WHERE second_hand = 1 AND (thread_id, tenant) IN
        (SELECT w.thread_id, w.tenant FROM ${table} w WHERE w.second_hand = 0 AND ${isOne(told, "w")})`,
      `UPDATE ${table} AS m SET elsewhere = 2 WHERE m.elsewhere IS NULL AND ${isCopy(told, "m")} AND EXISTS
        (SELECT 1 FROM ${table} o WHERE ${copyOf(told, "m", "o")} AND ${isOne(told, "o")})`,
      `UPDATE ${table} AS m SET elsewhere = 2 WHERE m.elsewhere IS NULL AND m.twin IS NOT NULL AND EXISTS
        (SELECT 1 FROM ${table} o WHERE ${isTwinBefore(told, "o", "m")})`,
      `${add} SELECT ${join([...values(summed.key, "r"), ...values(summed.sums, "r").map((sum) => `sum${sum}`)])}
        FROM ${table} r WHERE ${counts(told, "r")} GROUP BY ${join(Object.keys(summed.key).map((_, at) => String(at + 1)))}`,
    ],
    triggers: {
      [`${table}_counted_insert`]: `AFTER INSERT ON ${table} WHEN ${isThere} BEGIN ${adding(summed, "new", "")}
        ${others(told)} ${own} AND ${mayStandAside};`,
      ...(isBy.length === 0
        ? {}
        : {
            [`${table}_counted_aside`]: `AFTER INSERT ON ${table} WHEN NOT ${isThere} AND ${mayStandAside} BEGIN ${own};`,
          }),
      ...(told.copiesSecondHand === true
        ? {
            [`${table}_counted_witness`]: `AFTER UPDATE OF elsewhere ON ${table} WHEN new.second_hand = 1
              AND (old.elsewhere IS 1) <> (new.elsewhere IS 1) BEGIN ${witnessed}`,
          }
        : {}),
      [`${table}_counted_watch`]: `AFTER UPDATE OF ${join(watched)} ON ${table} WHEN NOT (${same(watched, "old", "new")}) BEGIN ${twins(told)} ${own};`,
      ...(isBy.length === 0
        ? {}
        : {
            [`${table}_counted_come`]: `AFTER UPDATE OF ${join(isBy)} ON ${table} WHEN NOT ${isOne(told, "old")} AND ${isThere} BEGIN ${others(told)}`,
          }),
      [`${table}_counted_add`]: `AFTER UPDATE OF ${join(by)} ON ${table} WHEN ${counts(told, "old")} AND ${counts(told, "new")}
        AND ${keyIsSame(summed)} AND NOT (${sumIsSame(summed)}) BEGIN UPDATE ${summed.table} SET ${join(
          Object.entries(summed.sums).map(([name, of]) => `${name} = ${name} + (${of("new")}) - (${of("old")})`),
        )} WHERE ${keysAre(summed, "new")};`,
      [`${table}_counted_out`]: `AFTER UPDATE OF ${join(by)} ON ${table} WHEN ${counts(told, "old")}
        AND NOT (${counts(told, "new")} AND ${keyIsSame(summed)}) BEGIN ${adding(summed, "old", "-")} ${clearing(summed, "old")}`,
      [`${table}_counted_in`]: `AFTER UPDATE OF ${join(by)} ON ${table} WHEN ${counts(told, "new")}
        AND NOT (${counts(told, "old")} AND ${keyIsSame(summed)}) BEGIN ${adding(summed, "new", "")} ${clearing(summed, "new")}`,
    },
  };
};
