/**
 * A statement as a command line gives it: from a word, a file or a pipe, with its values and limits.
 *
 * Room: edge.
 */
import { Effect, FileSystem, Option, Stdio, Stream } from "effect";
import { Argument, Flag } from "effect/cli";
import type { SqlOptions, Value } from "../../../query/Sql.ts";
import { Query } from "../../../query/Query.ts";
import { BadRequest, NotFound } from "../Failure.ts";
import * as RunningDaemon from "../http/RunningDaemon.ts";
import * as Output from "../Output.ts";
import { zone } from "./AskFlags.ts";
import { type Form, print } from "./Forms.ts";

/** A report over a hundred million rows takes less; nothing longer than a day is waited for. */
const defaultSeconds = 600;
const longestSeconds = 86_400;
const defaultMegabytes = 256;

/** `7`, `0.5` and `null` are numbers and nothing; `"7"` in double quotes and all else is text. */
const valueOf = (text: string): Value => {
  if (text === "null") return null;
  if (/^-?\d+$/.test(text)) return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
  if (/^-?\d*\.\d+(?:e[+-]?\d+)?$/i.test(text)) return Number(text);
  return /^".*"$/s.test(text) ? text.slice(1, -1) : text;
};

export const parametersOf = (given: Readonly<Record<string, string>>): Readonly<Record<string, Value>> =>
  Object.fromEntries(Object.entries(given).map(([name, text]) => [name, valueOf(text)]));

const readStdin = Effect.gen(function* () {
  const stdio = yield* Stdio.Stdio;
  return yield* Stream.mkString(Stream.decodeText(stdio.stdin));
});

export const statementArguments = {
  statement: Argument.String("statement").pipe(
    Argument.withDescription("One SELECT, WITH, VALUES or EXPLAIN; absent or -: from a pipe"),
    Argument.optional,
  ),
  file: Flag.String("file").pipe(
    Flag.withAlias("f"),
    Flag.withMetavar("FILE"),
    Flag.withDescription("Read the statement from a file; - is the standard input"),
    Flag.optional,
  ),
};

/** The text of the statement: as given, from a file, or from a pipe. */
export const statementOf = Effect.fnUntraced(function* (input: {
  readonly statement: Option.Option<string>;
  readonly file: Option.Option<string>;
}) {
  if (Option.isSome(input.statement) && Option.isSome(input.file))
    return yield* new BadRequest({ message: "There are two statements: one here, one in a file.", hint: "Give one." });
  if (Option.isSome(input.file) && input.file.value !== "-") {
    const fs = yield* FileSystem.FileSystem;
    const path = input.file.value;
    return yield* fs
      .readFileString(path)
      .pipe(Effect.mapError(() => new NotFound({ message: `The file ${path} cannot be read.` })));
  }
  if (Option.isSome(input.statement) && input.statement.value !== "-") return input.statement.value;
  const isAsked = Option.isSome(input.file) || Option.isSome(input.statement);
  if (!isAsked && process.stdin.isTTY === true)
    return yield* new BadRequest({
      message: "There is no statement.",
      hint: 'recollect sql "SELECT * FROM v_dictionary", or from a file: recollect sql --file FILE',
    });
  return yield* readStdin;
});

const bounded = (name: string, most: number, unit: string) =>
  Flag.Int(name).pipe(
    Flag.filter(
      (value) => value >= 1 && value <= most,
      () => `it is from 1 to ${most}`,
    ),
    Flag.withMetavar(unit),
  );

export const statementFlags = {
  param: Flag.KeyValuePair("param").pipe(
    Flag.withAlias("p"),
    Flag.withMetavar("NAME=VALUE"),
    Flag.withDescription('What :name in the statement stands for; a number as it is, text also in "…". Repeatable'),
    Flag.withDefault({}),
  ),
  tz: zone,
  timeout: bounded("timeout", longestSeconds, "SECONDS").pipe(
    Flag.withDescription(
      `End the statement after so long (default: ${defaultSeconds}): while it reads, the write-ahead log grows`,
    ),
    Flag.withDefault(defaultSeconds),
  ),
  memory: bounded("memory", 65_536, "MEGABYTES").pipe(
    Flag.withDescription(`End the statement when SQLite needs more (default: ${defaultMegabytes})`),
    Flag.withDefault(defaultMegabytes),
  ),
  maxRows: bounded("max-rows", Number.MAX_SAFE_INTEGER, "COUNT").pipe(
    Flag.withDescription("At most so many rows; what is left off is said (default: all)"),
    Flag.optional,
  ),
};

interface Limits {
  readonly tz: Option.Option<string>;
  readonly timeout: number;
  readonly memory: number;
  readonly maxRows: Option.Option<number>;
}

const limitsOf = (input: Limits): SqlOptions => ({
  timeoutMillis: input.timeout * 1000,
  memoryBytes: input.memory * 1024 * 1024,
  maxRows: Option.getOrUndefined(input.maxRows),
  zone: Option.getOrUndefined(input.tz),
});

/** Records a statement where a store runs, before it is asked. */
export const recorded = Effect.fnUntraced(function* (statement: string, parameters: Readonly<Record<string, Value>>) {
  const running = yield* RunningDaemon.instance;
  if (Option.isNone(running)) return;
  const { audit } = yield* Effect.promise(() => import("./Audit.ts"));
  yield* audit({ statement, parameters, running: running.value });
});

/** Asks, and prints the answer. */
export const ask = Effect.fnUntraced(function* (
  statement: string,
  parameters: Readonly<Record<string, Value>>,
  form: Form,
  input: Limits,
) {
  const query = yield* Query;
  const result = yield* query.sql(statement, parameters, limitsOf(input));
  yield* print(result, form, Option.getOrUndefined(input.tz));
  if (yield* result.isCut) yield* Output.note("There are more rows: --max-rows.");
}, Effect.scoped);
