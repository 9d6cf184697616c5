/**
 * A message that repeats what the thread has said: what is new is kept, the rest is a reference, and no byte is lost.
 *
 * Room: domain.
 *
 * Some clients put the whole conversation before each new question, as text, and that text again into the next one: 17
 * questions of 111 bytes became 880 KB. Here the repeated stretches become references to the messages they came from;
 * the lines around them that only mark where they begin and end go with them. The rest is what was said. Seventeen
 * such questions with answers of 1.5 KB, 4.1 MB as they were sent, are stored in 50 KB (`test/publish/Sync.test.ts`).
 */
import { Schema } from "effect";
import { createHash } from "node:crypto";
import { jsonBytes } from "../Truncate.ts";
import type { Part } from "./Content.ts";
import { type Copy, leastCopyUnits, type TextIndex } from "../search/TextIndex.ts";

/** A piece of an original text: a stretch of an earlier message's (`source`), words, or the text of a part here. */
const Piece = Schema.Union([
  Schema.Struct({ source: Schema.Natural, offset: Schema.Natural, length: Schema.Natural }),
  Schema.Struct({ text: Schema.String }),
  Schema.Struct({ part: Schema.Natural }),
]);
type Piece = typeof Piece.Type;

/**
 * Original of a text part that was normalised: `parts` of the message's parts, from `first` on, stand for it. The pieces
 * joined are the original, `bytes` long in UTF-8, with that SHA-256. Offsets and lengths are UTF-16 code units of the
 * original texts; a message's original text is that of its text parts joined by nothing.
 */
export const Normalised = Schema.Struct({
  first: Schema.Natural,
  parts: Schema.Natural,
  bytes: Schema.Natural,
  sha256: Schema.String,
  /** Ids of the earlier messages that the pieces are of. */
  sources: Schema.Array(Schema.String),
  pieces: Schema.Array(Piece),
});
export type Normalised = typeof Normalised.Type;

/** Kind of the part in place of a repeated stretch. */
export const repeatedKind = "repeated";

/** A quoted sentence or paragraph stays as it is: at least so much must be repeated in all. */
const leastRepeatedUnits = 256;
/** To have every word once is worth that its references take a little more than the words: most of one SHA-256 each. */
const mostExtraBytes = 256;
/** A number in a line that is repeated otherwise: `turn 7 of 50`. */
const mostFragmentUnits = 32;

