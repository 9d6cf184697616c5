/**
 * `recollect dictionary`: what every public view and column means, with unit, purpose and class; needs no store.
 *
 * Room: edge.
 */
import { Effect, Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { datasetteMetadata, type DescribedView, dictionary } from "../../../query/Dictionary.ts";
import { NotFound } from "../Failure.ts";
import { json } from "../Flags.ts";
import * as Output from "../Output.ts";

const show = Effect.fnUntraced(function* ({ columns, doc, name }: DescribedView) {
  yield* Output.line(`${name}: ${doc}`);
  const rows = columns.map((column) => [
    column.name,
    column.type,
    column.unit,
    `${column.purpose}${column.isAdditive ? ", may be added up" : ""}${column.isPersonal ? ", personal" : ""}`,
    column.doc,
  ]);
  for (const text of Output.table(["column", "type", "unit", "purpose", "what it means"], rows))
    yield* Output.line(`  ${text}`);
});

export const dictionaryCommand = Command.make(
  "dictionary",
  {
    view: Argument.String("view").pipe(
      Argument.withDescription("One view with its columns; absent: all views"),
      Argument.optional,
    ),
    json,
    datasette: Flag.String("datasette").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription("Print metadata.json for Datasette; NAME is the database file's, without .db"),
      Flag.optional,
    ),
  },
  Effect.fn("cli.dictionary")(function* (input) {
    if (Option.isSome(input.datasette)) return yield* Output.json(datasetteMetadata(input.datasette.value));
    const views = dictionary();
    if (Option.isNone(input.view)) {
      if (input.json) return yield* Output.json({ views });
      for (const text of Output.table(
        ["view", "what a row is"],
        views.map(({ doc, name }) => [name, doc]),
      ))
        yield* Output.line(text);
      return;
    }
    const { value } = input.view;
    const found = views.find(({ name }) => name === value || name === `v_${value}`);
    if (found === undefined) {
      return yield* new NotFound({ message: `There is no view ${value}.`, hint: "recollect dictionary lists them." });
    }
    yield* input.json ? Output.json(found) : show(found);
  }),
).pipe(
  Command.withDescription("What every view and column means: unit, purpose, whether it is personal"),
  Command.withExamples([
    { command: "recollect dictionary v_tool_calls", description: "One view with its columns" },
    {
      command: "recollect dictionary --datasette recollect > metadata.json",
      description: "For datasette recollect.db -m metadata.json",
    },
  ]),
);
