/**
 * The shape of a database: everything that this version creates in one, as SQLite itself describes it.
 *
 * Room: projection.
 *
 * A file whose shape is another one was altered, or made by a version that forgot to say so: an unchanged version
 * number with changed tables would end in dead letters, so each projection's shape is kept as a hash beside its version.
 */
import Database from "better-sqlite3";
import { createHash } from "node:crypto";
import { dictionaryOf, engineTables, engineViews } from "./EngineSqlite.ts";
import type { Projection } from "./Projection.ts";
import { type Indexes, schemaOf, viewSql } from "./SchemaSqlite.ts";

interface Shaped {
  readonly projections: ReadonlyArray<Projection>;
  readonly indexes: Indexes;
}

/** Statements and rows that make a database of a shape: data, also for another thread. */
export interface Making {
  readonly statements: ReadonlyArray<string>;
  readonly dictionary: ReturnType<typeof dictionaryOf>;
}

export const makingOf = ({ indexes, projections }: Shaped): Making => ({
  statements: [...engineTables, ...schemaOf({ projections, indexes }), ...engineViews.map(viewSql)],
  dictionary: dictionaryOf(projections),
});

const makeIn = (db: Database.Database, { dictionary, statements }: Making): void => {
  for (const sql of statements) db.exec(sql);
  const describe = db.prepare("INSERT INTO dictionary VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
  for (const row of dictionary) describe.run(...row);
};

/** Makes everything but the rows of the checkpoints. In the caller's transaction. */
export const create = (db: Database.Database, shaped: Shaped): void => makeIn(db, makingOf(shaped));

/** One thing that a database has: a table, an index, a view, a trigger; or a row that says how it is read. */
export interface Piece {
  readonly type: string;
  readonly name: string;
  readonly text: string;
}

const piecesSql = `SELECT type, name, coalesce(sql, '') AS text FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
  UNION ALL SELECT 'full-text rule', table_name, index_sql FROM full_text_marks
  UNION ALL SELECT 'dictionary row', view_name || ' ' || position,
    concat_ws(' ', column_name, doc, type, unit, purpose, is_additive, is_personal) FROM dictionary
  ORDER BY 1, 2`;

/** Pieces of a database as it is now. */
export const piecesOf = (db: Database.Database): ReadonlyArray<Piece> => db.prepare<[], Piece>(piecesSql).all();

/** Pieces that this version makes. 50 to 100 ms of processor time. */
export const expected = (making: Making): ReadonlyArray<Piece> => {
  const db = new Database(":memory:");
  try {
    makeIn(db, making);
    return piecesOf(db);
  } finally {
    db.close();
  }
};

const ofProjections = new WeakMap<ReadonlyArray<Projection>, ReadonlyArray<Piece>>();

/** The same for a whole file of these projections; made once. */
export const expectedOf = (projections: ReadonlyArray<Projection>): ReadonlyArray<Piece> => {
  const pieces = ofProjections.get(projections) ?? expected(makingOf({ projections, indexes: "all" }));
  ofProjections.set(projections, pieces);
  return pieces;
};

/** In words, what a database has otherwise than it should. */
export const differences = (found: ReadonlyArray<Piece>, wanted: ReadonlyArray<Piece>): ReadonlyArray<string> => {
  const named = ({ name, type }: Piece) => `${type} ${name}`;
  const there = new Map(found.map((piece) => [named(piece), piece.text]));
  const known = new Set(wanted.map(named));
  return [
    ...wanted.flatMap((piece) => {
      const text = there.get(named(piece));
      if (text === undefined) return [`the ${named(piece)} is missing`];
      return text === piece.text ? [] : [`the ${named(piece)} was altered`];
    }),
    ...found.flatMap((piece) => (known.has(named(piece)) ? [] : [`the ${named(piece)} is none of ours`])),
  ];
};

const hashes = new WeakMap<Projection, string>();

const hashAnew = (projection: Projection): string => {
  const tables = schemaOf({ projections: [projection], indexes: "all" });
  const merges = projection.tables.map(({ columns, hot, name, rows }) => [
    name,
    rows ?? "merge",
    hot ?? false,
    Object.entries(columns).map(([column, { merge, type }]) => [column, type, merge ?? "last"]),
  ]);
  return createHash("sha256")
    .update(JSON.stringify([tables, merges, projection.views.map(viewSql)]))
    .digest("hex");
};

/** A hash of one projection's tables, full-text rules and views; made once, because all of them take 10 ms of processor. */
export const hashOf = (projection: Projection): string => {
  const hash = hashes.get(projection) ?? hashAnew(projection);
  hashes.set(projection, hash);
  return hash;
};
