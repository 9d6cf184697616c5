/**
 * Quotes: a text that the event's own body spells as a JSON string is kept as its place there, not once more.
 *
 * Room: projection.
 *
 * The place is looked for, not reckoned, so it holds for every format: whatever bytes are found, they are the text as
 * JSON spells it. A body that spells it in another way, or a text put together from several, is simply no quote.
 * Plain functions: asked for every text of every event.
 */

/** Place where a body spells a text: first byte, and length in bytes, quotation marks included. */
export interface Quote {
  readonly at: number;
  readonly bytes: number;
}

/** Finds a text in the body of one event. */
export type Quoting = (text: string) => Quote | undefined;

/**
 * Shortest text worth a quote, in UTF-16 units: the place takes about 10 bytes, and reading it another row.
 */
const shortest = 64;

/** JSON knows characters that SQLite cannot take out of it whole: the one that ends a C string, and half characters. */
const isPlain = (text: string): boolean => !text.includes("\0") && text.isWellFormed();

/** Texts are mostly asked for in the order in which they stand, so each is looked for from the end of the last on. */
export const quoting = (body: Uint8Array): Quoting => {
  let from = 0;
  return (text) => {
    if (text.length < shortest || text.length > body.byteLength || !isPlain(text)) return undefined;
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    const spelled = Buffer.from(JSON.stringify(text));
    let at = bytes.indexOf(spelled, from);
    if (at < 0 && from > 0) at = bytes.indexOf(spelled);
    if (at < 0) return undefined;
    from = at + spelled.length;
    return { at, bytes: spelled.length };
  };
};

/** SQL: the text of a quote in a body, both given as SQL. */
export const quotedText = (quote: { readonly body: string; readonly at: string; readonly bytes: string }): string =>
  `json_extract(CAST(substr(CAST(${quote.body} AS BLOB), ${quote.at} + 1, ${quote.bytes}) AS TEXT), '$')`;
