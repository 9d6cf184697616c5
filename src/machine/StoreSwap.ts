/**
 * A stream's folder exchanged for one that was made beside it: one step at a time, each of which can be taken again.
 *
 * Room: machine.
 *
 * Promises: a process that is killed at any moment leaves either the old stream in its place, or a journal from which
 * the exchange is completed (`complete`), by whoever takes the folder next; the old stream's files are never removed,
 * only moved to `nats/kept/NAME`. All paths in the journal are relative, so a moved data folder is the same, and stay inside:
 * a journal that leads elsewhere is none.
 *
 * Steps: `building` (nothing but the new folder was written; it is thrown away) → `verified` (the new one is whole and
 * on disk: the exchange is completed) → `swapped` (the new one is in its place; what is derived from it may need to be
 * made anew) → no journal.
 */
import { Option, Schema } from "effect";
import * as fs from "node:fs";
import * as path from "node:path";
import { InnerName, InnerPath } from "./InnerPath.ts";
import * as OwnFile from "./OwnFile.ts";

export const Journal = Schema.Struct({
  version: Schema.Literal(1),
  /** Name under which the old files are kept. */
  name: InnerName,
  step: Schema.Literals(["building", "verified", "swapped"]),
  reason: Schema.String,
  /** Epoch milliseconds. */
  startedAt: Schema.Finite,
  /** Folders, relative to the data folder: the new one, and where it belongs. */
  built: InnerPath,
  place: InnerPath,
  /** Further folders that are kept away with the old one, because they are derived from it. */
  derived: Schema.Array(InnerPath),
  /** True when the read models must be made anew. */
  needsRebuild: Schema.Boolean,
  /** Summary of the work, for `heal` to print; its shape is the caller's. */
  summary: Schema.Unknown,
});
export type Journal = typeof Journal.Type;

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Journal));

const journalFile = (root: string): string => path.join(root, "heal.json");

/** Place of kept folders, and of a new one: on the disk of the store, so that a move is one step. */
export const keptFolder = (root: string): string => path.join(root, "nats", "kept");
export const buildFolder = (root: string, name: string): string => path.join(root, "nats", `healing-${name}`);

const syncFolder = (folder: string): void => {
  const handle = fs.openSync(folder, "r");
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
};

/** The journal of an exchange that is not over; undefined when there is none that can be read. */
export const read = (root: string): Journal | undefined =>
  fs.existsSync(journalFile(root)) ? Option.getOrUndefined(decode(OwnFile.readText(journalFile(root)))) : undefined;

/**
 * A journal that cannot be read is put aside under another name, which is returned. It is written in one step, so it was damaged since; what it
 * names is at worst a stream that a heal makes again: the old one's files are kept, and the ledger has every event.
 */
const setAside = (root: string): string | undefined => {
  if (!fs.existsSync(journalFile(root)) || read(root) !== undefined) return undefined;
  const aside = `${journalFile(root)}.unreadable`;
  fs.renameSync(journalFile(root), aside);
  syncFolder(root);
  return aside;
};

/** Writes the journal, whole or not at all, and on disk. */
export const write = (root: string, journal: Journal): void => {
  const unfinished = `${journalFile(root)}.${process.pid}`;
  fs.writeFileSync(unfinished, `${JSON.stringify(journal)}\n`, { mode: 0o600, flush: true });
  fs.renameSync(unfinished, journalFile(root));
  syncFolder(root);
};

/** The exchange is over: the journal goes to what was kept. */
export const finish = (root: string, journal: Journal): void => {
  const kept = path.join(keptFolder(root), journal.name);
  fs.mkdirSync(kept, { recursive: true, mode: 0o700 });
  fs.renameSync(journalFile(root), path.join(kept, "heal.json"));
  syncFolder(kept);
  syncFolder(root);
};

const move = (from: string, to: string): void => {
  fs.mkdirSync(path.dirname(to), { recursive: true, mode: 0o700 });
  fs.renameSync(from, to);
  syncFolder(path.dirname(to));
  syncFolder(path.dirname(from));
};

/**
 * Completes an exchange that was verified, from wherever it was left. `after` is told of each step that was taken, for
 * tests. Only with the data folder's lock, and with no server on the store. Returns the name of a journal that was put aside
 * because it cannot be read.
 */
export const complete = (root: string, after: (step: string) => void = () => {}): string | undefined => {
  const unreadable = setAside(root);
  const journal = read(root);
  if (journal !== undefined && journal.step !== "swapped") exchange(root, journal, after);
  return unreadable;
};

const exchange = (root: string, journal: Journal, after: (step: string) => void): void => {
  const building = buildFolder(root, journal.name);
  if (journal.step === "building") {
    // Nothing but the new folder was written.
    fs.rmSync(building, { recursive: true, force: true });
    fs.rmSync(journalFile(root), { force: true });
    syncFolder(root);
    return;
  }
  const kept = (place: string): string => path.join(keptFolder(root), journal.name, path.basename(place));
  const built = path.join(root, journal.built);
  const place = path.join(root, journal.place);
  // While the new one is not in its place, what is there is the old one.
  if (fs.existsSync(built)) {
    if (fs.existsSync(place)) {
      move(place, kept(journal.place));
      after("old stream kept");
    }
    move(built, place);
    after("new stream placed");
  }
  for (const derived of journal.derived) {
    const folder = path.join(root, derived);
    if (fs.existsSync(folder) && !fs.existsSync(kept(derived))) move(folder, kept(derived));
  }
  // Files of the old one that a start of the server removed are kept with it.
  const guard = path.join(root, "nats", "guard");
  if (fs.existsSync(guard)) move(guard, kept("guard"));
  after("derived kept");
  write(root, { ...journal, step: "swapped" });
  after("journal swapped");
  fs.rmSync(building, { recursive: true, force: true });
  if (!journal.needsRebuild) finish(root, journal);
};

/** Names of what is kept, oldest first. */
export const kept = (root: string): ReadonlyArray<string> => {
  const folder = keptFolder(root);
  return fs.existsSync(folder) ? fs.readdirSync(folder).toSorted() : [];
};

/** Removes what is kept under a name. */
export const discard = (root: string, name: string): void => {
  fs.rmSync(path.join(keptFolder(root), name), { recursive: true, force: true });
  syncFolder(keptFolder(root));
};
