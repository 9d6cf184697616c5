/**
 * The cache of file contents: read once, by whichever process, and never an old version for a new one.
 *
 * Room: coordination. In: snapshot (RecentlyUsed), CacheWire, Configuration, DiskFile, SharedFiles. Out: RecollectCache, edge.
 *
 * Promises, each a test in `test/contract/FileCacheContract.ts`, kept by every layer:
 * - what is given is what lies on the disk at some moment between call and answer, whoever read it before;
 * - of many who ask at once, one reads;
 * - a file that cannot be read is never cached, and one that is not there for a second;
 * - what is larger than a limit is refused or not kept, and what is held is bounded in bytes;
 * - after `forget` has returned true no process that is connected gives what it held before;
 * - with NATS away everything goes on from memory and disk.
 *
 * A hit looks at the file (1.5 µs) and compares its version; it never goes by time alone. Decision: no watching of files,
 * because a watch costs a handle for each folder, tells late, and on network file systems never.
 *
 * Which files may be read is not decided here: whoever calls it says so, before calling it. What is read is shared with
 * every process that may use the NATS server.
 */
import { Clock, Context, Effect, Layer, Semaphore } from "effect";
import { hostname } from "node:os";
import { RecentlyUsed } from "../snapshot/RecentlyUsed.ts";
import { CacheWire, type CacheReport, type News } from "./CacheWire.ts";
import { Configuration } from "./Configuration.ts";
import * as DiskFile from "./DiskFile.ts";
import type { FileError, Version } from "./DiskFile.ts";
import * as SharedFiles from "./SharedFiles.ts";
import { SingleFlight } from "./SingleFlight.ts";

export interface FileContent {
  /** From the root on. */
  readonly path: string;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
  /** The one copy of this process: not to be written to. */
  readonly bytes: Uint8Array;
  /** When it was changed last, epoch milliseconds, by the file system's clock. */
  readonly modifiedAt: number;
  /** Where it came from this time. */
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
  /** Of them, those who waited for a read that another had begun. */
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
    readonly read: (path: string) => Effect.Effect<FileContent, FileError>;
    /** Bytes of that hash, if any process has read them lately; undefined otherwise. */
    readonly content: (sha256: string) => Effect.Effect<Uint8Array | undefined>;
    /**
     * Nobody believes any longer what was read at a path, below a folder, or anywhere; contents by hash go with `all` only.
     * False: NATS is away, so that only this process has forgotten.
     */
    readonly forget: (what: Forgetting) => Effect.Effect<boolean>;
    /** Returns when what was read so far is shared, as far as it can be. */
    readonly kept: Effect.Effect<void>;
    readonly counts: Effect.Effect<FileCounts>;
    /** What is shared takes so much; undefined while NATS is away. */
    readonly usage: Effect.Effect<Usage | undefined>;
    /** What every process has counted. */
    readonly reports: Effect.Effect<ReadonlyArray<CacheReport>>;
  }
>()("recollect/coordination/FileCache") {}

export interface Options {
  /** What tells paths of one machine from those of another. Default: its host name. */
  readonly machine?: string | undefined;
}

/** What is known of a path takes about so much beside the path. */
const entryBytes = 300;
/** Paths known to this process: 16 MiB are some 40,000. */
const pathsMaxBytes = 16 * 1024 * 1024;
/** Names of missing files: 1 MiB is some 3,000, and each is worth a second. */
const missingMaxBytes = 1024 * 1024;
/** Contents on their way to what is shared; what is read beyond is not shared. */
const keepingAtOnce = 64;

interface Known {
  readonly version: Version;
  readonly sha256: string;
  readonly readAt: number;
}

interface Missing {
  readonly error: DiskFile.FileMissing;
  readonly until: number;
}

/** The tables of one process. Plain code: a hit is a look into them. */
class Held {
  readonly paths = new RecentlyUsed<Known>(pathsMaxBytes);
  readonly contents: RecentlyUsed<Uint8Array>;
  readonly missing = new RecentlyUsed<Missing>(missingMaxBytes);
  readonly counts = {
    reads: 0,
    fromProcess: 0,
    fromShared: 0,
    fromDisk: 0,
    knownMissing: 0,
    joined: 0,
    unsettled: 0,
    failed: 0,
  };
  /** Rises with whatever is forgotten: a read that began before is not believed. */
  generation = 0;

