/**
 * Bounds of a spool, size and age: in a small file beside it.
 *
 * Room: spool.
 *
 * Decision: a file, because a spool is used where the log, and with it the configuration, cannot be reached. Whoever
 * follows the configuration (`recollect up`) writes it; every process that uses the spool obeys it with its next call.
 */
import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import * as OwnFile from "../machine/OwnFile.ts";
import { defaultMaxFileBytes, overdueMillis } from "./Spool.ts";

export interface Bounds {
  /** Beyond it a `put` is refused as full. */
  readonly maxFileBytes: number;
  /** Age from which a waiting command is overdue, milliseconds. */
  readonly overdueMillis: number;
}

export const defaultBounds: Bounds = { maxFileBytes: defaultMaxFileBytes, overdueMillis };

const nameOf = (spoolFile: string): string => `${spoolFile}.bounds.json`;

const isPositive = (value: unknown): value is number => typeof value === "number" && value > 0 && value < Infinity;

/** A file that is damaged, or of a later version, says nothing: the defaults hold. */
const parsed = (text: string): Bounds => {
  try {
    const found = JSON.parse(text) as Partial<Record<keyof Bounds, unknown>> | null;
    return {
      maxFileBytes: isPositive(found?.maxFileBytes) ? found.maxFileBytes : defaultBounds.maxFileBytes,
      overdueMillis: isPositive(found?.overdueMillis) ? found.overdueMillis : defaultBounds.overdueMillis,
    };
  } catch {
    return defaultBounds;
  }
};

const textIn = (file: string): string => {
  try {
    return OwnFile.readText(file);
  } catch {
    return "";
  }
};

/** Bounds of a spool, read again only after a change: a look costs some microseconds. */
export class BoundsFile {
  readonly #file: string;
  #mark: string | undefined;
  #bounds = defaultBounds;

  constructor(spoolFile: string) {
    this.#file = nameOf(spoolFile);
  }

  get now(): Bounds {
    const found = statSync(this.#file, { throwIfNoEntry: false });
    const mark = found === undefined ? undefined : `${found.ino} ${found.mtimeMs} ${found.size}`;
    if (mark !== this.#mark) this.#bounds = mark === undefined ? defaultBounds : parsed(textIn(this.#file));
    this.#mark = mark;
    return this.#bounds;
  }
}

/** Sets the bounds for all users of the spool. The defaults are said by no file. Throws what the disk says. */
export const write = (spoolFile: string, { maxFileBytes, overdueMillis: overdue }: Bounds): void => {
  const file = nameOf(spoolFile);
  if (maxFileBytes === defaultBounds.maxFileBytes && overdue === defaultBounds.overdueMillis) {
    rmSync(file, { force: true });
    return;
  }
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // Read by others at any moment: all of it or what was before.
  const next = `${file}.next`;
  writeFileSync(next, `${JSON.stringify({ maxFileBytes, overdueMillis: overdue })}\n`, { mode: 0o600 });
  renameSync(next, file);
};
