/** The tools that plant a fault: bytes of a file, blocks of a stream, pages and rows of a database. */
import Database from "better-sqlite3";
import {
  cpSync,
  existsSync,
  globSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { basename, join, relative } from "node:path";
import { type BlockRecord, readBlock, recordBytes } from "../../../src/log/blocks/BlockFile.ts";
import * as StreamFiles from "../../../src/log/blocks/StreamFiles.ts";
import { defineSearchWords } from "../../../src/projection/write/SearchWordsSqlite.ts";
import type { Dice } from "../Dice.ts";
import type { Place } from "./Fault.ts";

/** Which block of the stream: the first of several, or the one that is written to. */
export type Which = "old" | "last";

const stream = "RECOLLECT";

export const streamFolder = ({ data }: Pick<Place, "data">): string => {
  const found = StreamFiles.find(join(data, "nats"), stream);
  if (found === undefined) throw new Error(`there is no stream in ${data}`);
  return found.path;
};

/** Numbers of its blocks, ascending. */
const blockNumbers = (place: Place): ReadonlyArray<number> =>
  globSync(join(streamFolder(place), "msgs", "*.blk"))
    .map((file) => Number(basename(file, ".blk")))
    .toSorted((a, b) => a - b);

export const blockOf = (place: Place, which: Which): { readonly file: string; readonly number: number } => {
  const numbers = blockNumbers(place);
  if (numbers.length < 2) throw new Error(`the stream has ${numbers.length} blocks; the drill needs two`);
  const number = (which === "old" ? numbers[0] : numbers.at(-1)) ?? 1;
  return { file: join(streamFolder(place), "msgs", `${number}.blk`), number };
};

export const named = (place: Place, file: string): string => relative(place.data, file);

export const flipByte = (place: Place, file: string, at: number): string => {
  const bytes = readFileSync(file);
  const bit = place.dice.between(0, 7);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
  writeFileSync(file, bytes);
  return `bit ${bit} of byte ${at} of ${named(place, file)}`;
};

/** Anywhere in the file, or in a part of it given as shares of its length. */
export const flipIn = (place: Place, file: string, [from, to]: readonly [number, number] = [0, 1]): string => {
  const { size } = statSync(file);
  const low = Math.min(size - 1, Math.floor(size * from));
  return flipByte(place, file, place.dice.between(low, Math.max(low, Math.ceil(size * to) - 1)));
};

/** The fields of a stored record, in their order. */
export const fields = [
  "length",
  "sequence",
  "time",
  "subject length",
  "subject",
  "headers",
  "body",
  "checksum",
] as const;
export type Field = (typeof fields)[number];

/** Where a field of a record begins, and how long it is, from the record's first byte. */
const extentOf = (record: BlockRecord, field: Field): readonly [number, number] => {
  const subject = Buffer.byteLength(record.subject);
  const total = recordBytes(record);
  const headers = 22 + subject + 4;
  const extents: Readonly<Record<Field, readonly [number, number]>> = {
    length: [0, 4],
    sequence: [4, 8],
    time: [12, 8],
    "subject length": [20, 2],
    subject: [22, subject],
    headers: [headers, record.headers.length],
    body: [headers + record.headers.length, record.body.length],
    checksum: [total - 8, 8],
  };
  return extents[field];
};

export type Picked = "first" | "some" | "end";

/** `some` is one that a thread is read from, not one of the large ones that fill the block. */
const pickOf = (dice: Dice, records: ReadonlyArray<BlockRecord>, picked: Picked): number => {
  if (picked === "first") return 0;
  if (picked === "end") return records.length - 1;
  const small = [...records.keys()].slice(1, -1).filter((index) => (records[index]?.body.length ?? 0) < 10_000);
  return small[dice.between(0, small.length - 1)] ?? 1;
};

/** Flips a bit in a field of a record. */
export const flipField = (place: Place, which: Which, field: Field, picked: Picked = "some"): string => {
  const { file, number } = blockOf(place, which);
  const { records } = readBlock(stream, number, readFileSync(file));
  const index = pickOf(place.dice, records, picked);
  const record = records[index];
  if (record === undefined) throw new Error(`block ${number} has no record ${index}`);
  const begin = records.slice(0, index).reduce((sum, before) => sum + recordBytes(before), 0);
  const [at, length] = extentOf(record, field);
  return `${flipByte(place, file, begin + at + place.dice.between(0, length - 1))} (event ${record.sequence})`;
};

export const truncate = (place: Place, file: string, lengthOf: (size: number) => number): string => {
  const { size } = statSync(file);
  const length = Math.max(0, Math.floor(lengthOf(size)));
  truncateSync(file, length);
  return `${named(place, file)} cut from ${size} to ${length} bytes`;
};

export const remove = (place: Place, ...files: ReadonlyArray<string>): string => {
  for (const file of files) rmSync(file, { recursive: true, force: true });
  return `${files.map((file) => named(place, file)).join(", ")} removed`;
};

/** Overwrites a stretch with zeros, or with bytes of the dice. */
export const overwrite = (
  place: Place,
  file: string,
  { length, with: fill }: { readonly length?: number | undefined; readonly with: "zeros" | "garbage" },
): string => {
  const bytes = readFileSync(file);
  const size = Math.min(length ?? bytes.length, bytes.length);
  const at = place.dice.between(0, bytes.length - size);
  for (let byte = at; byte < at + size; byte++) bytes[byte] = fill === "zeros" ? 0 : place.dice.between(0, 255);
  writeFileSync(file, bytes);
  return `${size} bytes at ${at} of ${named(place, file)} are ${fill}`;
};

export const swapFiles = (place: Place, one: string, other: string): string => {
  renameSync(one, `${one}.aside`);
  renameSync(other, one);
  renameSync(`${one}.aside`, other);
  return `${named(place, one)} and ${named(place, other)} have changed places`;
};

export const write = (place: Place, file: string, content: string | Uint8Array): string => {
  writeFileSync(file, content);
  return `${named(place, file)} replaced by ${content.length} bytes`;
};

/** Puts what another folder has in place of what is here. */
export const replace = (place: Place, from: string, what: string): string => {
  rmSync(join(place.data, what), { recursive: true, force: true });
  if (existsSync(join(from, what))) cpSync(join(from, what), join(place.data, what), { recursive: true });
  return `${what} replaced by that of ${basename(from)}`;
};

/** The file that the link `recollect.db` names. */
export const databaseOf = ({ data }: Pick<Place, "data">): string => {
  const [file] = globSync(join(data, "recollect-*.db")).toSorted().toReversed();
  return file ?? join(data, "recollect.db");
};

export const spoolOf = ({ data }: Pick<Place, "data">): string => join(data, "spool.db");

/** SQL by somebody who is not us. Statements may change the schema itself. */
export const sql = (file: string, ...statements: ReadonlyArray<string>): string => {
  const database = new Database(file);
  database.unsafeMode(true);
  defineSearchWords(database);
  let changed = 0;
  for (const statement of statements) {
    if (/^(?:update|delete|insert)/i.test(statement)) changed += database.prepare(statement).run().changes;
    else database.exec(statement);
  }
  database.close();
  return `${statements.join("; ")} (${changed} rows)`;
};

/** Flips a bit in a page of one table or index, found by SQLite's own statistics. */
export const flipPage = (place: Place, table: string): string => {
  const file = databaseOf(place);
  const database = new Database(file);
  database.pragma("wal_checkpoint(TRUNCATE)");
  const size = Number(database.pragma("page_size", { simple: true }));
  const pages = database
    .prepare<[string], { pageno: number }>("SELECT pageno FROM dbstat WHERE name = ? AND pagetype <> 'overflow'")
    .all(table);
  database.close();
  const page = pages[place.dice.between(0, pages.length - 1)]?.pageno;
  if (page === undefined) throw new Error(`${table} has no pages`);
  // Cells lie at the end of a page and grow towards its head, which says where they begin; a bit of the gap between would
  // change nothing.
  const head = (page - 1) * size + (page === 1 ? 100 : 0);
  const cells = readFileSync(file).readUInt16BE(head + 5) || size;
  const at = (page - 1) * size + place.dice.between(Math.min(cells, size - 1), size - 1);
  return `${flipByte(place, file, at)} (page ${page} of ${table})`;
};
