/**
 * Files beside the stream: their condition, and what mends them.
 *
 * Room: projection.
 *
 * Read models and their index are made anew where they are damaged, because nothing can be lost by it; a damaged spool is
 * left to a person, because it may hold what nothing else does; snapshots of threads are folded again by themselves.
 */
import Database from "better-sqlite3";
import { existsSync } from "node:fs";

export interface Rest {
  readonly what: "read models" | "spool" | "snapshots";
  readonly state: "well" | "damaged" | "absent";
  /** Repair: by a heal, by a command, by itself. */
  readonly mended: "by heal" | "by command" | "by itself";
  /** Command to run; null without one. */
  readonly command: string | null;
  readonly message: string;
}

/** Fault of a file by SQLite's own check; undefined for a sound one. */
const faultOf = (file: string): string | undefined => {
  try {
    const db = new Database(file, { readonly: true, fileMustExist: true });
    try {
      const said = String(db.pragma("quick_check(1)", { simple: true }));
      return said === "ok" ? undefined : said;
    } finally {
      db.close();
    }
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
};

const stateOf = (file: string): { readonly state: Rest["state"]; readonly fault: string } => {
  if (!existsSync(file)) return { state: "absent", fault: "" };
  const fault = faultOf(file);
  return { state: fault === undefined ? "well" : "damaged", fault: fault ?? "" };
};

export const restOf = (files: { readonly database: string; readonly spool: string }): ReadonlyArray<Rest> => {
  const database = stateOf(files.database);
  const spool = stateOf(files.spool);
  return [
    {
      what: "read models",
      state: database.state,
      mended: "by heal",
      command: database.state === "damaged" ? "recollect rebuild" : null,
      message:
        database.state === "damaged"
          ? `The database is damaged (${database.fault}): it is made anew from the stream, and what its ledger still has is used.`
          : "The read models can be made anew at any time: recollect rebuild.",
    },
    {
      what: "spool",
      state: spool.state,
      mended: "by command",
      command: spool.state === "damaged" ? "recollect spool list" : null,
      message:
        spool.state === "damaged"
          ? `The spool is damaged (${spool.fault}): it may hold what nothing else does, so it is left as it is. recollect spool list names what is lost.`
          : "What waits in the spool is delivered by itself: recollect spool list.",
    },
    {
      what: "snapshots",
      state: "well",
      mended: "by itself",
      command: null,
      message: "Snapshots of threads are folded from the stream again whenever one is missing.",
    },
  ];
};
