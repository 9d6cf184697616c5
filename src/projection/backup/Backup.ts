/**
 * Backup: everything of a data folder in another one, while all goes on, and only what is new the next time.
 *
 * Room: projection.
 *
 * Promises: what the manifest names was read back and is what it was; a run that is killed leaves the backup before it;
 * the stream in it has everything that its database and its spool refer to, because it is read after them, and the blobs
 * after the stream for the same reason.
 */
import { Clock, Effect } from "effect";
import * as fs from "node:fs";
import * as path from "node:path";
import * as BucketCopy from "../../log/blocks/BucketCopyNats.ts";
import { storedOf } from "../../log/blocks/BlockFile.ts";
import * as StreamFiles from "../../log/blocks/StreamFiles.ts";
import { NatsConnection } from "../../log/connection/NatsConnectionNats.ts";
import { digestOf, hex } from "../../log/Digest.ts";
import * as FolderLock from "../../machine/FolderLockSqlite.ts";
import * as OwnFile from "../../machine/OwnFile.ts";
import type { Folder } from "../heal/Plan.ts";
import { copyDatabase } from "./DatabaseCopySqlite.ts";
import * as Generations from "../rebuild/Generations.ts";
import * as Manifest from "./Manifest.ts";
import * as Segments from "./Segments.ts";

export interface Progress {
  readonly what: string;
  readonly done: number;
  /** 0: not known. */
  readonly total: number;
}

export interface Options {
  readonly folder: Folder;
  readonly stream: string;
  /** Target folder; made if it is not there. */
  readonly into: string;
  readonly withKeys: boolean;
  readonly version: string;
  readonly onProgress: (progress: Progress) => Effect.Effect<void>;
}

export interface Done {
  readonly manifest: Manifest.Manifest;
  /** Events that this run has added. */
  readonly added: number;
  /** Bytes of files that this run has written. */
  readonly writtenBytes: number;
}

const identityKey = "recollect.identity";

/** Buckets that are folded from the stream and need no backup. */
const isDerived = (bucket: string): boolean => bucket === "KV_RECOLLECT_THREADS";

/** Files of a data folder that are copied by other means, or belong to a running process. */
const isLeftOut = (name: string, withKeys: boolean): boolean =>
  /^(?:nats|logs|heal\.json|instance\.json(?:\..*)?|\..*)$/.test(name) ||
  /^(?:recollect|spool)(?:-\d+)?\.(?:db|lock)/.test(name) ||
  (name === "keys" && !withKeys);

/** The path without links, as far as there is something there. */
const realOf = (file: string): string =>
  fs.existsSync(file) || path.dirname(file) === file
    ? fs.realpathSync(file)
    : path.join(realOf(path.dirname(file)), path.basename(file));

const isInside = (inner: string, outer: string): boolean => {
  const relative = path.relative(realOf(path.resolve(outer)), realOf(path.resolve(inner)));
  return relative !== ".." && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
};

/** Below a folder: signs what workers over HTTP hold. */
const leaseKey = path.join("http", "lease.key");

/** Configuration and what else lies in the folder, with its folders, by relative path. */
const smallFiles = (root: string, withKeys: boolean): ReadonlyArray<string> =>
  fs
    .readdirSync(root, { withFileTypes: true })
    .filter(({ name }) => !isLeftOut(name, withKeys))
    .flatMap((entry) =>
      entry.isDirectory()
        ? fs
            .readdirSync(path.join(root, entry.name), { withFileTypes: true, recursive: true })
            .filter((inside) => inside.isFile())
            .map((inside) => path.relative(root, path.join(inside.parentPath, inside.name)))
            .filter((inside) => withKeys || inside !== leaseKey)
        : entry.isFile()
          ? [entry.name]
          : [],
    );

/** The stream's files, and whether they go on where the backup ends. */
const streamOf = Effect.fnUntraced(function* (options: Options, before: Manifest.Manifest | undefined) {
  const { folder, into, stream } = options;
  const files = StreamFiles.find(folder.natsStore, stream);
  if (files === undefined || files.isEncrypted) {
    return yield* Manifest.unusable(
      files === undefined
        ? `${folder.natsStore} holds no stream ${stream}.`
        : "nats-server encrypts this store, so its files cannot be read here.",
      "A backup is made where the server's files are; for a server of somebody else's: nats stream backup.",
    );
  }
  if (before === undefined) return files;
  const { identity, lastDigest, lastSequence } = before.stream;
  const known = files.meta?.metadata?.[identityKey];
  const next = StreamFiles.readAfter(files, lastSequence - 1).next();
  const isThere =
    lastSequence === 0 ||
    (next.done !== true && next.value.sequence === lastSequence && hex(digestOf(storedOf(next.value))) === lastDigest);
  if (isThere && (identity === null || known === undefined || identity === known)) return files;
  return yield* Manifest.unusable(
    `${into} is a backup of another stream, or of events that this one does not have: it ends at ${lastSequence}.`,
    "Name another folder. If the stream has lost something: recollect heal; recollect restore says what the backup has.",
  );
});

