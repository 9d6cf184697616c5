/**
 * The command line as a process: logs to stderr, failures as sentences, exit codes.
 *
 * Room: main. In: edge, Attached. Out: main.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, Exit, Layer, Logger, References } from "effect";
import { Command } from "effect/cli";
import { cli } from "../edge/cli/Cli.ts";
import { codeOf, describe } from "../edge/cli/Failure.ts";
import * as Attached from "./Attached.ts";
import { version } from "./Version.ts";

/** One line per entry on stderr; stdout belongs to the data. */
const logger = Logger.make(({ date, logLevel, message }) => {
  const text = (Array.isArray(message) ? message : [message]).map(String).join(" ");
  process.stderr.write(`${date.toISOString().slice(11, 19)} ${logLevel.toLowerCase()}: ${text}\n`);
});

const platform = Layer.mergeAll(
  NodeServices.layer,
  Logger.layer([logger]),
  Layer.succeed(References.MinimumLogLevel, "Warn"),
);

/** A reader that has seen enough (`| head`) closes the pipe: the command ends as by Ctrl-C, but that is no failure. */
const watchPipe = () => {
  const pipe = { closed: false };
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    if (!pipe.closed) process.emit("SIGINT");
    pipe.closed = true;
  });
  return pipe;
};

export const run = (): void => {
  const pipe = watchPipe();
  const program = Command.run(cli, { version }).pipe(
    Effect.tapCause((cause) =>
      Effect.sync(() => {
        const { text } = describe(cause);
        if (text !== "") process.stderr.write(`${text}\n`);
      }),
    ),
    Effect.provide(Layer.merge(Attached.layer, platform)),
  );
  NodeRuntime.runMain(program, {
    disableErrorReporting: true,
    teardown: (exit, onExit) =>
      onExit(Exit.isSuccess(exit) || pipe.closed ? Number(process.exitCode ?? 0) : codeOf(exit)),
  });
};
