/**
 * The list of terms by which FTS5 finds the page of a term, compared with the pages themselves.
 *
 * Room: projection.
 *
 * FTS5's own `integrity-check` reads the pages one after the other and never asks this list, so that a changed term in it
 * makes a search miss rows without a word. Table `_idx` has one row for each leaf page on which a term begins: the shortest
 * beginning of that term that tells it from the term before it (FTS5's file format, "fts5_index.c"). So each row is a beginning
 * of the page's first term, and greater than the last term of the page before: a shorter one leads a search past its page.
 *
 * While a merge goes on, the pages of a segment that are merged are gone, the first that is left has lost its first terms,
 * and the list still has the rows of all of them: a search that is led before the first page begins there.
 */
import type Database from "better-sqlite3";

/** Bits of the rowid of a page: segment, one for lists of documents, height, number of the page. */
const segmentShift = 37n;
/** Rows below are no pages. */
const firstPage = 1n << segmentShift;
const pageNumber = (1n << 31n) - 1n;
const isLeaf = (rowid: bigint): boolean => ((rowid >> 31n) & 63n) === 0n;

interface Term {
  readonly segid: bigint;
  readonly term: Buffer;
  readonly pgno: bigint;
}
interface Page {
  readonly id: bigint;
  readonly block: Buffer;
}

/** Seven bits a byte, the highest first; the place behind it. */
const numberAt = (block: Buffer, at: number): readonly [value: number, next: number] => {
  let value = 0;
  for (let next = at; next < at + 9; next++) {
    const byte = block[next] ?? 0;
    value = value * 128 + (byte & 127);
    if (byte < 128) return [value, next + 1];
  }
  return [value, at + 9];
};

/** Room for one term: FTS5 takes a token of 32 KiB at most, and a page is smaller than that. */
const spelled = Buffer.alloc(65_536);

/**
 * The first and the last term that begin on a page; undefined where none does. Its footer lists where terms begin; each
 * but the first shares a number of bytes with the one before it.
 */
const termsOf = (block: Buffer): { readonly first: Buffer; readonly last: Buffer } | undefined => {
  if (block.length < 4) return undefined;
  const footer = block.readUInt16BE(2);
  if (footer >= block.length) return undefined;
  let [at, next] = numberAt(block, footer);
  const [length, from] = numberAt(block, at);
  const first = block.subarray(from, from + length);
  if (next >= block.length) return { first, last: first };
  first.copy(spelled);
  let end = length;
  while (next < block.length) {
    const [step, behind] = numberAt(block, next);
    at += step;
    next = behind;
    const [shared, afterShared] = numberAt(block, at);
    const [more, start] = numberAt(block, afterShared);
    block.copy(spelled, shared, start, start + more);
    end = shared + more;
  }
  return { first, last: Buffer.from(spelled.subarray(0, end)) };
};

/** The first difference, in words; undefined where list and pages say the same. */
export const termFault = (db: Database.Database, index: string): string | undefined => {
  const terms = new Map<bigint, Buffer>();
  const listed = db
    .prepare<[], Term>(`SELECT segid, CAST(term AS BLOB) AS term, pgno FROM ${index}_idx`)
    .safeIntegers();
  for (const { pgno, segid, term } of listed.iterate()) terms.set((segid << segmentShift) + (pgno >> 1n), term);
  const pages = db
    .prepare<[bigint], Page>(`SELECT id, block FROM ${index}_data WHERE id >= ? ORDER BY id`)
    .safeIntegers();
  /** The last term of the segment so far. */
  let before: { readonly segment: bigint; readonly term: Buffer } | undefined;
  /** First page of each segment. */
  const firsts = new Map<bigint, bigint>();
  for (const { block, id } of pages.iterate(firstPage)) {
    if (!isLeaf(id)) continue;
    const segment = id >> segmentShift;
    const [is, said] = [termsOf(block), terms.get(id)];
    terms.delete(id);
    if (!firsts.has(segment)) {
      firsts.set(segment, id);
      const isCut = (id & pageNumber) > 1n;
      if (isCut && is !== undefined && (said === undefined || said.compare(is.first) <= 0)) {
        before = { segment, term: is.last };
        continue;
      }
    }
    if (is === undefined && said === undefined) continue;
    const isBehind = said !== undefined && (before?.segment !== segment || before.term.compare(said) < 0);
    if (is !== undefined) before = { segment, term: is.last };
    if (is === undefined || said === undefined || !isBehind || !is.first.subarray(0, said.length).equals(said))
      return `the term that its list has for page ${id & pageNumber} of segment ${id >> segmentShift} does not lead to the first one there`;
  }
  const left = terms.keys().find((id) => id > (firsts.get(id >> segmentShift) ?? 0n));
  return left === undefined
    ? undefined
    : `its list names page ${left & pageNumber} of segment ${left >> segmentShift}, which is not there`;
};
