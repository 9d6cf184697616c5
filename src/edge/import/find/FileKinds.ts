/**
 * Kinds of files that are no transcript, in words for a person, each with the remedy.
 *
 * Room: edge.
 */

interface Kind {
  /** The first bytes, and where they stand when that is not the beginning. */
  readonly bytes: string;
  readonly at?: number;
  readonly name: string;
}

const unpack = "which is not read here: unpack it and import what was in it";
const noTalk = "which holds no conversation";

const kinds: ReadonlyArray<Kind> = [
  { bytes: "504b0304", name: `a ZIP archive, ${unpack}` },
  { bytes: "504b0506", name: `an empty ZIP archive, ${noTalk}` },
  { bytes: "fd377a585a00", name: `compressed by xz, ${unpack}` },
  { bytes: "425a68", name: `compressed by bzip2, ${unpack}` },
  { bytes: "04224d18", name: `compressed by lz4, ${unpack}` },
  { bytes: "377abcaf271c", name: `a 7z archive, ${unpack}` },
  { bytes: "526172211a07", name: `a RAR archive, ${unpack}` },
  { bytes: "7573746172", at: 257, name: `a tar archive, ${unpack}` },
  { bytes: "50415231", name: "a Parquet file, which is not read here: write it out as JSON lines and import those" },
  { bytes: "4152524f5731", name: "an Arrow file, which is not read here: write it out as JSON lines and import those" },
  { bytes: "89504e47", name: `a PNG picture, ${noTalk}` },
  { bytes: "ffd8ff", name: `a JPEG picture, ${noTalk}` },
  { bytes: "47494638", name: `a GIF picture, ${noTalk}` },
  { bytes: "57454250", at: 8, name: `a WebP picture, ${noTalk}` },
  { bytes: "25504446", name: `a PDF document, ${noTalk} that is known` },
  { bytes: "7f454c46", name: `a program (ELF), ${noTalk}` },
  { bytes: "4d5a", name: `a program (Windows), ${noTalk}` },
  { bytes: "cffaedfe", name: `a program (Mach-O), ${noTalk}` },
  { bytes: "0061736d", name: `a WebAssembly module, ${noTalk}` },
  { bytes: "4f676753", name: `a sound (Ogg), ${noTalk}` },
  { bytes: "494433", name: `a sound (MP3), ${noTalk}` },
  { bytes: "66747970", at: 4, name: `a film (MP4), ${noTalk}` },
  { bytes: "1a45dfa3", name: `a film (WebM), ${noTalk}` },
  { bytes: "377f0682", name: "a write-ahead log of SQLite, which is read with its database" },
  { bytes: "377f0683", name: "a write-ahead log of SQLite, which is read with its database" },
  { bytes: "18e22d00", name: "the index of a write-ahead log of SQLite, which holds nothing of its own" },
];

/** Bytes of a head that are enough. */
export const kindBytes = 512;

const isAt = (head: Uint8Array, { at = 0, bytes }: Kind): boolean => {
  const hex = Buffer.from(head.subarray(at, at + bytes.length / 2)).toString("hex");
  return hex === bytes;
};

/** A sentence on a file that is no JSON: what it is by its first bytes, and whether it can be read. */
export const kindOf = (head: Uint8Array): string => {
  const known = kinds.find((kind) => isAt(head, kind));
  if (known !== undefined) return `it is ${known.name}`;
  if (!head.subarray(0, kindBytes).includes(0)) return "it is text, and of no conversation format that is known";
  if (head.every((byte) => byte === 0)) return "it is nothing but NUL bytes: its writer lost it, as after a power cut";
  const begin = Buffer.from(head.subarray(0, 8)).toString("hex").replace(/../g, "$& ").trim();
  return `it is binary, of a format that is not known (it begins with ${begin})`;
};
