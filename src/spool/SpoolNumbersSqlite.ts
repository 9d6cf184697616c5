/**
 * Numbers without holes: what the database has, held against the list of what was accepted.
 *
 * Room: spool.
 */
import type { Database } from "better-sqlite3";
import { statSync } from "node:fs";
import type { Accepted, AcceptedList, Listed } from "./AcceptedList.ts";
import { columns, digestNow, type Row, rowStatements } from "./SpoolRowsSqlite.ts";

/** The number of the next command. Deleted rows do not give theirs back. */
export const nextSql = `SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'commands'), 0),
  coalesce((SELECT max(position) FROM commands), 0)) + 1`;

const lastOf = (database: Database): number => Number(database.prepare(nextSql).pluck().get()) - 1;

/** A row as the list would have it; its history and event as far as they can be read. */
const asAccepted = (database: Database, row: Row): Accepted => {
  const texts = database
    .prepare<
      [number],
      Pick<Accepted, "eventId" | "history" | "type">
    >(`SELECT history, iif(json_valid(body), json_extract(body, '$.event.id'), NULL) AS eventId,
        iif(json_valid(body), json_extract(body, '$.event.type'), NULL) AS type FROM commands WHERE position = ?`)
    .get(row.position);
  const { eventId = null, history = null, type = null } = texts ?? {};
  const digest = row.digest ?? digestNow(row, rowStatements(database));
  return { number: row.position, digest, at: row.accepted_at, target: row.target, history, eventId, type };
};

/**
 * Brings a database and its list together when it is opened: a database without a list (of an earlier version) gets one,
 * and one that is behind its list (made anew, or put back) gives no number twice.
 */
export const agree = (database: Database, list: AcceptedList): void => {
  if (list.size === undefined) {
    if (lastOf(database) === 0) return;
    const make = database.transaction(() => {
      if (list.size !== undefined) return;
      const rows = database.prepare<[], Row>(`SELECT ${columns} FROM commands ORDER BY position`).all();
      list.rewrite(
        lastOf(database),
        rows.map((row) => asAccepted(database, row)),
      );
    });
    make.immediate();
    return;
  }
  const { last } = list.read;
  if (lastOf(database) >= last) return;
  const raise = database.transaction(() => {
    const changed = database.prepare("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'commands'").run(last);
    if (changed.changes === 0)
      database.prepare("INSERT INTO sqlite_sequence (name, seq) VALUES ('commands', ?)").run(last);
  });
  raise.immediate();
};

/** A command that was accepted, is not settled, and is not there. All null but the number where nothing is known of it. */
export type Lost = Omit<Accepted, "at" | "digest" | "target"> & {
  readonly acceptedAt: number | null;
  readonly target: string | null;
  readonly digest: string | null;
};

const nothingKnown = (number: number): Lost => ({
  number,
  acceptedAt: null,
  target: null,
  digest: null,
  history: null,
  eventId: null,
  type: null,
});

const asLost = ({ at, ...known }: Accepted): Lost =>
  at === 0 ? nothingKnown(known.number) : { ...known, acceptedAt: at };

/** A number that is missing and of which no line tells, as the list carries it on. */
const unknown = (number: number): Accepted => ({ ...nothingKnown(number), digest: "", at: 0, target: "" });

/**
 * Accepted commands that are missing; `database` is undefined when there is no file. The list is read before and after
 * the rows: what is delivered meanwhile is settled before its row goes.
 */
export const lostOf = (list: AcceptedList, database: Database | undefined): ReadonlyArray<Lost> => {
  if (list.size === undefined) return [];
  const before = list.read;
  const suspects = missing(before, database);
  if (suspects.length === 0) return [];
  const after = list.read;
  return suspects.filter(({ number }) => !after.isSettled(number));
};

const missing = ({ open, untold }: Listed, database: Database | undefined): ReadonlyArray<Lost> => {
  const isThere = new Set(database?.prepare<[], number>("SELECT position FROM commands").pluck().all());
  const known = [...open.values()].filter(({ number }) => !isThere.has(number)).map(asLost);
  const rest = untold.filter((number) => !isThere.has(number)).map(nothingKnown);
  return [...known, ...rest].toSorted((one, other) => one.number - other.number);
};

/** Above it an empty spool gives its pages back to the disk. */
const tidyPages = 256;
/** Above it the list is written anew when nothing waits. */
const tidyListBytes = 64 * 1024;

const bytesOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

/**
 * Makes database, WAL and list small again, once nothing waits. Another process that is busy with the file is no
 * trouble: it, or the next delivery, does it.
 */
export const tidy = (database: Database, list: AcceptedList, file: string): void => {
  const isEmpty = () => database.prepare("SELECT 1 FROM commands LIMIT 1").get() === undefined;
  const pages = Number(database.pragma("page_count", { simple: true }));
  const isLarge = pages > tidyPages || bytesOf(`${file}-wal`) > tidyPages * 4096;
  const isLong = (list.size ?? 0) > tidyListBytes;
  if ((!isLarge && !isLong) || !isEmpty()) return;
  try {
    if (isLong) {
      const shorten = database.transaction(() => {
        if (!isEmpty()) return;
        // A missing number stays listed until a person has looked at it.
        const { last, open, untold } = list.read;
        list.rewrite(Math.max(last, lastOf(database)), [...open.values(), ...untold.map(unknown)]);
      });
      shorten.immediate();
    }
    if (!isLarge) return;
    if (pages > tidyPages) database.exec("VACUUM");
    database.pragma("wal_checkpoint(TRUNCATE)");
  } catch {
    // Busy.
  }
};
