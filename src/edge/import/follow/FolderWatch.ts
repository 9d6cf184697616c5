/**
 * Folders that are watched: tells each file that appears or changes below some roots.
 *
 * Room: edge.
 *
 * Files at rest cost nothing: the system says what changes (`node:fs` watch, one watch a folder). Where it does not, folders
 * are polled: on network and FUSE file systems, whose writers may be on another machine, and where the system has no watch
 * left (Linux: `fs.inotify.max_user_watches`). A sweep finds what no watch told: a queue of the system that ran over, a
 * root that was not there before.
 *
 * Plain promises, because every callback here comes from `node:fs`.
 */
import { existsSync, type FSWatcher, type Stats, watch } from "node:fs";
import * as fsp from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";

/** A file or folder to follow. */
export interface FollowRoot {
  readonly path: string;
  /** Agent of the transcripts, for people; absent for a path that a person named. */
  readonly agent?: string | undefined;
  /** Pattern of the files below that count, for the path from the root with `/`; absent: every file. */
  readonly isTranscript?: RegExp | undefined;
}

export interface WatchOptions {
  /** The roots as they are now: asked at the beginning and at each sweep. */
  readonly roots: () => Promise<ReadonlyArray<FollowRoot>>;
  readonly onChange: (path: string) => void;
  /** Poll interval of what cannot be watched. */
  readonly pollMillis?: number;
  /** Interval of the sweeps. */
  readonly sweepMillis?: number;
  /** Polls everything, as if nothing could be watched. */
  readonly pollAll?: boolean;
}

/** Five minutes: 5,000 files are looked at in about 0.1 s, 0.03 % of a core. */
const usualSweepMillis = 300_000;
const usualPollMillis = 1000;
/** Polled files that changed within this time are looked at each interval; all others so rarely that it takes 2 % of a core. */
const hotMillis = 600_000;
const coldFactor = 50;
/** Deepest folder below a root. */
const maxDepth = 64;

const ignoredFolders = new Set([".git", "node_modules"]);

/** NFS, SMB, CIFS, FUSE, 9p (`statfs(2)`): who writes there may be another machine. */
const remoteTypes = new Set([0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x65735546, 0x01021997]);

/** Files that SQLite keeps beside a database: a change of one is a change of the database. */
const besideDatabase = /-(?:wal|journal|shm)$/;

/** A change seen by size, time of content and inode. */
const signatureOf = (info: { readonly size: number; readonly mtimeMs: number; readonly ino: number }): string =>
  `${info.size}:${info.mtimeMs}:${info.ino}`;

const identityOf = ({ dev, ino }: Stats): string => `${dev}:${ino}`;

interface Folder {
  readonly root: FollowRoot;
  readonly depth: number;
  /** Device and inode: two disks number theirs alike. */
  readonly identity: string;
  readonly watcher: FSWatcher | undefined;
}

/** Description of what is followed, for people. */
export interface Watched {
  readonly roots: ReadonlyArray<FollowRoot>;
  readonly files: number;
  readonly folders: number;
  /** Folders that are polled. */
  readonly polled: number;
}

export class FolderWatch {
  private readonly options: WatchOptions;
  private roots: ReadonlyArray<FollowRoot> = [];
  private readonly folders = new Map<string, Folder>();
  private readonly polled = new Set<string>();
  /** Signatures of the files as they were seen last. */
  private readonly files = new Map<string, string>();
  /** The same of what lies beside followed databases. */
  private readonly beside = new Map<string, string>();
  private readonly hot = new Map<string, number>();
  private readonly timers: Array<NodeJS.Timeout> = [];
  private isClosed = false;
  private isSweeping = false;
  private coldAt = 0;

  constructor(options: WatchOptions) {
    this.options = options;
  }

  /** Begins to watch, and gives all files that are there. */
  async begin(): Promise<ReadonlyArray<string>> {
    this.roots = await this.options.roots();
    for (const root of this.roots) await this.enterRoot(root);
    const every = (millis: number, act: () => Promise<void>): void => {
      const timer = setInterval(() => void act().catch(() => undefined), millis);
      timer.unref();
      this.timers.push(timer);
    };
    every(this.options.sweepMillis ?? usualSweepMillis, () => this.sweep());
    every(this.options.pollMillis ?? usualPollMillis, () => this.poll());
    return [...this.files.keys()];
  }

