/**
 * The format of a file, by its content.
 *
 * Room: edge.
 *
 * First its first lines are looked at; a format's line gives it away. If none does, the file is outlined: one JSON
 * value is a document, several are a file of conversations, one a line. A file that is neither is no conversation, and why
 * is said.
 */
import { isUtf8 } from "node:buffer";
import { Clock, Effect } from "effect";
import { isObject, type JsonValue } from "../../../domain/Json.ts";
import { type Chat, chatOf, chatParts, type Read } from "../formats/ChatFormats.ts";
import { joinedOf, type Line, LineSplitter, maxLineBytes, parse, parseShown, withoutMark } from "../cut/CutLines.ts";
import { type Format, lineFormats, type TextFormat } from "../Entry.ts";
import { explains } from "../Explains.ts";
import { FileChanged, forEachChunk, rangesOf, readRange, readWhole } from "./FileBytes.ts";
import { kindOf } from "./FileKinds.ts";
import { firstWrong, placeIn } from "../formats/FirstWrong.ts";
import { type Damage, mend } from "../formats/MendOutline.ts";
import { textFormatOf } from "../formats/TextFormats.ts";
import { compact, JsonOutline, outlineOf, type Part } from "../formats/JsonOutline.ts";
import { formatOfLine } from "../formats/LineFormats.ts";
import { packingBytes, packingOf } from "../Packing.ts";
import { isGrokSummary, isOpenCode } from "./Siblings.ts";
import type { Found } from "./FileWalk.ts";

export type Detected =
  /** Every line is an entry. */
  | { readonly _tag: "Lines"; readonly format: Format }
  /** Every line is a conversation. */
  | { readonly _tag: "ChatLines" }
  /** The file is one JSON document with conversations in it. */
  | {
      readonly _tag: "Chat";
      readonly chat: Chat;
      readonly root: Part;
      /** The bytes in which its parts were found. */
      readonly read: Read;
      /** Set for a damaged one. */
      readonly damages?: ReadonlyArray<Damage>;
    }
  /** A text for people. */
  | { readonly _tag: "Text"; readonly format: TextFormat }
  /** The whole file is one entry. */
  | { readonly _tag: "Single"; readonly format: "opencode" | "grok"; readonly value: JsonValue; readonly raw: Buffer }
  | { readonly _tag: "Skip"; readonly reason: string }
  | { readonly _tag: "Refuse"; readonly reason: string };

const skip = (reason: string): Detected => ({ _tag: "Skip", reason });

/** Lines and bytes that are looked at to find a format. Claude Code's first lines may be snapshots, but those count too. */
const headLines = 200;
const headBytes = 256 * 1024;
/** A document that is one entry is small: a session, a message, a part. */
const maxSingleBytes = 16 * 1024 * 1024;
/** Lines looked at when the first one is longer than the head. */
const deepLines = 8;

/** The first lines of a file, without the one that the limit cuts. */
const firstLines = (file: Found, limits: { readonly lines: number; readonly bytes: number }) =>
  Effect.gen(function* () {
    const splitter = new LineSplitter();
    const lines: Array<Line> = [];
    let seen = 0;
    const { isWhole } = yield* forEachChunk({ ...file, bytes: Math.min(file.bytes, limits.bytes) }, (chunk) => {
      // Copied, because the chunk's memory is used again.
      lines.push(...splitter.push(Buffer.from(chunk)));
      seen += chunk.length;
      return Effect.succeed(seen >= limits.bytes || lines.length >= limits.lines ? ("stop" as const) : undefined);
    });
    if (isWhole || (file.packing === undefined && seen >= file.bytes)) lines.push(...splitter.end());
    return lines.slice(0, limits.lines);
  });

/** The values of some lines, those that stand joined on one too. */
const valuesIn = (lines: ReadonlyArray<Line>): ReadonlyArray<JsonValue> =>
  lines.flatMap(({ bytes, number }) => {
    if (bytes === undefined) return [];
    const line = number === 1 ? withoutMark(bytes) : bytes;
    const value = parseShown(line);
    return value === undefined ? (joinedOf(line) ?? []).map((joined) => joined.value) : [value];
  });

