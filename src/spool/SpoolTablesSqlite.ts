/**
 * The tables of the spool's file, and how a file of an earlier version gets them.
 *
 * Room: spool.
 */
import type { Database } from "better-sqlite3";

/**
 * `user_version` of the file. A newer one is not touched. 2: the history of a command is a column, forks are reported.
 * 3: a command has a digest, and where the stream ended before the first attempt stands beside it.
 */
const fileVersion = 3;

const tables = `
  CREATE TABLE IF NOT EXISTS commands (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    set_aside TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS commands_waiting ON commands (target, position) WHERE set_aside IS NULL;
  CREATE TABLE IF NOT EXISTS blobs (
    position INTEGER NOT NULL REFERENCES commands ON DELETE CASCADE,
    sha256 TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (position, sha256)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS leaders (
    target TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    until INTEGER NOT NULL
  ) STRICT;
`;

/** `history` is NULL where a process of the version before has put a command meanwhile. */
const second = `
  ALTER TABLE commands ADD COLUMN history TEXT;
  ALTER TABLE commands ADD COLUMN insisted INTEGER;
  UPDATE commands SET history = json_array(json_extract(body, '$.history.tenant'), json_extract(body, '$.history.kind'),
    json_extract(body, '$.history.id')) WHERE json_valid(body);
  CREATE INDEX commands_of_history ON commands (history, position) WHERE set_aside IS NULL;
  CREATE TABLE forks (
    position INTEGER PRIMARY KEY,
    target TEXT NOT NULL,
    at INTEGER NOT NULL,
    history TEXT,
    body TEXT NOT NULL,
    into_thread TEXT NOT NULL,
    reason TEXT NOT NULL
  ) STRICT;
`;

/** `digest` is NULL where a process of an earlier version has put a command; `tried` is `{created,sequence,check}`. */
const third = `
  ALTER TABLE commands ADD COLUMN digest TEXT;
  ALTER TABLE commands ADD COLUMN tried TEXT;
  ALTER TABLE blobs ADD COLUMN digest TEXT;
`;

/** Makes the tables, in one step: several processes may find the file new at the same moment. */
export const bringUpToDate = (database: Database): void => {
  const versionOf = () => Number(database.pragma("user_version", { simple: true }));
  if (versionOf() === fileVersion) return;
  const steps = database.transaction(() => {
    const version = versionOf();
    if (version > fileVersion) throw new Error(`it was written by a newer version (${version})`);
    if (version < 1) database.exec(tables);
    if (version < 2) database.exec(second);
    if (version < 3) database.exec(third);
    database.pragma(`user_version = ${fileVersion}`);
  });
  steps.immediate();
};
