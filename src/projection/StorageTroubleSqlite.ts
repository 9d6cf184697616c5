/**
 * Failures of SQLite and of the file system in words for a person.
 *
 * Room: projection.
 */
import type { Database } from "better-sqlite3";
import { applicationId } from "./EngineSqlite.ts";
import { StorageTrouble } from "./ReadModel.ts";

/** The words for a failure of SQLite or of the file system. */
export const storageTrouble = (path: string, cause: unknown): StorageTrouble => {
  if (cause instanceof StorageTrouble) return cause;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const said = cause instanceof Error ? cause.message : String(cause);
  const trouble = (reason: StorageTrouble["reason"], message: string, hint: string) =>
    new StorageTrouble({ reason, path, message: `${message} (${said})`, hint });
  if (/FULL|ENOSPC|EDQUOT/.test(code))
    return trouble("full", `There is no room to write ${path}.`, "Free some disk space; it goes on by itself.");
  if (/BUSY|LOCKED/.test(code))
    return trouble("busy", `Another process writes ${path}.`, "It goes on by itself when the other one is done.");
  if (/CORRUPT|NOTADB|FORMAT/.test(code)) return trouble("damaged", `${path} is damaged.`, "Run: recollect rebuild");
  if (/READONLY|PERM|AUTH|EACCES|EROFS|CANTOPEN|ENOTDIR|ENOENT/.test(code)) {
    return trouble(
      "notWritable",
      `${path} cannot be opened for writing.`,
      "Make the file and its folder writable, or name another folder with --data.",
    );
  }
  return trouble(
    "other",
    `${path} cannot be written.`,
    "It is tried again; recollect status shows whether that helps.",
  );
};

/** Throws for another program's database: it must be neither read as ours nor replaced and removed. */
export const assertOurs = (db: Database, path: string): void => {
  if (db.pragma("application_id", { simple: true }) === applicationId) return;
  throw new StorageTrouble({
    reason: "damaged",
    path,
    message: `${path} is not a database of recollect.`,
    hint: "Move it away: a new one is made from the stream. Or name another folder with --data.",
  });
};
