/**
 * SQL text from projection definitions: tables, indexes, full-text indexes and views.
 *
 * Room: projection.
 *
 * Views stay within what SQLite 3.37 (2021, the first with STRICT) understands: a view that an analyst's older
 * library cannot parse makes the whole database unreadable there.
 */
import { catalogued } from "./Catalog.ts";
import type { Column, ColumnType, FullText, Projection, Table, Upkeep, View } from "./Projection.ts";

const sqlType: Readonly<Record<ColumnType, string>> = {
  text: "TEXT",
  integer: "INTEGER",
  real: "REAL",
  blob: "BLOB",
  any: "ANY",
  id: "ANY",
  name: "INTEGER",
};

/** A table whose only key is an integer uses it as its rowid: no second index, and the smallest rows. */
export const keyIsRowid = (table: Table): boolean => {
  const [only, ...rest] = table.key;
  return only !== undefined && rest.length === 0 && table.columns[only]?.type === "integer";
};

const problemsOf = (table: Table): ReadonlyArray<string> => [
  ...table.key.filter((name) => table.columns[name] === undefined).map((name) => `${table.name} has no column ${name}`),
  ...Object.entries(table.columns)
    .filter(
      ([, { type, merge }]) => (merge === "sum" || merge === "min" || merge === "max") && !/integer|real/.test(type),
    )
    .map(([name]) => `${table.name}.${name} is no number to add or compare`),
  ...Object.entries(table.columns)
    .filter(([, { merge, type }]) => table.hot === true && merge === "sum" && type !== "integer")
    .map(([name]) => `${table.name}.${name} cannot be a sum of fractions in a hot table`),
  ...Object.entries(table.columns)
    .filter(
      ([, { merge }]) =>
        typeof merge === "object" && (table.hot === true || table.columns[merge.firstOf] === undefined),
    )
    .map(([name]) => `${table.name}.${name} cannot be the first of a column that is not there, nor in a hot table`),
  ...(table.clustered === true && table.fullText !== undefined
    ? [`${table.name} cannot be clustered with fullText`]
    : []),
  // Its ids must ascend as rows come, see `fullTextSql`.
  ...(table.fullText !== undefined && keyIsRowid(table) ? [`${table.name} has an id as its key, so no fullText`] : []),
];

