/**
 * The journal of a wrapped session: what passed, on this machine's disk from the first byte on.
 *
 * Room: edge.
 *
 * Plain Node, because it is written by the proxy, before the recorder is there and whatever becomes of it. Every chunk is
 * in the system's hands when `passed` returns, so a killed process loses none; it is synced every 200 ms and at the end,
 * so a machine without power loses less than the last second. When the recorder has everything in the log or the spool,
 * the file goes; else the next recorder or the daemon reads it (`Replay`). Event ids follow from session and place, so
 * what was recorded before is there once.
 *
 * A frame: type (1 byte), epoch milliseconds and monotonic milliseconds (8 bytes each), length and CRC-32 of the payload
 * (4 bytes each), payload. The first is the header, JSON.
 */
import * as fs from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { crc32 } from "node:zlib";
import type { Ended, RecorderOptions } from "./Messages.ts";
import type { State } from "./Protocol.ts";
import type { Direction, Moment } from "./Traffic.ts";

const suffix = ".journal";
const syncMillis = 200;
/** A journal of so much is begun anew as soon as all of it is recorded. */
const restartBytes = 8 * 1024 * 1024;
const headBytes = 25;

/** Header of a journal. */
export interface Header {
  readonly recollect: "wrap";
  readonly version: 1;
  readonly pid: number;
  /** Tells the process from a later one of the same id; empty where the system does not say. */
  readonly commandLine: string;
  readonly options: RecorderOptions;
  /** State that was seen when the journal was begun anew. */
  readonly state: State | undefined;
}

export type Frame =
  | { readonly _tag: "Chunk"; readonly direction: Direction; readonly bytes: Buffer; readonly at: Moment }
  | { readonly _tag: "Ended"; readonly ended: Ended; readonly at: Moment };

const types = { header: 0, toServer: 1, toClient: 2, ended: 3 } as const;

/** As `DataFolder.locate` has it, for a process without Effect. */
export const dataFolder = (given: string | undefined, env: NodeJS.ProcessEnv = process.env): string => {
  const chosen = given ?? env["RECOLLECT_DATA"] ?? "";
  if (chosen !== "") return resolve(chosen);
  const xdg = env["XDG_DATA_HOME"] ?? "";
  if (isAbsolute(xdg)) return join(xdg, "recollect");
  const local = env["LOCALAPPDATA"] ?? "";
  if (process.platform === "win32" && isAbsolute(local)) return join(local, "recollect", "data");
  return join(env["HOME"] || homedir(), ".local/share", "recollect");
};

export const journalsIn = (root: string): string => join(root, "wrapped");

const head = (type: number, { epochMillis, monotonicMillis }: Moment, payload: Uint8Array): Buffer => {
  const bytes = Buffer.allocUnsafe(headBytes);
  bytes.writeUInt8(type, 0);
  bytes.writeDoubleBE(epochMillis, 1);
  bytes.writeDoubleBE(monotonicMillis, 9);
  bytes.writeUInt32BE(payload.byteLength, 17);
  bytes.writeUInt32BE(crc32(payload), 21);
  return bytes;
};

/** The disk keeps no password: whoever records the journal has the credentials, or the spool has to wait for who has. */
const withoutCredentials = (url: string | undefined): string | undefined => url?.replace(/\/\/[^/@,]*@/g, "//");

