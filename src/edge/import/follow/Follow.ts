/**
 * Follows transcripts: what agents write is in the log within a second.
 *
 * Room: edge.
 *
 * Promises: everything that is there is imported first, then what is added, each entry once; killed at any moment, nothing
 * is lost and nothing doubled, because the next run finds by content what the log has. A file of lines is read from where
 * it was read to; one that was replaced or written anew, a document and a database are read whole, and take at most a tenth
 * of a core (`restFactor`). Memory: the ids of at most `mostTails` files.
 */
import { Cause, Clock, Effect, FileSystem, Latch, Option, Random, Result } from "effect";
import { defaultTenant } from "../../../domain/History.ts";
import { EventLog } from "../../../log/EventLog.ts";
import { detect, unfinishedDocument, withPacking } from "../find/Detect.ts";
import { unfinishedLine } from "../cut/CutLines.ts";
import { isStore } from "../cut/ImportStore.ts";
import { type Found, foundOf } from "../find/FileWalk.ts";
import * as Siblings from "../find/Siblings.ts";
import { importPaths } from "../Importer.ts";
import type { ImportProgress, ImportReport, Kept, Refusal } from "../Report.ts";
import { fingerprintOf, type Stamp, type Stamps } from "../StampsSqlite.ts";
import { FolderWatch, type FollowRoot, type Watched, type WatchOptions } from "./FolderWatch.ts";
import { openTail, type Tail } from "./Tail.ts";

/** News of one file. */
export interface News {
  readonly path: string;
  /** New entries in the log. */
  readonly events: number;
  readonly bytes: number;
  readonly refused: ReadonlyArray<Refusal>;
  /** Lines that were kept as they came. */
  readonly kept: ReadonlyArray<Kept>;
  /** Epoch milliseconds. */
  readonly at: number;
}

export interface FollowOptions<E = never, R = never> {
  /** Roots to follow: asked again from time to time, because agents come. */
  readonly roots: Effect.Effect<ReadonlyArray<FollowRoot>, E, R>;
  readonly tenant?: string | undefined;
  readonly stamps?: Stamps | undefined;
  readonly onProgress?: ((progress: ImportProgress) => void) | undefined;
  /** Everything that was there is imported, and what comes is followed. */
  readonly onBegun?: ((report: ImportReport, watched: () => Watched) => void) | undefined;
  readonly onNews?: ((news: News) => void) | undefined;
  readonly watch?: Pick<WatchOptions, "pollAll" | "pollMillis" | "sweepMillis">;
}

/** Changes of this time are read together: an agent writes several lines at a time. */
const gatherMillis = 50;
/** Files of lines that are kept open, those that changed last; another one is read from its beginning when it grows again. */
const mostTails = 16;
/** Rest of what is read whole, as a multiple of the time that reading took; `mostRestMillis` at most. */
const restFactor = 9;
const mostRestMillis = 300_000;
/** A file that has not changed for so long gets its stamp. */
const settleMillis = 2_500;
/** Pause after a failure of the log or the disk, twice as long after each further one of the same file, up to the longest. */
const againMillis = 2_000;
const longestAgainMillis = 30_000;
/** Signatures that are remembered of what was read whole. */
const mostRead = 10_000;

const unfinished = new Set([unfinishedLine, unfinishedDocument]);

interface Settling {
  readonly at: number;
  /** Last reading of a file that is read whole: `signature` is how it was before. */
  readonly whole?: { readonly signature: string; readonly report: ImportReport } | undefined;
}

const infoOf = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem;
  return yield* fs.stat(path).pipe(Effect.option);
});

/** Signature that changes when a file, or a database with its log, is written to. */
const wholeSignature = Effect.fnUntraced(function* (path: string) {
  const parts = yield* Effect.forEach([path, `${path}-wal`], (file) =>
    Effect.map(
      infoOf(file),
      Option.match({
        onNone: () => "-",
        onSome: ({ ino, mtime, size }) =>
          `${size} ${Option.getOrUndefined(mtime)?.getTime()} ${Option.getOrElse(ino, () => 0)}`,
      }),
    ),
  );
  return parts.join(" | ");
});

const stampOf = (path: string, fingerprint: string, report: ImportReport): Stamp | undefined => {
  if (report.refused.length > 0) return undefined;
  const [format, counted] = Object.entries(report.formats)[0] ?? [null, undefined];
  return { path, fingerprint, format, entries: counted?.entries ?? 0, reason: report.skipped[0]?.reason ?? null };
};

