/**
 * The engine's own tables in the database, and the views that tell analysts about the database itself.
 *
 * Room: projection.
 */
import type { Database } from "better-sqlite3";
import { catalogued } from "./Catalog.ts";
import { type Checkpoint, noCheckpoint } from "./Checkpoint.ts";
import { nameText, type Projection, type Table, type View } from "./Projection.ts";

/** Raised whenever the engine's own tables, or the way rows are written, change: a file with another one is rebuilt. */
export const engineVersion = 4;

/** Marks the file as ours (`PRAGMA application_id`): "Rcll". */
export const applicationId = 0x52636c6c;

/**
 * - `names`: text of `name` columns, once
 * - `engine`: what the file says about itself (`condition`, `shape:<projection>`)
 * - `full_text_marks`: how new rows of a table are indexed, and up to which id they are
 * - `chains`: the running hash of the stream at each thousandth sequence
 * - `carries`: what an interpreter remembers of a thread, so that a restart goes on where it was
 */
export const engineTables: ReadonlyArray<string> = [
  `CREATE TABLE names (name INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;`,
  `CREATE TABLE engine (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE full_text_marks (table_name TEXT PRIMARY KEY, index_sql TEXT NOT NULL, indexed INTEGER NOT NULL) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE checkpoints (projection TEXT PRIMARY KEY, version INTEGER NOT NULL, doc TEXT NOT NULL, sequence INTEGER NOT NULL,
     identity TEXT NOT NULL, recorded_at INTEGER NOT NULL, stream_created INTEGER NOT NULL, chain BLOB NOT NULL, applied_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE chains (sequence INTEGER PRIMARY KEY, chain BLOB NOT NULL) STRICT;`,
  `CREATE TABLE carries (thread_id INTEGER NOT NULL, tenant INTEGER NOT NULL, carry TEXT NOT NULL, PRIMARY KEY (thread_id, tenant)) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE dead_letters (sequence INTEGER NOT NULL, projection TEXT NOT NULL, tenant INTEGER, kind INTEGER, history_id INTEGER,
     reason TEXT NOT NULL, attempts INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (sequence, projection)) STRICT, WITHOUT ROWID;`,
  `CREATE INDEX dead_letters_by_history ON dead_letters (history_id);`,
  `CREATE TABLE dictionary (view_name TEXT NOT NULL, position INTEGER NOT NULL, column_name TEXT, doc TEXT NOT NULL, type TEXT, unit TEXT,
     purpose TEXT, is_additive INTEGER, is_personal INTEGER, PRIMARY KEY (view_name, position)) STRICT, WITHOUT ROWID;`,
];

/** Those of the engine's tables that are written with the rows of the projections, as definitions. */
export const carriesTable: Table = {
  name: "carries",
  doc: "What an interpreter remembers of a thread.",
  key: ["thread_id", "tenant"],
  columns: {
    thread_id: { type: "name", doc: "Thread." },
    tenant: { type: "name", doc: "Tenant." },
    carry: { type: "text", doc: "As JSON." },
  },
};
export const chainsTable: Table = {
  name: "chains",
  doc: "The running hash of the stream, at each thousandth sequence.",
  key: ["sequence"],
  columns: {
    sequence: { type: "integer", doc: "Sequence." },
    chain: { type: "blob", doc: "SHA-256." },
  },
};
export const deadLettersTable: Table = {
  name: "dead_letters",
  doc: "Events that a projection refused.",
  key: ["sequence", "projection"],
  columns: {
    sequence: { type: "integer", doc: "Sequence." },
    projection: { type: "text", doc: "Projection." },
    tenant: { type: "name", doc: "Tenant." },
    kind: { type: "name", doc: "Kind of history." },
    history_id: { type: "name", doc: "History." },
    reason: { type: "text", doc: "Why." },
    attempts: { type: "integer", merge: "sum", doc: "How often it was tried." },
    at: { type: "integer", doc: "When, epoch milliseconds." },
  },
};

