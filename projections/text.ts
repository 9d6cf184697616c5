/**
 * Text in read models: how much of it, and where it lies.
 *
 * Room: projections.
 */
import { cutText } from "../src/domain/secret/CutText.ts";
import type { Cell, Column } from "../src/projection/Projection.ts";
import { quotedText, type Quoting } from "../src/projection/fold/Quote.ts";

/**
 * Most UTF-16 units of one text. A tool may print gigabytes; a view that puts such parts together would fill the
 * memory of whoever reads it, and the ledger has the whole. 1 Mi units are 1 MiB of English.
 */
export const maxText = 1024 * 1024;

/** Longest title, in UTF-16 units: a program that puts a whole prompt there would make listings unreadable. */
export const maxTitle = 1000;

/** The beginning of a text, never ending in half a character or half a secret. */
export const head = (text: string, limit = maxText): string => cutText(text, limit);

/** Columns of a table that has one text a row: the text itself, or the place in the ledger where it stands. */
export const textColumns = {
  text: { type: "text", merge: "replace", doc: "Its text, at most 1 MiB, where no event spells it." },
  quoted_in: { type: "integer", merge: "replace", doc: "Sequence of the event whose body spells the text." },
  quoted_at: { type: "integer", merge: "replace", doc: "Byte of that body from which on it does." },
  quoted_bytes: { type: "integer", merge: "replace", doc: "For how many bytes." },
} as const satisfies Readonly<Record<string, Column>>;

/** The cells of these columns; nothing for no text and for an empty one. */
export const textCells = (
  text: string | undefined,
  event: { readonly sequence: number; readonly quoting: Quoting },
): Readonly<Record<keyof typeof textColumns, Cell>> => {
  const shown = text === undefined || text === "" ? null : head(text);
  const quote = shown === null ? undefined : event.quoting(shown);
  return quote === undefined
    ? { text: shown, quoted_in: null, quoted_at: null, quoted_bytes: null }
    : { text: null, quoted_in: event.sequence, quoted_at: quote.at, quoted_bytes: quote.bytes };
};

/** SQL: the text of a row with these columns. */
export const textOf = (row: string): string =>
  `coalesce(${row}.text, (SELECT ${quotedText({ body: "l.data", at: `${row}.quoted_at`, bytes: `${row}.quoted_bytes` })} ` +
  `FROM events l WHERE l.sequence = ${row}.quoted_in))`;

/** SQL: whether such a row has a text. */
export const hasText = (row: string): string => `(${row}.text IS NOT NULL OR ${row}.quoted_in IS NOT NULL)`;
