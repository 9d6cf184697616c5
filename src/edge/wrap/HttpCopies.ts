/**
 * Traffic over streamable HTTP as the lines that a recorder reads: one message each, ids told apart by session.
 *
 * Room: edge.
 *
 * Copies only; what passes is not touched. Two sessions may use the same ids, and one recorder hears them all, so an id has its
 * session before it here.
 */
import type { Direction } from "./Traffic.ts";

/** A body, or one event of a stream, beyond it is not copied; what follows in the stream is. */
const longest = 32 * 1024 * 1024;

/** Ends an event of a stream; in a chunk's beginning all but its last character may stand in the one before. */
const between = /\r\n\r\n|\n\n|\r\r/;
const mostBetween = 3;

export type Told = (direction: Direction, line: Uint8Array) => void;

type Message = { readonly id?: unknown; readonly [name: string]: unknown };

const isMessage = (value: unknown): value is Message =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const lineOf = (message: Message, session: string): Uint8Array => {
  const { id } = message;
  const isNamed = typeof id === "string" || typeof id === "number";
  const told = isNamed ? { ...message, id: `${session} ${JSON.stringify(id)}` } : message;
  return Buffer.from(`${JSON.stringify(told)}\n`);
};

/** The messages of a JSON text; none where it is no JSON. */
const tellText = (text: string, session: string, direction: Direction, told: Told): void => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return;
  }
  for (const message of Array.isArray(parsed) ? parsed : [parsed]) {
    if (isMessage(message)) told(direction, lineOf(message, session));
  }
};

/** Gathers one body, or the events of one stream, and tells each message when it is there. */
export class Copy {
  #text = "";
  #isTooLong = false;
  readonly #decoder = new TextDecoder();
  readonly #isStream: boolean;
  readonly #tell: (text: string) => void;

  constructor(how: {
    readonly direction: Direction;
    readonly session: () => string;
    readonly isStream: boolean;
    readonly told: Told;
  }) {
    this.#isStream = how.isStream;
    this.#tell = (text) => tellText(text, how.session(), how.direction, how.told);
  }

  add(chunk: Uint8Array): void {
    if (this.#isTooLong && !this.#isStream) return;
    const from = Math.max(0, this.#text.length - mostBetween);
    this.#text += this.#decoder.decode(chunk, { stream: true });
    if (this.#isStream) this.#events(from);
    if (!this.#isTooLong && this.#text.length <= longest) return;
    this.#isTooLong = true;
    // An event's end may come in two pieces.
    this.#text = this.#isStream ? this.#text.slice(-mostBetween) : "";
  }

  /** Tells the rest once; further calls do nothing. */
  end(): void {
    const text = this.#text;
    if (text === "") return;
    if (this.#isStream) {
      this.#text += "\n\n";
      this.#events(0);
    } else this.#tell(text);
    this.#text = "";
  }

  /** Events that are complete: their `data` lines, joined. */
  #events(from: number): void {
    if (!between.test(this.#text.slice(from))) return;
    const parts = this.#text.split(between);
    this.#text = parts.pop() ?? "";
    if (this.#isTooLong) parts.shift();
    this.#isTooLong = false;
    for (const part of parts) {
      const data = part
        .split(/\r\n|\n|\r/)
        .flatMap((line) => (line.startsWith("data:") ? [line.slice(5).replace(/^ /, "")] : []))
        .join("\n");
      if (data !== "") this.#tell(data);
    }
  }
}
