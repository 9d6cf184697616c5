/**
 * A folder made with those above it, one by one.
 *
 * Room: machine.
 *
 * Decision: never `mkdir` with `recursive`, because Node 26 tries for ever below a folder that is there and takes none,
 * such as `/proc`, and says ENOENT of a disk that is read-only.
 */
import * as fs from "node:fs";
import * as path from "node:path";

const isFolder = (place: string): boolean => fs.statSync(place, { throwIfNoEntry: false })?.isDirectory() === true;

/** Makes the folder for this user alone. Throws Node's error of the first one that cannot be made. */
export const makeFolder = (folder: string): void => {
  const missing: Array<string> = [];
  for (let at = path.resolve(folder); !fs.existsSync(at) && path.dirname(at) !== at; at = path.dirname(at))
    missing.push(at);
  if (missing.length === 0 && !isFolder(folder)) fs.mkdirSync(folder);
  for (const one of missing.toReversed()) {
    try {
      fs.mkdirSync(one, { mode: 0o700 });
    } catch (cause) {
      // Another process was sooner.
      if (!isFolder(one)) throw cause;
    }
  }
};
