/**
 * Files and folders that this user alone may read: 0600 and 0700, also where they were made otherwise.
 *
 * Room: machine.
 *
 * Plain functions on `node:fs`. Only what has a name of ours is touched: a data folder may be a folder that holds more, and
 * then its own mode is left to its owner. A folder that was tightened already is not walked again, so that a start looks
 * at some twenty names and not at every block of a store.
 */
import { chmodSync, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isOurs } from "./FolderEntries.ts";

/** New files of this process are this user's alone. For a process that is ours: a library leaves its program's mask alone. */
export const onlyForThisUser = (): void => {
  process.umask(0o077);
};

const others = 0o077;
/** Names of ours beside those of `FolderEntries`: what an earlier version has left, and what is there for a moment. */
const more = /^(?:(?:kept|stream|heal|head|backup)[.-].*|\.trial-\d+)$/;

export interface Tightened {
  /** Files and folders that others could read, and cannot any more. */
  readonly count: number;
  /** The folder itself is open to others, and holds what is not ours: left as it is. */
  readonly isOpen: boolean;
}

/** The bits that others have; 0 for links, and for what is gone. */
const loose = (path: string): { readonly bits: number; readonly isFolder: boolean } => {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || found.isSymbolicLink()) return { bits: 0, isFolder: false };
  return { bits: found.mode & others, isFolder: found.isDirectory() };
};

/** A file that goes while we look, or belongs to another user, is left: whoever reads it next says so. */
const close = (path: string, isFolder: boolean): number => {
  try {
    chmodSync(path, isFolder ? 0o700 : 0o600);
    return 1;
  } catch {
    return 0;
  }
};

const namesIn = (folder: string): ReadonlyArray<string> => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

/** Closes what lies in `folder`, and what lies in the folders there that were open. */
const walk = (folder: string, names: ReadonlyArray<string>): number => {
  let count = 0;
  for (const name of names) {
    const path = join(folder, name);
    const { bits, isFolder } = loose(path);
    if (bits !== 0) count += close(path, isFolder);
    if (isFolder && bits !== 0) count += walk(path, namesIn(path));
  }
  return count;
};

/** Does nothing on Windows, where modes say nothing. */
export const tighten = (root: string): Tightened => {
  if (process.platform === "win32") return { count: 0, isOpen: false };
  const names = namesIn(root);
  const own = names.filter((name) => isOurs(name) || more.test(name));
  let count = walk(root, own);
  for (const name of own) {
    const path = join(root, name);
    if (loose(path).isFolder) count += walk(path, namesIn(path));
  }
  if (loose(root).bits === 0) return { count, isOpen: false };
  if (own.length < names.length) return { count, isOpen: true };
  return { count: count + close(root, true), isOpen: false };
};
