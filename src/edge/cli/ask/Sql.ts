/**
 * `recollect sql`: one reading statement on the read models, safe beside a running projector.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import { Command } from "effect/cli";
import { readModels } from "../Flags.ts";
import { forms, formOf } from "./AskFlags.ts";
import { ask, parametersOf, recorded, statementArguments, statementFlags, statementOf } from "./Statement.ts";

export const sql = Command.make(
  "sql",
  { ...statementArguments, ...forms, ...statementFlags },
  Effect.fn("cli.sql")(function* (input) {
    const form = yield* formOf(input);
    const statement = yield* statementOf(input);
    const parameters = parametersOf(input.param);
    yield* recorded(statement, parameters);
    return yield* readModels(ask(statement, parameters, form, input));
  }),
).pipe(
  Command.withDescription("Ask the read models in SQL; v_dictionary explains every view and column"),
  Command.withExamples([
    {
      command: 'recollect sql "SELECT tool_name, outcome, count(*) FROM v_tool_calls GROUP BY 1, 2"',
      description: "Calls by tool",
    },
    { command: 'recollect sql "SELECT * FROM v_dictionary"', description: "What there is" },
    {
      command: "recollect sql --file dear.sql --param since=1760000000000 --ndjson",
      description: "A statement from a file, with a value for :since",
    },
  ]),
);
