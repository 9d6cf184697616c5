/**
 * The writing thread: does what it is asked on a connection of its own, one thing after the other.
 *
 * Room: projection.
 *
 * It loads neither Effect nor the projections: statements and rows come packed. When it is ended in the middle of a
 * transaction, its connection is closed with it, which takes the transaction back.
 */
import Database from "better-sqlite3";
import { parentPort, workerData } from "node:worker_threads";
import { configure, make, type Place, type RowWriter, type Writing, type Written } from "./RowWriterSqlite.ts";

/** To run the statements that make indexes. */
export interface Indexing {
  readonly index: ReadonlyArray<string>;
}

/** A failure keeps its code, which says whose it is. */
export interface Failed {
  readonly _tag: "Failed";
  readonly code: string;
  readonly message: string;
}

export type Answered = Written | Failed;

const place: Place = workerData;
let opened: Writing | undefined;

/** Opened with the first work, so that a file in trouble is the answer to that and not the thread's end. */
const writing = (): Writing => {
  if (opened !== undefined) return opened;
  const db = new Database(place.file, { fileMustExist: true });
  try {
    configure(db, place.durability, "large");
    opened = make(db, place);
    return opened;
  } catch (cause) {
    db.close();
    throw cause;
  }
};

const answer = (asked: RowWriter | Indexing): Answered => {
  try {
    if ("index" in asked) {
      writing().index(asked.index);
      return { _tag: "Written" };
    }
    return writing().write(asked);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    return { _tag: "Failed", code, message: cause instanceof Error ? cause.message : String(cause) };
  }
};

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
parentPort?.on("message", (asked: RowWriter | Indexing) => parentPort?.postMessage(answer(asked)));
