/**
 * Entries put together as they stood in their file: lines again, or messages back inside their frame.
 *
 * Room: edge.
 */
import { type JsonValue, stringAt } from "../../domain/Json.ts";
import { messageKeys } from "../import/formats/ChatFormats.ts";
import { textFormats } from "../import/Entry.ts";
import { compact, outlineOf, type Part, valuesOf } from "../import/formats/JsonOutline.ts";
import { updateTimeOf } from "../../domain/EntryTimes.ts";
import type { EntryBytes } from "./EntryBytes.ts";

const newlineByte = 0x0a;
const newline = Buffer.from("\n");
const comma = Buffer.from(",");

/** Place of the messages in a frame: the first empty array of a name that messages have. */
const gapOf = (frame: Uint8Array): Part | undefined => {
  const [root] = outlineOf(frame, (_, parents) => parents.length === 0).roots;
  return root?.parts?.find(
    ({ end, key, kind, start }) =>
      (kind === "array" || (kind === "object" && key === "mapping")) &&
      end - start === "[]".length &&
      messageKeys.some((name) => name === key),
  );
};

const parse = (bytes: Uint8Array): JsonValue => {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8")) as JsonValue;
  } catch {
    return null;
  }
};

/**
 * Formats whose program writes a message again when it knows more: Gemini CLI adds results and tokens to its last one.
 * After a newer frame, an element with a known id takes the old one's place.
 */
const rewritten: ReadonlySet<string> = new Set(["gemini-cli", "chatgpt"]);

/** Without the white space between tokens; one that was damaged in its file as it came. */
const compacted = ({ bytes, isDamaged }: Pick<EntryBytes, "bytes" | "isDamaged">): Uint8Array =>
  isDamaged === true || valuesOf(bytes).problem !== undefined ? bytes : compact(bytes);

/** The id of a message; of a damaged one as far as it can be seen. */
const idIn = (bytes: Uint8Array): string =>
  stringAt(parse(bytes), "id") ?? /"id"\s*:\s*"([^"\\]*)"/.exec(Buffer.from(bytes).toString("utf8"))?.[1] ?? "";

/** Formats that are a text: an entry is a piece of it, as a JSON string. */
const textual: ReadonlySet<string> = new Set(textFormats);

interface Element {
  bytes: Uint8Array;
  /** Number of frames before it. */
  frames: number;
}

/** Pieces of text as they go out, for entries as they come in. A document's messages are held until its end. */
export class Assembler {
  private isFirst = true;
  private isText = false;
  private frame: Uint8Array | undefined;
  private written: number | undefined;
  private frames = 0;
  private readonly elements: Array<Element> = [];
  private readonly byId = new Map<string, Element>();

  /** Adds an entry; returns what can be written by now. */
  push(entry: EntryBytes): ReadonlyArray<Uint8Array> {
    if (entry.place === "frame") {
      this.pushFrame(compacted(entry));
      return [];
    }
    if (entry.place === "element") {
      this.pushElement(entry);
      return [];
    }
    if (textual.has(entry.format)) {
      this.isText = true;
      const piece = parse(entry.bytes);
      return [Buffer.from(typeof piece === "string" ? piece : "", "utf8")];
    }
    const lead = this.isFirst || entry.place === "joined" ? [] : [newline];
    this.isFirst = false;
    // An entry that was a file of its own may be written over many lines.
    return [...lead, entry.bytes.includes(newlineByte) ? compact(entry.bytes) : entry.bytes];
  }

  /** The rest: the end of the last line, and the conversation around its messages, on one line. */
  end(): ReadonlyArray<Uint8Array> {
    if (this.isText) return [];
    const lines = this.isFirst ? [] : [newline];
    if (this.frame === undefined && this.elements.length === 0) return lines;
    const listed = this.elements.flatMap(({ bytes }, at) => (at === 0 ? [bytes] : [comma, bytes]));
    const array = [Buffer.from("["), ...listed, Buffer.from("]")];
    if (this.frame === undefined) return [...lines, ...array, newline];
    const frame = Buffer.from(this.frame);
    const gap = gapOf(frame);
    if (gap?.kind === "object")
      return [...lines, frame.subarray(0, gap.start + 1), ...this.byKey(), frame.subarray(gap.end - 1), newline];
    // A frame without a gap is one that we did not cut: nothing is dropped, the messages follow it.
    if (gap === undefined) return [...lines, frame, newline, ...(this.elements.length > 0 ? [...array, newline] : [])];
    return [...lines, frame.subarray(0, gap.start), ...array, frame.subarray(gap.end), newline];
  }

  /** The messages as members of an object, each under its id. */
  private byKey(): ReadonlyArray<Uint8Array> {
    return this.elements.flatMap(({ bytes }, at) => {
      const key = Buffer.from(`${JSON.stringify(idIn(bytes))}:`);
      return at === 0 ? [key, bytes] : [comma, key, bytes];
    });
  }

  /**
   * Of two frames the one holds that says it was written later; where neither says, the last: a file that grew was
   * imported again.
   */
  private pushFrame(bytes: Uint8Array): void {
    this.frames++;
    const written = updateTimeOf(parse(bytes));
    if (this.frame === undefined || written === undefined || this.written === undefined || written >= this.written) {
      this.frame = bytes;
      this.written = written;
    }
  }

  private pushElement(entry: EntryBytes): void {
    const bytes = compacted(entry);
    const id = rewritten.has(entry.format) ? stringAt(parse(bytes), "id") : undefined;
    const before = id === undefined ? undefined : this.byId.get(id);
    if (before !== undefined && before.frames < this.frames) {
      before.bytes = bytes;
      before.frames = this.frames;
      return;
    }
    const element: Element = { bytes, frames: this.frames };
    this.elements.push(element);
    if (id !== undefined) this.byId.set(id, element);
  }
}