interface FollowerOptions extends Pick<FollowOptions, "onNews" | "stamps"> {
  readonly log: EventLog["Service"];
  readonly siblings: Siblings.Siblings;
  readonly tenant: string;
  /** Unlike that of any other import that may run now. */
  readonly run: string;
}

class Follower {
  private readonly options: FollowerOptions;
  private readonly dirty = new Set<string>();
  private readonly latch = Latch.makeUnsafe(false);
  private readonly tails = new Map<string, Tail>();
  /** Earliest time at which a path may be read again. */
  private readonly resting = new Map<string, number>();
  private readonly settling = new Map<string, Settling>();
  /** Failures in a row, by path: the first of them is told. */
  private readonly failures = new Map<string, number>();
  private readonly read = new Map<string, string>();

  constructor(options: FollowerOptions) {
    this.options = options;
  }

  readonly changed = (path: string): void => {
    this.dirty.add(path);
    this.latch.openUnsafe();
  };

  /** Waits for a change, and reads what is due. */
  readonly step = Effect.fnUntraced({ self: this }, function* () {
    yield* this.wait();
    this.latch.closeUnsafe();
    yield* Effect.sleep(gatherMillis);
    const now = yield* Clock.currentTimeMillis;
    for (const path of Array.from(this.dirty)) {
      if ((this.resting.get(path) ?? 0) > now) continue;
      this.resting.delete(path);
      this.dirty.delete(path);
      yield* this.guarded(path, this.one(path));
    }
    for (const [path, settling] of Array.from(this.settling)) {
      if (settling.at > now || this.dirty.has(path)) continue;
      this.settling.delete(path);
      yield* this.guarded(path, this.settle(path, settling));
    }
  });

  private readonly wait = Effect.fnUntraced({ self: this }, function* () {
    const now = yield* Clock.currentTimeMillis;
    const dues = [...this.dirty].map((path) => this.resting.get(path) ?? now);
    for (const { at } of this.settling.values()) dues.push(at);
    if (dues.length === 0) return yield* this.latch.await;
    const due = Math.min(...dues) - now;
    if (due > 0) yield* this.latch.await.pipe(Effect.timeoutOption(due));
  });

  /** Runs an effect; a failure is tried again: nothing of the path is given up. */
  private guarded<E, R>(path: string, effect: Effect.Effect<void, E, R>) {
    return effect.pipe(
      Effect.andThen(Effect.sync(() => void this.failures.delete(path))),
      Effect.catchCause((cause) =>
        Effect.gen({ self: this }, function* () {
          if (Cause.hasInterruptsOnly(cause)) return yield* Effect.interrupt;
          const before = this.failures.get(path) ?? 0;
          this.failures.set(path, before + 1);
          this.tails.delete(path);
          this.dirty.add(path);
          const pause = Math.min(againMillis * 2 ** before, longestAgainMillis);
          this.resting.set(path, (yield* Clock.currentTimeMillis) + pause);
          const words = `${path} could not be followed; it is tried again until it can be`;
          yield* before === 0 ? Effect.logWarning(words, cause) : Effect.logDebug(words, cause);
          return undefined;
        }),
      ),
    );
  }

  private readonly one = Effect.fnUntraced({ self: this }, function* (path: string) {
    const info = yield* infoOf(path);
    if (Option.isNone(info) || info.value.type !== "File") {
      this.tails.delete(path);
      this.settling.delete(path);
      return;
    }
    const found = foundOf(path, info.value);
    const isTold = yield* this.drain(path, this.tails.get(path));
    if (isTold) return;
    this.tails.delete(path);
    const tail = yield* this.open(found);
    if (tail === undefined) return yield* this.whole(path);
    // Those that changed last are kept.
    this.tails.set(path, tail);
    for (const other of this.tails.keys()) if (this.tails.size > mostTails) this.tails.delete(other);
    if (!(yield* this.drain(path, tail))) this.changed(path);
  });

  /** True when the tail is of the file that is there now; what was added is in the log then. */
  private readonly drain = Effect.fnUntraced({ self: this }, function* (path: string, tail: Tail | undefined) {
    const drained = yield* tail?.drain ?? Effect.succeed("replaced" as const);
    if (drained === "replaced" || tail === undefined) return false;
    this.tails.delete(path);
    this.tails.set(path, tail);
    const at = yield* Clock.currentTimeMillis;
    this.settling.set(path, { at: at + settleMillis });
    this.tell({ path, at, ...drained });
    return true;
  });

