/**
 * `recollect query`: statements saved by a name, and those that come with the program.
 *
 * Room: edge.
 */
import { Effect, Option, Path } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { readSql } from "../../../query/sandbox/SqlText.ts";
import { preparable } from "../../../query/saved/Preparable.ts";
import { listQueries, readQuery, removeQuery, saveQuery } from "../../../query/saved/SavedQueries.ts";
import { shippedQueries } from "../../../query/saved/ShippedQueries.ts";
import { Attach } from "../Attach.ts";
import { BadRequest, NotFound } from "../Failure.ts";
import { json, readModels, where } from "../Flags.ts";
import * as Output from "../Output.ts";
import { forms, formOf } from "./AskFlags.ts";
import { ask, parametersOf, recorded, statementArguments, statementFlags, statementOf } from "./Statement.ts";

/** They lie in the data folder, as files. */
const folder = Effect.gen(function* () {
  const path = yield* Path.Path;
  const { root } = yield* (yield* Attach).folder(yield* where);
  return path.join(root, "queries");
});

const shippedNamed = (name: string) => shippedQueries.find((query) => query.name === name);

const found = Effect.fnUntraced(function* (name: string) {
  const shipped = shippedNamed(name);
  if (shipped !== undefined) return shipped;
  const missing = new NotFound({ message: `There is no query ${name}.`, hint: "recollect query list shows all." });
  if (name.includes(".")) return yield* missing;
  const saved = yield* readQuery(yield* folder, name);
  return saved === undefined ? yield* missing : { ...saved, defaults: {} };
});

const nameArgument = Argument.String("name").pipe(
  Argument.withDescription("Name of the query: small letters, digits, - and _; with a point, one of the program's"),
);

const list = Command.make(
  "list",
  { json },
  Effect.fn("cli.query.list")(function* (input) {
    const saved = yield* listQueries(yield* folder);
    const all = [
      ...saved.map((query) => ({ ...query, shipped: false })),
      ...shippedQueries.map((query) => ({ ...query, shipped: true })),
    ];
    const rows = all.map(({ doc, name, shipped, sql }) => ({ name, doc, shipped, parameters: readSql(sql).named }));
    if (input.json) return yield* Output.json(rows);
    const table = rows.map(({ doc, name, parameters }) => [
      name,
      parameters.map((one) => `:${one}`).join(" "),
      Output.clip(doc, 80),
    ]);
    for (const text of Output.table(["query", "values", "what"], table)) yield* Output.line(text);
  }),
).pipe(
  Command.withDescription("Saved queries, and those that come with the program"),
  Command.withExamples([{ command: "recollect query list", description: "All of them" }]),
);

const save = Command.make(
  "save",
  {
    name: nameArgument,
    ...statementArguments,
    description: Flag.String("description").pipe(
      Flag.withMetavar("TEXT"),
      Flag.withDescription("What it is for"),
      Flag.optional,
    ),
    replace: Flag.Boolean("replace").pipe(
      Flag.withDefault(false),
      Flag.withDescription("In place of the query that has the name"),
    ),
  },
  Effect.fn("cli.query.save")(function* (input) {
    const sql = yield* statementOf(input);
    if (!input.replace && (yield* readQuery(yield* folder, input.name)) !== undefined) {
      return yield* new BadRequest({
        message: `There is a query ${input.name} already.`,
        hint: `recollect query show ${input.name} prints it; --replace saves this one in its place.`,
      });
    }
    yield* readModels(preparable(sql));
    const file = yield* saveQuery(yield* folder, {
      name: input.name,
      sql,
      doc: Option.getOrUndefined(input.description),
    });
    yield* Output.note(`Saved as ${file}. Run it: recollect query run ${input.name}`);
  }),
).pipe(
  Command.withDescription("Save a query by a name; one that has it stays, but with --replace"),
  Command.withExamples([
    {
      command: 'recollect query save busiest "SELECT cwd, count(*) FROM v_threads GROUP BY 1 ORDER BY 2 DESC LIMIT :n"',
      description: "With a value to be given",
    },
  ]),
);

const run = Command.make(
  "run",
  { name: nameArgument, ...forms, ...statementFlags },
  Effect.fn("cli.query.run")(function* (input) {
    const form = yield* formOf(input);
    const query = yield* found(input.name);
    const wanted = readSql(query.sql).named;
    const defaults = Object.entries(query.defaults).filter(([name]) => wanted.includes(name));
    const parameters = { ...Object.fromEntries(defaults), ...parametersOf(input.param) };
    yield* recorded(query.sql, parameters);
    return yield* readModels(ask(query.sql, parameters, form, input));
  }),
).pipe(
  Command.withDescription("Run a saved query, or one that comes with the program"),
  Command.withExamples([
    { command: "recollect query run busiest --param n=10", description: "A saved one" },
    { command: "recollect query run tools.loops --csv", description: "One of the program's: a part of a report" },
  ]),
);

const show = Command.make(
  "show",
  { name: nameArgument },
  Effect.fn("cli.query.show")(function* (input) {
    const { sql } = yield* found(input.name);
    yield* Output.line(sql.trimEnd());
  }),
).pipe(
  Command.withDescription("The statement of a query"),
  Command.withExamples([{ command: "recollect query show tools.loops", description: "To begin one of one's own" }]),
);

const remove = Command.make(
  "remove",
  { name: nameArgument },
  Effect.fn("cli.query.remove")(function* (input) {
    if (yield* removeQuery(yield* folder, input.name)) return yield* Output.note(`Removed ${input.name}.`);
    return yield* new NotFound({ message: `There is no saved query ${input.name}.` });
  }),
).pipe(
  Command.withDescription("Remove a saved query"),
  Command.withExamples([{ command: "recollect query remove busiest", description: "Its file" }]),
);

export const queryCommand = Command.make("query").pipe(
  Command.withDescription("Queries saved by a name, and those that come with the program"),
  Command.withSubcommands([list, save, run, show, remove]),
);
