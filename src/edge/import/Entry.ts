/**
 * An entry cut out of a file, and the event it becomes.
 *
 * Room: edge.
 *
 * The event's body holds the entry's own bytes, spliced in and never written again by us: big integers, escapes,
 * lone surrogates and the order of keys survive.
 */
import type { BlobReference } from "../../domain/thread/Content.ts";
import type { NewEvent } from "../../domain/Event.ts";
import * as EventId from "../../domain/EventId.ts";
import type { History } from "../../domain/History.ts";
import type { JsonValue } from "../../domain/Json.ts";

/** Formats whose entry is a line. */
export const lineFormats = [
  "claude-code",
  "codex",
  "codex-exec",
  "codex-tui",
  "pi",
  "copilot",
  "cursor",
  "droid",
  "grok",
  "antigravity",
  "claude-stream",
  "claude-history",
  "codex-index",
  "qwen",
  "goose",
  "kimi",
  "kimi-code",
  "kiro-lines",
  "vscode-chat",
  "langfuse",
  "otel",
] as const;

/**
 * Formats whose entries are the elements of an array, with a frame around them. `gemini-cli` comes as lines too, and of
 * the lines' formats `vscode-chat` and `langfuse` come as documents.
 */
export const chatFormats = [
  "gemini-cli",
  "openai-chat",
  "anthropic-messages",
  "tau2",
  "swe-agent",
  "who-and-when",
  "inspect",
  "zen",
  "chatgpt",
  "claude-ai",
  "amp",
  "continue",
  "kiro",
  "letta",
  "atif",
  "cline",
  "cline-ui",
  "zed",
] as const;

/** Formats whose entries are rows of an agent's database. */
export const storeFormats = ["opencode-db", "cursor-db", "goose-db", "crush", "hermes"] as const;

/** Formats that are a text for people, cut into pieces. */
export const textFormats = ["aider", "specstory"] as const;
export type TextFormat = (typeof textFormats)[number];

export const formats = [...textFormats, ...lineFormats, ...chatFormats, ...storeFormats, "opencode"] as const;
export type StoreFormat = (typeof storeFormats)[number];
export type LineFormat = (typeof lineFormats)[number] | "gemini-cli";
export type ChatFormat = (typeof chatFormats)[number] | "vscode-chat" | "langfuse";
export type Format = (typeof formats)[number];

/**
 * Largest entry kept inside its event; a larger one goes to the object store and the event refers to it.
 *
 * Decision: 768 KiB, so that an event fits into the `max_payload` of 1 MiB that a server has by default. Of the real
 * transcripts every entry is below it (largest line 115 KB, largest frame 343 KB; OpenHands' largest event is 260 KB),
 * so every one is interpreted without a second look-up. Larger ones are images and whole outputs.
 */
export const inlineBytes = 768 * 1024;
/** The same for what is no JSON: a control character of a text is written as six bytes. */
const inlineOtherBytes = inlineBytes / 6;

/** A piece of a file on its way to becoming an event. */
export interface Entry {
  readonly format: Format;
  /** Form in its file; `source` is what the file says beside its conversations. */
  readonly place: "line" | "joined" | "frame" | "element" | "source";
  /** Its bytes as they stood there. A view into a buffer that will be used again: copy what is kept. */
  readonly raw: Uint8Array;
  readonly kind: "json" | "text" | "base64";
  /** Its value, when it is JSON. */
  readonly value: JsonValue | undefined;
  readonly occurredAt: number;
  /** The line it stands on, from 1; for elements their number in the array. */
  readonly line: number;
}

/** True when an entry must go to the object store. */
export const isLarge = ({ kind, raw }: Entry): boolean =>
  raw.length > (kind === "json" ? inlineBytes : inlineOtherBytes);

/** Source and target of an entry. */
export interface Origin {
  readonly history: History;
  /** File URL of the file. */
  readonly source: string;
  /** The file's name, for what it says beside its conversations. */
  readonly name: string;
}

const carriageReturn = 0x0d;

/**
 * The id of an entry: the same content, the same time in the same thread, is the same event.
 *
 * `occurrence` counts equal entries of one file and thread, from 1, because a log may honestly repeat itself.
 * The file's path is no part of it: a copy elsewhere, a shorter or a longer one, gives the same ids. Nor is the
 * carriage return at a line's end: a file read between the last line and its end has the line without it.
 */
export const idOf = (entry: Entry, history: History, occurrence: number): string =>
  EventId.fromContent(
    "entry",
    history.tenant,
    history.kind,
    history.id,
    entry.format,
    entry.place,
    entry.raw.at(-1) === carriageReturn ? entry.raw.subarray(0, -1) : entry.raw,
    String(occurrence),
  );

const placeOf = (entry: Entry): string =>
  entry.place === "line" || entry.place === "source" ? "" : `,"place":"${entry.place}"`;

const contentOf = (entry: Entry, blob: BlobReference | undefined): readonly [string, Uint8Array | string] => {
  if (blob !== undefined) return ["blob", JSON.stringify({ sha256: blob.sha256, bytes: blob.bytes })];
  if (entry.kind === "json") return ["entry", entry.raw];
  const raw = Buffer.from(entry.raw.buffer, entry.raw.byteOffset, entry.raw.byteLength);
  return entry.kind === "text"
    ? ["text", JSON.stringify(raw.toString("utf8"))]
    : ["base64", JSON.stringify(raw.toString("base64"))];
};

/** The body of the event: JSON text around the entry's bytes, or around a reference to them. */
export const bodyOf = (entry: Entry, name: string, blob?: BlobReference): Buffer => {
  const [key, content] = contentOf(entry, blob);
  const named = entry.place === "source" ? `,"name":${JSON.stringify(name)}` : "";
  const head = `{"format":"${entry.format}"${placeOf(entry)}${named},"${key}":`;
  const inner = typeof content === "string" ? Buffer.from(content, "utf8") : content;
  const body = Buffer.allocUnsafe(head.length * 3 + inner.length + 1);
  let length = body.write(head, "utf8");
  body.set(inner, length);
  length += inner.length;
  body[length] = 0x7d;
  return body.subarray(0, length + 1);
};

/** The event of an entry. Type and version as in `src/domain/Event.ts`. */
export const eventOf = (entry: Entry, origin: Origin, id: string, blob: BlobReference | undefined): NewEvent => ({
  id,
  type: entry.place === "source" ? "source.described" : "thread.entry_recorded",
  schemaVersion: 1,
  occurredAt: entry.occurredAt,
  source: origin.source,
  body: bodyOf(entry, origin.name, blob),
});
