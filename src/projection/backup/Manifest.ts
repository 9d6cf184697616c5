/**
 * The manifest of a backup: its files, and the proof of each.
 *
 * Room: projection.
 *
 * The manifest is written last and in one step: a backup that was interrupted is the one before it, and the next run goes
 * on from there.
 */
import { Effect, Schema } from "effect";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { folderTrouble } from "../../machine/DataFolder.ts";
import { InnerPath } from "../../machine/InnerPath.ts";
import * as MakeFolder from "../../machine/MakeFolder.ts";
import * as OwnFile from "../../machine/OwnFile.ts";

/** The backup cannot be made, or is not what it must be. */
export class BackupUnusable extends Schema.TaggedError<BackupUnusable>()("BackupUnusable", {
  message: Schema.String,
  hint: Schema.String,
}) {}

export const unusable = (message: string, hint: string) => new BackupUnusable({ message, hint });

/** A file of the backup; `path` is relative to it, and stays in it: a restore writes nothing elsewhere. */
export const BackedUp = Schema.Struct({ path: InnerPath, bytes: Schema.Natural, sha256: Schema.String });
export type BackedUp = typeof BackedUp.Type;

/** Events `first` to `last`, as records of nats-server's own form (`src/log/blocks/BlockFile.ts`). */
export const Segment = Schema.Struct({ ...BackedUp.fields, first: Schema.Natural, last: Schema.Natural });
export type Segment = typeof Segment.Type;

/** A bucket or object store, as nats-server gives and takes it. */
export const Bucket = Schema.Struct({
  ...BackedUp.fields,
  name: Schema.String,
  config: Schema.Unknown,
  state: Schema.Unknown,
});
export type Bucket = typeof Bucket.Type;

export const Manifest = Schema.Struct({
  version: Schema.Literal(1),
  /** Time of completion, epoch milliseconds. */
  at: Schema.Finite,
  /** Of Recollect and of nats-server. */
  versions: Schema.Struct({ recollect: Schema.String, natsServer: Schema.String }),
  stream: Schema.Struct({
    name: Schema.String,
    identity: Schema.NullOr(Schema.String),
    lastSequence: Schema.Natural,
    /** The running hash at `lastSequence`, and the digest of the event there (`src/log/Digest.ts`). */
    chain: Schema.String,
    lastDigest: Schema.String,
    segments: Schema.Array(Segment),
  }),
  buckets: Schema.Array(Bucket),
  /** Database, spool and configuration, by their names in the data folder. */
  files: Schema.Array(BackedUp),
  withKeys: Schema.Boolean,
});
export type Manifest = typeof Manifest.Type;

/** Folder of the database, the spool and the configuration, of one run; `files` in a backup of an earlier version. */
export const filesFolder = (at: number): string => `files-${at}`;
/** By its name alone: `files` may be another program's. */
export const isFilesFolder = (name: string): boolean => /^files-\d{12,}$/.test(name);
export const filesFolderOf = ({ path: file }: BackedUp): string => file.split(/[/\\]/, 1)[0] ?? "";

/** Path in the data folder of such a file. */
export const inDataFolder = (file: string): string => file.replace(/^files(?:-\d+)?[/\\]/, "");

const name = "manifest.json";
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Manifest));

/** Work on files that may throw. */
export const attempt = <A>(work: () => A, what: string): Effect.Effect<A, BackupUnusable> =>
  Effect.try({
    try: work,
    catch: (cause) => unusable(`${what}: ${String(cause)}`, "See whether the disk is well and has room."),
  });

/** Makes a folder that a person named, with those above it. */
export const makeFolder = (folder: string): Effect.Effect<void, BackupUnusable> =>
  Effect.try({
    try: () => MakeFolder.makeFolder(folder),
    catch: (cause) => unusable(folderTrouble({ path: folder, cause }).message, "Name another folder."),
  });

/** The manifest of a folder; undefined when it has none. */
export const read = (folder: string): Effect.Effect<Manifest | undefined, BackupUnusable> =>
  Effect.try({
    try: () => {
      const file = path.join(folder, name);
      return fs.existsSync(file) ? decode(OwnFile.readText(file)) : undefined;
    },
    catch: (cause) =>
      unusable(`${path.join(folder, name)} is no manifest of a backup: ${String(cause)}`, "Name another folder."),
  });

/** A file written whole or not at all, on disk, and what proves it. */
export const writeFile = (folder: string, file: string, bytes: Uint8Array): BackedUp => {
  const target = path.join(folder, file);
  MakeFolder.makeFolder(path.dirname(target));
  fs.writeFileSync(`${target}.part`, bytes, { mode: 0o600, flush: true });
  fs.renameSync(`${target}.part`, target);
  return { path: file, bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
};

/** The same of what comes piece by piece: no more than one of them is in memory. */
export const fileWriter = (folder: string, file: string) => {
  const target = path.join(folder, file);
  const unfinished = `${target}.part`;
  MakeFolder.makeFolder(path.dirname(target));
  const handle = fs.openSync(unfinished, "w", 0o600);
  const hash = createHash("sha256");
  let bytes = 0;
  return {
    add: (piece: Uint8Array): void => {
      for (let at = 0; at < piece.length;) at += fs.writeSync(handle, piece, at);
      hash.update(piece);
      bytes += piece.length;
    },
    finish: (): BackedUp => {
      fs.fsyncSync(handle);
      fs.closeSync(handle);
      fs.renameSync(unfinished, target);
      return { path: file, bytes, sha256: hash.digest("hex") };
    },
    /** Removes a file that was not finished. */
    drop: (): void => {
      if (!fs.existsSync(unfinished)) return;
      fs.closeSync(handle);
      fs.rmSync(unfinished);
    },
  };
};

export const write = (folder: string, manifest: Manifest): void =>
  void writeFile(folder, name, Buffer.from(`${JSON.stringify(manifest, undefined, 1)}\n`));

const pieceBytes = 1024 * 1024;

/** The digest of a file, read in pieces. Throws what the file system throws. */
export const digestOfFile = (file: string): { readonly bytes: number; readonly sha256: string } => {
  const handle = OwnFile.open(file);
  try {
    const hash = createHash("sha256");
    const piece = Buffer.allocUnsafe(pieceBytes);
    let bytes = 0;
    for (let got = fs.readSync(handle, piece); got > 0; got = fs.readSync(handle, piece)) {
      hash.update(piece.subarray(0, got));
      bytes += got;
    }
    return { bytes, sha256: hash.digest("hex") };
  } finally {
    fs.closeSync(handle);
  }
};

/** Every file of a backup. */
export const filesOf = ({ buckets, files, stream }: Manifest): ReadonlyArray<BackedUp> => [
  ...stream.segments,
  ...buckets,
  ...files,
];

/** Fault of a file, as a sentence; undefined when it is as it was written. */
export const faultOf = (folder: string, { bytes, path: file, sha256 }: BackedUp): string | undefined => {
  try {
    const found = digestOfFile(path.join(folder, file));
    if (found.bytes === bytes && found.sha256 === sha256) return undefined;
    return `${file} is not as it was written (${found.bytes} bytes, ${bytes} were written)`;
  } catch {
    return `${file} is not there or cannot be read`;
  }
};
