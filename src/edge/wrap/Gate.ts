/**
 * The gate: holds a line of the client until its verdict, and gives what is said in the server's place.
 *
 * Room: edge.
 *
 * Plain Node, as all that is on the way of a call. A gate stands only where one was asked for: it must see a line
 * whole before it passes any of it, where the plain pump passes bytes as they come. Lines go on unchanged and in their
 * order: those behind one that is asked about wait for it, and a client that is not read from stops writing. A line
 * said in the server's place stands between two lines of the server, never within one.
 */
import type { Readable, Writable } from "node:stream";
import { maxLineBytes } from "./Lines.ts";
import type { Direction } from "./Traffic.ts";

/** Verdict on a line; those of ours are without their newline. */
export type Verdict =
  /** It goes to the server. */
  | { readonly _tag: "Pass" }
  /** The client is given this, and whoever records is told of both. */
  | { readonly _tag: "Answer"; readonly line: string }
  /** The client is given this; nothing was called, and it is not recorded. */
  | { readonly _tag: "Refuse"; readonly line: string };

/** Description of a line from the client. */
export interface Asked {
  /** Never rejects. */
  readonly verdict: Promise<Verdict>;
  /** The line has gone its way; told before any line behind it. */
  readonly went: (verdict: Verdict) => void;
}

/** Looks at a line without its newline; undefined when it is none of its business. Must not throw. */
export type Ask = (line: Buffer) => Asked | undefined;

const newline = 0x0a;

interface Sides {
  readonly client: { readonly from: Readable; readonly to: Writable };
  readonly server: { readonly from: Readable; readonly to: Writable };
  readonly passed: (direction: Direction, chunk: Uint8Array) => void;
  readonly ask: Ask;
}

/** Line of ours to the client; `isTold`: the recorder gets it too. */
interface Saying {
  readonly line: Buffer;
  readonly isTold: boolean;
}

/** From the client to the server, line by line. */
const guard = ({ ask, client, passed, server }: Sides, say: (saying: Saying) => void): void => {
  let pieces: Array<Buffer> = [];
  let bytes = 0;
  let isUnseen = false;
  let isEnding = false;
  /** Lines behind one that is asked about, in order. */
  const lines: Array<Buffer> = [];
  let isAsking = false;

  const pass = (line: Buffer): void => {
    passed("toServer", line);
    if (!server.to.write(line)) client.from.pause();
  };
  const asked = async (line: Buffer, { verdict, went }: Asked): Promise<void> => {
    isAsking = true;
    client.from.pause();
    const decided = await verdict;
    if (decided._tag === "Pass") pass(line);
    else if (decided._tag === "Answer") passed("toServer", line);
    went(decided);
    if (decided._tag !== "Pass") {
      say({ line: Buffer.from(`${decided.line}\n`, "utf8"), isTold: decided._tag === "Answer" });
    }
    isAsking = false;
    if (!server.to.writableNeedDrain) client.from.resume();
    next();
  };
  const next = (): void => {
    while (!isAsking) {
      const line = lines.shift();
      if (line === undefined) break;
      // A piece that the client's end has cut off is no line.
      const question = line.at(-1) === newline ? ask(line.subarray(0, -1)) : undefined;
      if (question === undefined) pass(line);
      else void asked(line, question);
    }
    if (isEnding && !isAsking) server.to.end();
  };

  client.from.on("data", (chunk: Buffer) => {
    let from = 0;
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
      const piece = chunk.subarray(from, at + 1);
      from = at + 1;
      const line = Buffer.concat([...pieces, piece]);
      pieces = [];
      bytes = 0;
      if (isUnseen) pass(line);
      else lines.push(line);
      isUnseen = false;
    }
    const rest = chunk.subarray(from);
    if (rest.length > 0) {
      pieces.push(rest);
      bytes += rest.length;
    }
    next();
    // Too large to be looked at. Behind a line that is asked about it waits, whatever its size.
    if ((isUnseen || bytes > maxLineBytes) && !isAsking && lines.length === 0) {
      isUnseen = true;
      if (bytes > 0) pass(Buffer.concat(pieces));
      pieces = [];
      bytes = 0;
    }
  });
  const end = () => {
    if (bytes > 0) lines.push(Buffer.concat(pieces));
    pieces = [];
    bytes = 0;
    isEnding = true;
    next();
  };
  client.from.on("end", end);
  client.from.on("close", end);
  client.from.on("error", end);
  server.to.on("drain", () => void (isAsking || client.from.resume()));
  server.to.on("error", () => client.from.destroy());
};

/** From the server to the client, and what we say to it. */
const speak = ({ client, passed, server }: Sides): ((saying: Saying) => void) => {
  let isWithinLine = false;
  let waiting: Array<Saying> = [];
  const write = ({ isTold, line }: Saying): void => {
    if (line.length === 0) return;
    if (isTold) passed("toClient", line);
    if (!client.to.write(line)) server.from.pause();
  };
  server.from.on("data", (chunk: Buffer) => {
    const end = waiting.length === 0 ? -1 : chunk.indexOf(newline);
    if (end >= 0) {
      write({ line: chunk.subarray(0, end + 1), isTold: true });
      waiting.forEach(write);
      waiting = [];
    }
    write({ line: chunk.subarray(end + 1), isTold: true });
    isWithinLine = chunk.at(-1) !== newline;
  });
  client.to.on("drain", () => server.from.resume());
  client.to.on("error", () => server.from.destroy());
  server.from.on("error", () => client.to.end());
  return (saying) => {
    if (isWithinLine) waiting.push(saying);
    else write(saying);
  };
};

/** Stands between both sides until they end. */
export const stand = (sides: Sides): void => guard(sides, speak(sides));
