/**
 * Help on stdout when it is asked for; a command line that is wrong gets a sentence on stderr, and no page of help.
 *
 * Room: edge.
 */
import { Console, Effect } from "effect";
import { type CliError, CliOutput } from "effect/cli";
import { asCalled } from "../../machine/CalledAs.ts";
import { shown } from "./Shown.ts";

const orRather = (suggestions: ReadonlyArray<string>): string =>
  suggestions.length === 0 ? "" : ` Did you mean ${suggestions.join(" or ")}?`;

const said = ({ kind, option }: CliError.InvalidValue): string => (kind === "argument" ? `<${option}>` : `--${option}`);

/** Expectation of the library, as the end of a sentence. */
const expectation = (expected: string): string => {
  if (/^"[^"]*"(?: \| "[^"]*")+$/.test(expected))
    return `it is one of ${expected.replaceAll(/"/g, "").replaceAll(" | ", ", ")}.`;
  if (/finite number|\binteger\b/i.test(expected)) return "it is a whole number.";
  const text = expected.replace(/^Expected:? /, "expected ").trim();
  return /[.?!]$/.test(text) ? text : `${text}.`;
};

/** One sentence for what is wrong. */
const sentence = (error: CliError.NonShowHelpErrors): string => {
  switch (error._tag) {
    case "UnrecognizedOption":
      return `There is no flag ${error.option}.${orRather(error.suggestions)}`;
    case "UnknownSubcommand":
      return `There is no command ${error.subcommand}.${orRather(error.suggestions)}`;
    case "MissingOption":
      return `--${error.option} is missing.`;
    case "MissingArgument":
      return `<${error.argument}> is missing.`;
    case "UnexpectedArgument":
      return `There is nothing to do with ${error.arguments.map((value) => JSON.stringify(value)).join(" and ")}.`;
    case "InvalidValue":
      return error.value === ""
        ? `${said(error)} needs a value.`
        : `${said(error)} cannot be ${JSON.stringify(error.value)}: ${expectation(error.expected)}`;
    default:
      return error.message;
  }
};

/** A value such as `-x` looks like a flag of its own. */
const dashHint = (errors: ReadonlyArray<CliError.NonShowHelpErrors>): string | undefined => {
  const lacking = errors.find((error) => error._tag === "InvalidValue" && error.value === "" && error.kind === "flag");
  const isDash = errors.some(({ _tag }) => _tag === "UnrecognizedOption");
  return isDash && lacking?._tag === "InvalidValue"
    ? `  A value that begins with a dash is written --${lacking.option}=VALUE.`
    : undefined;
};

export const presenter: CliOutput.Presenter = {
  present: (event) =>
    Effect.gen(function* () {
      if (event._tag === "Version") return yield* Console.log(event.version);
      if (event._tag !== "InvalidInvocation") return yield* CliOutput.defaultPresenter.present(event);
      for (const error of event.errors) yield* Console.error(shown(`recollect: ${sentence(error)}`));
      const hint = dashHint(event.errors);
      if (hint !== undefined) yield* Console.error(hint);
      yield* Console.error(asCalled(`  ${event.commandPath.join(" ")} --help shows what it takes.`));
    }),
};
