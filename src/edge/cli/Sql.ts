/**
 * `recollect sql`: one reading statement on the read models, safe beside a running projector.
 *
 * Room: edge.
 */
import { Effect, Option, Stream } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { Query, type Value } from "../../query/Query.ts";
import { endable } from "./Endable.ts";
import { BadRequest } from "./Failure.ts";
import { json, readModels } from "./Flags.ts";
import * as Output from "./Output.ts";

/** A report over a hundred million rows takes less; what takes longer than a day nobody waits for. */
const defaultSeconds = 600;
const longestSeconds = 86_400;

/** Rows that are laid out as a table for a person; more than these come as they are, without waiting for the widest. */
const tableRows = 1000;

/** JSON has no 64-bit integers, no bytes and no infinity: what does not fit a number is text, bytes are hexadecimal. */
const plain = (value: Value): unknown => {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
};

const cell = (value: Value): string => (value === null ? "" : Output.clip(String(plain(value)), 100));

/** Two columns of one name would be one key of an object: the second is `name_2`. */
const distinct = (columns: ReadonlyArray<string>): ReadonlyArray<string> => {
  const taken = new Set(columns);
  const seen = new Set<string>();
  return columns.map((column) => {
    let name = column;
    for (let count = 2; seen.has(name) || (name !== column && taken.has(name)); count++) name = `${column}_${count}`;
    seen.add(name);
    return name;
  });
};

/** One array, a row on each line, of any length. */
const asJson = (columns: ReadonlyArray<string>, rows: Stream.Stream<ReadonlyArray<Value>, unknown>) => {
  const names = distinct(columns);
  let lead = "[";
  const objects = Stream.map(rows, (row) => {
    const text = JSON.stringify(Object.fromEntries(names.map((name, at) => [name, plain(row[at] ?? null)])));
    const before = lead;
    lead = ",\n";
    return before + text;
  });
  const end = Stream.suspend(() => Stream.make(lead === "[" ? "[]\n" : "]\n"));
  return Output.raw(Stream.concat(objects, end));
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

const isZone = (zone: string): boolean => {
  try {
    return Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
};

type Form = "json" | "csv" | "table";

const answer = Effect.fnUntraced(function* (statement: string, form: Form, seconds: number) {
  const text = `recollect: The statement took longer than ${seconds} s and was ended.\n  Give it more time with --timeout SECONDS.\n`;
  yield* endable({ millis: seconds * 1000, text });
  const query = yield* Query;
  const { columns, rows } = yield* query.sql(statement);
  if (form === "json") return yield* asJson(columns, rows);
  if (form === "table") return yield* asTable(columns, rows);
  const records = Stream.map(rows, (row) => Output.csv(row.map(plain)));
  return yield* Output.lines(Stream.prepend(records, [Output.csv(columns)]));
}, Effect.scoped);

export const sql = Command.make(
  "sql",
  {
    statement: Argument.String("statement").pipe(Argument.withDescription("One SELECT, WITH, VALUES or EXPLAIN")),
    csv: Flag.Boolean("csv").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Comma-separated values with a header"),
    ),
    tz: Flag.String("tz").pipe(
      Flag.filter(isZone, () => "it is no time zone. Write Europe/Berlin, America/New_York or UTC."),
      Flag.withMetavar("ZONE"),
      Flag.withDescription("Whose days v_daily_… have (default: this machine's, or TZ)"),
      Flag.optional,
    ),
    timeout: Flag.Int("timeout").pipe(
      Flag.filter(
        (seconds) => seconds >= 1 && seconds <= longestSeconds,
        () => `it is from 1 to ${longestSeconds} seconds`,
      ),
      Flag.withMetavar("SECONDS"),
      Flag.withDescription(
        `End the statement after so long (default: ${defaultSeconds}): while it reads, the write-ahead log grows`,
      ),
      Flag.withDefault(defaultSeconds),
    ),
    json,
  },
  Effect.fn("cli.sql")(function* (input) {
    if (input.json && input.csv)
      return yield* new BadRequest({ message: "--json and --csv are two forms of one answer.", hint: "Give one." });
    // SQLite's local time is that of the process: this command is all that it does.
    if (Option.isSome(input.tz)) process.env["TZ"] = input.tz.value;
    const form = input.json ? "json" : input.csv ? "csv" : "table";
    return yield* readModels(answer(input.statement, form, input.timeout));
  }),
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
