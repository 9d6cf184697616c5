/**
 * One file of JSON lines that only grows, and the folder it lies in.
 *
 * Room: publish.
 *
 * Plain promises, because this file wraps `node:fs`. A line is whole or it is the last one: what a process was killed
 * in the middle of is left out by the reader.
 */
import * as fs from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import * as OwnFile from "../../machine/OwnFile.ts";

/** Plain descriptors: Node ends a program in which a FileHandle was forgotten and collected. */
const open = promisify(fs.open);
const appendFile = promisify(fs.appendFile);
const datasync = promisify(fs.fdatasync);
const sync = promisify(fs.fsync);
const close = promisify(fs.close);

const suffix = ".jsonl";
/** Hundreds of thousands of words and their frame. A larger file is not ours. */
const mostBytes = 256 * 1024 * 1024;

const lineOf = (value: unknown): string => `${JSON.stringify(value)}\n`;

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** A file that cannot be written any more: a sentence that says why. */
export class Unwritable {
  readonly reason: string;
  constructor(cause: unknown) {
    this.reason = textOf(cause);
  }
}

export class AnswerFile {
  readonly path: string;
  readonly #descriptor: number;

  private constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  /** Makes the file, and the folder when it is the first; readable by this user alone. Returns when both are on disk. */
  static async create(folder: string, name: string, first: unknown): Promise<AnswerFile> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, `${name}${suffix}`);
    const descriptor = await open(path, "ax", 0o600);
    const file = new AnswerFile(path, descriptor);
    try {
      await file.append(first);
      await syncFolder(folder);
      return file;
    } catch (error) {
      await file.close();
      fs.rmSync(path, { force: true });
      throw error;
    }
  }

  /** Returns when the line is on disk. */
  async append(value: unknown): Promise<void> {
    await appendFile(this.#descriptor, lineOf(value));
    await datasync(this.#descriptor);
  }

  async close(): Promise<void> {
    await close(this.#descriptor).catch(() => undefined);
  }
}

/** A folder's own entries are on disk only when the folder is synced; some systems cannot, and need not. */
const syncFolder = async (folder: string): Promise<void> => {
  if (process.platform === "win32") return;
  const descriptor = await open(folder, "r");
  await sync(descriptor).finally(() => close(descriptor));
};

/** Paths of the files in a folder, oldest name first; none where there is no folder. */
export const filesIn = (folder: string): ReadonlyArray<string> => {
  try {
    return fs
      .readdirSync(folder)
      .filter((name) => name.endsWith(suffix))
      .toSorted()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
};

/** The values of a file's whole lines, or undefined when there is no file or it is larger than one can be. */
export const linesOf = (path: string): ReadonlyArray<unknown> | undefined => {
  try {
    if (fs.statSync(path).size > mostBytes) return undefined;
    const lines = OwnFile.readText(path).split("\n");
    const values: Array<unknown> = [];
    for (const line of lines.slice(0, -1)) {
      try {
        values.push(JSON.parse(line));
      } catch {
        // Of a torn file the lines before hold; one that does not even begin like ours is told by its first value.
        if (values.length === 0) values.push(undefined);
        break;
      }
    }
    return values;
  } catch {
    return undefined;
  }
};

/** Forgets a file; one that is gone already is forgotten. */
export const remove = (path: string): void => fs.rmSync(path, { force: true });

/** Out of the way, and kept for a person to look at. */
export const setAside = (path: string): void => {
  try {
    fs.renameSync(path, `${path}.unreadable`);
  } catch {
    // Another process was quicker, or the folder cannot be written to: it is met again next time.
  }
};
