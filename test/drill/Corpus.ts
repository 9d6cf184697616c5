/**
 * What the drill imports: a folder of transcripts that grows part by part, the same for the same seed.
 *
 * A part is a folder of new sessions, more lines for sessions of earlier parts (also half a line, as a writer that is
 * being read leaves it), and some of the real transcripts where they are at hand.
 */
import { appendFileSync, cpSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { type Dice, dice } from "./Dice.ts";
import { Session } from "./Session.ts";

/** Real transcripts for tests, or none. */
export const realData = (): string | undefined => {
  const folder = process.env["RECOLLECT_TEST_DATA"] ?? resolve(import.meta.dirname, "../../../shared/data");
  return existsSync(folder) ? folder : undefined;
};

/** Real sets come with every so many parts, one whole set at a time: its files speak of each other. */
const realEvery = 2;
/** How much an earlier session grows at once, bytes. */
const growth = { median: 40_000, spread: 1, most: 400_000 };
/** How large a new session is, bytes: some are a few lines, some are the work of a day. */
const begin = { median: 120_000, spread: 1.3, most: 3_000_000 };

interface Written {
  readonly path: string;
  readonly session: Session;
  /** The rest of a line whose beginning is in the file already. */
  rest: string;
}

const setsIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(folder, entry.name))
    .toSorted();

const bytesBelow = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);

export class Corpus {
  readonly folder: string;
  parts = 0;
  private readonly seed: number;
  private readonly partBytes: number;
  private readonly soup: string;
  /** Folders of real sets that are still to come. */
  private readonly real: Array<string>;
  private readonly written: Array<Written> = [];

  constructor(options: {
    readonly folder: string;
    readonly seed: number;
    readonly partBytes: number;
    readonly real: string | undefined;
  }) {
    this.folder = options.folder;
    this.seed = options.seed;
    this.partBytes = options.partBytes;
    this.soup = Session.soup(dice(this.seed));
    this.real = options.real === undefined ? [] : [...setsIn(options.real)];
    mkdirSync(this.folder);
  }

  /** Writes the next part. Gives what is new in it: files and folders to import. */
  next(): ReadonlyArray<string> {
    const part = dice(this.seed, ++this.parts);
    const folder = join(this.folder, `part-${String(this.parts).padStart(4, "0")}`);
    mkdirSync(folder);
    const grown = Array.from({ length: part.between(2, 5) }, () => this.grow(part)).flat();
    for (let bytes = 0; bytes < this.partBytes;) bytes += this.begin(folder, part);
    this.copyReal(folder);
    return [...new Set([folder, ...grown])];
  }

  /** Ends every line that stands half in its file. Gives the files. */
  finish(): ReadonlyArray<string> {
    const torn = this.written.filter(({ rest }) => rest !== "");
    for (const written of torn) {
      appendFileSync(written.path, written.rest);
      written.rest = "";
    }
    return torn.map(({ path }) => path);
  }

  /** The threads that only we have written: one file each, so their order is known. */
  get sessions(): ReadonlySet<string> {
    return new Set(this.written.map(({ session }) => session.id));
  }

  /** Bytes of all files. */
  get bytes(): number {
    return bytesBelow(this.folder);
  }

  private begin(folder: string, from: Dice): number {
    const session = new Session({ dice: dice(this.seed, from.between(1, 2 ** 31)), soup: this.soup });
    const path = join(folder, `${session.id}.jsonl`);
    const written: Written = { path, session, rest: "" };
    writeFileSync(path, session.write(from.size(begin)));
    this.written.push(written);
    return statSync(path).size;
  }

  private grow(from: Dice): ReadonlyArray<string> {
    const written = this.written[from.between(0, this.written.length - 1)];
    if (written === undefined) return [];
    const text = written.rest + written.session.write(from.size(growth));
    const lastLine = text.lastIndexOf("\n", text.length - 2) + 1;
    const cut = from.chance(0.3) ? from.between(lastLine + 1, text.length - 1) : text.length;
    // Between the two halves of a surrogate pair there is nothing that could be written.
    const end = /[\ud800-\udbff]/.test(text[cut - 1] ?? "") ? text.length : cut;
    appendFileSync(written.path, text.slice(0, end));
    written.rest = text.slice(end);
    return [written.path];
  }

  private copyReal(folder: string): void {
    const set = this.parts % realEvery === 0 ? this.real.shift() : undefined;
    if (set !== undefined) cpSync(set, join(folder, basename(set)), { recursive: true, preserveTimestamps: true });
  }
}
