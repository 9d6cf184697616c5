/**
 * Entries of a data folder that do not fit their names: a FIFO, a socket, a device, a folder in the place of a file, a
 * link to one of them.
 *
 * Room: machine.
 *
 * Looked for before anything of the folder is opened, because an open of a FIFO waits for its other end: for us, for SQLite
 * and for nats-server alike. A look lists folders and opens nothing: some ten folders, and 3 ms for a store of 2,000 files.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { kindOf, NotOurFile } from "./OwnFile.ts";

const folders = new Set(["answers", "aside", "hooks", "http", "keys", "logs", "nats", "queries", "wrapped"]);
const files =
  /^(?:(?:recollect|spool|imports|following)[.-].*|(?:access|config|heal|instance|known-streams|last-list|listen|policy|store)\.json|port|http-port|nats-server\.conf)$/;
/** True for a name of ours directly in a data folder, also with the ending of an unfinished file. */
export const isOurs = (name: string): boolean => {
  const whole = name.replace(/(?<=\.(?:json|conf))\..*$/, "");
  return folders.has(whole) || files.test(whole);
};

/** Copies that nothing reads before a person asks for them. */
const copies = new Set(["aside", "kept"]);

export interface NotAsNamed {
  readonly path: string;
  readonly cause: Error;
}

type Kind = Pick<fs.Stats, "isDirectory" | "isFIFO" | "isFile" | "isSocket">;

/** Target of a link; undefined for one that leads nowhere, which is a missing file. */
const target = (place: string): Kind | Error | undefined => {
  try {
    return fs.statSync(place, { throwIfNoEntry: false });
  } catch (cause) {
    return cause instanceof Error && "code" in cause && cause.code === "ELOOP"
      ? new NotOurFile("ENOTAFILE", `${place} is a link that leads to itself`)
      : undefined;
  }
};

const entriesOf = (folder: string): ReadonlyArray<fs.Dirent> => {
  try {
    return fs.readdirSync(folder, { withFileTypes: true });
  } catch {
    // Missing or unreadable folder: the code that needs it reports it.
    return [];
  }
};

/** `mustBe`: by its name. Elsewhere files and folders are both right. */
const judged = (place: string, entry: fs.Dirent, mustBe?: "file" | "folder"): NotAsNamed | undefined => {
  const found = entry.isSymbolicLink() ? target(place) : entry;
  if (found === undefined) return undefined;
  if (found instanceof Error) return { path: place, cause: found };
  if (found.isFile() && mustBe === "folder")
    return { path: place, cause: Object.assign(new Error(`${place} is a file`), { code: "ENOTDIR" }) };
  if (found.isFile() || (found.isDirectory() && mustBe !== "file")) return undefined;
  return { path: place, cause: new NotOurFile("ENOTAFILE", `${place} is ${kindOf(found)}`) };
};

const below = (folder: string): NotAsNamed | undefined => {
  for (const entry of entriesOf(folder)) {
    const place = path.join(folder, entry.name);
    if (copies.has(entry.name)) continue;
    const found = judged(place, entry) ?? (entry.isDirectory() ? below(place) : undefined);
    if (found !== undefined) return found;
  }
  return undefined;
};

/** First such entry; undefined where there is none. Entries without a name of ours are ignored. */
export const notAsNamed = (root: string): NotAsNamed | undefined => {
  for (const entry of entriesOf(root)) {
    const place = path.join(root, entry.name);
    if (files.test(entry.name)) {
      const found = judged(place, entry, "file");
      if (found !== undefined) return found;
    } else if (folders.has(entry.name)) {
      const found = judged(place, entry, "folder") ?? (copies.has(entry.name) ? undefined : below(place));
      if (found !== undefined) return found;
    }
  }
  return undefined;
};
