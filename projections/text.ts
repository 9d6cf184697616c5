/**
 * Bounds on text in read models.
 *
 * Room: projections. In: none. Out: projections.
 */

/**
 * Most UTF-16 units of one text. A tool may print gigabytes; a view that puts such parts together would fill the
 * memory of whoever reads it, and the ledger has the whole. 1 Mi units are 1 MiB of English.
 */
export const maxText = 1024 * 1024;

/** The beginning of a text, never ending in half a character. */
export const head = (text: string, limit = maxText): string => {
  if (text.length <= limit) return text;
  const last = text.charCodeAt(limit - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? limit - 1 : limit);
};
