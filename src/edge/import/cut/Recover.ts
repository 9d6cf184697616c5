/**
 * Finds the records on a line that is not one: followed by NULs after a power cut, or glued behind a torn one.
 *
 * Room: edge.
 *
 * Everything of the line is given back, in order: records with their value, what is left over without one: whole records in
 * front of a torn one, and the one behind it. A record that stands inside a torn one is no record: only what is a line of the
 * file's own format counts.
 */
import { isUtf8 } from "node:buffer";
import { isObject, type JsonValue } from "../../../domain/Json.ts";
import { valuesOf } from "../formats/JsonOutline.ts";

export interface Piece {
  readonly raw: Buffer;
  readonly value: JsonValue | undefined;
}

/** Beginnings of a record that are tried on one line; a torn record of a megabyte has a few hundred objects in it. */
const maxTries = 1000;
/** Longest piece in which a glued record is looked for: each try may read all of it. */
const maxSearched = 16 * 1024 * 1024;

const objectBegin = Buffer.from('{"');

const parsed = (bytes: Buffer): JsonValue | undefined => {
  if (!isUtf8(bytes)) return undefined;
  try {
    return JSON.parse(bytes.toString("utf8")) as JsonValue;
  } catch {
    return undefined;
  }
};

/** A record at the end of a piece whose beginning is torn. */
const gluedIn = (piece: Buffer, isRecord: (value: JsonValue) => boolean): ReadonlyArray<Piece> | undefined => {
  if (piece.length > maxSearched) return undefined;
  let from = piece.indexOf(objectBegin, 1);
  for (let tries = 0; from !== -1 && tries < maxTries; tries++) {
    const value = parsed(piece.subarray(from));
    if (value !== undefined && isRecord(value))
      return [
        { raw: piece.subarray(0, from), value: undefined },
        { raw: piece.subarray(from), value },
      ];
    from = piece.indexOf(objectBegin, from + 1);
  }
  return undefined;
};

/** Whole records at the beginning of a piece, and what is left of it. */
const leadingIn = (
  piece: Buffer,
  isRecord: (value: JsonValue) => boolean,
): { readonly records: ReadonlyArray<Piece>; readonly rest: Buffer } => {
  const records: Array<Piece> = [];
  let end = 0;
  for (const root of piece.length > maxSearched ? [] : valuesOf(piece).roots) {
    const raw = piece.subarray(end, root.end);
    const value = root.kind === "object" && root.end > root.start ? parsed(raw) : undefined;
    if (value === undefined || !isRecord(value)) break;
    records.push({ raw, value });
    end = root.end;
  }
  return { records, rest: piece.subarray(end) };
};

const isEmptiness = (byte: number | undefined): boolean =>
  byte === 0 || byte === 0x20 || byte === 0x09 || byte === 0x0d;

/** The pieces between runs of NULs, and the runs with the white space behind them. */
const betweenNuls = (bytes: Buffer): ReadonlyArray<Buffer> => {
  const pieces: Array<Buffer> = [];
  let from = 0;
  while (from < bytes.length) {
    let to = from;
    if (bytes[from] === 0) while (to < bytes.length && isEmptiness(bytes[to])) to++;
    else to = bytes.indexOf(0, from) === -1 ? bytes.length : bytes.indexOf(0, from);
    pieces.push(bytes.subarray(from, to));
    from = to;
  }
  return pieces;
};

/** The pieces of a line that is no JSON, or undefined when no record is among them. */
export const recover = (bytes: Buffer, isRecord: (value: JsonValue) => boolean): ReadonlyArray<Piece> | undefined => {
  const pieces = betweenNuls(bytes).flatMap((piece): ReadonlyArray<Piece> => {
    if (piece[0] === 0) return [{ raw: piece, value: undefined }];
    const value = parsed(piece);
    if (value !== undefined && isObject(value)) return [{ raw: piece, value }];
    const { records, rest } = leadingIn(piece, isRecord);
    if (rest.length === 0) return records;
    return [...records, ...(gluedIn(rest, isRecord) ?? [{ raw: rest, value: undefined }])];
  });
  return pieces.some(({ value }) => value !== undefined) ? pieces : undefined;
};

/** True when there is nothing but NULs and white space. */
export const isNothing = (bytes: Buffer): boolean => bytes.every(isEmptiness);