  /** A file of lines that say whose they are; undefined for everything that is read whole. */
  private readonly open = Effect.fnUntraced({ self: this }, function* (found: Found) {
    const file = yield* withPacking(found);
    if (file.packing !== undefined || (yield* isStore(file))) return undefined;
    const detected = yield* detect(file, undefined);
    if (detected._tag !== "Lines") return undefined;
    const { log, run, siblings, tenant } = this.options;
    const format = yield* Siblings.formatBeside(siblings, file.path, detected.format);
    return yield* openTail({ log, run, siblings, file, format, tenant });
  });

  private readonly whole = Effect.fnUntraced({ self: this }, function* (path: string) {
    const signature = yield* wholeSignature(path);
    if (this.read.get(path) === signature) return;
    const started = yield* Clock.currentTimeMillis;
    const { stamps, tenant } = this.options;
    const report = yield* importPaths({ paths: [path], tenant, stamps }).pipe(
      // Gone meanwhile.
      Effect.catchTag("NothingToImport", () => Effect.succeed(undefined)),
    );
    if (report === undefined) return;
    this.read.delete(path);
    this.read.set(path, signature);
    if (this.read.size > mostRead) this.read.delete(this.read.keys().next().value ?? "");
    const at = yield* Clock.currentTimeMillis;
    this.resting.set(path, at + Math.min((at - started) * restFactor, mostRestMillis));
    this.settling.set(path, { at: at + settleMillis, whole: { signature, report } });
    this.tell({
      path,
      at,
      events: report.eventsAppended,
      bytes: report.bytes,
      refused: report.refused,
      kept: report.kept,
    });
  });

  /** A file at rest: its stamp, so that the next run does not read it; and its last line, where that never gets an end. */
  private readonly settle = Effect.fnUntraced({ self: this }, function* (path: string, { whole }: Settling) {
    const fingerprint = yield* fingerprintOf(path, yield* Clock.currentTimeMillis);
    if (fingerprint === undefined) return;
    if (whole !== undefined) {
      if ((yield* wholeSignature(path)) === whole.signature) yield* this.keep(stampOf(path, fingerprint, whole.report));
      return;
    }
    const tail = this.tails.get(path);
    const drained = yield* tail?.drain ?? Effect.succeed("replaced" as const);
    if (tail === undefined || drained === "replaced" || drained.bytes > 0) return this.changed(path);
    if (tail.isInside()) yield* this.whole(path);
    // Refusals are named again by the next run.
    else if (tail.isWhole())
      yield* this.keep({ path, fingerprint, format: tail.format, entries: tail.entries(), reason: null });
  });

  private readonly keep = Effect.fnUntraced({ self: this }, function* (stamp: Stamp | undefined) {
    const { log, stamps } = this.options;
    if (stamps === undefined || stamp === undefined) return;
    const { lastSequence } = yield* log.info;
    yield* Effect.ignore(Effect.try(() => stamps.keep([stamp], lastSequence)));
  });

  private tell(news: News): void {
    // A line that its writer has not finished comes by itself.
    const refused = news.refused.filter(({ reason }) => !unfinished.has(reason));
    if (news.events > 0 || refused.length > 0) this.options.onNews?.({ ...news, refused });
  }
}

/** Follows until it is interrupted. Fails only where what is there already cannot be imported. */
export const follow = Effect.fn("edge.follow")(function* <E, R>(options: FollowOptions<E, R>) {
  const { onNews, stamps, tenant = defaultTenant } = options;
  const log = yield* EventLog;
  const run = (yield* Random.nextIntBetween(0, 36 ** 8)).toString(36);
  const follower = new Follower({ log, run, siblings: yield* Siblings.make, onNews, stamps, tenant });
  const services = yield* Effect.context<R>();
  const roots = () =>
    Effect.runPromise(
      options.roots.pipe(
        Effect.provide(services),
        Effect.result,
        Effect.map((found) => (Result.isSuccess(found) ? found.success : [])),
      ),
    );
  let hasBegun = false;
  const early = new Set<string>();
  const watch = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new FolderWatch({
          ...options.watch,
          roots,
          onChange: (path) => (hasBegun ? follower.changed(path) : early.add(path)),
        }),
    ),
    (watching) => Effect.sync(() => watching.close()),
  );
  const paths = yield* Effect.promise(() => watch.begin());
  // Told by the listing; what changes from now on is told again.
  early.clear();
  const report = yield* importPaths({ paths, tenant, stamps, onProgress: options.onProgress });
  hasBegun = true;
  for (const path of early) follower.changed(path);
  options.onBegun?.(report, () => watch.watched());
  return yield* Effect.forever(follower.step());
}, Effect.scoped);
