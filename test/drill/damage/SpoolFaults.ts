/** Faults in the spool: commands that were accepted while the log was away, and are nowhere else yet. */
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Fault } from "./Fault.ts";
import * as Plant from "./Plant.ts";

type Change = Pick<Fault, "title" | "promise" | "isShort"> & { readonly plant: NonNullable<Fault["plant"]> };

const bySql =
  (...statements: ReadonlyArray<string>): Change["plant"] =>
  (place) =>
    Plant.sql(Plant.spoolOf(place), ...statements);

const some = "(SELECT position FROM commands ORDER BY position LIMIT 1 OFFSET 3)";

const faults: ReadonlyArray<Change> = [
  { title: "as it is", promise: "harmless", plant: () => "nothing", isShort: true },
  {
    title: "the text of a row changed",
    promise: "named",
    plant: bySql(`UPDATE commands SET body = replace(body, 'waiting words', 'changed words') WHERE position = ${some}`),
    isShort: true,
  },
  {
    title: "the texts of all rows changed",
    promise: "named",
    plant: bySql("UPDATE commands SET body = replace(body, 'waiting words', 'changed words')"),
  },
  {
    title: "the text of a row changed and its digest removed",
    promise: "named",
    plant: bySql(
      `UPDATE commands SET body = replace(body, 'waiting words', 'changed words'), digest = NULL WHERE position = ${some}`,
    ),
  },
  { title: "a row deleted", promise: "named", plant: bySql(`DELETE FROM commands WHERE position = ${some}`) },
  {
    title: "the last row deleted",
    promise: "named",
    plant: bySql("DELETE FROM commands WHERE position = (SELECT max(position) FROM commands)"),
  },
  { title: "all rows deleted", promise: "named", plant: bySql("DELETE FROM commands") },
  {
    title: "the digest of a row changed",
    promise: "named",
    plant: bySql(`UPDATE commands SET digest = 'x' WHERE position = ${some}`),
  },
  {
    title: "a row moved to another number",
    promise: "named",
    plant: bySql(`UPDATE commands SET position = position + 100 WHERE position = ${some}`),
  },
  {
    title: "two rows exchanged",
    promise: "named",
    plant: bySql(
      "UPDATE commands SET position = -1 WHERE position = 2",
      "UPDATE commands SET position = 2 WHERE position = 3",
      "UPDATE commands SET position = 3 WHERE position = -1",
    ),
  },
  { title: "the table of commands dropped", promise: "named", plant: bySql("DROP TABLE commands") },
  {
    title: "its WAL deleted",
    promise: "named",
    plant: (place) => Plant.remove(place, `${Plant.spoolOf(place)}-wal`, `${Plant.spoolOf(place)}-shm`),
  },
  {
    title: "the file deleted",
    promise: "named",
    plant: (place) =>
      Plant.remove(place, Plant.spoolOf(place), `${Plant.spoolOf(place)}-wal`, `${Plant.spoolOf(place)}-shm`),
    isShort: true,
  },
  {
    title: "the file cut to a half",
    promise: "named",
    plant: (place) => (settle(place), Plant.truncate(place, Plant.spoolOf(place), (size) => size / 2)),
  },
  {
    title: "the file emptied",
    promise: "named",
    plant: (place) => (settle(place), Plant.truncate(place, Plant.spoolOf(place), () => 0)),
  },
  {
    title: "its head is garbage",
    promise: "named",
    plant: (place) => {
      settle(place);
      const bytes = readFileSync(Plant.spoolOf(place));
      bytes.fill(0x5a, 0, 100);
      writeFileSync(Plant.spoolOf(place), bytes);
      return "100 bytes at 0 are garbage";
    },
  },
  {
    title: "a bit of the file flipped",
    promise: "named",
    plant: (place) => (settle(place), Plant.flipIn(place, Plant.spoolOf(place))),
  },
  {
    title: "the list of accepted commands deleted",
    promise: "harmless",
    plant: (place) => Plant.remove(place, join(place.data, "accepted-spool.log")),
  },
  {
    title: "a bit of the list of accepted commands flipped",
    promise: "harmless",
    plant: (place) => Plant.flipIn(place, join(place.data, "accepted-spool.log")),
  },
  {
    title: "the list of accepted commands cut to a half",
    promise: "harmless",
    plant: (place) => Plant.truncate(place, join(place.data, "accepted-spool.log"), (size) => size / 2),
  },
  {
    title: "the file replaced by that of an earlier day",
    promise: "named",
    plant: (place) => {
      Plant.remove(place, Plant.spoolOf(place), `${Plant.spoolOf(place)}-wal`, `${Plant.spoolOf(place)}-shm`);
      for (const end of ["", "-wal"]) {
        const from = join(place.older, `early-spool.db${end}`);
        if (existsSync(from)) cpSync(from, `${Plant.spoolOf(place)}${end}`);
      }
      return "spool.db is that of four commands";
    },
  },
];

/** Everything that waits is in the file itself, and not in its WAL. */
const settle = (place: Parameters<Change["plant"]>[0]): void =>
  void Plant.sql(Plant.spoolOf(place), "PRAGMA wal_checkpoint(TRUNCATE)");

export const spoolFaults: ReadonlyArray<Fault> = faults.map((fault) => ({ group: "spool", base: "spooled", ...fault }));