const commandLine = (): string => {
  try {
    return fs.readFileSync("/proc/self/cmdline", "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
};

export class Journal {
  readonly path: string;
  readonly #options: RecorderOptions;
  #descriptor: number | undefined;
  #size = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Reason that the disk refuses it. */
  problem: string | undefined;

  constructor(root: string, options: RecorderOptions) {
    this.path = join(journalsIn(root), `${options.sessionId}${suffix}`);
    this.#options = { ...options, url: withoutCredentials(options.url ?? process.env["RECOLLECT_NATS_URL"]) };
    this.#try(() => {
      fs.mkdirSync(journalsIn(root), { recursive: true, mode: 0o700 });
      this.#begin(undefined);
    });
  }

  passed(direction: Direction, chunk: Uint8Array, at: Moment): void {
    this.#try(() => this.#write(types[direction], at, chunk));
  }

  ended(ended: Ended, at: Moment): void {
    this.#try(() => {
      this.#write(types.ended, at, Buffer.from(JSON.stringify(ended)));
      if (this.#descriptor !== undefined) fs.fdatasyncSync(this.#descriptor);
    });
  }

  /** Everything so far is recorded, and this is what was seen: a large journal begins anew from there. */
  settled(state: State): void {
    if (this.#size < restartBytes) return;
    this.#try(() => {
      const before = this.#descriptor;
      this.#begin(state);
      if (before !== undefined) fs.closeSync(before);
    });
  }

  /** All of it is recorded. */
  remove(): void {
    this.close();
    fs.rmSync(this.path, { force: true });
  }

  close(): void {
    clearTimeout(this.#timer);
    if (this.#descriptor !== undefined) fs.closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #begin(state: State | undefined): void {
    const next = `${this.path}.next`;
    this.#descriptor = fs.openSync(next, "w", 0o600);
    this.#size = 0;
    const [pid, options] = [process.pid, this.#options];
    const header: Header = { recollect: "wrap", version: 1, pid, commandLine: commandLine(), options, state };
    this.#write(types.header, this.#options.started, Buffer.from(JSON.stringify(header)));
    fs.fdatasyncSync(this.#descriptor);
    fs.renameSync(next, this.path);
  }

  #write(type: number, at: Moment, payload: Uint8Array): void {
    if (this.#descriptor === undefined) return;
    const parts = [head(type, at, payload), payload];
    const bytes = headBytes + payload.byteLength;
    const written = fs.writevSync(this.#descriptor, parts);
    // A disk that takes a part only takes no more: the frame's rest would begin nowhere.
    if (written < bytes) throw new Error("the disk is full");
    this.#size += bytes;
    this.#timer ??= setTimeout(() => this.#sync(), syncMillis).unref();
  }

  #sync(): void {
    this.#timer = undefined;
    if (this.#descriptor !== undefined) fs.fdatasync(this.#descriptor, () => undefined);
  }

  /** A disk that failed once is not asked again: a journal with a hole would tell another story. */
  #try(use: () => void): void {
    if (this.problem !== undefined) return;
    try {
      use();
    } catch (cause) {
      this.problem = cause instanceof Error ? cause.message : String(cause);
    }
  }
}

/** The journals of a data folder; none where there is no folder. */
export const journals = (root: string): ReadonlyArray<string> => {
  try {
    return fs
      .readdirSync(journalsIn(root))
      .filter((name) => name.endsWith(suffix))
      .toSorted()
      .map((name) => join(journalsIn(root), name));
  } catch {
    return [];
  }
};

interface Read {
  readonly type: number;
  readonly at: Moment;
  readonly payload: Buffer;
}

/** Frames one by one: of a journal whose process was killed in the middle of one, all before it. */
const framesOf = function* (descriptor: number): Generator<Read> {
  const front = Buffer.allocUnsafe(headBytes);
  for (;;) {
    if (fs.readSync(descriptor, front, 0, headBytes, null) < headBytes) return;
    const length = front.readUInt32BE(17);
    // No frame is longer than its file: a damaged length takes no memory.
    if (length > fs.fstatSync(descriptor).size) return;
    const payload = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < payload.byteLength) {
      const more = fs.readSync(descriptor, payload, filled, payload.byteLength - filled, null);
      if (more === 0) return;
      filled += more;
    }
    if (crc32(payload) !== front.readUInt32BE(21)) return;
    const at = { epochMillis: front.readDoubleBE(1), monotonicMillis: front.readDoubleBE(9) };
    yield { type: front.readUInt8(0), at, payload };
  }
};

const asFrame = ({ at, payload, type }: Read): Frame =>
  type === types.ended
    ? { _tag: "Ended", ended: JSON.parse(payload.toString("utf8")), at }
    : { _tag: "Chunk", direction: type === types.toServer ? "toServer" : "toClient", bytes: payload, at };

const headerOf = (first: IteratorResult<Read>): Partial<Header> | undefined =>
  first.done === true || first.value.type !== types.header ? undefined : JSON.parse(first.value.payload.toString());

/** A journal that is read; its file is open until its frames have been read, or it is closed. */
export interface Opened {
  readonly header: Header;
  /** Read once. */
  readonly frames: Iterable<Frame>;
  /** Twice is once. */
  readonly close: () => void;
}

/** Opens a journal; undefined when it is none that this version can read. */
export const open = (path: string): Opened | undefined => {
  const descriptor = fs.openSync(path, "r");
  let isOpen = true;
  const close = (): void => {
    if (isOpen) fs.closeSync(descriptor);
    isOpen = false;
  };
  try {
    const read = framesOf(descriptor);
    const header = headerOf(read.next());
    if (header?.recollect !== "wrap" || header.version !== 1) {
      close();
      return undefined;
    }
    const frames = (function* () {
      try {
        for (const one of read) yield asFrame(one);
      } finally {
        close();
      }
    })();
    return { header: header as Header, frames, close };
  } catch (cause) {
    close();
    throw cause;
  }
};

/** Longest frame of an end, in bytes: a code and a signal. */
const mostEndBytes = 1024;

/**
 * True where the last bytes may be the frame of an end. The daemon asks it of each session that lives, every ten seconds:
 * reading 8 MB takes 50 ms of processor, this takes none.
 */
const mayBeWhole = (path: string): boolean => {
  const descriptor = fs.openSync(path, "r");
  try {
    const { size } = fs.fstatSync(descriptor);
    const tail = Buffer.alloc(Math.min(size, mostEndBytes));
    fs.readSync(descriptor, tail, 0, tail.byteLength, size - tail.byteLength);
    for (let at = tail.byteLength - headBytes; at >= 0; at--) {
      const payload = tail.subarray(at + headBytes);
      const isEnd = tail[at] === types.ended && tail.readUInt32BE(at + 17) === payload.byteLength;
      if (isEnd && crc32(payload) === tail.readUInt32BE(at + 21)) return true;
    }
    return false;
  } finally {
    fs.closeSync(descriptor);
  }
};

/** True when the session's process has said that it ended: the last frame tells. */
export const isWhole = (path: string): boolean => {
  // Bytes that passed may end alike, so the frames have the last word.
  if (!mayBeWhole(path)) return false;
  let last: Frame | undefined;
  for (const frame of open(path)?.frames ?? []) last = frame;
  return last?._tag === "Ended";
};
