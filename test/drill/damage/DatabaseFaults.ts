/** Faults in the database: the ledger, the read models, the full-text index, and the file that holds them. */
import { readFileSync, writeFileSync } from "node:fs";
import * as Plant from "./Plant.ts";
import type { Fault, Place } from "./Fault.ts";

/** What the WAL holds is in the file itself, so that a fault in the file is one. */
const settle = (place: Place): string => {
  const file = Plant.databaseOf(place);
  Plant.sql(file, "PRAGMA wal_checkpoint(TRUNCATE)");
  return file;
};

const sidecars = (file: string) => [`${file}-wal`, `${file}-shm`];

const pages: ReadonlyArray<Fault> = [
  "events",
  "events_by_1",
  "names",
  "threads",
  "messages",
  "messages_by_1",
  "message_parts",
  "message_parts_fts_data",
  "message_parts_fts_idx",
  "message_parts_fts_docsize",
  "checkpoints",
  "chains",
  "engine",
  "dictionary",
  "full_text_marks",
  "sqlite_schema",
].map((table) => ({
  group: "database file",
  title: `a bit of a page of ${table}`,
  // The first running hash is kept at the thousandth event: the page has nothing on it. The rows of checkpoints move in theirs
  // as they are written, and leave bytes that hold nothing.
  promise: table === "chains" || table === "checkpoints" ? "harmless" : "whole",
  plant: (place) => Plant.flipPage(place, table),
}));

const file: ReadonlyArray<Fault> = [
  {
    title: "its head is garbage",
    plant: (place: Place) => {
      const name = settle(place);
      const bytes = readFileSync(name);
      bytes.fill(0x5a, 0, 100);
      writeFileSync(name, bytes);
      return "100 bytes at 0 are garbage";
    },
  },
  {
    title: "a page of zeros",
    plant: (place: Place) => Plant.overwrite(place, settle(place), { length: 4096, with: "zeros" }),
  },
  {
    title: "64 KB of garbage",
    plant: (place: Place) => Plant.overwrite(place, settle(place), { length: 65_536, with: "garbage" }),
  },
  {
    title: "cut to a half",
    plant: (place: Place) => Plant.truncate(place, settle(place), (size) => size / 2),
    isShort: true as const,
  },
  { title: "cut by a page", plant: (place: Place) => Plant.truncate(place, settle(place), (size) => size - 4096) },
  { title: "emptied", plant: (place: Place) => Plant.truncate(place, settle(place), () => 0) },
  {
    title: "deleted",
    plant: (place: Place) => {
      const name = Plant.databaseOf(place);
      return Plant.remove(place, name, ...sidecars(name));
    },
  },
  {
    title: "deleted, and its link",
    plant: (place: Place) => {
      const name = Plant.databaseOf(place);
      return Plant.remove(
        place,
        name,
        ...sidecars(name),
        `${place.data}/recollect.db`,
        `${place.data}/recollect.db.verified`,
      );
    },
  },
  { title: "its link deleted", plant: (place: Place) => Plant.remove(place, `${place.data}/recollect.db`) },
].map((fault) => ({ group: "database file", promise: "whole", ...fault }) as const);

const behind: ReadonlyArray<Fault> = [
  {
    group: "database file",
    title: "its WAL deleted while it is in use, then kill -9",
    promise: "harmless",
    isKilled: true,
    plant: (place) => Plant.remove(place, ...sidecars(Plant.databaseOf(place))),
  },
  {
    group: "database file",
    title: "a bit of its WAL flipped after kill -9",
    promise: "harmless",
    isKilled: true,
    plant: (place) => Plant.flipIn(place, `${Plant.databaseOf(place)}-wal`),
  },
  {
    group: "database file",
    title: "replaced by that of an earlier day",
    promise: "harmless",
    plant: (place) => {
      const name = Plant.databaseOf(place);
      Plant.remove(place, ...sidecars(name));
      return Plant.write(place, name, readFileSync(Plant.databaseOf({ data: place.older })));
    },
  },
  {
    group: "database file",
    title: "replaced by that of another store",
    promise: "whole",
    plant: (place) => {
      const name = Plant.databaseOf(place);
      Plant.remove(place, ...sidecars(name));
      return Plant.write(place, name, readFileSync(Plant.databaseOf({ data: place.stranger })));
    },
  },
];

const early = "(SELECT sequence FROM events ORDER BY sequence LIMIT 1 OFFSET 7)";
const changed = "CAST(replace(CAST(data AS TEXT), 'words', 'swords') AS BLOB)";

