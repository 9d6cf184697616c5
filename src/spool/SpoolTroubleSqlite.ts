/**
 * Errors of SQLite and the file system about the spool's file, as typed troubles with a hint.
 *
 * Room: spool.
 */
import { SpoolUnavailable } from "./Spool.ts";

const reasonOf = (code: string): SpoolUnavailable["reason"] => {
  if (/^SQLITE_FULL|^ENOSPC|^EDQUOT/.test(code)) return "full";
  if (/^SQLITE_(?:BUSY|LOCKED)/.test(code)) return "busy";
  if (/^SQLITE_(?:CANTOPEN|READONLY|PERM|IOERR)|^EACCES|^EPERM|^EROFS|^ENOTDIR|^EEXIST/.test(code))
    return "notWritable";
  if (/^SQLITE_(?:CORRUPT|NOTADB)/.test(code)) return "damaged";
  return "other";
};

const hints: Readonly<Record<SpoolUnavailable["reason"], string>> = {
  notWritable: "Make the folder writable for this user, or name another with RECOLLECT_DATA.",
  full: "Free some disk space, or bring the log back: it then takes what the spool holds (recollect spool drain).",
  busy: "Another process holds the spool file; it should let go within a second.",
  damaged:
    "Move the file away for inspection, with its -wal and -shm; a new one is made at once, and recollect spool list names what is missing then.",
  other: "See whether the disk is well.",
};

export const trouble = (file: string, cause: unknown): SpoolUnavailable => {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const reason = reasonOf(code);
  const words = cause instanceof Error ? cause.message : String(cause);
  return new SpoolUnavailable({
    reason,
    file,
    message: `The spool ${file} cannot be used: ${words}`,
    hint: hints[reason],
  });
};
