/**
 * Cuts a file into lines and lines into entries.
 *
 * Room: edge.
 *
 * Decision: plain functions, because every byte of a transcript passes here. A line is decoded and parsed once; the
 * value serves session, time and counting.
 */
import { isUtf8 } from "node:buffer";
import type { JsonValue } from "../../../domain/Json.ts";
import { valuesOf } from "../formats/JsonOutline.ts";
import type { Entry, Format } from "../Entry.ts";
import { formatOfLine, isOneSession, sessionOfLine } from "../formats/LineFormats.ts";
import { boundedId } from "../ThreadIds.ts";
import { timeOf } from "../../../domain/EntryTimes.ts";
import { isNothing, recover } from "./Recover.ts";

/** Longest line that is read. A string of V8 ends at 512 MiB of text; a line needs two to three times its size. */
export const maxLineBytes = 256 * 1024 * 1024;

const newline = 0x0a;

/** A line without its newline, or `undefined` bytes for one longer than `maxLineBytes`. */
export interface Line {
  readonly number: number;
  readonly bytes: Buffer | undefined;
  /** False for the last line of a file that does not end in a newline. */
  readonly ended: boolean;
}

/** Splits what is pushed into lines. Holds at most one unfinished line; what is longer than the bound is counted, not kept. */
export class LineSplitter {
  private held: Array<Buffer> = [];
  private heldBytes = 0;
  private number = 0;
  private readonly longest: number;

  constructor(longest = maxLineBytes) {
    this.longest = longest;
  }

  push(chunk: Buffer): ReadonlyArray<Line> {
    const lines: Array<Line> = [];
    let from = 0;
    for (;;) {
      const to = chunk.indexOf(newline, from);
      if (to === -1) break;
      lines.push(this.take(chunk.subarray(from, to), true));
      from = to + 1;
    }
    this.hold(chunk.subarray(from));
    return lines;
  }

  /** True when a line has begun that has not ended. */
  get isInside(): boolean {
    return this.heldBytes > 0;
  }

  /** The last line, when the file does not end in a newline. */
  end(): ReadonlyArray<Line> {
    return this.heldBytes === 0 ? [] : [this.take(Buffer.alloc(0), false)];
  }

  private hold(rest: Buffer): void {
    this.heldBytes += rest.length;
    if (this.heldBytes > this.longest) this.held = [];
    // Copied: the chunk it lies in is four megabytes that need not stay.
    else if (rest.length > 0) this.held.push(Buffer.from(rest));
  }

  private take(rest: Buffer, ended: boolean): Line {
    this.number++;
    const length = this.heldBytes + rest.length;
    const { held } = this;
    this.held = [];
    this.heldBytes = 0;
    if (length > this.longest) return { number: this.number, bytes: undefined, ended };
    return { number: this.number, bytes: held.length === 0 ? rest : Buffer.concat([...held, rest]), ended };
  }
}

const isBlank = (bytes: Buffer): boolean => {
  for (const byte of bytes) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false;
  return true;
};

/** The bytes without a UTF-8 byte order mark. */
export const withoutMark = (bytes: Buffer): Buffer =>
  bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;

/** The value of a JSON text; undefined when it is none, or not UTF-8. */
export const parse = (bytes: Buffer): JsonValue | undefined => {
  if (!isUtf8(bytes)) return undefined;
  try {
    return JSON.parse(bytes.toString("utf8")) as JsonValue;
  } catch {
    return undefined;
  }
};

/** The same, with U+FFFD for bytes that are not UTF-8: a line with a wrong byte still belongs to its format. */
export const parseShown = (bytes: Buffer): JsonValue | undefined =>
  parse(bytes) ?? (isUtf8(bytes) ? undefined : parse(Buffer.from(bytes.toString("utf8"))));

/** The objects that stand joined on a line, or undefined when the line is anything else. */
export const joinedOf = (
  bytes: Buffer,
): ReadonlyArray<{ readonly raw: Buffer; readonly value: JsonValue }> | undefined => {
  const outline = valuesOf(bytes);
  if (outline.problem !== undefined || outline.roots.length < 2) return undefined;
  const pieces: Array<{ readonly raw: Buffer; readonly value: JsonValue }> = [];
  for (const [index, root] of outline.roots.entries()) {
    // White space between two objects stays with the second one, so that the line can be written again.
    const raw = bytes.subarray(
      outline.roots[index - 1]?.end ?? 0,
      outline.roots[index + 1] === undefined ? undefined : root.end,
    );
    const value = parse(raw);
    if (value === undefined || (root.kind !== "object" && root.kind !== "array")) return undefined;
    pieces.push({ raw, value });
  }
  return pieces;
};