  constructor(maxBytes: number) {
    this.contents = new RecentlyUsed(maxBytes);
  }

  remember(path: string, known: Known, bytes: Uint8Array): void {
    this.missing.delete(path);
    if (bytes.length > this.contents.maxBytes / 2) return;
    this.contents.put(known.sha256, bytes, bytes.length);
    this.paths.put(path, known, path.length * 2 + entryBytes);
  }

  forget(news: News): void {
    this.generation++;
    if (news.forget === "files") {
      this.clear();
      this.contents.clear();
    } else if (news.forget === "path") {
      this.paths.delete(news.path);
      this.missing.delete(news.path);
    } else if (news.forget === "folder") {
      const below =
        news.path.endsWith("/") || news.path.endsWith("\\") ? [news.path] : [`${news.path}/`, `${news.path}\\`];
      for (const table of [this.paths, this.missing]) {
        for (const path of table.keys()) if (below.some((start) => path.startsWith(start))) table.delete(path);
      }
    }
  }

  /** Paths only: what a hash names never changes. */
  clear(): void {
    this.generation++;
    this.paths.clear();
    this.missing.clear();
  }
}

/** A read that is over: the content with its version, so that who joined late can tell whether it is still true. */
interface Read {
  readonly content: FileContent;
  readonly version: Version;
}