/** Statements of somebody who writes into the file, in the order in which they are run. */
const statements: Readonly<Record<string, ReadonlyArray<string>>> = {
  "the text of a row of the ledger changed": [
    `UPDATE events SET data = replace(data, 'words', 'swords') WHERE sequence = ${early}`,
  ],
  "the texts of all rows of the ledger changed": ["UPDATE events SET data = replace(data, 'words', 'swords')"],
  "the text of a row of the ledger and its digest changed": [
    `UPDATE events SET data = ${changed}, digest = zeroblob(32) WHERE sequence = ${early}`,
  ],
  "the time of a row of the ledger changed": [
    `UPDATE events SET occurred_at = occurred_at + 1 WHERE sequence = ${early}`,
  ],
  "the type of a row of the ledger changed": [
    `UPDATE events SET type = (SELECT name FROM names WHERE name <> type LIMIT 1) WHERE sequence = ${early}`,
  ],
  "a row of the ledger deleted": [`DELETE FROM events WHERE sequence = ${early}`],
  "the last row of the ledger deleted": ["DELETE FROM events WHERE sequence = (SELECT max(sequence) FROM events)"],
  "all rows of the ledger deleted": ["DELETE FROM events"],
  "a row put into the ledger behind its end": [
    "CREATE TEMP TABLE more AS SELECT * FROM events ORDER BY sequence DESC LIMIT 1",
    "UPDATE more SET sequence = sequence + 1",
    "INSERT INTO events SELECT * FROM more",
  ],
  "two rows of the ledger exchanged": [
    "UPDATE events SET sequence = -1 WHERE sequence = 4",
    "UPDATE events SET sequence = 4 WHERE sequence = 5",
    "UPDATE events SET sequence = 5 WHERE sequence = -1",
  ],
  "the name of a thread changed": [
    "UPDATE names SET text = text || 'x' WHERE name = (SELECT thread_id FROM threads LIMIT 1)",
  ],
  "the text of a message changed": [
    "UPDATE message_parts SET text = 'a changed text', quoted_at = NULL WHERE id = (SELECT min(id) FROM message_parts)",
  ],
  "the role of all messages changed": ["UPDATE messages SET role = (SELECT max(name) FROM names)"],
  "a message deleted": ["DELETE FROM messages WHERE sequence = (SELECT min(sequence) FROM messages)"],
  "all parts of messages deleted": ["DELETE FROM message_parts"],
  "a thread deleted": ["DELETE FROM threads WHERE thread_id = (SELECT min(thread_id) FROM threads)"],
  "the title of a thread changed": ["UPDATE threads SET title = 'a title that nobody gave'"],
  "the index of words emptied": ["DELETE FROM message_parts_fts_data WHERE id > 10"],
  "the index of words told that all is deleted": [
    "INSERT INTO message_parts_fts(message_parts_fts) VALUES ('delete-all')",
  ],
  "the index of words dropped": ["DROP TABLE message_parts_fts"],
  "a checkpoint put ahead": ["UPDATE checkpoints SET sequence = sequence + 5"],
  "a checkpoint put back": ["UPDATE checkpoints SET sequence = sequence - 5"],
  "all checkpoints deleted": ["DELETE FROM checkpoints"],
  "the running hash changed": ["UPDATE checkpoints SET chain = zeroblob(32)"],
  "a view redefined": [
    "DROP VIEW v_messages",
    "CREATE VIEW v_messages AS SELECT 'nothing' AS thread_id, 'nothing' AS text",
  ],
  "a view that hides": [
    "DROP VIEW v_dead_letters",
    "CREATE VIEW v_dead_letters AS SELECT projection FROM dead_letters WHERE 0",
  ],
  "a trigger dropped": ["DROP TRIGGER message_parts_fts_delete"],
  "a trigger added": ["CREATE TRIGGER eater AFTER INSERT ON messages BEGIN DELETE FROM messages; END"],
  "a column added": ["ALTER TABLE events ADD COLUMN more TEXT"],
  "an index dropped": ["DROP INDEX events_by_1"],
  "a table dropped": ["DROP TABLE messages"],
  "the dictionary changed": ["UPDATE dictionary SET doc = 'not so'"],
};

const shortOnes = new Set(["the text of a row of the ledger changed", "a view redefined"]);

const rows: ReadonlyArray<Fault> = Object.entries(statements).map(([title, lines]) => ({
  group: "database rows and schema",
  title,
  promise: "whole",
  plant: (place) => Plant.sql(Plant.databaseOf(place), ...lines),
  ...(shortOnes.has(title) ? { isShort: true as const } : {}),
}));

export const databaseFaults: ReadonlyArray<Fault> = [...pages, ...file, ...behind, ...rows];