/** An entry with the session it belongs to. */
export interface Placed {
  readonly session: string;
  readonly entry: Entry;
}

export interface Refused {
  readonly line: number;
  readonly reason: string;
}

/** Facts of a file that its lines need: found by looking ahead, before the first line is cut. */
export interface LineFile {
  readonly format: Format;
  /** The session of lines before the first one that names one: that first one, or a name derived from the file. */
  readonly firstSession: string;
  /** The first time any line gives; for the lines before it. */
  readonly firstTime: number | undefined;
  /** Epoch milliseconds; for a file whose lines give no time at all. */
  readonly modified: number;
  /** It holds no conversation, only titles of conversations in other files. */
  readonly isBeside?: boolean;
  /** A sub-agent's file: `agent-<id>`, added to the session of each line. */
  readonly subAgent: string | undefined;
  /** The same where the lines' session is the sub-agent's own: its parent's, put in front of it. */
  readonly parent: string | undefined;
}

/** The thread of a session in a file. */
export const threadOf = ({ parent, subAgent }: Pick<LineFile, "parent" | "subAgent">, session: string): string =>
  boundedId([parent, session, subAgent].filter((part) => part !== undefined).join("/"));

export const unfinishedLine = "the last line is not finished: import again when its writer has finished";
const lostBytes = (count: number): string => `${count} NUL bytes: its writer lost what was here, as after a power cut`;

export type Cut = (line: Line) => ReadonlyArray<Placed> | Refused;

/**
 * The function that cuts one line after the other.
 *
 * A line's session is its own, else that of the nearest line before it that has one, else of the next.
 * Its time is its own, else that of the entry before it, else the first one in the file, else the file's own.
 */
export const makeCut = (file: LineFile): Cut => {
  const { format } = file;
  const named = (session: string): string => threadOf(file, session);
  let session = named(file.firstSession);
  let time = file.firstTime ?? file.modified;
  const fixed = isOneSession(format);
  const isRecord = (value: JsonValue): boolean => formatOfLine(value) === format;

  const place = (
    raw: Buffer,
    value: JsonValue | undefined,
    kind: Entry["kind"],
    line: number,
    at: "line" | "joined",
  ): Placed => {
    const own = fixed ? undefined : sessionOfLine(format, value);
    if (own !== undefined && own !== "") session = named(own);
    time = timeOf(value) ?? time;
    return {
      session,
      entry: { format, place: file.isBeside === true ? "source" : at, raw, kind, value, occurredAt: time, line },
    };
  };

  return ({ number, bytes: given, ended }) => {
    if (given === undefined) return { line: number, reason: `the line is longer than ${maxLineBytes} bytes` };
    const bytes = number === 1 ? withoutMark(given) : given;
    if (isBlank(bytes)) return [];
    const readable = isUtf8(bytes);
    const value = readable ? parse(bytes) : parseShown(bytes);
    if (value !== undefined && (ended || typeof value === "object"))
      return [place(bytes, value, readable ? "json" : "base64", number, "line")];
    const pieces = (readable ? joinedOf(bytes) : undefined) ?? recover(bytes, isRecord);
    if (pieces !== undefined) {
      let before: string | undefined;
      return pieces.map(({ raw, value: inner }) => {
        const kind = inner !== undefined ? "json" : isUtf8(raw) ? "text" : "base64";
        const placed = place(raw, inner, kind, number, "joined");
        const follows = placed.session === before;
        before = placed.session;
        // The first of its thread on this line has nothing there to be joined to.
        return follows ? placed : { session: before, entry: { ...placed.entry, place: "line" as const } };
      });
    }
    if (!ended) return { line: number, reason: isNothing(bytes) ? lostBytes(bytes.length) : unfinishedLine };
    return [place(bytes, undefined, readable ? "text" : "base64", number, "line")];
  };
};
