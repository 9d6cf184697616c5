/**
 * The cache of file contents: read once, by any process, and never an old version for a new one.
 *
 * Room: coordination.
 *
 * Promises, each a test in `test/contract/FileCacheContract.ts`, kept by every layer:
 * - what is given is what lies on the disk at some moment between call and answer, as far as its version tells; with
 *   `verify: "content"` always, and a content that is contradicted is believed by no process any longer;
 * - each caller has a copy of its own: what it changes in it reaches no other caller, and no record;
 * - of many callers at once, one reads;
 * - a file that cannot be read is never cached, and one that is not there for a second;
 * - what is larger than a limit is refused or not kept, and what is held is bounded in bytes;
 * - after `forget` has returned true no process that is connected gives what it held before;
 * - while NATS is unreachable everything goes on from memory and disk.
 *
 * A hit looks at the file (1.5 µs) and compares its version; it never goes by time alone. A write through a shared memory
 * mapping changes no time before the system writes the page back, so no version tells of it. Decision: no watching of files,
 * because a watch costs a handle for each folder, tells late, and on network file systems never.
 *
 * The caller decides before which files may be read. A file that is read is shared with every process that may use the NATS
 * server.
 */
import { Clock, Context, Effect, Layer } from "effect";
import { hostname } from "node:os";
import * as CacheMetrics from "./CacheMetrics.ts";
import { CacheSharing, type CacheReport, type News } from "./CacheSharing.ts";
import { elapsedUnsafe } from "../../log/connection/Elapsed.ts";
import { Configuration } from "../config/Configuration.ts";
import * as DiskFile from "./DiskFile.ts";
import type { FileError } from "./DiskFile.ts";
import * as FileReads from "./FileReads.ts";
import { HeldFiles } from "./HeldFiles.ts";
import * as SharedFiles from "./SharedFiles.ts";
import { defaultPatienceMillis } from "./BestEffort.ts";

export interface FileContent {
  /** From the root on. */
  readonly path: string;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
  /** The caller's own. */
  readonly bytes: Uint8Array;
  /** Time of its last change, epoch milliseconds, by the file system's clock. */
  readonly modifiedAt: number;
  /** The layer that it came from this time. */
  readonly from: "process" | "shared" | "disk";
}

/** Since the process began. */
export interface FileCounts {
  /** Calls of `read` that named a file, found or not. */
  readonly reads: number;
  /** Answered from this process's memory, from what processes share, from the disk, and as known to be missing. */
  readonly fromProcess: number;
  readonly fromShared: number;
  readonly fromDisk: number;
  readonly knownMissing: number;
  /** Of them, callers that waited for a read that another had begun. */
  readonly joined: number;
  /** Files read that had changed so lately that they were not kept. */
  readonly unsettled: number;
  /** Reads that failed: no such file, too large, unreadable. */
  readonly failed: number;
  /** Contents that had to go for others. */
  readonly forgotten: number;
  /** Questions to what is shared that had no answer. */
  readonly sharedFailures: number;
  readonly contents: number;
  readonly bytes: number;
}

export interface Reading {
  /**
   * - `version` (default): size, times, inode and device tell one content from the next
   * - `content`: the bytes on the disk, read each time; for files that are written through memory mappings
   */
  readonly verify?: "version" | "content" | undefined;
}

export type Forgetting = { readonly path: string } | { readonly folder: string } | "all";

export interface Usage {
  /** Values in the bucket, and bytes of bucket and objects together. */
  readonly values: number;
  readonly bytes: number;
}

export class FileCache extends Context.Service<
  FileCache,
  {
    /** The file as it is now. */
    readonly read: (path: string, reading?: Reading) => Effect.Effect<FileContent, FileError>;
    /** Bytes of that hash, if any process has read them lately; undefined otherwise. */
    readonly content: (sha256: string) => Effect.Effect<Uint8Array | undefined>;
    /**
     * Invalidates what was read at a path, below a folder, or anywhere; contents by hash go with `all` only. False: NATS is
     * unreachable, so that only this process has forgotten.
     */
    readonly forget: (what: Forgetting) => Effect.Effect<boolean>;
    /** Returns when what was read so far is shared, as far as it can be. */
    readonly kept: Effect.Effect<void>;
    readonly counts: Effect.Effect<FileCounts>;
    /** Size of what is shared; undefined while NATS is unreachable. */
    readonly usage: Effect.Effect<Usage | undefined>;
    /** Counts of every process. */
    readonly reports: Effect.Effect<ReadonlyArray<CacheReport>>;
  }
