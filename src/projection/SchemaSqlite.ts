/**
 * SQL text from projection definitions: tables, indexes, full-text indexes and views.
 *
 * Room: projection. In: Projection. Out: ReadModelSqlite, Verify.
 *
 * Views stay within what SQLite 3.37 (2021, the first with STRICT) understands: a view that an analyst's older
 * library cannot parse makes the whole database unreadable there.
 */
import type { Column, ColumnType, Projection, Table, View } from "./Projection.ts";

const sqlType: Readonly<Record<ColumnType, string>> = {
  text: "TEXT",
  integer: "INTEGER",
  real: "REAL",
  blob: "BLOB",
  any: "ANY",
  name: "INTEGER",
};

/** A table whose only key is an integer uses it as its rowid: no second index, and the smallest rows. */
export const keyIsRowid = (table: Table): boolean => {
  const [only, ...rest] = table.key;
  return only !== undefined && rest.length === 0 && table.columns[only]?.type === "integer";
};

/** A full-text index refers to rows by an integer that a key of several columns does not give. */
export const hasSurrogate = (table: Table): boolean => table.fullText !== undefined && !keyIsRowid(table);

const problemsOf = (table: Table): ReadonlyArray<string> => [
  ...[...table.key, ...(table.fullText ?? [])]
    .filter((name) => table.columns[name] === undefined)
    .map((name) => `${table.name} has no column ${name}`),
  ...Object.entries(table.columns)
    .filter(
      ([, { type, merge }]) => (merge === "sum" || merge === "min" || merge === "max") && !/integer|real/.test(type),
    )
    .map(([name]) => `${table.name}.${name} is no number to add or compare`),
  ...Object.entries(table.columns)
    .filter(([, { merge }]) => table.hot === true && merge === "sum")
    .map(([name]) => `${table.name}.${name} cannot be a sum in a hot table`),
  ...(table.clustered === true && table.fullText !== undefined
    ? [`${table.name} cannot be clustered with fullText`]
    : []),
];

const repeated = (names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names.filter((name, index) => names.indexOf(name) !== index).map((name) => `the name ${name} is given twice`);

/** What is wrong with these definitions: an empty list for good ones. */
export const faultsOf = (projections: ReadonlyArray<Projection>): ReadonlyArray<string> => {
  const tables = projections.flatMap((projection) => projection.tables);
  return [
    ...tables.flatMap(problemsOf),
    ...repeated(projections.map(({ name }) => name)),
    ...repeated([...tables, ...projections.flatMap(({ views }) => views)].map(({ name }) => name)),
  ];
};

const columnSql = (name: string, column: Column, table: Table): string => {
  if (keyIsRowid(table) && table.key.includes(name)) return `"${name}" INTEGER PRIMARY KEY`;
  return `"${name}" ${sqlType[column.type]}${table.key.includes(name) ? " NOT NULL" : ""}`;
};

const list = (columns: ReadonlyArray<string>): string => columns.map((name) => `"${name}"`).join(", ");

const tableSql = (table: Table): string => {
  const columns = Object.entries(table.columns).map(([name, column]) => columnSql(name, column, table));
  const surrogate = hasSurrogate(table) ? ["id INTEGER PRIMARY KEY"] : [];
  const clustered = table.clustered === true && !keyIsRowid(table);
  const key = keyIsRowid(table) ? [] : [`${clustered ? "PRIMARY KEY" : "UNIQUE"} (${list(table.key)})`];
  return `CREATE TABLE "${table.name}" (${[...surrogate, ...columns, ...key].join(", ")}) STRICT${clustered ? ", WITHOUT ROWID" : ""};`;
};

const indexSql = (table: Table): ReadonlyArray<string> =>
  (table.indexes ?? []).map((columns, index) => {
    const terms = columns.map((term) => (term.startsWith("(") ? term : `"${term}"`));
    return `CREATE INDEX "${table.name}_by_${index + 1}" ON "${table.name}" (${terms.join(", ")});`;
  });

/** Name of the full-text index over a table. */
export const fullTextName = (table: string): string => `${table}_fts`;

/**
 * External content: the text lies once, in the table. Triggers keep the index in step, because an upsert says only
 * in SQLite itself whether it inserted or updated, and what the old text was. Rows without text cost nothing.
 */
const fullTextSql = (table: Table): ReadonlyArray<string> => {
  const columns = table.fullText ?? [];
  if (columns.length === 0) return [];
  const fts = fullTextName(table.name);
  const rowid = keyIsRowid(table) ? `"${table.key[0]}"` : "id";
  const values = (row: "new" | "old") => [`${row}.${rowid}`, ...columns.map((name) => `${row}."${name}"`)].join(", ");
  const some = (row: "new" | "old") => columns.map((name) => `${row}."${name}" IS NOT NULL`).join(" OR ");
  const into = `INSERT INTO ${fts}(rowid, ${list(columns)})`;
  const out = `INSERT INTO ${fts}(${fts}, rowid, ${list(columns)})`;
  const changed = columns.map((name) => `new."${name}" IS NOT old."${name}"`).join(" OR ");
  const put = `${into} SELECT ${values("new")} WHERE ${some("new")};`;
  const take = `${out} SELECT 'delete', ${values("old")} WHERE ${some("old")};`;
  return [
    `CREATE VIRTUAL TABLE ${fts} USING fts5(${list(columns)}, content='${table.name}', content_rowid='${rowid.replaceAll('"', "")}', tokenize='unicode61 remove_diacritics 2');`,
    `CREATE TRIGGER ${fts}_insert AFTER INSERT ON "${table.name}" BEGIN ${put} END;`,
    `CREATE TRIGGER ${fts}_delete AFTER DELETE ON "${table.name}" BEGIN ${take} END;`,
    `CREATE TRIGGER ${fts}_update AFTER UPDATE ON "${table.name}" WHEN ${changed} BEGIN ${take} ${put} END;`,
  ];
};

export const viewSql = (view: View): string =>
  `CREATE VIEW "${view.name}" (${list(Object.keys(view.columns))}) AS ${view.select};`;

/** Everything a set of projections needs, in an order in which each statement finds what it names. */
export const schemaOf = (options: {
  readonly projections: ReadonlyArray<Projection>;
  readonly fullText: "indexed" | "absent";
}): ReadonlyArray<string> => {
  const tables = options.projections.flatMap((projection) => projection.tables);
  return [
    ...tables.map(tableSql),
    ...tables.flatMap(indexSql),
    ...(options.fullText === "indexed" ? tables.flatMap(fullTextSql) : []),
    ...options.projections.flatMap((projection) => projection.views).map(viewSql),
  ];
};