export const make = Effect.fn("cache.openFiles")(function* (options: Options = {}) {
  const wire = yield* CacheWire;
  const config = yield* Configuration;
  const clock = yield* Clock.Clock;
  const scope = yield* Effect.scope;
  const now = () => clock.currentTimeMillisUnsafe();
  const { tenant } = config;
  const held = new Held(yield* config.get("cache.files.processBytes"));
  const { counts } = held;
  const flights = new SingleFlight<Read, FileError>(scope);
  const keeping = yield* Semaphore.make(keepingAtOnce);
  let underway = 0;
  const shared = yield* SharedFiles.make({
    wire,
    tenant,
    machine: options.machine ?? hostname(),
    ends: Effect.all({ ttlMillis: config.get("cache.files.ttlMillis"), maxBytes: config.get("cache.files.maxBytes") }),
    now,
  });

  const reportOf = (): FileCounts => ({
    ...counts,
    forgotten: held.contents.forgotten,
    sharedFailures: shared.failures(),
    contents: held.contents.size,
    bytes: held.contents.bytes,
  });

  const forgetHere = (news: News) => {
    if (news.forget === "responses") return;
    held.forget(news);
    flights.part();
  };

  yield* wire.listen({
    tenant,
    heard: forgetHere,
    missed: () => {
      held.clear();
      flights.part();
    },
    report: () => ({
      process: `${options.machine ?? hostname()} ${process.pid}`,
      cache: "files",
      counts: { ...reportOf() },
    }),
  });

  /** Nobody waits for it. */
  const share = (file: Parameters<typeof shared.keep>[0]) =>
    Effect.suspend(() => {
      if (underway >= keepingAtOnce) return Effect.void;
      underway++;
      const done = Effect.ensuring(
        keeping.withPermit(shared.keep(file)),
        Effect.sync(() => underway--),
      );
      return Effect.asVoid(Effect.forkIn(done, scope, { startImmediately: true }));
    });

  const fromDisk = Effect.fnUntraced(function* (path: string, revision: number, generation: number) {
    const { bytes, isWhole, version } = yield* DiskFile.read(path);
    const sha256 = SharedFiles.digestOf(bytes);
    if (isWhole && DiskFile.isSettled(version, now())) {
      if (generation === held.generation) {
        held.remember(path, { version, sha256, readAt: now() }, bytes);
        yield* share({ path, version, sha256, bytes, revision });
      }
    } else counts.unsettled++;
    return { content: { path, sha256, bytes, modifiedAt: version.modifiedAt, from: "disk" as const }, version };
  });

  /** First what is shared, because it was asked for; a file that changed lately is nobody's but the disk's. */
  const load = Effect.fnUntraced(function* (path: string): Effect.fn.Return<Read, FileError> {
    const { generation } = held;
    const version = DiskFile.look(path);
    if ("_tag" in version) return yield* version;
    if (!DiskFile.isSettled(version, now())) return yield* fromDisk(path, 0, generation);
    const found = yield* shared.find(path, version);
    if (found?.file === undefined || !DiskFile.mayRead(path))
      return yield* fromDisk(path, found?.revision ?? 0, generation);
    const { bytes, sha256 } = found.file;
    const after = DiskFile.look(path);
    if ("_tag" in after || !DiskFile.isSame(after, version)) return yield* fromDisk(path, found.revision, generation);
    if (generation === held.generation) held.remember(path, { version, sha256, readAt: now() }, bytes);
    return { content: { path, sha256, bytes, modifiedAt: version.modifiedAt, from: "shared" as const }, version };
  });

  /** From memory, if the file is still the one that was read. */
  const fromProcess = (path: string, at: number, ttlMillis: number): FileContent | undefined => {
    const known = held.paths.use(path);
    if (known === undefined) return undefined;
    const bytes = at - known.readAt < ttlMillis ? held.contents.use(known.sha256) : undefined;
    const version = bytes === undefined ? undefined : DiskFile.look(path);
    if (bytes === undefined || version === undefined || "_tag" in version || !DiskFile.isSame(version, known.version)) {
      held.paths.delete(path);
      return undefined;
    }
    return { path, sha256: known.sha256, bytes, modifiedAt: version.modifiedAt, from: "process" };
  };

  const failed = (error: FileError, path: string, missingMillis: number): void => {
    counts.failed++;
    if (error._tag !== "FileMissing" || missingMillis === 0) return;
    held.missing.put(path, { error, until: now() + missingMillis }, path.length * 2 + entryBytes);
  };

  /** A flight that was joined may have read the file before we asked: then it is read once more. */
  const flown = Effect.fnUntraced(function* (path: string): Effect.fn.Return<FileContent, FileError> {
    for (;;) {
      const { isJoined, value } = yield* flights.once(path, load(path));
      if (isJoined) {
        const version = DiskFile.look(path);
        if ("_tag" in version || !DiskFile.isSame(version, value.version)) continue;
        counts.joined++;
      }
      if (value.content.from === "shared") counts.fromShared++;
      else counts.fromDisk++;
      return value.content;
    }
  });

  const read = Effect.fnUntraced(function* (given: string): Effect.fn.Return<FileContent, FileError> {
    const path = DiskFile.fullPath(given);
    if (typeof path !== "string") return yield* path;
    counts.reads++;
    const at = now();
    const found = fromProcess(path, at, yield* config.get("cache.files.ttlMillis"));
    if (found !== undefined) {
      counts.fromProcess++;
      return found;
    }
    const missing = held.missing.peek(path);
    if (missing !== undefined && at < missing.until) {
      counts.knownMissing++;
      return yield* missing.error;
    }
    held.contents.maxBytes = yield* config.get("cache.files.processBytes");
    const missingMillis = yield* config.get("cache.files.missingMillis");
    return yield* flown(path).pipe(Effect.tapError((error) => Effect.sync(() => failed(error, path, missingMillis))));
  });

  const content = Effect.fnUntraced(function* (sha256: string) {
    const here = held.contents.use(sha256);
    if (here !== undefined || !/^[0-9a-f]{64}$/.test(sha256)) return here;
    const bytes = yield* shared.bySha(sha256);
    if (bytes !== undefined && bytes.length <= held.contents.maxBytes / 2)
      held.contents.put(sha256, bytes, bytes.length);
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
    // Told twice: before, so that nobody shares what it is reading; behind, so that nobody holds what it found meanwhile.
    const told = yield* wire.tell(tenant, news);
    const shrunk = yield* shared.forget(
      news.forget === "path" ? { path: news.path } : news.forget === "folder" ? { folder: news.path } : "all",
    );
    return told && shrunk && (yield* wire.tell(tenant, news));
  });

  return FileCache.of({
    read,
    content,
    forget,
    kept: keeping.withPermits(keepingAtOnce)(Effect.void),
    counts: Effect.sync(reportOf),
    usage: Effect.map(shared.usage, (usage) =>
      usage._tag === "None"
        ? undefined
        : { values: usage.value.bucket.keys, bytes: usage.value.bucket.bytes + usage.value.objectBytes },
    ),
    reports: Effect.map(wire.gather(tenant), (reports) => reports.filter(({ cache }) => cache === "files")),
  });
});

/** A path that can be none is forgotten as it is: nothing was read there. */
const pathOf = (given: string): string => {
  const path = DiskFile.fullPath(given);
  return typeof path === "string" ? path : given;
};

export const layer = (options: Options = {}) => Layer.effect(FileCache, make(options));