/** The database and the spool, where they are there. */
const databases = Effect.fnUntraced(function* (options: Options, files: string) {
  const { folder, into, onProgress } = options;
  const found: Array<Manifest.BackedUp> = [];
  for (const [name, file] of [
    ["recollect.db", folder.database],
    ["spool.db", folder.spool],
  ] as const) {
    if (!fs.existsSync(file)) continue;
    yield* onProgress({ what: name, done: 0, total: 0 });
    const target = path.join(into, files, name);
    const unfinished = `${target}.part`;
    yield* copyDatabase({ file, target: unfinished, onProgress: () => {} });
    yield* Manifest.attempt(() => {
      fs.renameSync(unfinished, target);
      fs.chmodSync(target, 0o600);
    }, target);
    found.push({ path: path.join(files, name), ...Manifest.digestOfFile(target) });
  }
  return found;
});

const pieceBytes = 1024 * 1024;

/** A file that no process writes, piece by piece. */
const copiedFile = (into: string, inside: string, file: string): Manifest.BackedUp => {
  const writer = Manifest.fileWriter(into, inside);
  const handle = OwnFile.open(file);
  try {
    const piece = Buffer.allocUnsafe(pieceBytes);
    for (let got = fs.readSync(handle, piece); got > 0; got = fs.readSync(handle, piece))
      writer.add(piece.subarray(0, got));
    return writer.finish();
  } finally {
    writer.drop();
    fs.closeSync(handle);
  }
};

/** Replaced databases that hold what nothing else has, byte by byte: some are kept because they are damaged. */
const keptDatabases = ({ folder, into }: Options, files: string): ReadonlyArray<Manifest.BackedUp> =>
  Generations.keptOf(folder.database)
    .flatMap((file) => [file, `${file}-wal`, Generations.keptMark(file)])
    .filter((file) => fs.existsSync(file))
    .map((file) => copiedFile(into, path.join(files, path.basename(file)), file));

const configuration = ({ folder, into, withKeys }: Options, files: string): ReadonlyArray<Manifest.BackedUp> =>
  smallFiles(folder.root, withKeys).flatMap((name) => {
    try {
      return [Manifest.writeFile(into, path.join(files, name), OwnFile.read(path.join(folder.root, name), Infinity))];
    } catch (cause) {
      // It was removed meanwhile.
      if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return [];
      throw cause;
    }
  });

const sameState = (one: unknown, other: unknown): boolean => {
  const numbers = ({ messages, bytes, first_seq, last_seq, last_ts }: Record<string, unknown>) =>
    JSON.stringify([messages, bytes, first_seq, last_seq, last_ts]);
  return numbers(one as Record<string, unknown>) === numbers(other as Record<string, unknown>);
};

const buckets = Effect.fnUntraced(function* (options: Options, before: Manifest.Manifest | undefined) {
  const { into, onProgress } = options;
  const connection = yield* NatsConnection;
  const found: Array<Manifest.Bucket> = [];
  for (const { name, state } of yield* BucketCopy.list(connection)) {
    if (isDerived(name)) continue;
    const known = before?.buckets.find((bucket) => bucket.name === name);
    if (known !== undefined && sameState(known.state, state) && Manifest.faultOf(into, known) === undefined) {
      found.push(known);
      continue;
    }
    yield* onProgress({ what: name, done: 0, total: 0 });
    // Never the file that the backup before this one names: a run that is killed leaves that as it is.
    const file = path.join("buckets", `${name}-${state.last_seq}-${yield* Clock.currentTimeMillis}.snapshot`);
    const writer = yield* Manifest.attempt(() => Manifest.fileWriter(into, file), file);
    const copied = yield* BucketCopy.copy(connection, name, writer.add).pipe(
      Effect.onError(() => Effect.sync(writer.drop)),
    );
    const written = yield* Manifest.attempt(writer.finish, file);
    found.push({ ...written, name, config: copied.config, state: copied.state });
  }
  return found;
});

