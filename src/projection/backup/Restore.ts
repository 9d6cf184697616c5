/**
 * Restore: a data folder out of a backup, each file proven before it is used.
 *
 * Room: projection.
 *
 * Promises: nothing is written over; the folder appears whole, in one step, or not at all; every event has its sequence and
 * its time; what the backup does not have and another copy knows is said before.
 */
import { Effect } from "effect";
import * as fs from "node:fs";
import * as path from "node:path";
import * as BucketCopy from "../../log/blocks/BucketCopyNats.ts";
import { build, serverOn } from "../../log/blocks/BuildNats.ts";
import { storedOf } from "../../log/blocks/BlockFile.ts";
import * as StreamFiles from "../../log/blocks/StreamFiles.ts";
import { zeroChain } from "../../log/Digest.ts";
import { provenEntryOf } from "../../log/Envelope.ts";
import type { LogEntry } from "../../domain/Event.ts";
import * as NatsBinary from "../../machine/nats/NatsBinary.ts";
import type { LedgerCopy } from "../heal/Merge.ts";
import type { Progress } from "./Backup.ts";
import * as Manifest from "./Manifest.ts";
import * as Segments from "./Segments.ts";

type OnProgress = (progress: Progress) => Effect.Effect<void>;

/** The backup in a folder; a folder without one is a failure. */
export const open = Effect.fn("projection.openBackup")(function* (folder: string) {
  const manifest = yield* Manifest.read(folder);
  if (manifest !== undefined) return manifest;
  return yield* Manifest.unusable(
    `${folder} holds no backup: there is no manifest.json.`,
    "Name the folder that was given to: recollect backup DIR",
  );
});

/** Faults of the files of a backup: each against its digest, the segments against the running hash. */
export const faults = Effect.fn("projection.verifyBackup")(function* (
  folder: string,
  manifest: Manifest.Manifest,
  onProgress: OnProgress,
) {
  const found: Array<string> = [];
  const files = Manifest.filesOf(manifest);
  for (const [index, file] of files.entries()) {
    yield* onProgress({ what: file.path, done: index, total: files.length });
    const fault = Manifest.faultOf(folder, file);
    if (fault !== undefined) found.push(fault);
    yield* Effect.yieldNow;
  }
  if (found.length > 0) return found;
  const hash = Segments.chaining({ chain: zeroChain, digest: zeroChain });
  let last = 0;
  for (const segment of manifest.stream.segments) {
    for (const record of Segments.recordsOf(folder, manifest.stream.name, segment)) {
      if (record.sequence !== last + 1) found.push(`sequence ${last + 1} is missing in ${segment.path}`);
      last = record.sequence;
      hash.add(record);
    }
    yield* onProgress({ what: segment.path, done: last, total: manifest.stream.lastSequence });
    yield* Effect.yieldNow;
  }
  if (last !== manifest.stream.lastSequence || hash.end().chain !== manifest.stream.chain)
    found.push(`the events up to ${last} are not those that were backed up to ${manifest.stream.lastSequence}`);
  return found;
});

const assertWhole = Effect.fnUntraced(function* (folder: string, manifest: Manifest.Manifest, onProgress: OnProgress) {
  const found = yield* faults(folder, manifest, onProgress);
  if (found.length === 0) return;
  return yield* Manifest.unusable(
    `The backup in ${folder} is damaged: ${found.slice(0, 3).join("; ")}${found.length > 3 ? " …" : ""}.`,
    "Use another backup. Where the data folder still has its ledger: recollect heal",
  );
});

/** The folder of the store's account below nats-server's store, as the server names it. */
const storePath = (store: string, built: string, root: string): string => path.join(store, path.relative(root, built));

const pieceBytes = 64 * 1024;

/** A file piece by piece; each is gone with the next. */
const pieces = function* (file: string): Generator<Uint8Array> {
  const handle = fs.openSync(file, "r");
  const piece = Buffer.alloc(pieceBytes);
  try {
    for (let read = fs.readSync(handle, piece); read > 0; read = fs.readSync(handle, piece))
      yield Uint8Array.from(piece.subarray(0, read));
  } finally {
    fs.closeSync(handle);
  }
};

const restoreBuckets = Effect.fnUntraced(function* (from: string, manifest: Manifest.Manifest, into: string) {
  const connection = yield* serverOn({ root: into, storeFolder: path.join(into, "nats") });
  for (const bucket of manifest.buckets) {
    const { config, name, state } = bucket;
    yield* BucketCopy.put(connection, { bucket: name, config, state, pieces: pieces(path.join(from, bucket.path)) });
  }
}, Effect.scoped);

const restoreFiles = (from: string, manifest: Manifest.Manifest, into: string): void => {
  for (const { path: file } of manifest.files) {
    const target = path.join(into, Manifest.inDataFolder(file));
    fs.mkdirSync(path.dirname(target), { recursive: true, mode: 0o700 });
    fs.copyFileSync(path.join(from, file), target);
    fs.chmodSync(target, 0o600);
  }
};