  watched(): Watched {
    return { roots: this.roots, files: this.files.size, folders: this.folders.size, polled: this.polled.size };
  }

  close(): void {
    this.isClosed = true;
    for (const timer of this.timers) clearInterval(timer);
    for (const { watcher } of this.folders.values()) watcher?.close();
    this.folders.clear();
  }

  /** Looks at every file, and tells those that are not as they were. */
  async sweep(): Promise<void> {
    if (this.isSweeping) return;
    this.isSweeping = true;
    try {
      this.roots = await this.options.roots();
      for (const root of this.roots) await this.enterRoot(root);
      for (const [folder, { depth, root }] of this.folders) await this.list(folder, root, depth);
    } finally {
      this.isSweeping = false;
    }
  }

  private async poll(): Promise<void> {
    if (this.polled.size === 0 || this.isSweeping) return;
    this.isSweeping = true;
    try {
      const now = performance.now();
      for (const [path, at] of this.hot) {
        if (now - at > hotMillis) this.hot.delete(path);
        else await this.look(path);
      }
      if (now < this.coldAt) return;
      for (const folder of this.polled) await this.listKnown(folder);
      const took = performance.now() - now;
      this.coldAt = now + took * coldFactor;
    } finally {
      this.isSweeping = false;
    }
  }

  private async enterRoot(root: FollowRoot): Promise<void> {
    const info = await fsp.stat(root.path).catch(() => undefined);
    if (info === undefined) return;
    // A single file is told by its folder.
    if (info.isFile()) await this.enter(dirname(root.path), { ...root, path: dirname(root.path) }, 0, true);
    else if (info.isDirectory()) await this.enter(root.path, root, 0, false);
  }

  private async enter(folder: string, root: FollowRoot, depth: number, isFlat: boolean): Promise<void> {
    if (this.isClosed || depth > maxDepth) return;
    const info = await fsp.stat(folder).catch(() => undefined);
    if (info === undefined || !info.isDirectory()) return;
    const known = this.folders.get(folder);
    const reach = isFlat ? maxDepth : depth;
    const identity = identityOf(info);
    if (known?.identity === identity && known.depth <= reach)
      return isFlat ? this.list(folder, root, maxDepth) : undefined;
    known?.watcher?.close();
    // Watched first and listed then, so that nothing falls between.
    const watcher = await this.watching(folder);
    this.keep(folder, { root, depth: reach, identity, watcher });
    await this.list(folder, root, reach);
  }

  private keep(path: string, folder: Folder): void {
    this.folders.set(path, folder);
    if (folder.watcher === undefined) this.polled.add(path);
    else this.polled.delete(path);
  }

  private async watching(folder: string): Promise<FSWatcher | undefined> {
    if (this.options.pollAll === true) return undefined;
    const system = await fsp.statfs(folder).catch(() => undefined);
    if (system !== undefined && remoteTypes.has(system.type)) return undefined;
    try {
      const watcher = watch(folder, { persistent: false }, (_, name) => {
        if (name === null) return void this.listKnown(folder);
        // The system names the folder itself when that is gone.
        if (name === basename(folder)) void this.renew(folder);
        void this.look(join(folder, name));
      });
      watcher.on("error", () => this.unwatched(folder, watcher));
      return watcher;
    } catch {
      return undefined;
    }
  }

  /** Watches what is at the folder's place by now: a new folder there may have the old one's inode. */
  private async renew(folder: string): Promise<void> {
    const known = this.folders.get(folder);
    if (known === undefined || this.isClosed) return;
    known.watcher?.close();
    this.folders.delete(folder);
    if (existsSync(folder)) await this.enter(folder, known.root, known.depth, false);
    else this.forget(folder);
  }

