/**
 * A stream as files on disk: found in nats-server's store, read without a server, and written anew.
 *
 * Room: log.
 *
 * Promises: reading changes nothing, and gives what is whole in ascending order; what is written has the sequences and
 * times it was given, in the server's own form, and is on disk when `finish` returns.
 *
 * Decision: files and not the server's API, because a server that starts on damaged files cuts, empties or refuses
 * them (engine facts 10, 18, 20), and because what is published anew would get new times.
 *
 * Plain functions on `node:fs`: they run for every event of a stream.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import * as OwnFile from "../../machine/OwnFile.ts";
import * as StreamLinks from "../../machine/StreamLinks.ts";
import {
  type Block,
  type BlockRecord,
  compressedMark,
  keyOf,
  readBlock,
  recordBytes,
  writeRecord,
} from "./BlockFile.ts";
import * as HighwayHash from "./HighwayHash.ts";

/** Metadata of a stream beside its blocks, by nats-server, as far as it matters here. */
export interface StreamMeta {
  readonly compression?: string;
  readonly allow_msg_ttl?: boolean;
  readonly num_replicas?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly Created?: string;
  readonly [field: string]: unknown;
}

export interface StreamFolder {
  /** Absolute path of the stream's folder. */
  readonly path: string;
  readonly stream: string;
  /** Absent where it cannot be read. */
  readonly meta?: StreamMeta | undefined;
  /** True where the server encrypts what it stores: then nothing can be read here. */
  readonly isEncrypted: boolean;
}

/** Folders of the streams of an account below the server's `store_dir`. */
export const accountFolders = (storeFolder: string): ReadonlyArray<string> => {
  const accounts = path.join(storeFolder, "jetstream");
  if (!fs.existsSync(accounts)) return [];
  return fs
    .readdirSync(accounts, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => path.join(accounts, name, "streams"))
    .filter((streams) => fs.existsSync(streams));
};

const readMeta = (folder: string): StreamMeta | undefined => {
  try {
    return JSON.parse(OwnFile.readText(path.join(folder, "meta.inf")));
  } catch {
    return undefined;
  }
};

export const at = (folder: string, stream: string): StreamFolder => ({
  path: folder,
  stream,
  meta: readMeta(folder),
  isEncrypted: fs.existsSync(path.join(folder, "meta.key")),
});

const metaFile = (folder: string, name: "meta.inf" | "meta.sum"): Buffer => readFile(path.join(folder, name));

/**
 * True when nats-server will load it: it passes over a stream whose settings are not there, are no JSON, or are not what
 * their checksum says (nats-server 2.15, `server/jetstream.go`).
 */
export const isLoadable = ({ meta, path: folder, stream }: StreamFolder): boolean => {
  if (meta?.["name"] !== stream) return false;
  const hash = HighwayHash.make(createHash("sha256").update(stream).digest());
  hash.write(metaFile(folder, "meta.inf"));
  return metaFile(folder, "meta.sum").toString("latin1") === Buffer.from(hash.sum()).toString("hex");
};

/** Files of a stream that a start of nats-server has removed; undefined when it has removed none. */
export const findRemoved = (storeFolder: string, stream: string): StreamFolder | undefined => {
  const [newest] = StreamLinks.heldOf(storeFolder, stream);
  return newest === undefined ? undefined : at(newest, stream);
};

/** The folder of a stream; undefined when the store has none. */
export const find = (storeFolder: string, stream: string): StreamFolder | undefined => {
  const found = accountFolders(storeFolder)
    .map((streams) => path.join(streams, stream))
    .find((folder) => fs.existsSync(folder));
  return found === undefined ? undefined : at(found, stream);
};

const messagesOf = (folder: string): string => path.join(folder, "msgs");
const blockFile = (folder: string, block: number): string => path.join(messagesOf(folder), `${block}.blk`);

/** Numbers of the blocks there are, ascending. */
export const blocksOf = ({ path: folder }: StreamFolder): ReadonlyArray<number> => {
  const messages = messagesOf(folder);
  if (!fs.existsSync(messages)) return [];
  return fs
    .readdirSync(messages)
    .flatMap((name) => /^(\d+)\.blk$/.exec(name)?.[1] ?? [])
    .map(Number)
    .toSorted((a, b) => a - b);
};