>()("recollect/coordination/FileCache") {}

export interface Options {
  /** Name that keeps paths of one machine from those of another. Default: its host name. */
  readonly machine?: string | undefined;
  /** Patience with what is shared before the file is read, milliseconds. Default 250. */
  readonly patienceMillis?: number | undefined;
}

export const make = Effect.fn("cache.openFiles")(function* (options: Options = {}) {
  const wire = yield* CacheSharing;
  const config = yield* Configuration;
  const clock = yield* Clock.Clock;
  const scope = yield* Effect.scope;
  const now = () => clock.currentTimeMillisUnsafe();
  const { tenant } = config;
  const held = new HeldFiles(yield* config.get("cache.files.processBytes"));
  const shared = yield* SharedFiles.make({
    wire,
    tenant,
    machine: options.machine ?? hostname(),
    patienceMillis: options.patienceMillis ?? defaultPatienceMillis,
    ends: Effect.zipWith(
      config.get("cache.files.ttlMillis"),
      config.get("cache.files.maxBytes"),
      (ttlMillis, maxBytes) => ({ ttlMillis, maxBytes }),
    ),
    now: () => elapsedUnsafe(clock),
  });
  const reads = yield* FileReads.make({ config, held, shared, scope, now });

  const countsNow = (): FileCounts => ({
    ...held.counts,
    forgotten: held.contents.forgotten,
    sharedFailures: shared.failures(),
    contents: held.contents.size,
    bytes: held.contents.bytes,
  });

  const forgetHere = (news: News) => {
    if (news.forget === "responses") return;
    held.forget(news);
    reads.part();
  };

  const report = (): CacheReport => ({
    process: `${options.machine ?? hostname()} ${process.pid}`,
    cache: "files",
    counts: { ...countsNow() },
  });
  yield* CacheMetrics.keepTelling(report);
  yield* wire.listen({
    tenant,
    heard: forgetHere,
    missed: () => {
      held.clear();
      reads.part();
    },
    report,
  });

  const content = Effect.fnUntraced(function* (sha256: string) {
    const here = held.contents.use(sha256);
    if (here !== undefined || !/^[0-9a-f]{64}$/.test(sha256)) return here;
    const bytes = yield* shared.bySha(sha256);
    if (bytes !== undefined) held.keep(sha256, bytes);
    return bytes;
  });

  const forget = Effect.fn("cache.forgetFiles")(function* (what: Forgetting) {
    const news: News =
      what === "all"
        ? { forget: "files" }
        : "path" in what
          ? { forget: "path", path: pathOf(what.path) }
          : { forget: "folder", path: pathOf(what.folder) };
    forgetHere(news);
    // Told twice: before, so that no process shares what it is reading; behind, so that none holds what it found meanwhile.
    const told = yield* wire.tell(tenant, news);
    const shrunk = yield* shared.forget(
      news.forget === "path" ? { path: news.path } : news.forget === "folder" ? { folder: news.path } : "all",
    );
    return told && shrunk && (yield* wire.tell(tenant, news));
  });

  const verified = Effect.fnUntraced(function* (path: string) {
    const { content: read, contradicts } = yield* reads.verified(path);
    if (contradicts) yield* forget({ path: read.path });
    return read;
  });

  return FileCache.of({
    read: (path, { verify } = {}) =>
      verify === "content"
        ? verified(path)
        : Effect.map(reads.read(path), (read) => ({ ...read, bytes: copyOf(read.bytes) })),
    content: (sha256) => Effect.map(content(sha256), (bytes) => (bytes === undefined ? undefined : copyOf(bytes))),
    forget,
    kept: reads.kept,
    counts: Effect.sync(countsNow),
    usage: Effect.map(shared.usage, (usage) =>
      usage._tag === "None"
        ? undefined
        : { values: usage.value.bucket.keys, bytes: usage.value.bucket.bytes + usage.value.objectBytes },
    ),
    reports: Effect.map(wire.gather(tenant), (reports) => reports.filter(({ cache }) => cache === "files")),
  });
});

/** A copy: the held bytes are given to other callers, under the hash of what they were. */
const copyOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

/** A path that can be none is forgotten as it is: nothing was read there. */
const pathOf = (given: string): string => {
  const path = DiskFile.fullPath(given);
  return typeof path === "string" ? path : given;
};

export const layer = (options: Options = {}) => Layer.effect(FileCache, make(options));