  /** The system does not watch it any longer: it is polled from now on, or gone. */
  private unwatched(folder: string, watcher: FSWatcher): void {
    watcher.close();
    const known = this.folders.get(folder);
    if (known?.watcher === watcher) this.keep(folder, { ...known, watcher: undefined });
  }

  private async listKnown(folder: string): Promise<void> {
    const known = this.folders.get(folder);
    if (known !== undefined) await this.list(folder, known.root, known.depth);
  }

  /** Looks at what is in a folder: enters new folders, tells files that are not as they were. */
  private async list(folder: string, root: FollowRoot, depth: number): Promise<void> {
    const entries = await fsp.readdir(folder, { withFileTypes: true }).catch(() => undefined);
    if (entries === undefined) return this.forget(folder);
    for (const entry of entries) {
      if (this.isClosed) return;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (depth < maxDepth && !ignoredFolders.has(entry.name)) await this.enter(path, root, depth + 1, false);
      } else if (entry.isFile()) {
        if (this.isFollowed(path) || this.databaseOf(path) !== undefined) await this.look(path);
      } else if (entry.isSymbolicLink()) await this.followLink(path, root, depth);
    }
  }

  /** A link to a file counts; one to a folder does where a person named the root: agents make none. */
  private async followLink(path: string, root: FollowRoot, depth: number): Promise<void> {
    const info = await fsp.stat(path).catch(() => undefined);
    if (info?.isFile() === true && this.isFollowed(path)) return this.look(path);
    if (info?.isDirectory() !== true || root.isTranscript !== undefined || depth >= maxDepth) return;
    const isKnown = [...this.folders.values()].some(({ identity }) => identity === identityOf(info));
    if (!isKnown) await this.enter(path, root, depth + 1, false);
  }

  private isFollowed(path: string): boolean {
    return this.roots.some((root) => {
      if (path === root.path) return true;
      const below = root.path.endsWith(sep) ? root.path : `${root.path}${sep}`;
      if (!path.startsWith(below)) return false;
      const inside = path.slice(below.length).split(sep).join("/");
      return root.isTranscript?.test(inside) ?? !besideDatabase.test(inside);
    });
  }

  /** Something was said of a path: what is there now decides. */
  private async look(path: string): Promise<void> {
    if (this.isClosed) return;
    const info = await fsp.stat(path).catch(() => undefined);
    const database = this.databaseOf(path);
    if (database !== undefined) return this.lookBeside(path, database, info);
    if (info === undefined) return this.forget(path);
    if (info.isDirectory()) {
      const above = this.folders.get(dirname(path));
      if (above !== undefined && above.depth < maxDepth) await this.enter(path, above.root, above.depth + 1, false);
      return;
    }
    if (!info.isFile() || !this.isFollowed(path)) return;
    const signature = signatureOf(info);
    if (this.files.get(path) === signature) return;
    this.files.set(path, signature);
    this.tell(path);
  }

  /** Path of the followed database that a file lies beside. */
  private databaseOf(path: string): string | undefined {
    const base = path.replace(besideDatabase, "");
    return base !== path && this.isFollowed(base) ? base : undefined;
  }

  private lookBeside(path: string, database: string, info: Stats | undefined): void {
    const signature = info === undefined ? "" : signatureOf(info);
    const before = this.beside.get(path) ?? "";
    if (before === signature) return;
    if (info === undefined) this.beside.delete(path);
    else this.beside.set(path, signature);
    this.hot.set(path, performance.now());
    this.tell(database);
  }

  private tell(path: string): void {
    this.hot.set(path, performance.now());
    this.options.onChange(path);
  }

  /** Neither file nor folder of that name is there any more. */
  private forget(path: string): void {
    if (this.files.delete(path)) this.options.onChange(path);
    this.hot.delete(path);
    const below = `${path}${sep}`;
    for (const [folder, { watcher }] of this.folders) {
      if (folder !== path && !folder.startsWith(below)) continue;
      watcher?.close();
      this.folders.delete(folder);
      this.polled.delete(folder);
    }
    if (this.files.size === 0) return;
    for (const file of this.files.keys()) if (file.startsWith(below)) this.forget(file);
  }
}
