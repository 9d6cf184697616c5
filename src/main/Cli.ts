/**
 * The command line as a process: logs to stderr, failures as sentences, exit codes, signals.
 *
 * Room: main.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Cause, Effect, Exit } from "effect";
import { commandIn } from "../edge/cli/Cli.ts";
import { exitCodes } from "../edge/cli/Failure.ts";
import { onlyForThisUser } from "../machine/PrivateFiles.ts";
import * as Command from "./Command.ts";
import * as Memory from "./Memory.ts";
import { whenOutputIsWritten } from "./OutputWritten.ts";

/** `isClosed`: the reader of our output has seen enough. `isBroken`: a full disk, or another failure, took none of it. */
const output = { isClosed: false, isBroken: false };

/** Writer of text to stderr. Text that cannot be written to a reader that has gone is no failure of the command. */
const say = (text: string): void => {
  if (!output.isClosed) process.stderr.write(text);
};

/** Hands a signal to the program: NodeRuntime listens for it and interrupts the main fiber. */
const interrupt = () => process.emit("SIGINT");

/** Meeting point of the ends of the program's life: a closed pipe, a second Ctrl-C, the last bytes of the output. */
const makeEnding = () => {
  // A reader that has seen enough (`| head`) closes the pipe: no failure, but no reason to leave a server behind either.
  const onError = (error: NodeJS.ErrnoException, where: "output" | "messages") => {
    if (output.isClosed || output.isBroken) return;
    if (error.code === "EPIPE") output.isClosed = true;
    // A daemon whose messages find no room lives on, and says the later ones when there is room.
    else if (where === "messages") return;
    else {
      output.isBroken = true;
      say(`recollect: The output cannot be written: ${error.message}.\n`);
    }
    interrupt();
  };
  process.stdout.on("error", (error) => onError(error, "output"));
  process.stderr.on("error", (error) => onError(error, "messages"));
  let interrupts = 0;
  process.on("SIGINT", () => {
    // Pressed again it does not wait for the end of a drain. Acknowledged events are on disk anyway.
    if (++interrupts > 1) process.exit(exitCodes.interrupted);
  });
  // A service manager ends it so, and it has ended as it was asked to.
  let isTerminated = false;
  process.on("SIGTERM", () => (isTerminated = true));
  const words = process.argv.slice(2);
  const isUp = commandIn(words) === "up";
  const codeFor = (exit: Exit.Exit<unknown, unknown>): number => {
    if (output.isClosed) return exitCodes.done;
    if (output.isBroken) return exitCodes.unavailable;
    if (isUp && isTerminated && Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) return exitCodes.done;
    const isOwnCode = Exit.isSuccess(exit) && process.exitCode !== undefined;
    return isOwnCode ? Number(process.exitCode) : Command.exitCodeOf(words, exit);
  };
  return (exit: Exit.Exit<unknown, unknown>, end: (code: number) => void): void => {
    if (output.isClosed || output.isBroken) return end(codeFor(exit));
    whenOutputIsWritten(() => end(codeFor(exit)));
  };
};

export const run = (): void => {
  onlyForThisUser();
  Memory.growSlowly();
  const teardown = makeEnding();
  const program = Effect.provide(Command.run(process.argv.slice(2), say), NodeServices.layer);
  NodeRuntime.runMain(program, { disableErrorReporting: true, teardown });
};
