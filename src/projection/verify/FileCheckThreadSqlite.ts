/**
 * A thread that looks at a database file as a whole, while everything else goes on.
 *
 * Room: projection.
 */
import Database from "better-sqlite3";
import { parentPort, workerData } from "node:worker_threads";
import type { Projection } from "../Projection.ts";
import { expected, type Making } from "../ShapeSqlite.ts";
import { checkpointFaults, type Fault, fullTextFaultsOf, pageFaults, schemaFaults } from "./DatabaseCheckSqlite.ts";

export interface FileCheck {
  readonly file: string;
  readonly making: Making;
  readonly checkpoints: ReadonlyArray<Pick<Projection, "doc" | "name" | "version">>;
  /** Tables whose full-text index is compared with them; needs the write lock meanwhile. */
  readonly fullText: ReadonlyArray<string>;
}

/** Throws when the file cannot be opened: that says nothing of it, a rebuild may just have replaced it. */
const check = ({ checkpoints, file, fullText, making }: FileCheck): ReadonlyArray<Fault> => {
  const db = new Database(file, { readonly: true, fileMustExist: true });
  try {
    return [
      ...schemaFaults(db, expected(making)),
      ...checkpointFaults(db, checkpoints),
      ...pageFaults(db),
      ...(fullText.length === 0 ? [] : fullTextFaultsOf(file, fullText)),
    ];
  } finally {
    db.close();
  }
};

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
parentPort?.postMessage(check(workerData as FileCheck));
