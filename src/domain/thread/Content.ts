/**
 * Parts of a message: text, thinking, images, files, tool use and tool results.
 *
 * Room: domain.
 *
 * The shapes carry every field that the formats in use carry (Anthropic content blocks, OpenAI parts, Gemini, Zen).
 */
import { Schema } from "effect";

/** An optional field. Publishers in other languages write `null` for what they leave out, so both are taken. */
export const maybe = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.NullOr(schema));

/** Place in the object store of what is too large for an event: its SHA-256 (lower-case hexadecimal). */
export const BlobReference = Schema.Struct({ sha256: Schema.String, bytes: Schema.Natural });
export type BlobReference = typeof BlobReference.Type;

/** `blob`, here and in the parts below, holds the whole of what is too large; the field itself then holds its head. */
export const TextPart = Schema.Struct({
  type: Schema.Literal("text"),
  text: Schema.String,
  blob: maybe(BlobReference),
});

/** Thoughts of a model before its answer; `signature` is the provider's proof, `redacted` hides the words. */
export const ThinkingPart = Schema.Struct({
  type: Schema.Literal("thinking"),
  text: Schema.String,
  signature: maybe(Schema.String),
  redacted: maybe(Schema.Boolean),
  blob: maybe(BlobReference),
});

/** An image by URL, by path, inline as base64 `data`, or its bytes as a `blob`. */
export const ImagePart = Schema.Struct({
  type: Schema.Literal("image"),
  mediaType: maybe(Schema.String),
  url: maybe(Schema.String),
  data: maybe(Schema.String),
  blob: maybe(BlobReference),
});

/**
 * A file the speaker refers to, or hands over: inline as base64 `data`, or its bytes as a `blob`. `sha256` names the
 * version that was seen.
 */
export const FilePart = Schema.Struct({
  type: Schema.Literal("file"),
  path: Schema.String,
  mediaType: maybe(Schema.String),
  sha256: maybe(Schema.String),
  data: maybe(Schema.String),
  blob: maybe(BlobReference),
});

/**
 * A model asks for a tool. `arguments` is any JSON, or the raw string when a model wrote invalid JSON.
 * With a `blob` (their JSON text in UTF-8) `arguments` is the head of that text, as a string.
 */
export const ToolUsePart = Schema.Struct({
  type: Schema.Literal("tool_use"),
  callId: Schema.String,
  name: Schema.String,
  server: maybe(Schema.String),
  arguments: maybe(Schema.Unknown),
  blob: maybe(BlobReference),
});

/** Result of a tool. `text` is its readable form, `bytes` the size of all of it in UTF-8. */
export const ToolResultPart = Schema.Struct({
  type: Schema.Literal("tool_result"),
  callId: Schema.String,
  text: Schema.String,
  isError: maybe(Schema.Boolean),
  bytes: maybe(Schema.Natural),
  blob: maybe(BlobReference),
});

/**
 * Part of an unknown kind, by a newer writer: kept, named, never a crash. `value` is what was said, any JSON, where nothing else keeps
 * it. With a `blob` (its JSON text in UTF-8) `value` is the head of that text, as a string.
 */
export const OtherPart = Schema.Struct({
  type: Schema.Literal("other"),
  kind: Schema.String,
  value: maybe(Schema.Unknown),
  blob: maybe(BlobReference),
});

export const Part = Schema.Union([TextPart, ThinkingPart, ImagePart, FilePart, ToolUsePart, ToolResultPart, OtherPart]);
export type Part = typeof Part.Type;

/**
 * Tokens by kind, each the provider's own number. Providers differ in whether `input` counts what was read from or
 * written to their cache (Anthropic: no; OpenAI, Gemini: yes): `cacheInInput` says which. `reasoningInOutput` is false
 * where hidden reasoning is counted beside `output` (Gemini). So nothing is added twice.
 */
export const TokenUsage = Schema.Struct({
  input: maybe(Schema.Natural),
  output: maybe(Schema.Natural),
  cacheRead: maybe(Schema.Natural),
  cacheWrite: maybe(Schema.Natural),
  reasoning: maybe(Schema.Natural),
  cacheInInput: maybe(Schema.Boolean),
  reasoningInOutput: maybe(Schema.Boolean),
});
export type TokenUsage = typeof TokenUsage.Type;

/** A program and its version, as it names itself. */
export const Program = Schema.Struct({ name: Schema.String, version: maybe(Schema.String) });
export type Program = typeof Program.Type;
