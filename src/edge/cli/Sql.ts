/**
 * `recollect sql`: one reading statement on the read models, safe beside a running projector.
 *
 * Room: edge. In: query. Out: Cli.
 */
import { Effect, Stream } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { Query, type Value } from "../../query/Query.ts";
import { json, readModels } from "./Flags.ts";
import * as Output from "./Output.ts";

/** Rows that are laid out as a table for a person; more than these come as they are, without waiting for the widest. */
const tableRows = 1000;

/** JSON has no 64-bit integers and no bytes: what does not fit a number is text, bytes are hexadecimal. */
const plain = (value: Value): unknown => {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
};

const cell = (value: Value): string => (value === null ? "" : Output.clip(String(plain(value)), 100));

const asJson = (columns: ReadonlyArray<string>, rows: Stream.Stream<ReadonlyArray<Value>, unknown>) => {
  let first = true;
  const objects = Stream.map(rows, (row) => {
    const text = JSON.stringify(Object.fromEntries(columns.map((name, at) => [name, plain(row[at] ?? null)])));
    const lead = first ? "[" : ",";
    first = false;
    return lead + text;
  });
  return Output.lines(
    Stream.concat(
      objects,
      Stream.suspend(() => Stream.make(first ? "[]" : "]")),
    ),
  );
};

const asTable = Effect.fnUntraced(function* (
  columns: ReadonlyArray<string>,
  rows: Stream.Stream<ReadonlyArray<Value>, unknown>,
) {
  const batches = rows.pipe(
    Stream.map((row) => row.map(cell)),
    Stream.grouped(tableRows),
  );
  let isFirst = true;
  yield* Output.lines(
    Stream.flatMap(batches, (batch) => {
      const lines = Output.table(columns, batch);
      const shown = isFirst ? lines : lines.slice(1);
      isFirst = false;
      return Stream.fromIterable(shown);
    }),
  );
  if (isFirst) yield* Output.note("No rows.");
});

export const sql = Command.make(
  "sql",
  {
    statement: Argument.String("statement").pipe(Argument.withDescription("One SELECT, WITH, VALUES or EXPLAIN")),
    csv: Flag.Boolean("csv").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Comma-separated values with a header"),
    ),
    json,
  },
  Effect.fn("cli.sql")(
    function* (input) {
      const query = yield* Query;
      const { columns, rows } = yield* query.sql(input.statement);
      if (input.json) yield* asJson(columns, rows);
      else if (input.csv) {
        const header = Output.csv(columns);
        yield* Output.lines(
          Stream.prepend(
            Stream.map(rows, (row) => Output.csv(row.map(plain))),
            [header],
          ),
        );
      } else yield* asTable(columns, rows);
    },
    Effect.scoped,
    readModels,
  ),
).pipe(
  Command.withDescription("Ask the read models in SQL; v_dictionary explains every view and column"),
  Command.withExamples([
    {
      command: 'recollect sql "SELECT tool_name, outcome, count(*) FROM v_tool_calls GROUP BY 1, 2"',
      description: "Calls by tool",
    },
    { command: 'recollect sql "SELECT * FROM v_dictionary"', description: "What there is" },
  ]),
);
