/**
 * Events as segments of a backup: 8 MB each, written once, so that the next run adds only what is new.
 *
 * Room: projection.
 *
 * Promises: what is written was read back and is without a hole; a segment that is full is never written again; the last
 * one is written anew under another name until it is full, so that an interrupted run leaves the backup before it whole.
 */
import { Effect } from "effect";
import * as fs from "node:fs";
import * as path from "node:path";
import { type BlockRecord, keyOf, readBlock, recordBytes, storedOf, writeRecord } from "../../log/blocks/BlockFile.ts";
import * as HighwayHash from "../../log/blocks/HighwayHash.ts";
import { chained, hex, zeroChain } from "../../log/Digest.ts";
import { provenEntryOf } from "../../log/Envelope.ts";
import * as OwnFile from "../../machine/OwnFile.ts";
import { leafOf } from "../Chain.ts";
import { attempt, type BackupUnusable, faultOf, type Manifest, type Segment, unusable, writeFile } from "./Manifest.ts";

const segmentBytes = 8 * 1024 * 1024;

const nameOf = (first: number, last: number): string =>
  path.join("stream", `${String(first).padStart(12, "0")}-${String(last).padStart(12, "0")}.blk`);

/** Records of a segment, whole ones only. */
export const recordsOf = (folder: string, stream: string, { first, path: file }: Segment): ReadonlyArray<BlockRecord> =>
  readBlock(stream, first, OwnFile.read(path.join(folder, file), Infinity)).records;

/** Everything in a backup's segments, ascending. */
export function* allRecords(folder: string, { name, segments }: Manifest["stream"]): Generator<BlockRecord> {
  for (const segment of segments) yield* recordsOf(folder, name, segment);
}

const writeSegment = (folder: string, stream: string, records: ReadonlyArray<BlockRecord>): Segment => {
  const first = records[0]?.sequence ?? 0;
  const last = records.at(-1)?.sequence ?? 0;
  const bytes = Buffer.alloc(records.reduce((sum, record) => sum + recordBytes(record), 0));
  const hash = HighwayHash.make(keyOf(stream, first));
  let at = 0;
  for (const record of records) at = writeRecord(hash, record, bytes, at);
  const segment = { ...writeFile(folder, nameOf(first, last), bytes), first, last };
  const found = recordsOf(folder, stream, segment);
  if (found.length !== records.length || found.at(-1)?.sequence !== last)
    throw new Error(`${segment.path} cannot be read back`);
  return segment;
};

/** The running hash, event by event. */
export const chaining = (from: { readonly chain: Uint8Array; readonly digest: Uint8Array }) => {
  let { chain, digest } = from;
  return {
    add: (record: BlockRecord): void => {
      const leaf = leafOf(provenEntryOf(storedOf(record)));
      chain = chained(chain, leaf);
      digest = leaf.digest;
    },
    end: () => ({ chain: hex(chain), digest: hex(digest) }),
  };
};

export interface Written {
  readonly segments: ReadonlyArray<Segment>;
  readonly lastSequence: number;
  readonly chain: string;
  readonly lastDigest: string;
  /** Events that were not in the backup before. */
  readonly added: number;
}

/** Events between two moments at which others may run. */
const between = 500;

/**
 * Adds `records`, which follow on what `before` has, as far as they go without a hole. A hole is a failure: what a damaged
 * stream lacks is not to be missing from its backup too.
 */
export const add = Effect.fn("projection.addSegments")(function* (options: {
  readonly folder: string;
  readonly stream: string;
  readonly before: Manifest["stream"] | undefined;
  readonly records: Iterable<BlockRecord>;
  readonly onProgress: (sequence: number) => Effect.Effect<void>;
}): Effect.fn.Return<Written, BackupUnusable> {
  const { before, folder, onProgress, records, stream } = options;
  const segments = [...(before?.segments ?? [])];
  const last = segments.at(-1);
  const isOpen = last !== undefined && last.bytes < segmentBytes;
  // It is written anew from its own records: what it has lost would be gone from the backup without a word.
  const fault = isOpen ? faultOf(folder, last) : undefined;
  if (fault !== undefined)
    return yield* unusable(`${fault}: nothing was added to the backup.`, "Name another folder for a new backup.");
  const waiting: Array<BlockRecord> = isOpen
    ? [...(yield* attempt(() => recordsOf(folder, stream, last), "the last segment"))]
    : [];
  let bytes = waiting.reduce((sum, record) => sum + recordBytes(record), 0);
  let reached = before?.lastSequence ?? 0;
  const hash = chaining({
    chain: before === undefined ? zeroChain : Buffer.from(before.chain, "hex"),
    digest: before === undefined ? zeroChain : Buffer.from(before.lastDigest, "hex"),
  });
  const flush = (): void => {
    if (waiting.length === 0) return;
    const segment = writeSegment(folder, stream, waiting);
    if (segments.at(-1)?.first === segment.first) segments.pop();
    segments.push(segment);
    waiting.length = 0;
    bytes = 0;
  };
  for (const record of records) {
    if (record.sequence <= reached) continue;
    if (record.sequence !== reached + 1) {
      return yield* unusable(
        `The stream has a hole at sequence ${reached + 1}: nothing was added to the backup.`,
        "See what is wrong and what it can be put back from: recollect heal",
      );
    }
    reached = record.sequence;
    hash.add(record);
    waiting.push(record);
    bytes += recordBytes(record);
    if (bytes >= segmentBytes) yield* attempt(flush, "a segment cannot be written");
    if (reached % between > 0) continue;
    yield* onProgress(reached);
    yield* Effect.yieldNow;
  }
  if (reached > (before?.lastSequence ?? 0)) yield* attempt(flush, "a segment cannot be written");
  const { chain, digest } = hash.end();
  const added = reached - (before?.lastSequence ?? 0);
  return { segments, lastSequence: reached, chain, lastDigest: digest, added };
});

/** Segments that no manifest names: what an interrupted run has left, and what was written anew. */
export const sweep = (folder: string, segments: ReadonlyArray<Segment>): void => {
  const named = new Set(segments.map((segment) => path.basename(segment.path)));
  for (const name of fs.readdirSync(path.join(folder, "stream"))) {
    if (!named.has(name)) fs.rmSync(path.join(folder, "stream", name), { force: true });
  }
};
