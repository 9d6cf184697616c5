/**
 * The list of accepted commands, in a file beside the spool's database: which numbers were given, and which are settled.
 *
 * Room: spool.
 *
 * A database that lost its newest rows (its WAL or the whole file was deleted, an older copy put back) is consistent in
 * itself. This list tells what is missing: every number that was given and is not settled must be in the database.
 *
 * One line per entry, `<crc32> <JSON>`, appended and synced. A number is settled before its row is deleted, and listed
 * after its row is committed: a process killed in between leaves a row without a line, never a line without a row. A
 * damaged line is skipped; numbers have no holes, so the one it held is missed by its neighbours.
 *
 * Decision: named so that `rm spool.db*` does not take it along.
 */
import { closeSync, fdatasyncSync, fstatSync, openSync, readSync, renameSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import * as OwnFile from "../machine/OwnFile.ts";

/** A command as it is known without its row. */
export interface Accepted {
  readonly number: number;
  readonly digest: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly target: string;
  /** Tenant, kind and id as JSON; null in a row of an earlier version. */
  readonly history: string | null;
  readonly eventId: string | null;
  readonly type: string | null;
}

interface Kept {
  /** Carried over when the list was written anew: holds although its number is not above `settledUpTo`. */
  readonly kept: Accepted;
}

type Line = { readonly settledUpTo: number } | { readonly settled: ReadonlyArray<number> } | Kept | Accepted;

export interface Listed {
  /** Numbers that were given and not settled, in the order of the numbers. */
  readonly open: ReadonlyMap<number, Accepted>;
  /** The highest number that the list has seen, settled or not; 0 for none. */
  readonly last: number;
  /** Numbers below the last that no line tells of: lines that were damaged, or not written yet. */
  readonly untold: ReadonlyArray<number>;
  readonly isSettled: (number: number) => boolean;
}

const fileOf = (spoolFile: string): string =>
  join(dirname(spoolFile), `accepted-${basename(spoolFile).replace(/\.db$/, "")}.log`);

const spelt = (line: Line): string => {
  const text = JSON.stringify(line);
  return `${crc32(text).toString(16).padStart(8, "0")} ${text}\n`;
};

const parsed = (text: string): Line | undefined => {
  const json = text.slice(9);
  if (json === "" || crc32(json).toString(16).padStart(8, "0") !== text.slice(0, 8)) return undefined;
  try {
    return JSON.parse(json) as Line;
  } catch {
    return undefined;
  }
};

/** More untold numbers than these are not counted one by one: the list itself is lost then. */
const mostUntold = 100_000;

const listed = (text: string): Listed => {
  let upTo = 0;
  const given = new Map<number, Accepted>();
  const kept = new Map<number, Accepted>();
  const settled = new Set<number>();
  for (const one of text.split("\n")) {
    const line = parsed(one);
    if (line === undefined) continue;
    if ("settledUpTo" in line) upTo = Math.max(upTo, line.settledUpTo);
    else if ("settled" in line) line.settled.forEach((number) => settled.add(number));
    else if ("kept" in line) kept.set(line.kept.number, line.kept);
    else given.set(line.number, line);
  }
  const last = Math.max(upTo, ...maxOf(given.keys()), ...maxOf(settled));
  const isSettled = (number: number) => settled.has(number) || (number <= upTo && !kept.has(number));
  const all = [...kept.values(), ...[...given.values()].filter(({ number }) => number > upTo)];
  const open = all.filter(({ number }) => !settled.has(number)).toSorted((one, other) => one.number - other.number);
  const untold: Array<number> = [];
  for (let number = upTo + 1; number < last && untold.length < mostUntold; number++) {
    if (!given.has(number) && !settled.has(number)) untold.push(number);
  }
  return { open: new Map(open.map((one) => [one.number, one])), last, untold, isSettled };
};

const maxOf = (numbers: Iterable<number>): ReadonlyArray<number> => {
  let max = 0;
  for (const number of numbers) max = Math.max(max, number);
  return [max];
};

const newline = 0x0a;

/** True for a half line at the end, of whichever process: it must not spoil the next one. */
const isTorn = (descriptor: number): boolean => {
  const { size } = fstatSync(descriptor);
  const last = Buffer.alloc(1);
  return size > 0 && readSync(descriptor, last, 0, 1, size - 1) === 1 && last[0] !== newline;
};

export class AcceptedList {
  readonly #file: string;
  /** Lines that the disk did not take yet. */
  #owed = "";

  constructor(spoolFile: string) {
    this.#file = fileOf(spoolFile);
  }

  /** Bytes of the list; undefined when there is none. */
  get size(): number | undefined {
    return statSync(this.#file, { throwIfNoEntry: false })?.size;
  }

  /** Is another one after each put, by whichever process: a look that costs microseconds. */
  get mark(): string {
    const found = statSync(this.#file, { throwIfNoEntry: false });
    return found === undefined ? "" : `${found.ino} ${found.size} ${found.mtimeMs}`;
  }

  get read(): Listed {
    try {
      return listed(OwnFile.read(this.#file, Infinity).toString("utf8"));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return listed("");
      throw cause;
    }
  }

  /**
   * These were given, and their rows are on disk. A disk that does not take the lines is no reason to refuse what it has
   * taken already: they are written with the next ones.
   */
  given(all: ReadonlyArray<Accepted>): void {
    this.#owed += all.map(spelt).join("");
    try {
      this.#append(this.#owed);
      this.#owed = "";
    } catch {
      // Owed.
    }
  }

  /** The log has them, or a person gave them up. Throws what the disk says. */
  settle(numbers: ReadonlyArray<number>): void {
    this.#append(this.#owed + spelt({ settled: numbers }));
    this.#owed = "";
  }

  /** Writes the list anew: everything up to `last` is settled but these. To be called while no process enqueues. */
  rewrite(last: number, open: Iterable<Accepted>): void {
    const lines = [{ settledUpTo: last }, ...[...open].map((kept) => ({ kept }))];
    const next = `${this.#file}.next`;
    const descriptor = openSync(next, "w", 0o600);
    try {
      writeFileSync(descriptor, lines.map(spelt).join(""));
      fdatasyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(next, this.#file);
    this.#owed = "";
  }

  /** Opened each time: after a `rewrite` by another process the path is another file. */
  #append(text: string): void {
    const descriptor = openSync(this.#file, "a+", 0o600);
    try {
      // All of it or an error: a disk that is nearly full takes a part of a write without a word.
      writeFileSync(descriptor, isTorn(descriptor) ? `\n${text}` : text);
      fdatasyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }
}
