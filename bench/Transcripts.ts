/**
 * Real transcripts: the sets in `../shared/data`, or where `RECOLLECT_TEST_DATA` says.
 *
 * Where they are absent the rows that need them are skipped, loudly.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Skipped } from "./Harness.ts";

const root = process.env["RECOLLECT_TEST_DATA"] ?? fileURLToPath(new URL("../../shared/data", import.meta.url));

/** The folder of a set, of all sets without a name; undefined where there is none. */
export const dataFolder = (set = ""): string | undefined => {
  const folder = join(root, set);
  return existsSync(folder) ? folder : undefined;
};

export const absent: Skipped = {
  skipped: "the real transcripts are not there: set RECOLLECT_TEST_DATA to the folder that holds them",
};

/** All files below a folder. */
export const filesIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

const session = /"sessionId":"([0-9a-f]{8})-([0-9a-f-]{27})"/g;

/**
 * Writes `copies` of a set of Claude Code transcripts into `target`, each with session ids of its own: an import takes
 * every copy for new conversations. Answers with the files, which are in the page cache afterwards.
 */
export const copiesOf = (options: {
  readonly folder: string;
  readonly target: string;
  readonly copies: number;
}): { readonly files: ReadonlyArray<string>; readonly bytes: number } => {
  const files: Array<string> = [];
  const sources = readdirSync(options.folder).filter((name) => name.endsWith(".jsonl"));
  for (let copy = 0; copy < options.copies; copy++) {
    const folder = join(options.target, `copy-${copy}`);
    mkdirSync(folder, { recursive: true });
    for (const name of sources) {
      // Latin 1 gives every byte back as it was.
      const text = readFileSync(join(options.folder, name), "latin1");
      const renamed = text.replaceAll(session, (_, head: string, rest: string) => {
        const other = createHash("sha256").update(`${copy} ${head}`).digest("hex").slice(0, 8);
        return `"sessionId":"${other}-${rest}"`;
      });
      const file = join(folder, name);
      writeFileSync(file, renamed, "latin1");
      files.push(file);
    }
  }
  return { files, bytes: files.reduce((sum, file) => sum + statSync(file).size, 0) };
};
