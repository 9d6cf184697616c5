/**
 * The key of the digests in marks: 32 random bytes in a file of this user alone, `keys/secrets.key` of the data folder.
 *
 * Room: publish.
 *
 * Promises: a key that is there is never replaced; of two processes that make it at once, one's holds for both. Where the
 * folder takes no file, the digests are those of one process, and equal to no other's.
 */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { folderOf } from "../../machine/KeyFiles.ts";
import * as OwnFile from "../../machine/OwnFile.ts";

const keyBytes = 32;

const read = (file: string): Uint8Array | undefined => {
  try {
    const key = Buffer.from(OwnFile.readText(file).trim(), "hex");
    return key.byteLength === keyBytes ? key : undefined;
  } catch {
    return undefined;
  }
};

export const secretKeyOf = (root: string): Uint8Array => {
  const file = join(folderOf(root), "secrets.key");
  const there = read(file);
  if (there !== undefined) return there;
  const made = randomBytes(keyBytes);
  const mine = `${file}.${process.pid}-${made.toString("hex", 0, 4)}`;
  try {
    fs.mkdirSync(folderOf(root), { recursive: true, mode: 0o700 });
    fs.writeFileSync(mine, `${made.toString("hex")}\n`, { flag: "wx", mode: 0o600 });
    // A link, so that the name has either no file or a whole one, and whoever is second takes the first's.
    try {
      fs.linkSync(mine, file);
    } finally {
      fs.rmSync(mine, { force: true });
    }
  } catch {
    // Another process was quicker; or the folder takes no file.
  }
  return read(file) ?? made;
};
