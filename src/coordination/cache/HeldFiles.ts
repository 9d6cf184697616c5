/**
 * Files that one process holds: contents by hash, versions and absences by path.
 *
 * Room: coordination.
 *
 * Plain code: a hit is a look into these tables.
 */
import { RecentlyUsed } from "../../snapshot/RecentlyUsed.ts";
import type { News } from "./CacheSharing.ts";
import type { Version } from "./DiskFile.ts";
import type { FileMissing } from "./FileErrors.ts";

/** Memory of what is known of a path, beside the path. */
const entryBytes = 300;
/** Paths known to this process: 16 MiB are some 40,000. */
const pathsMaxBytes = 16 * 1024 * 1024;
/** Names of missing files: 1 MiB is some 3,000, and each is worth a second. */
const missingMaxBytes = 1024 * 1024;

export interface Known {
  readonly version: Version;
  readonly sha256: string;
  readonly readAt: number;
}

interface Missing {
  readonly error: FileMissing;
  /** Before it, the clock was set back: nothing is known of that time. */
  readonly since: number;
  readonly until: number;
}

export class HeldFiles {
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
    if (this.keep(known.sha256, bytes)) this.paths.put(path, known, path.length * 2 + entryBytes);
  }

  /** One content must not drop all others. */
  keep(sha256: string, bytes: Uint8Array): boolean {
    if (bytes.length > this.contents.maxBytes / 2) return false;
    this.contents.put(sha256, bytes, bytes.length);
    return true;
  }

  isMissing(path: string, missing: Missing): void {
    this.missing.put(path, missing, path.length * 2 + entryBytes);
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