/** A line that only marks a place: `=== HISTORY ===`, `--- Turn 3 (user) ---`, `<history>`, or nothing. */
const fence = /^\s*(?:(?:={3,}|-{3,}|#{3,}|\*{3,}|~{3,}|_{3,}).*|<\/?[\w-]{1,64}>)?\s*$/;

export const sha256Of = (text: string): string => createHash("sha256").update(text, "utf8").digest("hex");

interface Token {
  readonly kind: "copy" | "frame" | "words";
  readonly from: number;
  readonly to: number;
  readonly copy?: Copy;
}

/** Lines that were not said before: marks between the repeated stretches, or words. */
const linesOf = (
  text: string,
  gap: { readonly from: number; readonly to: number; readonly isInside: boolean },
): ReadonlyArray<Token> => {
  const tokens: Array<Token> = [];
  const { from, to, isInside } = gap;
  for (let at = from; at < to;) {
    const feed = text.indexOf("\n", at);
    const end = feed < 0 ? text.length : feed + 1;
    const line = text.slice(text.lastIndexOf("\n", at - 1) + 1, end);
    const stop = Math.min(end, to);
    const isFragment = isInside && at === from && stop === to && to - from <= mostFragmentUnits && stop < end;
    const isFrame = isFragment || fence.test(line) || text.slice(at, stop).trim() === "";
    tokens.push({ kind: isFrame ? "frame" : "words", from: at, to: stop });
    at = stop;
  }
  return tokens;
};

/**
 * A copy that reaches a few letters into a line of words gives them back: what is new begins with `Question 1` like so
 * much before it. Text between two copies on one line is left to `linesOf`.
 */
const trimmed = (text: string, copies: ReadonlyArray<Copy>): ReadonlyArray<Copy> =>
  copies.flatMap((copy, index): ReadonlyArray<Copy> => {
    const isNear = (from: number, to: number) => to - from <= mostFragmentUnits && !text.slice(from, to).includes("\n");
    const earlier = copies[index - 1];
    const later = copies[index + 1];
    let { at } = copy;
    let end = copy.at + copy.length;
    const beginsInside = at > 0 && text[at - 1] !== "\n";
    if (beginsInside && !(earlier !== undefined && isNear(earlier.at + earlier.length, at))) {
      const line = text.indexOf("\n", at) + 1;
      if (line > 0 && line - at < leastCopyUnits) at = line;
    }
    const endsInside = end < text.length && text[end - 1] !== "\n" && text[end] !== "\n";
    if (endsInside && !(later !== undefined && isNear(end, later.at))) {
      const line = text.lastIndexOf("\n", end - 1) + 1;
      if (end - line < leastCopyUnits) end = line;
    }
    const length = end - at;
    return length < leastCopyUnits ? [] : [{ ...copy, at, length, offset: copy.offset + at - copy.at }];
  });

const tokensOf = (text: string, copies: ReadonlyArray<Copy>): ReadonlyArray<Token> => {
  const tokens: Array<Token> = [];
  let from = 0;
  for (const copy of copies) {
    tokens.push(...linesOf(text, { from, to: copy.at, isInside: from > 0 }));
    from = copy.at + copy.length;
    tokens.push({ kind: "copy", from: copy.at, to: from, copy });
  }
  return [...tokens, ...linesOf(text, { from, to: text.length, isInside: false })];
};

/** Neighbours that are shown together, or hidden together. Marks that nothing repeated stands beside are words. */
const runsOf = (tokens: ReadonlyArray<Token>): ReadonlyArray<ReadonlyArray<Token>> => {
  const runs: Array<Array<Token>> = [];
  for (const token of tokens) {
    const last = runs.at(-1);
    const isSame = last !== undefined && (last[0]?.kind === "words") === (token.kind === "words");
    if (isSame) last.push(token);
    else runs.push([token]);
  }
  const settled: Array<Array<Token>> = [];
  for (const run of runs) {
    const isHidden = run.some(({ kind }) => kind === "copy");
    const shown: Array<Token> = isHidden ? run : run.map((token) => ({ ...token, kind: "words" }));
    const last = settled.at(-1);
    if (!isHidden && last?.[0]?.kind === "words") last.push(...shown);
    else settled.push(shown);
  }
  return settled;
};

export interface Replaced {
  /** They stand where the text part stood. */
  readonly parts: ReadonlyArray<Part>;
  readonly normalised: Normalised;
}

/** The text without what it repeats; undefined when it stays as it is. `first`: the place of its part in the message. */
export const replaceRepeats = (text: string, first: number, index: TextIndex): Replaced | undefined => {
  if (text.length < leastRepeatedUnits || !text.isWellFormed()) return undefined;
  const copies = trimmed(text, index.copies(text));
  if (copies.reduce((sum, { length }) => sum + length, 0) < leastRepeatedUnits) return undefined;
  const parts: Array<Part> = [];
  const pieces: Array<Piece> = [];
  const sources = [...new Set(copies.map(({ messageId }) => messageId))];
  for (const run of runsOf(tokensOf(text, copies))) {
    const [begin] = run;
    const end = run.at(-1);
    if (begin === undefined || end === undefined) continue;
    if (begin.kind === "words") {
      pieces.push({ part: first + parts.length });
      parts.push({ type: "text", text: text.slice(begin.from, end.to) });
      continue;
    }
    parts.push({ type: "other", kind: repeatedKind });
    for (const { copy, from, to } of run) {
      if (copy === undefined) pieces.push({ text: text.slice(from, to) });
      else pieces.push({ source: sources.indexOf(copy.messageId), offset: copy.offset, length: copy.length });
    }
  }
  const bytes = Buffer.byteLength(text);
  const normalised = { first, parts: parts.length, bytes, sha256: sha256Of(text), sources, pieces };
  const isWorth = jsonBytes({ parts, normalised }) <= bytes + mostExtraBytes;
  return isWorth ? { parts, normalised } : undefined;
};

/** The original text of an earlier message; undefined when it is not known. */
export type Originals = (messageId: string) => string | undefined;

/** The text as it came, or undefined when a piece is missing or the result is not what it was. */
export const originalOf = (
  { pieces, sha256, sources }: Normalised,
  parts: ReadonlyArray<Part>,
  originals: Originals,
): string | undefined => {
  const texts: Array<string> = [];
  for (const piece of pieces) {
    if ("text" in piece) texts.push(piece.text);
    else if ("part" in piece) {
      const part = parts[piece.part];
      texts.push(part?.type === "text" ? part.text : "");
    } else {
      const source = originals(sources[piece.source] ?? "");
      if (source === undefined) return undefined;
      texts.push(source.slice(piece.offset, piece.offset + piece.length));
    }
  }
  const text = texts.join("");
  return sha256Of(text) === sha256 ? text : undefined;
};

/** A message's parts as they came; undefined when they cannot be had. */
export const originalParts = (
  message: { readonly parts: ReadonlyArray<Part>; readonly normalised?: Normalised | null | undefined },
  originals: Originals,
): ReadonlyArray<Part> | undefined => {
  const { normalised, parts } = message;
  if (normalised == null) return parts;
  const text = originalOf(normalised, parts, originals);
  if (text === undefined) return undefined;
  return parts.toSpliced(normalised.first, normalised.parts, { type: "text", text });
};

/** Text that earlier messages are referred to by: the words of all their text parts. */
export const textOf = (parts: ReadonlyArray<Part>): string =>
  parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("");