const repeated = (names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names.filter((name, index) => names.indexOf(name) !== index).map((name) => `the name ${name} is given twice`);

const uncatalogued = (view: View): ReadonlyArray<string> =>
  Object.keys(view.columns)
    .filter((column) => catalogued(column) === undefined)
    .map((column) => `${view.name}.${column} is in no list of the catalog`);

/** Faults of these definitions; none for good ones. */
export const faultsOf = (projections: ReadonlyArray<Projection>): ReadonlyArray<string> => {
  const tables = projections.flatMap((projection) => projection.tables);
  return [
    ...tables.flatMap(problemsOf),
    ...repeated(projections.map(({ name }) => name)),
    ...repeated([...tables, ...projections.flatMap(({ views }) => views)].map(({ name }) => name)),
    ...projections.flatMap(({ views }) => views).flatMap(uncatalogued),
  ];
};

const columnSql = (name: string, column: Column, table: Table): string => {
  if (keyIsRowid(table) && table.key.includes(name)) return `"${name}" INTEGER PRIMARY KEY`;
  const generated = column.generated === undefined ? "" : ` GENERATED ALWAYS AS (${column.generated}) VIRTUAL`;
  return `"${name}" ${sqlType[column.type]}${table.key.includes(name) ? " NOT NULL" : ""}${generated}`;
};

const list = (columns: ReadonlyArray<string>): string => columns.map((name) => `"${name}"`).join(", ");

const tableSql = (table: Table): string => {
  const columns = Object.entries(table.columns).map(([name, column]) => columnSql(name, column, table));
  const surrogate = table.fullText !== undefined ? ["id INTEGER PRIMARY KEY"] : [];
  const clustered = table.clustered === true && !keyIsRowid(table);
  const key = keyIsRowid(table) ? [] : [`${clustered ? "PRIMARY KEY" : "UNIQUE"} (${list(table.key)})`];
  const checks = (table.checks ?? []).map((check) => `CHECK (${check})`);
  return `CREATE TABLE "${table.name}" (${[...surrogate, ...columns, ...key, ...checks].join(", ")}) STRICT${clustered ? ", WITHOUT ROWID" : ""};`;
};

const indexSql = (table: Table): ReadonlyArray<string> =>
  (table.indexes ?? []).map((given, index) => {
    const { on, where } = "on" in given ? given : { on: given, where: undefined };
    const terms = on.map((term) => (term.startsWith("(") ? term : `"${term}"`));
    const of = `"${table.name}" (${terms.join(", ")})${where === undefined ? "" : ` WHERE ${where}`}`;
    return `CREATE INDEX IF NOT EXISTS "${table.name}_by_${index + 1}" ON ${of};`;
  });

/** Name of the full-text index over a table. */
export const fullTextName = (table: string): string => `${table}_fts`;

/**
 * Name of the view that gives the index its content: the searched text of each indexed row by its id, and no other row,
 * so that FTS5 can compare the two.
 */
const contentName = (table: string): string => `${table}_text`;

/**
 * External content: the text lies once, in the table or in what the table quotes. New rows are indexed by whoever
 * writes them, once at the end of a transaction (`newRowsSql`); what is changed or removed of an indexed row is taken
 * out by triggers, which alone know the old text. `full_text_marks` says up to which id rows are indexed. Rows without
 * text cost nothing.
 *
 * Decision: not by a trigger on each insert, as FTS5's manual has it, because a statement with a trigger makes SQLite
 * set a savepoint, before which FTS5 writes out all it has gathered: a segment of the index for every row. With all
 * rows indexed at once the bare inserts of small events took 24 µs each instead of 49 to 55, those of large ones half.
 */
const fullTextSql = (table: Table): ReadonlyArray<string> => {
  const { fullText, name } = table;
  if (fullText === undefined) return [];
  const fts = fullTextName(name);
  const isIndexed = `old.id <= (SELECT indexed FROM full_text_marks WHERE table_name = '${name}')`;
  const isChanged = `(${fullText.of("new")}) IS NOT (${fullText.of("old")})`;
  const put = `INSERT INTO ${fts}(rowid, text) SELECT new.id, ${fullText.of("new")} WHERE ${fullText.when("new")};`;
  const take = `INSERT INTO ${fts}(${fts}, rowid, text) SELECT 'delete', old.id, ${fullText.of("old")} WHERE ${fullText.when("old")};`;
  return [
    `CREATE VIEW "${contentName(name)}" (id, text) AS SELECT r.id, ${fullText.of("r")} FROM "${name}" r WHERE ${fullText.when("r")};`,
    `CREATE VIRTUAL TABLE ${fts} USING fts5(text, content='${contentName(name)}', content_rowid='id', tokenize='unicode61 remove_diacritics 2');`,
    `CREATE TRIGGER ${fts}_delete AFTER DELETE ON "${name}" WHEN ${isIndexed} BEGIN ${take} END;`,
    `CREATE TRIGGER ${fts}_update AFTER UPDATE ON "${name}" WHEN ${isIndexed} AND ${isChanged} BEGIN ${take} ${put} END;`,
    `INSERT INTO full_text_marks VALUES ('${name}', '${newRowsSql(name, fullText).replaceAll("'", "''")}', 0);`,
  ];
};

/** Indexes the rows of a table from an id on, in ascending order. */
const newRowsSql = (table: string, { of, when }: FullText): string =>
  `INSERT INTO ${fullTextName(table)}(rowid, text) SELECT r.id, ${of("r")} FROM "${table}" r WHERE r.id > ? AND (${when("r")}) ORDER BY r.id`;

/** The pieces of a SELECT's result, without its first word, and what comes behind them: commas and FROM outside of parentheses. */
const resultOf = (select: string): { readonly terms: ReadonlyArray<string>; readonly rest: string } => {
  const terms: Array<string> = [];
  let depth = 0;
  let quoted = false;
  let from = /^\s*SELECT\s/.exec(select)?.[0].length ?? 0;
  for (let at = from; at < select.length; at++) {
    const letter = select[at];
    if (letter === "'") quoted = !quoted;
    if (quoted) continue;
    if (letter === "(") depth += 1;
    if (letter === ")") depth -= 1;
    if (depth > 0) continue;
    if (letter === ",") {
      terms.push(select.slice(from, at));
      from = at + 1;
    } else if (/^\sFROM\s/.test(select.slice(at, at + 6))) {
      return { terms: [...terms, select.slice(from, at)], rest: select.slice(at) };
    }
  }
  return { terms: [...terms, select.slice(from)], rest: "" };
};

/** SQLite knows the type of a column that is one, and of the text of a name. */
const hasType = (term: string): boolean =>
  /^\s*(\w+\.)?\w+\s*$/.test(term) || /^\s*\(SELECT text FROM names WHERE name = [^()]+\)\s*$/.test(term);

/**
 * A view with a type for each of its columns, so that other programs (DuckDB) need not guess: what is computed is cast to
 * what the catalog says. A column stays bare, because an expression around it would hide its index.
 */
export const viewSql = (view: View): string => {
  const names = Object.keys(view.columns);
  const { rest, terms } = resultOf(view.select);
  const typed = terms.map((term, at) => {
    const type = catalogued(names[at] ?? "")?.type;
    return hasType(term) || type === undefined ? term.trim() : `CAST(${term.trim()} AS ${type.toUpperCase()})`;
  });
  return `CREATE VIEW "${view.name}" (${list(names)}) AS SELECT ${typed.join(", ")}${rest};`;
};

const upkeepsOf = (projections: ReadonlyArray<Projection>): ReadonlyArray<Upkeep> =>
  projections.flatMap(({ upkeep }) => (upkeep === undefined ? [] : [upkeep]));

const triggersOf = (projections: ReadonlyArray<Projection>): ReadonlyArray<string> =>
  upkeepsOf(projections).flatMap(({ triggers }) =>
    Object.entries(triggers).map(([name, sql]) => `CREATE TRIGGER IF NOT EXISTS "${name}" ${sql} END;`),
  );

const indexesOf = (projections: ReadonlyArray<Projection>): ReadonlyArray<string> =>
  projections.flatMap(({ tables }) => tables.flatMap(indexSql));

/** Rows of each index that are looked at to tell how many have equal values. */
const analyzedRows = 1000;

/**
 * Statements that complete a file made with fewer `indexes`, once its rows are there: what is kept up by SQLite, indexes,
 * and the figures that the planner chooses between indexes by.
 */
export const finishingOf = (projections: ReadonlyArray<Projection>, indexes: Indexes): ReadonlyArray<string> => {
  const fill = upkeepsOf(projections).flatMap((upkeep) => upkeep.fill);
  if (indexes === "none") return fill;
  const analyze = [`PRAGMA analysis_limit = ${analyzedRows};`, "ANALYZE;"];
  if (indexes === "all") return analyze;
  return [...indexesOf(projections), ...fill, ...triggersOf(projections), ...analyze];
};

/**
 * Indexes of a new file, beside those of its keys.
 *
 * - `all`: those that readers need, the full-text index, and what SQLite keeps up
 * - `later`: the full-text index; the others are made when all rows are there (`ReadModel.index`)
 * - `none`: for a file that is only compared; what SQLite keeps up is made then, too
 */
export type Indexes = "all" | "later" | "none";

/** Everything a set of projections needs, in an order in which each statement finds what it names. */
export const schemaOf = (options: {
  readonly projections: ReadonlyArray<Projection>;
  readonly indexes: Indexes;
}): ReadonlyArray<string> => {
  const { indexes, projections } = options;
  const tables = projections.flatMap((projection) => projection.tables);
  return [
    ...tables.map(tableSql),
    ...(indexes === "all" ? indexesOf(projections) : []),
    ...(indexes === "none" ? [] : tables.flatMap(fullTextSql)),
    ...projections.flatMap((projection) => projection.views).map(viewSql),
    ...(indexes === "all" ? triggersOf(projections) : []),
  ];
};
