/**
 * Digests of tables: what they say, however their rows lie.
 *
 * Room: projection.
 *
 * Names are read as text and surrogate ids left out, so neither the order of interning nor that of insertion
 * matters. Each row's SHA-256 is added to the others' lane by lane: rows are unique by key, so no pair cancels out.
 */
import type { Database } from "better-sqlite3";
import { Effect } from "effect";
import { createHash } from "node:crypto";
import { nameText, type Projection, type Table } from "../Projection.ts";
import type { StorageTrouble, TableDigest } from "../ReadModel.ts";
import { storageTrouble } from "../StorageTroubleSqlite.ts";

/** Rows read before others get a turn: a few milliseconds. */
const rowsPerTurn = 2000;

type Stored = string | number | bigint | null | Uint8Array;

/** Each value with its type and length, so that no two rows spell the same bytes. */
const rowHash = (row: ReadonlyArray<Stored>): Uint8Array => {
  const hash = createHash("sha256");
  for (const value of row) {
    if (value === null) hash.update("0");
    else if (typeof value === "object") hash.update(`b${value.byteLength}:`).update(value);
    else if (typeof value === "string") hash.update(`t${value.length}:`).update(value, "utf8");
    else hash.update(`n${value};`);
  }
  return hash.digest();
};

const selectOf = (table: Table): string => {
  const columns = Object.entries(table.columns).map(([name, { type }]) =>
    // A number that is no name is not the same as no name.
    type === "name" ? `coalesce(${nameText(`t."${name}"`)}, t."${name}")` : `t."${name}"`,
  );
  return `SELECT ${columns.join(", ")} FROM "${table.name}" t`;
};

const digestOf = Effect.fnUntraced(function* (db: Database, name: string, select: string) {
  const sum = new Uint32Array(8);
  let rows = 0;
  for (const row of db.prepare<[], ReadonlyArray<Stored>>(select).raw().iterate()) {
    const hash = rowHash(row);
    const lanes = new DataView(hash.buffer, hash.byteOffset, hash.byteLength);
    for (let lane = 0; lane < 8; lane++) sum[lane] = ((sum[lane] ?? 0) + lanes.getUint32(lane * 4)) >>> 0;
    rows += 1;
    if (rows % rowsPerTurn === 0) yield* Effect.yieldNow;
  }
  const digest = [...sum].map((lane) => lane.toString(16).padStart(8, "0")).join("");
  return { name, rows, digest } satisfies TableDigest;
});

/** The digests, in the order of the definitions. The caller's transaction, if any, decides which state they are of. */
export const digestsOf = (options: {
  readonly db: Database;
  readonly projections: ReadonlyArray<Projection>;
  readonly file: string;
}): Effect.Effect<ReadonlyArray<TableDigest>, StorageTrouble> => {
  const { db, projections, file } = options;
  const tables = projections.flatMap((projection) =>
    projection.tables.map((table) => [table.name, selectOf(table)] as const),
  );
  // When a dead letter was parked, and how often it was tried, is this file's own story.
  const deadLetters = ["dead_letters", "SELECT sequence, projection, reason FROM dead_letters"] as const;
  return Effect.forEach([...tables, deadLetters], ([name, select]) => digestOf(db, name, select)).pipe(
    Effect.catchDefect((cause) => Effect.fail(storageTrouble(file, cause))),
  );
};
