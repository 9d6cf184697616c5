/**
 * Compact ids: a UUID in its usual spelling is stored as 16 bytes instead of 36; every other id stays the text it is.
 *
 * Room: projection.
 *
 * Decision: ids that hardly recur are no names, because each would take a row and an index entry in `names`: of a small
 * event's writing that was a fifth.
 */

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const compactId = (id: string): string | Uint8Array =>
  id.length === 36 && uuid.test(id)
    ? Buffer.from(id.slice(0, 8) + id.slice(9, 13) + id.slice(14, 18) + id.slice(19, 23) + id.slice(24), "hex")
    : id;

/** SQL: a stored id as text. An index on it uses the same words, so that it can be searched for. */
export const idText = (column: string): string =>
  `(CASE typeof(${column}) WHEN 'blob' THEN lower(substr(hex(${column}), 1, 8) || '-' || substr(hex(${column}), 9, 4) || '-' || ` +
  `substr(hex(${column}), 13, 4) || '-' || substr(hex(${column}), 17, 4) || '-' || substr(hex(${column}), 21)) ELSE ${column} END)`;

/** SQL: a text as the id that is stored of it, to search for. Needs SQLite 3.41, so it is for our own questions, not for views. */
export const storedId = (text: string): string => {
  const bytes = `unhex(replace(${text}, '-', ''))`;
  return `(CASE WHEN length(${text}) = 36 AND ${idText(bytes)} = ${text} THEN ${bytes} ELSE ${text} END)`;
};