/** A file that cannot be read is a block without a record. */
const readFile = (file: string): Buffer => {
  try {
    return OwnFile.read(file, Infinity);
  } catch {
    return Buffer.alloc(0);
  }
};

/** Block by block, the next one when it is asked for. */
export function* readBlocks(folder: StreamFolder): Generator<Block> {
  for (const block of blocksOf(folder)) yield readBlock(folder.stream, block, readFile(blockFile(folder.path, block)));
}

/** The first sequence of an uncompressed block, from its head; undefined for every other. */
const firstSequence = (file: string): number | undefined => {
  const head = Buffer.alloc(12);
  try {
    const handle = OwnFile.open(file);
    try {
      if (fs.readSync(handle, head) < head.length || head.subarray(0, 3).equals(compressedMark)) return undefined;
      return Number(head.readBigUInt64LE(4));
    } finally {
      fs.closeSync(handle);
    }
  } catch {
    return undefined;
  }
};

/** Whole records after a sequence, ascending: blocks before it are not read, where the blocks' heads say so. */
export function* readAfter(folder: StreamFolder, after: number): Generator<BlockRecord> {
  const blocks = blocksOf(folder);
  let from = blocks.length - 1;
  while (from > 0) {
    const first = firstSequence(blockFile(folder.path, blocks[from] ?? 0));
    if (first !== undefined && first <= after + 1) break;
    from -= 1;
  }
  for (const block of blocks.slice(Math.max(0, from))) {
    for (const record of readBlock(folder.stream, block, readFile(blockFile(folder.path, block))).records)
      if (record.sequence > after) yield record;
  }
}

/** Whole records, ascending. `onBlock` sees each block before its records. */
export function* readRecords(folder: StreamFolder, onBlock?: (block: Block) => void): Generator<BlockRecord> {
  let last = 0;
  for (const block of readBlocks(folder)) {
    onBlock?.(block);
    for (const record of block.records) {
      if (record.sequence <= last) continue;
      last = record.sequence;
      yield record;
    }
  }
}

/** A block holds at most this; nats-server's own size for a stream without limits. */
const blockBytes = 8 * 1024 * 1024;

export interface StreamWriter {
  readonly write: (record: BlockRecord) => void;
  /** Writes what is left, and returns when everything is on disk. */
  readonly finish: () => void;
}

const syncPath = (target: string): void => {
  const handle = fs.openSync(target, "r");
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
};

/** Makes every file and folder below `target` durable. */
export const syncTree = (target: string): void => {
  for (const entry of fs.readdirSync(target, { withFileTypes: true })) {
    const inside = path.join(target, entry.name);
    if (entry.isDirectory()) syncTree(inside);
    else if (entry.isFile()) syncPath(inside);
  }
  syncPath(target);
};

/** Fills the folder of an empty stream that no server has open. The server finds everything at its next start. */
export const writer = (folder: StreamFolder): StreamWriter => {
  const messages = messagesOf(folder.path);
  fs.mkdirSync(messages, { recursive: true, mode: 0o700 });
  // Blocks of the empty stream, and the index that says so.
  for (const name of fs.readdirSync(messages)) fs.rmSync(path.join(messages, name), { recursive: true, force: true });
  let buffer = Buffer.allocUnsafe(blockBytes);
  let used = 0;
  let block = 1;
  let hash = HighwayHash.make(keyOf(folder.stream, block));
  const flush = (): void => {
    if (used === 0) return;
    const file = fs.openSync(blockFile(folder.path, block), "w", 0o600);
    try {
      fs.writeSync(file, buffer, 0, used);
      fs.fsyncSync(file);
    } finally {
      fs.closeSync(file);
    }
    block += 1;
    used = 0;
    hash = HighwayHash.make(keyOf(folder.stream, block));
  };
  return {
    write: (record) => {
      const bytes = recordBytes(record);
      if (used + bytes > blockBytes) flush();
      if (bytes > buffer.length) buffer = Buffer.allocUnsafe(bytes);
      used = writeRecord(hash, record, buffer, used);
    },
    finish: () => {
      flush();
      syncTree(folder.path);
    },
  };
};
