/** What all of the real sets take once they are in the stream, in snapshots and in SQL. */
import * as NodeServices from "@effect/platform-node/NodeServices";
import Database from "better-sqlite3";
import { Context, Effect, Layer } from "effect";
import { statSync } from "node:fs";
import { join } from "node:path";
import { importPaths } from "../../src/edge/import/Importer.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import { folding } from "../../src/main/Layers.ts";
import * as Projector from "../../src/projection/Projector.ts";
import * as Snapshotter from "../../src/snapshot/Snapshotter.ts";
import type { Row } from "../Harness.ts";
import { temporaryFolder, world } from "../Servers.ts";
import { absent, dataFolder, filesIn } from "../Transcripts.ts";

const megabyte = 1e6;

/** Bytes of disk, as `du` counts them: whole blocks. */
const onDisk = (files: ReadonlyArray<string>): number =>
  files.reduce((sum, file) => sum + statSync(file).blocks * 512, 0);

/** Imports everything, lets all that follows the log catch up, and ends it cleanly. Answers with what was imported. */
const fill = Effect.fnUntraced(function* (data: string, storeFolder: string, database: string) {
  const { rooms } = yield* world({ storeFolder });
  const followers = yield* Layer.build(folding(database)).pipe(Effect.provide(rooms));
  const report = yield* importPaths({ paths: [data] }).pipe(Effect.provide(rooms), Effect.provide(NodeServices.layer));
  const { bytes, lastSequence } = yield* Context.get(rooms, EventLog).info;
  yield* Context.get(followers, Projector.Projector).awaitSequence(lastSequence);
  const snapshotter = Context.get(followers, Snapshotter.Snapshotter);
  yield* snapshotter.flush;
  const { dirty, dropped, written } = yield* snapshotter.status;
  if (dirty > 0 || dropped > 0) return yield* Effect.die(`${dirty} snapshots are not written, ${dropped} were dropped`);
  return { report, streamBytes: bytes, snapshots: written };
}, Effect.scoped);

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

const run = Effect.gen(function* () {
  const data = dataFolder();
  if (data === undefined) return absent;
  const folder = yield* temporaryFolder;
  const [storeFolder, database] = [join(folder, "nats"), join(folder, "recollect.db")];
  const { report } = yield* fill(data, storeFolder, database);
  // Files that are no conversations were not imported.
  const notImported = [...report.skipped, ...report.refused.filter(({ line }) => line === undefined)].map(
    ({ file }) => file,
  );
  const imported = report.bytes - notImported.reduce((sum, file) => sum + statSync(file).size, 0);
  const stored = filesIn(storeFolder);
  const of = (stream: string) => onDisk(stored.filter((file) => file.split("/").includes(stream)));
  const sql = databaseBytes(database);
  const parts = {
    "bodies of events": sql.bodies,
    stream: of("RECOLLECT"),
    blobs: of("OBJ_RECOLLECT_BLOBS"),
    KV: of("KV_RECOLLECT_THREADS"),
    "SQL without full text": sql.tables,
    "of it ledger": sql.events,
    "of it message parts": sql.parts,
    "full text, not counted": sql.fullText,
  };
  const text = Object.entries(parts).map(([name, bytes]) => `${name} ${(bytes / megabyte).toFixed(1)}`);
  return {
    ours: (onDisk(stored) + sql.tables) / megabyte,
    peer: imported / megabyte,
    peerName: "bytes of the files imported",
    note: `MB: ${text.join(", ")}; ${report.eventsAppended} events`,
  };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "stored-bytes",
  what: `stream, KV and SQL of all real sets`,
  unit: "MB",
  goal: { of: "ratio", is: "at most", limit: 2.5 },
  run,
};
