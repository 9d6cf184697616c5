/**
 * Replaced database files that are kept, because they hold what nothing else has: a list of them, and their end.
 *
 * Room: projection.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import * as OwnFile from "../../machine/OwnFile.ts";
import * as Generations from "./Generations.ts";

export interface Kept {
  /** Name within the folder. */
  readonly name: string;
  /** Reason it was kept for, as it was noted. */
  readonly why: string;
}

/** The files that are kept beside a database path. */
export const kept = (link: string): ReadonlyArray<Kept> =>
  Generations.keptOf(link).map((file) => ({
    name: path.basename(file),
    why: OwnFile.readText(Generations.keptMark(file)).trim(),
  }));

/** Removes a kept file for good; false when none has that name. */
export const discard = (link: string, name: string): boolean => {
  if (!kept(link).some((file) => file.name === name)) return false;
  const file = path.join(path.dirname(link), name);
  Generations.remove(file);
  fs.rmSync(Generations.keptMark(file), { force: true });
  return true;
};
