/**
 * Times and shares as answers spell them, for people.
 *
 * Room: projections.
 */

/** SQL: a time as ISO 8601 in UTC; null for none, and for the 0 of an unknown one. */
export const iso = (at: string): string => `strftime('%Y-%m-%dT%H:%M:%fZ', nullif(${at}, 0) / 1000.0, 'unixepoch')`;

/** SQL: the moment of asking, epoch milliseconds. */
export const now = "(CAST(strftime('%s', 'now') AS INTEGER) * 1000)";

/** SQL: a part of a whole, from 0 to 1; null of nothing. */
export const share = (part: string, whole: string): string => `1.0 * ${part} / nullif(${whole}, 0)`;

/** Whole numbers of a name are read as text; 0 is none. */
export const named = (column: string): string => `(SELECT text FROM names WHERE name = nullif(${column}, 0))`;

export const isoDoc = "The same as ISO 8601 in UTC.";
