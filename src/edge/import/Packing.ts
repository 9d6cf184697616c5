/**
 * The packing of a file's text: none, compressed, or in UTF-16 or UTF-32.
 *
 * Room: edge.
 *
 * Known by its first bytes, never by its name. Codex compresses rollouts of more than a week to `.jsonl.zst` and deletes
 * the plain file (0.137); a Windows shell redirects into UTF-16. Unpacked piece by piece: the memory is a piece, whatever
 * the file's size.
 */
import { createGunzip, createZstdDecompress } from "node:zlib";
import type { Transform } from "node:stream";

export type Packing = "gzip" | "zstd" | "utf16le" | "utf16be" | "utf32le" | "utf32be";

/** Bytes that are enough to know a packing. */
export const packingBytes = 4;

const begins = (head: Uint8Array, ...bytes: ReadonlyArray<number>): boolean =>
  bytes.every((byte, index) => head[index] === byte);

/** The packing of a file by its first bytes; undefined for a plain one. */
export const packingOf = (head: Uint8Array): Packing | undefined => {
  if (begins(head, 0x1f, 0x8b)) return "gzip";
  if (begins(head, 0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  // With its mark, or a bracket or brace of ASCII and what follows it.
  // UTF-32 first: its mark begins with that of UTF-16, and no JSON has a NUL behind it.
  if (begins(head, 0xff, 0xfe, 0, 0) || begins(head, 0x7b, 0, 0, 0) || begins(head, 0x5b, 0, 0, 0)) return "utf32le";
  if (begins(head, 0, 0, 0xfe, 0xff) || begins(head, 0, 0, 0, 0x7b) || begins(head, 0, 0, 0, 0x5b)) return "utf32be";
  if (begins(head, 0xff, 0xfe)) return "utf16le";
  if (begins(head, 0xfe, 0xff)) return "utf16be";
  if ((head[0] === 0x7b || head[0] === 0x5b) && head[1] === 0 && head[2] !== 0 && head[3] === 0) return "utf16le";
  if (head[0] === 0 && (head[1] === 0x7b || head[1] === 0x5b) && head[2] === 0 && head[3] !== 0) return "utf16be";
  return undefined;
};

/** Unpacks what is pushed. `problem` says why no more comes, once that is so. */
export interface Unpacker {
  /** The plain bytes that this piece adds; the memory is the caller's. */
  readonly push: (piece: Uint8Array) => Promise<ReadonlyArray<Uint8Array>>;
  readonly end: () => Promise<ReadonlyArray<Uint8Array>>;
  readonly close: () => void;
  readonly problem: () => string | undefined;
}

/**
 * Compressed bytes that are unpacked at once.
 *
 * Decision: 4 KiB, because a piece's whole output is held: at zstd's worst (a block of 128 KiB in 4 bytes) that is
 * 128 MB, and a thread-pool hop per piece still lets 75 MB/s of gzip through, twice what an import takes.
 */
export const pieceBytes = 4096;

const sentenceOf = (packing: Packing, error: NodeJS.ErrnoException): string => {
  const isTorn = error.code === "Z_BUF_ERROR" || /unexpected end/i.test(error.message);
  return isTorn
    ? `the compressed file (${packing}) ends in the middle: what comes before its end is read`
    : `the compressed file (${packing}) is damaged (${error.message}): what comes before the damage is read`;
};

const decompressor = (packing: "gzip" | "zstd"): Unpacker => {
  const stream: Transform = packing === "gzip" ? createGunzip() : createZstdDecompress();
  let output: Array<Uint8Array> = [];
  let failed: string | undefined;
  let isDone = false;
  let settle: (() => void) | undefined;
  const settled = (): void => {
    settle?.();
    settle = undefined;
  };
  stream.on("data", (bytes: Uint8Array) => output.push(bytes));
  stream.on("error", (error) => {
    failed ??= sentenceOf(packing, error);
    settled();
  });
  // Bytes behind a compressed stream that are none of it (padding) end it.
  stream.on("end", () => {
    isDone = true;
    settled();
  });
  const taken = (): ReadonlyArray<Uint8Array> => {
    const now = output;
    output = [];
    return now;
  };
  const wait = (act: (done: () => void) => void) =>
    new Promise<ReadonlyArray<Uint8Array>>((resolve) => {
      if (failed !== undefined || isDone) return resolve(taken());
      settle = () => resolve(taken());
      act(settled);
    });
  return {
    push: (piece) => wait((done) => stream.write(piece, () => done())),
    end: () => wait(() => stream.end()),
    close: () => stream.destroy(),
    problem: () => failed,
  };
};

/** Half a surrogate pair, which UTF-8 has no bytes for, becomes U+FFFD. */
const decoder = (packing: "utf16le" | "utf16be"): Unpacker => {
  const text = new TextDecoder(packing === "utf16le" ? "utf-16le" : "utf-16be");
  const given = (decoded: string): ReadonlyArray<Uint8Array> => (decoded === "" ? [] : [Buffer.from(decoded, "utf8")]);
  return {
    push: (piece) => Promise.resolve(given(text.decode(piece, { stream: true }))),
    end: () => Promise.resolve(given(text.decode())),
    close: () => {},
    problem: () => undefined,
  };
};

/** Codes as text; no code of Unicode, and half a surrogate pair, become U+FFFD. */
const characters = (codes: ReadonlyArray<number>): string => {
  let text = "";
  for (const code of codes)
    text += code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? "\uFFFD" : String.fromCodePoint(code);
  return text;
};

const unitBytes = 4;

/** No decoder of the platform knows UTF-32. */
const wideDecoder = (packing: "utf32le" | "utf32be"): Unpacker => {
  let rest: Buffer = Buffer.alloc(0);
  let isFirst = true;
  const decoded = (bytes: Buffer): ReadonlyArray<Uint8Array> => {
    const codes: Array<number> = [];
    for (let at = 0; at + unitBytes <= bytes.length; at += unitBytes)
      codes.push(packing === "utf32le" ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
    rest = Buffer.from(bytes.subarray(codes.length * unitBytes));
    const from = isFirst && codes[0] === 0xfeff ? 1 : 0;
    isFirst &&= codes.length === 0;
    return codes.length === from ? [] : [Buffer.from(characters(codes.slice(from)), "utf8")];
  };
  return {
    push: (piece) => Promise.resolve(decoded(Buffer.concat([rest, piece]))),
    end: () => Promise.resolve(rest.length === 0 ? [] : [Buffer.from("\uFFFD")]),
    close: () => {},
    problem: () => undefined,
  };
};

export const unpacker = (packing: Packing): Unpacker => {
  if (packing === "gzip" || packing === "zstd") return decompressor(packing);
  return packing === "utf32le" || packing === "utf32be" ? wideDecoder(packing) : decoder(packing);
};