/** The format of some lines; one that does not explain them is none. */
const formatOfLines = (lines: ReadonlyArray<Line>): Format | undefined => {
  const values = valuesIn(lines);
  const tried = new Set<Format>();
  for (const value of values) {
    const format = formatOfLine(value);
    if (format === undefined || tried.has(format)) continue;
    tried.add(format);
    if (explains(format, values)) return format;
  }
  return undefined;
};

/** A message as a line of its own, as simple chat programs log them. */
const isMessageLine = (value: JsonValue | undefined): boolean =>
  isObject(value) && typeof value["role"] === "string" && "content" in value;

/** A line that is an object by itself: then its file is made of lines, whatever its first line is. */
const isObjectLine = ({ bytes, ended }: Line): boolean => ended && bytes?.[0] === 0x7b && isObject(parseShown(bytes));

/** Documents up to this size are read once and kept while they are imported; of larger ones ranges are read. */
const inMemoryBytes = 64 * 1024 * 1024;
/** The largest document that is unpacked: there are no ranges to read in what is packed. */
const maxUnpackedBytes = 512 * 1024 * 1024;

/**
 * The outline of a file: of all of it when it is one value, else as far as it was needed to know. Beside it the bytes that
 * it is of, where they are few enough to be kept: a file that its writer changes is one text all the while.
 */
const outline = Effect.fnUntraced(function* (file: Found) {
  const found = new JsonOutline(chatParts);
  const most = file.packing === undefined ? inMemoryBytes : maxUnpackedBytes;
  let kept: Array<Buffer> | undefined = [];
  let bytes = 0;
  yield* forEachChunk(file, (chunk) => {
    const isKept = bytes + chunk.length <= most;
    // Copied, because the chunk's memory is used again.
    const own = isKept || bytes === 0 ? Buffer.from(chunk) : chunk;
    // The mark becomes white space, so that positions stay those of the file.
    if (bytes === 0) own.fill(" ", 0, own.length - withoutMark(own).length);
    found.push(own);
    bytes += own.length;
    if (isKept) kept?.push(own);
    else kept = undefined;
    return Effect.succeed(found.problem !== undefined || found.roots.length > 1 ? ("stop" as const) : undefined);
  });
  if (found.roots.length < 2) found.end();
  return { found, bytes: kept === undefined ? undefined : Buffer.concat(kept) };
});

/** A file of JSON values one after the other that are lines of no agent. */
const manyValues = Effect.fnUntraced(function* (file: Found) {
  const lines = yield* firstLines(file, { lines: deepLines, bytes: Number.MAX_SAFE_INTEGER });
  const format = formatOfLines(lines);
  if (format !== undefined) return { _tag: "Lines", format } satisfies Detected as Detected;
  for (const { bytes, number } of lines) {
    if (bytes === undefined) continue;
    const line = number === 1 ? withoutMark(bytes) : bytes;
    if (isMessageLine(parse(line))) return { _tag: "Lines", format: "openai-chat" } satisfies Detected as Detected;
    const [root] = outlineOf(line, chatParts).roots;
    const chat = root === undefined ? undefined : yield* chatOf(readFrom(line), root, file.path);
    if (chat !== undefined) return { _tag: "ChatLines" } satisfies Detected as Detected;
  }
  return skip("its lines are JSON, but of no conversation format that is known");
});

/** Reads parts of a text that is in memory. */
export const readFrom =
  (bytes: Buffer): Read =>
  (start, end) =>
    Effect.succeed(bytes.subarray(start, end));

export const unfinishedDocument = "the document ends in the middle: import again when its writer has finished";

const tooLarge: Detected = {
  _tag: "Refuse",
  reason: `it is a packed document of more than ${maxUnpackedBytes / 1024 / 1024} MiB: unpack it and import that`,
};

/** Time after which a document that ends in the middle is read as far as it goes: its writer will not finish it. */
const unfinishedMillis = 600_000;

