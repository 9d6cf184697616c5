/**
 * Reading a file through the layers: this process's memory, what processes share, the disk.
 *
 * Room: coordination.
 */
import { Effect, Result, type Scope, Semaphore } from "effect";
import type { Configuration } from "../config/Configuration.ts";
import * as DiskFile from "./DiskFile.ts";
import type { FileError, Version } from "./DiskFile.ts";
import type { FileContent } from "./FileCache.ts";
import type { HeldFiles } from "./HeldFiles.ts";
import { policyHere } from "../../publish/storing/StoragePolicy.ts";
import * as SharedFiles from "./SharedFiles.ts";
import { SingleFlight } from "./SingleFlight.ts";

/** Contents on their way to what is shared; what is read beyond is not shared. */
const keepingAtOnce = 64;

/** A read that is over: the content with its version, so that a caller that joined late can tell that it is still true. */
interface Read {
  readonly content: FileContent;
  readonly version: Version;
}

export const make = Effect.fnUntraced(function* (options: {
  readonly config: Configuration["Service"];
  readonly held: HeldFiles;
  readonly shared: Effect.Success<ReturnType<typeof SharedFiles.make>>;
  readonly scope: Scope.Scope;
  /** Epoch milliseconds. */
  readonly now: () => number;
}) {
  const { config, held, now, scope, shared } = options;
  const { counts } = held;
  const policy = yield* policyHere;
  const flights = new SingleFlight<Read, FileError>(scope);
  const keeping = yield* Semaphore.make(keepingAtOnce);
  let underway = 0;

  const holdsSecret = (bytes: Uint8Array): boolean => {
    const { stored } = policy();
    return stored !== undefined && stored.bytes(bytes) !== bytes;
  };

  /** Behind the answer. */
  const share = (file: Parameters<typeof shared.keep>[0]) =>
    Effect.suspend(() => {
      // A file without its secret would be another file: it stays in the processes that read it.
      if (underway >= keepingAtOnce || holdsSecret(file.bytes)) return Effect.void;
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

  /**
   * First what is shared: the bytes of the version that lay there at the look. A file that changed lately is read from the
   * disk.
   */
  const load = Effect.fnUntraced(function* (path: string): Effect.fn.Return<Read, FileError> {
    const { generation } = held;
    const version = DiskFile.look(path);
    if ("_tag" in version) return yield* version;
    if (!DiskFile.isSettled(version, now())) return yield* fromDisk(path, 0, generation);
    const found = yield* shared.find(path, version);
    if (found?.file === undefined || !DiskFile.mayRead(path))
      return yield* fromDisk(path, found?.revision ?? 0, generation);
    const { bytes, sha256 } = found.file;
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
    const since = now();
    held.isMissing(path, { error, since, until: since + missingMillis });
  };

  /** A flight that was joined may have looked at the file before we asked: then it is asked once more. */
  const flown = Effect.fnUntraced(function* (path: string): Effect.fn.Return<FileContent, FileError> {
    for (;;) {
      const landed = yield* Effect.result(flights.once(path, load(path)));
      const version = Result.isSuccess(landed) && !landed.success.isJoined ? undefined : DiskFile.look(path);
      if (Result.isFailure(landed)) {
        if (version === undefined || "_tag" in version || landed.failure._tag !== "FileMissing")
          return yield* landed.failure;
        continue;
      }
      const { isJoined, value } = landed.success;
      if (isJoined && version !== undefined) {
        if ("_tag" in version || !DiskFile.isSame(version, value.version)) continue;
        counts.joined++;
      }
      if (value.content.from === "shared") counts.fromShared++;
      else counts.fromDisk++;
      return value.content;
    }
  });

  /**
   * The bytes on the disk, whatever is known of the version. `contradicts`: this process or what is shared has another
   * content of the same version.
   */
  const verified = Effect.fnUntraced(function* (path: string) {
    const looked = DiskFile.look(path);
    const found = "_tag" in looked ? undefined : yield* shared.find(path, looked);
    const { bytes, version } = yield* DiskFile.read(path);
    const sha256 = SharedFiles.digestOf(bytes);
    const known = held.paths.peek(path);
    const isOther = (of: Version | undefined, other: string | undefined): boolean =>
      of !== undefined && other !== undefined && DiskFile.isSame(of, version) && other !== sha256;
    const contradicts =
      isOther(known?.version, known?.sha256) || isOther("_tag" in looked ? undefined : looked, found?.file?.sha256);
    counts.fromDisk++;
    const content: FileContent = { path, sha256, bytes, modifiedAt: version.modifiedAt, from: "disk" };
    return { content, contradicts };
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
    if (missing !== undefined && at >= missing.since && at < missing.until) {
      counts.knownMissing++;
      return yield* missing.error;
    }
    held.contents.maxBytes = yield* config.get("cache.files.processBytes");
    const missingMillis = yield* config.get("cache.files.missingMillis");
    return yield* flown(path).pipe(Effect.tapError((error) => Effect.sync(() => failed(error, path, missingMillis))));
  });

  return {
    read,
    verified: Effect.fnUntraced(function* (given: string) {
      const path = DiskFile.fullPath(given);
      if (typeof path !== "string") return yield* path;
      counts.reads++;
      return yield* Effect.tapError(verified(path), () => Effect.sync(() => counts.failed++));
    }),
    /** Returns when what was read so far is shared, as far as it can be. */
    kept: keeping.withPermits(keepingAtOnce)(Effect.void),
    /** Later callers read anew. */
    part: () => flights.part(),
  };
});