/** Removes what runs before this one have left of the database, the spool and the configuration. `kept`: what is in use. */
const sweepFiles = (into: string, before: Manifest.Manifest | undefined, kept: Manifest.Manifest | undefined): void => {
  const [old, used] = [before, kept].map((manifest) => new Set(manifest?.files.map(Manifest.filesFolderOf)));
  for (const name of fs.readdirSync(into))
    if ((Manifest.isFilesFolder(name) || old?.has(name) === true) && used?.has(name) !== true)
      fs.rmSync(path.join(into, name), { recursive: true, force: true });
};

/** Removes files that the manifest does not name any more. */
const sweep = (into: string, before: Manifest.Manifest | undefined, manifest: Manifest.Manifest): void => {
  Segments.sweep(into, manifest.stream.segments);
  const named = new Set(manifest.buckets.map(({ path: file }) => path.basename(file)));
  const folder = path.join(into, "buckets");
  for (const name of fs.existsSync(folder) ? fs.readdirSync(folder) : [])
    if (!named.has(name)) fs.rmSync(path.join(folder, name), { force: true });
  sweepFiles(into, before, manifest);
};

/** Lock of the folder: a second run would remove what the first has written and not named yet. */
const lock = (into: string) =>
  Effect.acquireRelease(
    Effect.flatMap(
      Manifest.attempt(() => FolderLock.tryLock(path.join(into, ".lock")), into),
      (held) =>
        held === undefined
          ? Manifest.unusable(
              `Another backup into ${into} runs now.`,
              "Nothing was changed. Try again when it is done.",
            )
          : Effect.succeed(held),
    ),
    (held) => Effect.sync(held.release),
  );

/** Makes or continues the backup in `into`. */
export const backup = Effect.fn("projection.backup")(function* (options: Options) {
  const { folder, into, onProgress, stream, version, withKeys } = options;
  if (isInside(into, folder.root)) {
    return yield* Manifest.unusable(
      `${into} lies in the data folder ${folder.root}: the backup would be lost with it, and hold itself.`,
      "Name a folder elsewhere, best on another disk.",
    );
  }
  yield* Manifest.makeFolder(into);
  yield* lock(into);
  const before = yield* Manifest.read(into);
  const streamFiles = yield* streamOf(options, before);
  // A folder of this run's own: a run that fails or is killed leaves the files that the manifest before it names.
  const files = Manifest.filesFolder(yield* Clock.currentTimeMillis);
  yield* Manifest.attempt(() => {
    sweepFiles(into, before, before);
    for (const name of ["stream", "buckets", files])
      fs.mkdirSync(path.join(into, name), { recursive: true, mode: 0o700 });
  }, into);
  // First: the list of what the spool has accepted never says more than the copy of the spool holds.
  const small = yield* Manifest.attempt(() => configuration(options, files), folder.root);
  const copies = yield* databases(options, files);
  const keptFiles = yield* Manifest.attempt(() => keptDatabases(options, files), folder.root);
  const events = yield* Segments.add({
    folder: into,
    stream,
    before: before?.stream,
    records: StreamFiles.readAfter(streamFiles, before?.stream.lastSequence ?? 0),
    onProgress: (sequence) => onProgress({ what: "events", done: sequence, total: 0 }),
  });
  const copiedBuckets = yield* buckets(options, before);
  const { serverInfo } = yield* NatsConnection;
  const { added, chain, lastDigest, lastSequence, segments } = events;
  const manifest: Manifest.Manifest = {
    version: 1,
    at: yield* Clock.currentTimeMillis,
    versions: { recollect: version, natsServer: serverInfo().version },
    stream: {
      name: stream,
      identity: streamFiles.meta?.metadata?.[identityKey] ?? null,
      lastSequence,
      chain,
      lastDigest,
      segments,
    },
    buckets: copiedBuckets,
    files: [...copies, ...keptFiles, ...small],
    withKeys,
  };
  const known = new Set(before === undefined ? [] : Manifest.filesOf(before).map(({ sha256 }) => sha256));
  const writtenBytes = Manifest.filesOf(manifest)
    .filter(({ sha256 }) => !known.has(sha256))
    .reduce((sum, { bytes }) => sum + bytes, 0);
  yield* Manifest.attempt(() => {
    Manifest.write(into, manifest);
    StreamFiles.syncTree(into);
    sweep(into, before, manifest);
  }, into);
  return { manifest, added, writtenBytes } satisfies Done as Done;
}, Effect.scoped);