export const engineViews: ReadonlyArray<View> = [
  {
    name: "v_checkpoints",
    doc: "How far each projection has read the stream.",
    columns: {
      projection: "Name of the projection.",
      version: "Version of the projection that made these rows.",
      doc: "What the projection is for.",
      sequence: "Stream sequence of the last event applied; 0 before the first.",
      event_id: "Id of that event, or the subject of a stored message that is no event.",
      recorded_at: "When the log recorded it, epoch milliseconds; 0 before the first.",
      stream_created_at:
        "When the stream was created, epoch milliseconds; tells a recreated stream from the one known.",
      chain:
        "Running hash over everything up to that sequence, in hexadecimal: equal in two copies that hold the same.",
      applied_at: "When the projector applied it, epoch milliseconds; 0 before the first.",
    },
    select: `SELECT projection, version, doc, sequence, identity, recorded_at, stream_created, lower(hex(chain)), applied_at FROM checkpoints`,
  },
  {
    name: "v_dead_letters",
    doc: "Events that a projection could not take: parked here, so that the rest goes on. A rebuild tries them again.",
    columns: {
      projection: "The projection that refused, or * when the event itself cannot be read and only the ledger has it.",
      sequence: "Stream sequence of the event; v_events shows it.",
      tenant: "Tenant of the event's history; null when its subject names none.",
      kind: "thread, task, session, source, config or store; null when its subject names none.",
      subject:
        "Id of the thread, task, session, source or configuration it belongs to; null when its subject names none.",
      reason: "Why it was refused, as one sentence.",
      attempts: "How often it was tried.",
      parked_at: "When it was parked, epoch milliseconds.",
    },
    select: `SELECT d.projection, d.sequence, ${nameText("d.tenant")}, ${nameText("d.kind")}, ${nameText("d.history_id")}, d.reason, d.attempts, d.at FROM dead_letters d`,
  },
  {
    name: "v_dictionary",
    doc: "What every view and every one of its columns means: this dictionary.",
    columns: {
      view: "Name of the view.",
      column: "Name of the column; null for the sentence about the view itself.",
      position: "0 for the view itself, then its columns from 1, left to right.",
      doc: "What it means.",
      type: "Its type: text, integer, real or blob; null for the view itself.",
      unit: "Its unit, such as bytes, epoch milliseconds, count, name; null for the view itself.",
      purpose: "dimension to group and filter by, measure for how much, content to be read; null for the view itself.",
      is_additive: "1 for a measure that may be summed over rows, else 0; null for the view itself.",
      is_personal:
        "1 where it may hold what a person said or did, or a person's name, else 0; null for the view itself.",
    },
    select: `SELECT view_name, column_name, position, doc, type, unit, purpose, is_additive, is_personal FROM dictionary`,
  },
];

type DictionaryRow = readonly [
  view: string,
  position: number,
  column: string | null,
  doc: string,
  type: string | null,
  unit: string | null,
  purpose: string | null,
  isAdditive: number | null,
  isPersonal: number | null,
];

const columnRow = (view: string, position: number, column: string, doc: string): DictionaryRow => {
  const known = catalogued(column);
  if (known === undefined) throw new Error(`${view}.${column} is in no list of the catalog`);
  const { isAdditive, isPersonal, purpose, type, unit } = known;
  return [view, position, column, doc, type, unit, purpose, Number(isAdditive), Number(isPersonal)];
};

/** Every public view. */
export const viewsOf = (projections: ReadonlyArray<Projection>): ReadonlyArray<View> => [
  ...engineViews,
  ...projections.flatMap(({ views }) => views),
];

/** The rows of the dictionary. */
export const dictionaryOf = (projections: ReadonlyArray<Projection>): ReadonlyArray<DictionaryRow> =>
  viewsOf(projections).flatMap((view) => [
    [view.name, 0, null, view.doc, null, null, null, null, null] as const,
    ...Object.entries(view.columns).map(([column, doc], index) => columnRow(view.name, index + 1, column, doc)),
  ]);

/** Checkpoint of a database: that of the projection that is furthest behind. */
export const readCheckpoint = (db: Database): Checkpoint =>
  db
    .prepare<[], Checkpoint>(
      `SELECT sequence, identity, recorded_at AS recordedAt, stream_created AS streamCreated, chain
       FROM checkpoints ORDER BY sequence LIMIT 1`,
    )
    .get() ?? noCheckpoint;

/** The same of a database that any version made: before version 3 there was no running hash. */
export const readAnyCheckpoint = (db: Database): Checkpoint => {
  if (db.pragma("user_version", { simple: true }) === engineVersion) return readCheckpoint(db);
  const found = db
    .prepare<[], Omit<Checkpoint, "chain">>(
      `SELECT sequence, identity, recorded_at AS recordedAt, stream_created AS streamCreated
       FROM checkpoints ORDER BY sequence LIMIT 1`,
    )
    .get();
  return found === undefined ? noCheckpoint : { ...found, chain: noCheckpoint.chain };
};
