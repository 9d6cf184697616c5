/** What the projection's tests share: a folder, a fold in one call, and rows as plain values. */
import Database from "better-sqlite3";
import { Effect, type Scope } from "effect";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LogEntry } from "../../src/domain/Event.ts";
import { readModels } from "../../projections/all.ts";
import type { Projection } from "../../src/projection/Projection.ts";
import type { ReadModel } from "../../src/projection/ReadModel.ts";
import * as Generations from "../../src/projection/rebuild/Generations.ts";
import * as ReadModelSqlite from "../../src/projection/ReadModelSqlite.ts";

export const temporaryFolder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "recollect-projection-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })),
);

export type Row = Readonly<Record<string, unknown>>;

/** Rows of a query, read by a connection of its own, as an analyst would. */
export const ask = (file: string, sql: string, ...values: ReadonlyArray<string | number>): ReadonlyArray<Row> => {
  const db = new Database(file, { readonly: true });
  try {
    return db.prepare<Array<string | number>, Row>(sql).all(...values);
  } finally {
    db.close();
  }
};

export const applyAll = Effect.fnUntraced(function* (model: ReadModel, entries: ReadonlyArray<LogEntry>, size = 1000) {
  for (let at = 0; at < entries.length; at += size) {
    const incoming = entries.slice(at, at + size).map((entry) => ({ entry }));
    const applied = yield* model.apply({ incoming, streamCreated: 1, now: 2 });
    if (applied._tag !== "Committed") return yield* Effect.die(applied);
  }
});

let emptyFile: Buffer | undefined;

/** The file of all read models without events: made once, because its 210 statements take 50 ms of processor. */
const empty = Effect.gen(function* () {
  if (emptyFile !== undefined) return emptyFile;
  const file = join(yield* temporaryFolder, "empty.db");
  const model = yield* ReadModelSqlite.open({ file, projections: readModels, durability: "scratch" });
  yield* model.close;
  emptyFile = readFileSync(file);
  return emptyFile;
}).pipe(Effect.scoped);

/** A path without a database gets one without events, as the first start leaves it. */
export const putEmpty = Effect.fnUntraced(function* (path: string) {
  if (Generations.current(path) !== undefined) return;
  const file = Generations.next(path);
  writeFileSync(file, yield* empty);
  Generations.pointTo(path, file);
});

/** Given events, when folded: then `rows` answers. `threadFromRows` 0: written in a thread of its own. */
export const folded = Effect.fnUntraced(function* (
  entries: ReadonlyArray<LogEntry>,
  projections: ReadonlyArray<Projection> = readModels,
  options: { readonly threadFromRows?: number } = {},
) {
  const file = join(yield* temporaryFolder, "model.db");
  if (projections === readModels) writeFileSync(file, yield* empty);
  const model = yield* Effect.acquireRelease(
    ReadModelSqlite.open({ file, projections, durability: "scratch", ...options }),
    ({ close }) => close,
  );
  yield* applyAll(model, entries);
  return { file, model, rows: (sql: string, ...values: ReadonlyArray<string | number>) => ask(file, sql, ...values) };
});
