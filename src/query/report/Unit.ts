/**
 * Units of columns: what a number means to eyes, and where it is shown as what.
 *
 * Room: query.
 *
 * Columns of the views follow one rule of names, so that the unit of any statement's result is known by its column's name.
 */

/**
 * - `count`, `tokens`: whole numbers; `number`: any
 * - `number_of`: a number that names (a sequence, a process id), never grouped by thousands
 * - `bytes`; `millis`: a duration; `usd`: US dollars; `share`: 0 to 1
 * - `moment`: epoch milliseconds; `day`: YYYY-MM-DD
 * - `text`
 */
export type Unit =
  | "count"
  | "tokens"
  | "number"
  | "number_of"
  | "bytes"
  | "millis"
  | "usd"
  | "share"
  | "moment"
  | "day"
  | "text";

const rules: ReadonlyArray<readonly [RegExp, Unit]> = [
  [/(?:^|_)(?:sequence|version|id|begun|ordinal|line|port|position|attempt|exit_code)$/, "number_of"],
  [/(?:^|_)bytes$/, "bytes"],
  [/(?:^|_)(?:ms|millis)$/, "millis"],
  [/(?:^|_)usd$/, "usd"],
  [/(?:^|_)(?:share|rate)$/, "share"],
  [/(?:^|_)at$/, "moment"],
  [/(?:^|_)tokens$/, "tokens"],
  [/(?:^|_)day$/, "day"],
];

/** The unit of a column by its name; `number` where the name says none. */
export const unitOf = (column: string): Unit => rules.find(([rule]) => rule.test(column))?.[1] ?? "number";
