/** What a store takes on the disk, part by part. */
import Database from "better-sqlite3";
import { statSync } from "node:fs";
import { filesIn } from "./Transcripts.ts";

/** Bytes of disk, as `du` counts them: whole blocks. */
const onDisk = (files: ReadonlyArray<string>): number =>
  files.reduce((sum, file) => sum + statSync(file).blocks * 512, 0);

/** What each table and index of the closed database takes, full-text indexes apart. */
const databaseBytes = (path: string) => {
  const db = new Database(path, { readonly: true });
  try {
    const sizes = db
      .prepare<[], { name: string; bytes: number }>("SELECT name, sum(pgsize) AS bytes FROM dbstat GROUP BY name")
      .all();
    const sum = (isCounted: (name: string) => boolean) =>
      sizes.reduce((total, { bytes, name }) => total + (isCounted(name) ? bytes : 0), 0);
    const isFullText = (name: string) => /_fts(_|$)/.test(name);
    const bodies = db.prepare<[], number>("SELECT sum(octet_length(data)) FROM events").pluck().get() ?? 0;
    return {
      bodies,
      tables: sum((name) => !isFullText(name)),
      fullText: sum(isFullText),
      events: sum((name) => name === "events"),
      parts: sum((name) => name === "message_parts"),
    };
  } finally {
    db.close();
  }
};

/** A store that was ended cleanly: nats-server's folder, and the database. */
export const storedBytes = (storeFolder: string, database: string) => {
  const files = filesIn(storeFolder);
  const of = (stream: string) => onDisk(files.filter((file) => file.split("/").includes(stream)));
  const sql = databaseBytes(database);
  return {
    total: onDisk(files) + sql.tables,
    parts: {
      "bodies of events": sql.bodies,
      stream: of("RECOLLECT"),
      blobs: of("OBJ_RECOLLECT_BLOBS"),
      KV: of("KV_RECOLLECT_THREADS"),
      "SQL without full text": sql.tables,
      "of it ledger": sql.events,
      "of it message parts": sql.parts,
      "full text, not counted": sql.fullText,
    },
  };
};

export const partsText = (parts: Readonly<Record<string, number>>): string =>
  `MB: ${Object.entries(parts)
    .map(([name, bytes]) => `${name} ${(bytes / 1e6).toFixed(1)}`)
    .join(", ")}`;