/** The conversations of a damaged text, and the text without its damage; undefined where there are none. */
export const mendedChat = Effect.fnUntraced(function* (bytes: Buffer, path: string) {
  const mended = mend(bytes, chatParts);
  const [root] = mended === undefined ? [] : outlineOf(mended.bytes, chatParts).roots;
  if (mended === undefined || root === undefined) return undefined;
  const damaged = new Set(mended.damages.map(({ start }) => start));
  const chat = yield* chatOf(readFrom(mended.bytes), root, path, damaged);
  return chat === undefined || chat.conversations.length === 0 ? undefined : { chat, root, mended };
});

/** A document whose brackets do not match, with what can be read of it; undefined for what is no conversation. */
const damaged = Effect.fnUntraced(function* (file: Found, bytes: Buffer, isOpen: boolean) {
  // The mark becomes white space, so that positions stay those of the file.
  bytes.fill(" ", 0, bytes.length - withoutMark(bytes).length);
  const found = yield* mendedChat(bytes, file.path);
  if (found === undefined) return undefined;
  const { mended } = found;
  const isFresh = (yield* Clock.currentTimeMillis) - file.modified < unfinishedMillis;
  if (isOpen && isFresh && mended.damages.some(({ isTail }) => isTail)) return undefined;
  const { bytes: text, damages } = mended;
  return {
    _tag: "Chat",
    chat: found.chat,
    root: found.root,
    read: readFrom(text),
    damages,
  } satisfies Detected as Detected;
});

/** True for a document with a list of objects where messages or conversations stand. */
const hasRecords = (part: Part): boolean =>
  (part.kind === "array" && part.parts?.some(({ kind }) => kind === "object") === true) ||
  (part.parts ?? []).some(hasRecords);

/** Place of the first wrong byte, and the way out. */
const brokenAt = (bytes: Buffer, from: number): string => {
  const place = placeIn(bytes, from + (firstWrong(bytes.subarray(from)) ?? 0));
  return `from byte ${place.byte} of line ${place.line} on: mend what stands there, or export it again from where it comes, and import that`;
};

const document = Effect.fnUntraced(function* (file: Found, root: Part, read: Read) {
  const chat = yield* chatOf(read, root, file.path);
  if (chat !== undefined && chat.conversations.length + (chat.source === undefined ? 0 : 1) > 0) {
    return { _tag: "Chat", chat, read, root } satisfies Detected as Detected;
  }
  if (root.kind === "array") return skip("a JSON array, but not of messages or conversations");
  // A file of one line that is longer than the head is a document as far as anyone could see.
  if (root.end - root.start > maxLineBytes) return skip("a JSON object without messages");
  const raw = yield* read(root.start, root.end);
  const value = parse(raw);
  if (value === undefined) {
    const what = isUtf8(raw) ? "valid JSON" : "UTF-8";
    const place = brokenAt(yield* read(0, root.end), root.start);
    return { _tag: "Refuse", reason: `it is not ${what}, ${place}` } satisfies Detected as Detected;
  }
  const format = raw.includes(0x0a) ? undefined : formatOfLine(value);
  if (format !== undefined) return { _tag: "Lines", format } satisfies Detected as Detected;
  if (raw.length > maxSingleBytes) return skip("a JSON object without messages");
  if (isMessageLine(value)) return { _tag: "Lines", format: "openai-chat" } satisfies Detected as Detected;
  const single = isGrokSummary(value) ? "grok" : isOpenCode(value, file.path) ? "opencode" : undefined;
  if (single !== undefined)
    return { _tag: "Single", format: single, value, raw: compact(raw) } satisfies Detected as Detected;
  return skip("a JSON object without messages");
});

/** The first plain bytes: what says what a file is that is no conversation. */
const headOf = Effect.fnUntraced(function* (file: Found) {
  const chunks: Array<Buffer> = [];
  let bytes = 0;
  yield* forEachChunk({ ...file, bytes: Math.min(file.bytes, headBytes) }, (chunk) => {
    chunks.push(Buffer.from(chunk));
    bytes += chunk.length;
    return Effect.succeed(bytes >= headBytes ? ("stop" as const) : undefined);
  });
  return Buffer.concat(chunks);
});

