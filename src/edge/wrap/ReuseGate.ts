/**
 * The gate for reuse: calls that may be answered by earlier answers, and everything else passed on unchanged.
 *
 * Room: edge. In: none. Out: Proxy.
 *
 * Plain Node. A gate stands only where somebody asked for one: it must see a line whole before it passes any of it, where
 * the plain pump passes bytes as they come. Lines keep their order: those behind one that is asked about wait for it.
 */
import type { Readable, Writable } from "node:stream";
import type { Direction } from "./Traffic.ts";

/** What is said of a line from the client. */
export interface Asked {
  /** The line to give the client in the server's place, without its newline; undefined: the line goes to the server. */
  readonly answer: Promise<string | undefined>;
  /** The line has gone its way; told before any line behind it. */
  readonly went: (isAnswered: boolean) => void;
}

/** Looks at a line without its newline; undefined when it is none of its business. Must not throw. */
export type Ask = (line: Buffer) => Asked | undefined;

/** A line above this goes to the server as it comes, unseen: what is that large is not asked twice. */
const maxLineBytes = 4 * 1024 * 1024;
const newline = 0x0a;

interface Sides {
  readonly client: { readonly from: Readable; readonly to: Writable };
  readonly server: { readonly from: Readable; readonly to: Writable };
  readonly passed: (direction: Direction, chunk: Uint8Array) => void;
  readonly ask: Ask;
}

/** From the client to the server, line by line. */
const guard = ({ ask, client, passed, server }: Sides, give: (answer: Buffer) => void): void => {
  let pieces: Array<Buffer> = [];
  let bytes = 0;
  let isUnseen = false;
  let isEnding = false;
  /** Lines behind one that is asked about, in order. */
  const lines: Array<Buffer> = [];
  let isAsking = false;

  const pass = (line: Buffer): void => {
    if (!server.to.write(line)) client.from.pause();
    passed("toServer", line);
  };
  const asked = async (line: Buffer, { answer, went }: Asked): Promise<void> => {
    isAsking = true;
    client.from.pause();
    const found = await answer.catch(() => undefined);
    if (found === undefined) pass(line);
    else passed("toServer", line);
    went(found !== undefined);
    if (found !== undefined) give(Buffer.from(`${found}\n`, "utf8"));
    isAsking = false;
    if (!server.to.writableNeedDrain) client.from.resume();
    next();
  };
  const next = (): void => {
    while (!isAsking) {
      const line = lines.shift();
      if (line === undefined) break;
      const question = ask(line.subarray(0, -1));
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
    // Behind a line that is asked about it waits, whatever its size.
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

/** From the server to the client; what we say goes between two lines of the server, never into one. */
const speak = ({ client, passed, server }: Sides): ((answer: Buffer) => void) => {
  let isWithinLine = false;
  let waiting: Array<Buffer> = [];
  const write = (piece: Buffer): void => {
    if (piece.length === 0) return;
    if (!client.to.write(piece)) server.from.pause();
    passed("toClient", piece);
  };
  server.from.on("data", (chunk: Buffer) => {
    const end = waiting.length === 0 ? -1 : chunk.indexOf(newline);
    if (end >= 0) {
      write(chunk.subarray(0, end + 1));
      waiting.forEach(write);
      waiting = [];
      write(chunk.subarray(end + 1));
    } else write(chunk);
    isWithinLine = chunk.at(-1) !== newline;
  });
  client.to.on("drain", () => server.from.resume());
  client.to.on("error", () => server.from.destroy());
  server.from.on("error", () => client.to.end());
  return (answer) => {
    if (isWithinLine) waiting.push(answer);
    else write(answer);
  };
};

/** Stands between both sides until they end. */
export const stand = (sides: Sides): void => guard(sides, speak(sides));
