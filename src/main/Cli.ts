/**
 * The command line as a process: logs to stderr, failures as sentences, exit codes, signals.
 *
 * Room: main.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Cause, Effect, Exit, Layer, Logger, References } from "effect";
import { CliConfig, CliOutput, Command, GlobalFlag } from "effect/cli";
import { cliFor, commandIn } from "../edge/cli/Cli.ts";
import { shown } from "../edge/cli/Shown.ts";
import { codeOf, codeOfCheck, describe, exitCodes, isDefect } from "../edge/cli/Failure.ts";
import { presenter } from "../edge/cli/Help.ts";
import { asCalled, callWith } from "../machine/CalledAs.ts";
import { onlyForThisUser } from "../machine/PrivateFiles.ts";
import * as Attached from "./Attached.ts";
import * as LogLines from "./LogLines.ts";
import * as Memory from "./Memory.ts";
import { whenOutputIsWritten } from "./OutputWritten.ts";
import { version } from "../machine/Version.ts";

const logger = LogLines.logger(LogLines.formatOf(process.argv.slice(2), process.env), (line) =>
  process.stderr.write(`${line}\n`),
);

const platform = Layer.mergeAll(
  NodeServices.layer,
  Logger.layer([logger]),
  Layer.succeed(References.MinimumLogLevel, "Warn"),
  CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions, GlobalFlag.LogLevel] }),
  CliOutput.layer(CliOutput.defaultFormatter({ globalFlags: "summary" })),
  CliOutput.layerPresenter(presenter),
);

/** With debug logging the place of a defect; else a sentence. */
const wantsPlaces = (): boolean => /--log-level[= ](?:all|trace|debug)\b/i.test(process.argv.join(" "));

/** True when whoever read our output has seen enough. */
const pipe = { isClosed: false };

const tell = (cause: Cause.Cause<unknown>) =>
  Effect.sync(() => {
    // What cannot be written to a reader that has gone is no failure of the command.
    if (pipe.isClosed) return;
    const { text } = describe(cause);
    if (text !== "") process.stderr.write(shown(`${asCalled(text)}\n`));
    if (isDefect(cause) && wantsPlaces()) process.stderr.write(`${Cause.pretty(cause)}\n`);
  });

/** Hands a signal to the program: NodeRuntime listens for it and interrupts the main fiber. */
const interrupt = () => process.emit("SIGINT");

/** Meeting point of the ends of the program's life: a closed pipe, a second Ctrl-C, the last bytes of the output. */
const makeEnding = () => {
  // A reader that has seen enough (`| head`) closes the pipe: no failure, but no reason to leave a server behind either.
  const onError = (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    if (pipe.isClosed) return;
    pipe.isClosed = true;
    interrupt();
  };
  process.stdout.on("error", onError);
  process.stderr.on("error", onError);
  let interrupts = 0;
  process.on("SIGINT", () => {
    // Whoever presses it again does not want to wait for the end of a drain. What is acknowledged is on disk anyway.
    if (++interrupts > 1) process.exit(exitCodes.interrupted);
  });
  // Whoever runs it as a service ends it so, and it has ended as it was asked to.
  let isTerminated = false;
  process.on("SIGTERM", () => (isTerminated = true));
  const isUp = commandIn(process.argv.slice(2)) === "up";
  const isCheck = commandIn(process.argv.slice(2)) === "check";
  const codeFor = (exit: Exit.Exit<unknown, unknown>): number => {
    if (pipe.isClosed) return exitCodes.done;
    if (isUp && isTerminated && Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) return exitCodes.done;
    if (Exit.isSuccess(exit)) return Number(process.exitCode ?? exitCodes.done);
    return isCheck ? codeOfCheck(exit) : codeOf(exit);
  };
  return (exit: Exit.Exit<unknown, unknown>, end: (code: number) => void): void => {
    const code = codeFor(exit);
    if (pipe.isClosed) return end(code);
    whenOutputIsWritten(() => end(code));
  };
};

export const run = (): void => {
  onlyForThisUser();
  callWith(process.argv.slice(2));
  Memory.growSlowly();
  const teardown = makeEnding();
  const program = Effect.promise(() => cliFor(process.argv.slice(2))).pipe(
    Effect.flatMap((cli) => Command.run(cli, { version })),
    Effect.tapCause(tell),
    Effect.provide(Layer.merge(Attached.layer, platform)),
  );
  NodeRuntime.runMain(program, { disableErrorReporting: true, teardown });
};
