/**
 * Files of ours, read without a wait: in a file's place may lie a FIFO, a device, a folder.
 *
 * Room: machine.
 *
 * Promises: a read ends at once, whatever has the name: an open of a FIFO waits for its other end, and a device may have
 * no end. Everything but a file is an error with a code that `folderTrouble` puts into words.
 *
 * Plain functions, because this file wraps `node:fs`.
 */
import { Data, Effect } from "effect";
import * as fs from "node:fs";

/** Most bytes of a small file. The largest, a list of users, has some 200 bytes a user. */
const mostBytes = 64 * 1024 * 1024;

/** `ENOTAFILE`: something else has the name. `EFBIG`: larger than any small file of ours. */
export class NotOurFile extends Error {
  readonly code: "ENOTAFILE" | "EFBIG";
  constructor(code: NotOurFile["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** Kind of a directory entry, in words. */
export const kindOf = (found: Pick<fs.Stats, "isDirectory" | "isFIFO" | "isFile" | "isSocket">): string => {
  if (found.isDirectory()) return "a folder";
  if (found.isFIFO()) return "a FIFO";
  if (found.isSocket()) return "a socket";
  return found.isFile() ? "a file" : "a device";
};

/** Descriptor of a file, for reading. Throws Node's error, or `NotOurFile`. */
export const open = (path: string): number => {
  // Without the flag the open of a FIFO waits. Windows has neither.
  const descriptor = fs.openSync(path, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
  const found = fs.fstatSync(descriptor);
  if (found.isFile()) return descriptor;
  fs.closeSync(descriptor);
  throw new NotOurFile("ENOTAFILE", `${path} is ${kindOf(found)}`);
};

/** Bytes of a file, `most` of them. Throws Node's error, or `NotOurFile`. */
export const read = (path: string, most = mostBytes): Buffer => {
  const descriptor = open(path);
  try {
    const { size } = fs.fstatSync(descriptor);
    if (size > most) throw new NotOurFile("EFBIG", `${path} has ${size} bytes, more than a file of that name can have`);
    return fs.readFileSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
};

/** The same as text. */
export const readText = (path: string): string => read(path).toString("utf8");

/** A file of ours that cannot be read: `cause` is Node's error, or `NotOurFile`, and `message` its own. */
export class Unreadable extends Data.TaggedError("Unreadable")<{
  readonly message: string;
  readonly cause: unknown;
}> {}

/** The same as an effect. `folderTrouble` puts its failure into words. */
export const text = (path: string): Effect.Effect<string, Unreadable> =>
  Effect.try({
    try: () => readText(path),
    catch: (cause) => new Unreadable({ message: cause instanceof Error ? cause.message : String(cause), cause }),
  });

/** True for a file that is not there. */
export const isMissing = ({ cause }: Unreadable): boolean =>
  cause instanceof Error && "code" in cause && cause.code === "ENOENT";