/** The file with how its bytes stand for text. */
export const withPacking = Effect.fnUntraced(function* (file: Found) {
  const packing = file.bytes === 0 ? undefined : packingOf(yield* readRange(file.path, 0, packingBytes));
  return packing === undefined ? file : { ...file, packing };
});

const byContent = Effect.fnUntraced(function* (file: Found) {
  const lines = yield* firstLines(file, { lines: headLines, bytes: headBytes });
  const format = formatOfLines(lines);
  if (format !== undefined) return { _tag: "Lines", format } satisfies Detected as Detected;
  const found = yield* byOutline(file, lines);
  // A format whose lines these look like, and that makes nothing of them.
  const [like] = found._tag === "Skip" ? valuesIn(lines).flatMap((value) => formatOfLine(value) ?? []) : [];
  return like === undefined ? found : skip(`its lines look like ${like}, and give no words, calls or usage`);
});

const byOutline = Effect.fnUntraced(function* (file: Found, lines: ReadonlyArray<Line>) {
  // The file is opened before its outline is made, so that later ranges are of the same file.
  const ranges = file.packing === undefined && file.bytes > inMemoryBytes ? yield* rangesOf(file.path) : undefined;
  const { bytes, found } = yield* outline(file);
  const [root, second] = found.roots;
  // Words are scalars to the outline: what begins with one is text.
  const isJson = root?.kind === "object" || root?.kind === "array";
  if (isJson && second !== undefined) return yield* manyValues(file);
  if (isJson && found.problem === undefined) {
    const read = bytes === undefined ? ranges : readFrom(bytes);
    if (read !== undefined) return yield* document(file, root, read);
    return file.packing === undefined ? yield* new FileChanged({ path: file.path }) : tooLarge;
  }
  if (isJson && found.isFull && hasRecords(root))
    return { _tag: "Refuse", reason: found.problem ?? "" } satisfies Detected as Detected;
  if (isJson && found.isFull) return skip("it is JSON without messages");
  if (isJson && !lines.some(isObjectLine)) {
    const whole = hasRecords(root) ? yield* readWhole(file, maxUnpackedBytes) : undefined;
    const mended = whole === undefined ? undefined : yield* damaged(file, whole, found.isOpen);
    if (mended !== undefined) return mended;
    if (found.isOpen) return { _tag: "Refuse", reason: unfinishedDocument } satisfies Detected as Detected;
    if (whole !== undefined)
      return {
        _tag: "Refuse",
        reason: `it is not valid JSON, ${brokenAt(whole, root.start)}`,
      } satisfies Detected as Detected;
  }
  const head = yield* headOf(file);
  const text = textFormatOf(head);
  if (text !== undefined) return { _tag: "Text", format: text } satisfies Detected as Detected;
  return skip(kindOf(head));
});

/**
 * Detects a file's format. With `forced`, a line format cuts it into lines whatever they hold, and a chat format is what its
 * conversations are taken for.
 */
export const detect = Effect.fn("edge.detect")(function* (file: Found, forced: Format | undefined) {
  if (file.bytes === 0) return skip("it is empty");
  if (forced !== undefined && lineFormats.some((format) => format === forced)) {
    const found = forced === "grok" ? yield* byContent(file) : undefined;
    return found?._tag === "Single" ? found : ({ _tag: "Lines", format: forced } satisfies Detected as Detected);
  }
  const found = yield* byContent(file);
  if (found._tag === "Skip" && file.packing !== undefined) {
    // One that ends before its first line does, or is damaged there, is no text of an unknown format.
    const { problem } = yield* forEachChunk(file, () => Effect.void);
    if (problem !== undefined) return { _tag: "Refuse", reason: problem } satisfies Detected as Detected;
  }
  if (forced === undefined) return found;
  const format = found._tag === "Chat" ? found.chat.format : "format" in found ? found.format : forced;
  return found._tag === "Skip" || found._tag === "Refuse" || format === forced
    ? found
    : skip(`it is ${format}, and only ${forced} is asked for`);
});
