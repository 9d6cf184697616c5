/**
 * One command line, from its words to its end: failures as sentences, logs beside the answer.
 *
 * Room: main.
 *
 * Output goes to `Console` and `Stdio`, diagnostics to `say`: the command runs in any process.
 */
import { Cause, Effect, Exit, Layer, Logger, References } from "effect";
import { CliConfig, CliOutput, Command, GlobalFlag } from "effect/cli";
import { cliFor, commandIn } from "../edge/cli/Cli.ts";
import { codeOf, codeOfCheck, describe, exitCodes, isDefect } from "../edge/cli/Failure.ts";
import { presenter } from "../edge/cli/Help.ts";
import { shown } from "../edge/cli/Shown.ts";
import { asCalled, callWith } from "../machine/CalledAs.ts";
import { version } from "../machine/Version.ts";
import * as Attached from "./Attached.ts";
import * as LogLines from "./LogLines.ts";

/** Takes a text that belongs on stderr. */
export type Say = (text: string) => void;

/** With debug logging the place of a defect; else a sentence. */
const wantsPlaces = (words: ReadonlyArray<string>): boolean =>
  /--log-level[= ](?:all|trace|debug)\b/i.test(words.join(" "));

const tell = (words: ReadonlyArray<string>, say: Say) => (cause: Cause.Cause<unknown>) =>
  Effect.sync(() => {
    const { text } = describe(cause);
    if (text !== "") say(shown(`${asCalled(text)}\n`));
    if (isDefect(cause) && wantsPlaces(words)) say(`${Cause.pretty(cause)}\n`);
  });

const around = (words: ReadonlyArray<string>, say: Say) =>
  Layer.mergeAll(
    Attached.layer,
    Logger.layer([LogLines.logger(LogLines.formatOf(words, process.env), (line) => say(`${line}\n`))]),
    Layer.succeed(References.MinimumLogLevel, "Warn"),
    CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions, GlobalFlag.LogLevel] }),
    CliOutput.layer(CliOutput.defaultFormatter({ globalFlags: "summary" })),
    CliOutput.layerPresenter(presenter),
  );

/** Runs the command that these words call. */
export const run = (words: ReadonlyArray<string>, say: Say) =>
  Effect.suspend(() => {
    callWith(words);
    return Effect.promise(() => cliFor(words));
  }).pipe(
    Effect.flatMap((cli) => Command.runWith(cli, { version })(words)),
    Effect.tapCause(tell(words, say)),
    Effect.provide(around(words, say)),
  );

/** Exit code of a command that ended so. */
export const exitCodeOf = (words: ReadonlyArray<string>, exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return exitCodes.done;
  return commandIn(words) === "check" ? codeOfCheck(exit) : codeOf(exit);
};
