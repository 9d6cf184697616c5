/**
 * The files behind one database path: numbered generations, and a symbolic link that names the current one.
 *
 * Room: projection.
 *
 * Decision: `recollect.db` is a link to `recollect-<n>.db`, because replacing a link is atomic: a reader that opens
 * the path gets a whole file, whichever, and one that has a file open keeps it. SQLite resolves the link before it
 * names the write-ahead log, so each generation has its own.
 *
 * Plain functions on `node:fs`: the projector asks `isCurrent` inside its transaction, where nothing may wait. The writing
 * thread loads this file, so it imports nothing that loads Effect.
 */
import * as fs from "node:fs";
import * as path from "node:path";

const parts = (link: string) => {
  const extension = path.extname(link);
  return { folder: path.dirname(link), stem: path.basename(link, extension), extension };
};

const numberOf = (link: string, name: string): number | undefined => {
  const { stem, extension } = parts(link);
  if (!name.startsWith(`${stem}-`) || !name.endsWith(extension)) return undefined;
  const digits = name.slice(stem.length + 1, name.length - extension.length);
  return /^\d+$/.test(digits) ? Number(digits) : undefined;
};

const fileOf = (link: string, generation: number): string => {
  const { folder, stem, extension } = parts(link);
  return path.join(folder, `${stem}-${generation}${extension}`);
};

const generationsIn = (link: string): ReadonlyArray<number> => {
  const { folder } = parts(link);
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder).flatMap((name) => numberOf(link, name) ?? []);
};

/** The file the path leads to, or undefined when there is none. A plain file in the link's place is its own target. */
export const current = (link: string): string | undefined => {
  try {
    return path.resolve(path.dirname(link), fs.readlinkSync(link));
  } catch {
    return fs.existsSync(link) ? path.resolve(link) : undefined;
  }
};

/** True while the path leads to `file`. One system call, a few microseconds. */
export const isCurrent = (link: string, file: string): boolean => current(link) === path.resolve(file);

/** A name that no generation has had as long as an older one is kept. */
export const next = (link: string): string => fileOf(link, Math.max(0, ...generationsIn(link)) + 1);

/** Makes the directory's entries durable: a rename alone may be forgotten in a power cut. */
const syncFolder = (folder: string): void => {
  const handle = fs.openSync(folder, "r");
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
};

/** Makes the bytes of a closed file durable. */
export const syncFile = (file: string): void => {
  const handle = fs.openSync(file, "r+");
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
};

/** Leads the path to `file`, atomically and durably. */
export const pointTo = (link: string, file: string): void => {
  const { folder, stem } = parts(link);
  const temporary = path.join(folder, `.${stem}.link-${process.pid}`);
  fs.rmSync(temporary, { force: true });
  fs.symlinkSync(path.basename(file), temporary);
  fs.renameSync(temporary, link);
  syncFolder(folder);
};

/** Removes a database with its write-ahead log. A process that has it open keeps reading it. */
export const remove = (file: string): void => {
  for (const suffix of ["", "-wal", "-shm", "-journal"]) fs.rmSync(`${file}${suffix}`, { force: true });
};

const isAlive = (processId: number): boolean => {
  try {
    return process.kill(processId, 0);
  } catch (cause) {
    return cause instanceof Error && "code" in cause && cause.code === "EPERM";
  }
};

/** Removes files beside the path that killed processes have left: `<path>.<purpose>-<process id>`. */
export const removeStale = (link: string, purpose: string): void => {
  const prefix = `${path.basename(link)}.${purpose}-`;
  for (const name of fs.readdirSync(path.dirname(link))) {
    const processId = name.startsWith(prefix) ? /^\d+/.exec(name.slice(prefix.length))?.[0] : undefined;
    if (processId === undefined || (Number(processId) !== process.pid && isAlive(Number(processId)))) continue;
    fs.rmSync(path.join(path.dirname(link), name), { force: true });
  }
};

/** Beside a file that is kept: why. The name says it all, so it stays true wherever the folder is moved or copied. */
export const keptMark = (file: string): string => `${file}.kept`;

const isKept = (file: string): boolean => fs.existsSync(keptMark(file));

/** From now on the file is removed by `KeptFiles.discard` alone. Durable when it returns. */
export const keep = (file: string, why: string): void => {
  fs.writeFileSync(keptMark(file), `${why}\n`, { mode: 0o600, flush: true });
  syncFolder(path.dirname(file));
};

/** Keeps the current file and leaves the path without one: the next file behind it begins empty. */
export const setAside = (link: string, why: string): void => {
  adopt(link);
  const file = current(link);
  if (file === undefined) return;
  keep(file, why);
  fs.rmSync(link);
  syncFolder(path.dirname(link));
};

/** Generations that the path does not lead to. */
const othersOf = (link: string): ReadonlyArray<string> => {
  const live = current(link);
  return generationsIn(link)
    .map((generation) => path.resolve(fileOf(link, generation)))
    .filter((file) => file !== live);
};

/** Files that are kept beside the path. */
export const keptOf = (link: string): ReadonlyArray<string> => othersOf(link).filter(isKept);

/** Generations without a use: replaced ones, and what a killed rebuild has left. */
export const leftovers = (link: string): ReadonlyArray<string> => othersOf(link).filter((file) => !isKept(file));

/** True when a file, and no link, stands at the path. */
export const isPlain = (link: string): boolean =>
  fs.lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() === false;

/** A plain database file in the link's place becomes the first generation. */
export const adopt = (link: string): void => {
  if (!isPlain(link)) return;
  const file = next(link);
  for (const suffix of ["-wal", "-shm"]) {
    if (fs.existsSync(`${link}${suffix}`)) fs.renameSync(`${link}${suffix}`, `${file}${suffix}`);
  }
  fs.renameSync(link, file);
  pointTo(link, file);
};
