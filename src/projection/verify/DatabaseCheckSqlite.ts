/**
 * True when a database file is sound: its pages, its full-text indexes, and that it has what this version makes.
 *
 * Room: projection.
 *
 * Each question is one call of SQLite that reads the whole file, so that this thread does nothing else meanwhile.
 */
import { defineSearchWords } from "../write/SearchWordsSqlite.ts";
import Database from "better-sqlite3";
import type { Projection } from "../Projection.ts";
import { fullTextName } from "../SchemaSqlite.ts";
import * as Shape from "../ShapeSqlite.ts";
import { termFault } from "./FullTextTermsSqlite.ts";

/** Fault of the file itself. */
export interface Fault {
  /** `page`: SQLite's own structure; `fullText`: the index does not say what its table says; `schema`: altered; `chain`: the running hash. */
  readonly what: "page" | "fullText" | "schema" | "chain";
  readonly message: string;
}

/** Most faults listed of one kind. */
const most = 100;

/** Patience for a projector's own write, milliseconds. */
const patienceMillis = 5_000;

const said = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** True when SQLite says so of the file, and not of the moment. */
const isDamage = (cause: unknown): boolean =>
  cause instanceof Error && "code" in cause && /CORRUPT|NOTADB|FORMAT|IOERR|SQLITE_ERROR/.test(String(cause.code));

export const pageFaults = (db: Database.Database): ReadonlyArray<Fault> => {
  try {
    return db
      .prepare<[], string>(`PRAGMA integrity_check(${most})`)
      .pluck()
      .all()
      .filter((text) => text !== "ok")
      .map((message): Fault => ({ what: "page", message }));
  } catch (cause) {
    // Busy or out of memory is no fault of the file.
    return isDamage(cause) ? [{ what: "page", message: said(cause) }] : [];
  }
};

/** An altered object is named; a file that cannot even say what it has is a fault of its pages. */
export const schemaFaults = (db: Database.Database, wanted: ReadonlyArray<Shape.Piece>): ReadonlyArray<Fault> => {
  try {
    return Shape.differences(Shape.piecesOf(db), wanted)
      .slice(0, most)
      .map((message): Fault => ({ what: "schema", message }));
  } catch (cause) {
    return isDamage(cause) ? [{ what: "schema", message: said(cause) }] : [];
  }
};

const checkpointSql = `SELECT projection, version, doc, sequence || ' ' || identity || ' ' || recorded_at || ' ' || stream_created || ' ' ||
  hex(chain) || ' ' || applied_at AS said FROM checkpoints ORDER BY projection`;

interface CheckpointRow {
  readonly projection: string;
  readonly version: number;
  readonly doc: string;
  readonly said: string;
}

/** Checkpoints are written by one statement, so all of them say the same; a file of another version is not judged. */
export const checkpointFaults = (
  db: Database.Database,
  projections: ReadonlyArray<Pick<Projection, "doc" | "name" | "version">>,
): ReadonlyArray<Fault> => {
  try {
    const rows = db.prepare<[], CheckpointRow>(checkpointSql).all();
    const found = new Map(rows.map((row) => [row.projection, row]));
    const altered = projections.flatMap(({ doc, name, version }): ReadonlyArray<Fault> => {
      const row = found.get(name);
      if (row?.doc === doc && row.version === version) return [];
      return [
        {
          what: "schema",
          message: `the checkpoint row of ${name} ${row === undefined ? "is missing" : "was altered"}`,
        },
      ];
    });
    const other = rows.find(({ said: text }) => text !== rows[0]?.said);
    if (other === undefined) return altered;
    const message = `the checkpoints of ${rows[0]?.projection} and ${other.projection} do not say the same`;
    return [...altered, { what: "chain", message }];
  } catch (cause) {
    return isDamage(cause) ? [{ what: "schema", message: said(cause) }] : [];
  }
};

/**
 * FTS5 compares the indexes of these tables with their texts. It changes nothing, and needs the write lock to ask. The list of
 * terms that it leaves out is compared beside it.
 */
export const fullTextFaultsOf = (file: string, tables: ReadonlyArray<string>): ReadonlyArray<Fault> => {
  const db = new Database(file, { fileMustExist: true, timeout: patienceMillis });
  try {
    defineSearchWords(db);
    return tables.flatMap((name): ReadonlyArray<Fault> => {
      const index = fullTextName(name);
      const fault = (text: string): ReadonlyArray<Fault> => [
        { what: "fullText", message: `the full-text index of ${name} does not fit its table: ${text}` },
      ];
      try {
        db.prepare(`INSERT INTO ${index}(${index}, rank) VALUES ('integrity-check', 1)`).run();
        const wrong = db.transaction(() => termFault(db, index))();
        return wrong === undefined ? [] : fault(wrong);
      } catch (cause) {
        const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
        // A file that nobody may write into cannot be asked. Everything else about it is.
        if (!/CORRUPT|ERROR/.test(code)) return [];
        return fault(said(cause));
      }
    });
  } finally {
    db.close();
  }
};

export const fullTextFaults = (file: string, projections: ReadonlyArray<Projection>): ReadonlyArray<Fault> => {
  const tables = projections.flatMap((projection) => projection.tables);
  return fullTextFaultsOf(
    file,
    tables.filter(({ fullText }) => fullText !== undefined).map(({ name }) => name),
  );
};
