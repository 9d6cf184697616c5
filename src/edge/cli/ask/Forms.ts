/**
 * The forms of a result: JSON, one JSON object a line, CSV, and a table for a person.
 *
 * Room: edge.
 *
 * In pieces of some hundred rows, each one write: a result of any size takes the memory of one piece.
 */
import { Effect, Stream } from "effect";
import { distinct, type SqlResult, type Value } from "../../../query/Sql.ts";
import * as Output from "../Output.ts";
import { plain } from "./Figure.ts";
import { columnsOf, grid, terminalWidth } from "./Grid.ts";

export type Form = "json" | "ndjson" | "csv" | "csv-safe" | "table";

type Rows = Pick<SqlResult, "columns" | "rows">;

const objectOf = (names: ReadonlyArray<string>) => (row: ReadonlyArray<Value>) =>
  JSON.stringify(Object.fromEntries(names.map((name, at) => [name, plain(row[at] ?? null)])));

/** One array, a row on each line, of any length. */
const asJson = ({ columns, rows }: Rows) => {
  const text = objectOf(distinct(columns));
  let lead = "[";
  const pieces = Stream.mapArray(rows, (batch) => {
    const before = lead;
    lead = ",\n";
    return [before + batch.map(text).join(",\n")];
  });
  const end = Stream.suspend(() => Stream.make(lead === "[" ? "[]\n" : "]\n"));
  return Output.raw(Stream.concat(pieces, end));
};

const asLines = ({ columns, rows }: Rows) => {
  const text = objectOf(distinct(columns));
  return Output.raw(Stream.mapArray(rows, (batch) => [batch.map((row) => `${text(row)}\n`).join("")]));
};

/**
 * A cell as a spreadsheet takes it for text. It runs what begins with one of these as a formula (OWASP, CSV injection);
 * numbers are none.
 */
const harmless = (value: Value): unknown =>
  typeof value === "string" && /^\s*[=+\-@|\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/.test(value) ? `'${value}` : plain(value);

/** RFC 4180, lines end in a line feed. */
const asCsv = ({ columns, rows }: Rows, cell: (value: Value) => unknown) =>
  Output.raw(
    Stream.prepend(
      Stream.mapArray(rows, (batch) => [batch.map((row) => `${Output.csv(row.map(cell))}\n`).join("")]),
      [`${Output.csv(columns.map(cell))}\n`],
    ),
  );

const asTable = Effect.fnUntraced(function* ({ columns, rows }: Rows, zone: string | undefined) {
  let isEmpty = true;
  const lines = grid(columnsOf(columns), rows, { width: terminalWidth(), zone });
  yield* Output.raw(Stream.tap(lines, () => Effect.sync(() => (isEmpty = false))));
  if (isEmpty) yield* Output.note("No rows.");
});

/** Prints a result. `zone`: whose clock a table shows moments by; all other forms have epoch milliseconds. */
export const print = (result: Rows, form: Form, zone?: string) => {
  switch (form) {
    case "json":
      return asJson(result);
    case "ndjson":
      return asLines(result);
    case "csv":
      return asCsv(result, plain);
    case "csv-safe":
      return asCsv(result, harmless);
    case "table":
      return asTable(result, zone);
  }
};