/** Makes the data folder in `into`, which is empty or not there. */
const fill = Effect.fnUntraced(function* (
  from: string,
  manifest: Manifest.Manifest,
  into: string,
  onProgress: OnProgress,
) {
  const { identity, lastSequence, name } = manifest.stream;
  const building = path.join(into, "building");
  yield* Manifest.makeFolder(into);
  yield* Manifest.attempt(() => {
    fs.mkdirSync(path.join(into, "logs"), { recursive: true, mode: 0o700 });
    fs.mkdirSync(path.join(into, "nats"), { recursive: true, mode: 0o700 });
    restoreFiles(from, manifest, into);
  }, into);
  const built = yield* build({
    root: building,
    stream: name,
    metadata: identity === null ? {} : { "recollect.identity": identity },
    records: Segments.allRecords(from, manifest.stream),
    onProgress: ({ sequence, step }) => onProgress({ what: step, done: sequence, total: lastSequence }),
  });
  yield* Manifest.attempt(() => {
    const place = storePath(path.join(into, "nats"), built.path, building);
    fs.mkdirSync(path.dirname(place), { recursive: true, mode: 0o700 });
    fs.renameSync(built.path, place);
    fs.rmSync(building, { recursive: true, force: true });
  }, into);
  yield* restoreBuckets(from, manifest, into).pipe(Effect.provide(NatsBinary.layer));
  yield* Manifest.attempt(() => {
    fs.rmSync(path.join(into, "nats", "build.log"), { force: true });
    StreamFiles.syncTree(into);
  }, into);
});

const isEmpty = (folder: string): boolean => !fs.existsSync(folder) || fs.readdirSync(folder).length === 0;

/** Restores a backup into a folder that is empty or not there. */
export const restore = Effect.fn("projection.restore")(function* (options: {
  readonly from: string;
  readonly into: string;
  readonly onProgress: OnProgress;
}) {
  const { from, into, onProgress } = options;
  const manifest = yield* open(from);
  if (!isEmpty(into)) {
    return yield* Manifest.unusable(`${into} is not empty.`, "Name an empty folder with --into FOLDER.");
  }
  yield* assertWhole(from, manifest, onProgress);
  const beside = `${into}.restoring-${process.pid}`;
  yield* fill(from, manifest, beside, onProgress).pipe(
    Effect.andThen(
      Manifest.attempt(() => {
        // Only an empty one goes: something may have come into it meanwhile.
        if (fs.existsSync(into)) fs.rmdirSync(into);
        fs.renameSync(beside, into);
      }, into),
    ),
    Effect.ensuring(Effect.sync(() => fs.rmSync(beside, { recursive: true, force: true }))),
  );
  return manifest;
});

/** Restores into a temporary folder beside the backup, where a server reads every event back, and removes it again. */
export const prove = Effect.fn("projection.proveBackup")(function* (from: string, onProgress: OnProgress) {
  const manifest = yield* open(from);
  const found = yield* faults(from, manifest, onProgress);
  if (found.length > 0) return { manifest, faults: found };
  const into = `${from}.verifying-${process.pid}`;
  yield* fill(from, manifest, into, onProgress).pipe(
    Effect.ensuring(Effect.sync(() => fs.rmSync(into, { recursive: true, force: true }))),
  );
  return { manifest, faults: [] };
});

/** The backup as a further witness of a heal: segment by segment, the one that is asked for in memory. */
export const witness = (from: string, manifest: Manifest.Manifest): LedgerCopy => {
  const { lastSequence, name, segments } = manifest.stream;
  const ids = new Set<string>();
  let held: { readonly first: number; readonly entries: ReadonlyMap<number, LogEntry> } | undefined;
  const entriesOf = (segment: Manifest.Segment): ReadonlyMap<number, LogEntry> => {
    if (held?.first === segment.first) return held.entries;
    const entries = new Map<number, LogEntry>();
    for (const record of Segments.recordsOf(from, name, segment))
      entries.set(record.sequence, provenEntryOf(storedOf(record)));
    held = { first: segment.first, entries };
    return entries;
  };
  const hasEvent = (id: string): boolean => {
    if (ids.size === 0) {
      for (const record of Segments.allRecords(from, manifest.stream)) {
        const entry = provenEntryOf(storedOf(record));
        if (!("problem" in entry)) ids.add(entry.id);
      }
    }
    return ids.has(id);
  };
  return {
    last: lastSequence,
    between: (first, last) => {
      const found = new Map<number, LogEntry>();
      for (const segment of segments) {
        if (segment.last < first || segment.first > last) continue;
        for (const [sequence, entry] of entriesOf(segment))
          if (sequence >= first && sequence <= last) found.set(sequence, entry);
      }
      return found;
    },
    hasEvent,
  };
};
