/** What all of the real sets take once they are in the stream, in snapshots and in SQL. */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Context, Effect, Layer } from "effect";
import { statSync } from "node:fs";
import { join } from "node:path";
import { importPaths } from "../../src/edge/import/Importer.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import { folding } from "../../src/main/Folding.ts";
import * as Projector from "../../src/projection/Projector.ts";
import * as Snapshotter from "../../src/snapshot/Snapshotter.ts";
import type { Row } from "../Harness.ts";
import { temporaryFolder, world } from "../Servers.ts";
import { partsText, storedBytes } from "../StoredBytes.ts";
import { absent, dataFolder } from "../Transcripts.ts";

const megabyte = 1e6;

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
  const { parts, total } = storedBytes(storeFolder, database);
  return {
    ours: total / megabyte,
    peer: imported / megabyte,
    peerName: "bytes of the files imported",
    note: `${partsText(parts)}; ${report.eventsAppended} events`,
  };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "stored-bytes",
  what: `stream, KV and SQL of all real sets`,
  unit: "MB",
  goal: { of: "ratio", is: "at most", limit: 3 },
  run,
};
