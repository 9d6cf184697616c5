/**
 * Entries put together as they stood in their file: lines again, or messages back inside their frame.
 *
 * Room: edge. In: StoredEntry, import. Out: Export.
 */
import type { JsonValue } from "../../domain/Json.ts";
import { chatParts } from "../import/ChatFormats.ts";
import { compact, outlineOf, type Part } from "../import/JsonOutline.ts";
import { updateTimeOf } from "../import/Times.ts";
import type { StoredEntry } from "./StoredEntry.ts";

const newline = Buffer.from("\n");
const comma = Buffer.from(",");

/** Where in a frame its messages stood: the first array that the importer could have emptied. */
const gapOf = (frame: Uint8Array): Part | undefined => {
  const [root] = outlineOf(frame, chatParts).roots;
  return root?.parts?.find((part) => part.kind === "array" && part.parts?.length === 0);
};

const writtenAt = (frame: Uint8Array): number | undefined => {
  try {
    return updateTimeOf(JSON.parse(Buffer.from(frame).toString("utf8")) as JsonValue);
  } catch {
    return undefined;
  }
};

/** Pieces of text as they go out, for entries as they come in. */
export class Assembler {
  private isFirst = true;
  private frame: Uint8Array | undefined;
  private written: number | undefined;
  private readonly elements: Array<Uint8Array> = [];

  /**
   * What can be written now that this entry is known. Of two frames the one holds that says it was written later; where
   * neither says, the last: a file that grew was imported again.
   */
  push(entry: StoredEntry): ReadonlyArray<Uint8Array> {
    if (entry.place === "frame") {
      const written = writtenAt(entry.bytes);
      if (this.frame === undefined || written === undefined || this.written === undefined || written >= this.written) {
        this.frame = entry.bytes;
        this.written = written;
      }
      return [];
    }
    if (entry.place === "element") {
      this.elements.push(compact(entry.bytes));
      return [];
    }
    const lead = this.isFirst || entry.place === "joined" ? [] : [newline];
    this.isFirst = false;
    return [...lead, entry.bytes];
  }

  /** What remains: the end of the last line, and the conversation around its messages, on one line. */
  end(): ReadonlyArray<Uint8Array> {
    const lines = this.isFirst ? [] : [newline];
    if (this.frame === undefined && this.elements.length === 0) return lines;
    const array = [
      Buffer.from("["),
      ...this.elements.flatMap((element, at) => (at === 0 ? [element] : [comma, element])),
      Buffer.from("]"),
    ];
    if (this.frame === undefined) return [...lines, ...array, newline];
    const frame = Buffer.from(compact(this.frame));
    const gap = gapOf(frame);
    if (gap === undefined) return [...lines, frame, newline, ...(this.elements.length > 0 ? [...array, newline] : [])];
    return [...lines, frame.subarray(0, gap.start), ...array, frame.subarray(gap.end), newline];
  }
}
