/**
 * A file as it lies on the disk: what tells its versions apart, and its bytes as one version.
 *
 * Room: coordination.
 *
 * Plain `node:fs`, because Effect's file system does not tell the time of the last change of an inode, and because a look at
 * a file is on the way of every hit: 1.5 µs when Node asks the system at once, 50 µs and more through its pool of threads.
 *
 * A version is told by size, times of content and inode, inode and device: a file that was put in the place of another with
 * its time set back still has another inode or change time. Links are followed, so a link that leads elsewhere is
 * another version.
 */
import { Effect } from "effect";
import * as fs from "node:fs";
import * as fsp from "node:fs/promises";
import { resolve } from "node:path";
import { fitsUtf8 } from "../../domain/Json.ts";
import { maxFileBytes, maxPathBytes } from "../../publish/thread/ThreadFiles.ts";
import { FileMissing, FileTooLarge, FileUnreadable } from "./FileErrors.ts";

export type FileError = FileMissing | FileTooLarge | FileUnreadable;

/**
 * A file that was changed less than this ago may be changed again without any of its times telling: they go by ticks, of
 * 1 to 10 ms on Linux, of a second or two on older file systems. So what is younger is read again each time.
 */
export const settleMillis = 2_000;
/** A file that is written while it is read is read again so often; then it is given as it came, and not kept. */
const maxAttempts = 3;

export interface Version {
  readonly size: number;
  /** Epoch milliseconds with fractions, as the file system has it. */
  readonly modifiedAt: number;
  readonly changedAt: number;
  readonly inode: number;
  readonly device: number;
}

export interface DiskFile {
  readonly bytes: Uint8Array;
  readonly version: Version;
  /** False: it changed while it was read, so no version has these bytes. */
  readonly isWhole: boolean;
}

export const isSame = (one: Version, other: Version): boolean =>
  one.size === other.size &&
  one.modifiedAt === other.modifiedAt &&
  one.changedAt === other.changedAt &&
  one.inode === other.inode &&
  one.device === other.device;

/** True when the next change of the file is sure to show in its times. */
export const isSettled = ({ changedAt, modifiedAt }: Version, now: number): boolean =>
  now - Math.max(changedAt, modifiedAt) >= settleMillis;

const missing = (path: string) => new FileMissing({ path, message: `There is no file ${path}.` });

const unreadable = (path: string, reason: FileUnreadable["reason"], message: string, hint: string) =>
  new FileUnreadable({ path, reason, message, hint });

const notAFile = (path: string) =>
  unreadable(path, "notAFile", `${path} is no file.`, "Name a file; folders, pipes and devices are not read.");

/** Error for what the system said. */
const troubleOf = (path: string, error: unknown): FileMissing | FileUnreadable => {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ENOENT" || code === "ENOTDIR") return missing(path);
  if (code === "EISDIR") return notAFile(path);
  if (code === "EACCES" || code === "EPERM") {
    return unreadable(path, "permission", `${path} may not be read by this user.`, "Read it as a user who may.");
  }
  const message = error instanceof Error ? error.message : String(error);
  return unreadable(path, "other", `${path} cannot be read: ${message}`, "Look at the file and its disk.");
};

/** The path that is meant, from the root on: `..` is taken by its name, before links are followed. */
export const fullPath = (path: string): string | FileUnreadable => {
  if (path !== "" && fitsUtf8(path, maxPathBytes) && !path.includes("\0")) return resolve(path);
  const shown = path.slice(0, 100);
  const message = `This can be no path: ${JSON.stringify(shown)}.`;
  return unreadable(shown, "path", message, `A path has 1 to ${maxPathBytes} bytes and no NUL.`);
};

const versionOf = (stats: fs.Stats): Version => ({
  size: stats.size,
  modifiedAt: stats.mtimeMs,
  changedAt: stats.ctimeMs,
  inode: stats.ino,
  device: stats.dev,
});

const checked = (path: string, stats: fs.Stats): Version | FileError => {
  if (!stats.isFile()) return notAFile(path);
  if (stats.size <= maxFileBytes) return versionOf(stats);
  return new FileTooLarge({
    path,
    bytes: stats.size,
    maxBytes: maxFileBytes,
    message: `${path} has ${stats.size} bytes; at most ${maxFileBytes} are read whole.`,
    hint: "Read the part of it that is needed.",
  });
};

/** The version that lies there now. At once: no other code runs meanwhile. */
export const look = (path: string): Version | FileError => {
  try {
    const stats = fs.statSync(path, { throwIfNoEntry: false });
    return stats === undefined ? missing(path) : checked(path, stats);
  } catch (error) {
    return troubleOf(path, error);
  }
};

/** True when this process may read the file by itself: what others have read is not for all. */
export const mayRead = (path: string): boolean => {
  try {
    fs.accessSync(path, fs.constants.R_OK);
    return true;
  } catch {
    return false;
  }
};

/** All bytes up to `size`, and one more if the file has become longer. */
const readBytes = async (handle: fsp.FileHandle, size: number): Promise<Uint8Array> => {
  const bytes = new Uint8Array(size + 1);
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await handle.read(bytes, length, bytes.length - length, length);
    length += bytesRead;
    // The end of the file is one answer more: not asked for when all has come.
    if (bytesRead === 0 || length === size) break;
  }
  return bytes.subarray(0, length);
};

/** Reads from one handle, so that all of it is of one file, and looks at it before and after. */
const readOnce = async (path: string): Promise<DiskFile | FileError> => {
  const before = look(path);
  if ("_tag" in before) return before;
  // A pipe that has come in its place would keep us waiting for its other end.
  const handle = await fsp.open(path, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
  try {
    // Files that the system makes up as they are read say that they are empty; no version tells when they change.
    if (before.size === 0) return { bytes: await handle.readFile(), version: before, isWhole: false };
    const bytes = await readBytes(handle, before.size);
    const after = checked(path, await handle.stat());
    const isWhole = bytes.length === before.size && !("_tag" in after) && isSame(before, after);
    return { bytes, version: before, isWhole };
  } finally {
    // Behind the answer: nothing can be done about a failure.
    void handle.close().catch(() => undefined);
  }
};

const readWhole = async (path: string): Promise<DiskFile | FileError> => {
  for (let attempt = 1; ; attempt++) {
    const found = await readOnce(path);
    if ("_tag" in found || found.isWhole || found.version.size === 0 || attempt === maxAttempts) return found;
  }
};

/** The file's bytes. */
export const read = Effect.fn("cache.readFile")((path: string): Effect.Effect<DiskFile, FileError> =>
  Effect.flatMap(Effect.tryPromise({ try: () => readWhole(path), catch: (error) => troubleOf(path, error) }), (found) =>
    "_tag" in found ? Effect.fail(found) : Effect.succeed(found),
  ),
);
