/**
 * The one place where layers become a process.
 *
 * Room: main.
 *
 * `wrap` and `acp` stand in the way of a start, so they are recognised before anything else is loaded.
 */
import { writeSync } from "node:fs";
import { inspect } from "node:util";
import * as Wrap from "./edge/wrap/Arguments.ts";

// Node would print the line of the source that threw, and a file of the package is one line of up to 30 kB.
process.on("uncaughtException", (error) => {
  try {
    writeSync(2, `${inspect(error)}\n`);
  } finally {
    process.exit(1);
  }
});

const [command, ...words] = process.argv.slice(2);
const wrapped = command === "wrap" ? Wrap.parse(words) : command === "acp" ? Wrap.parse(words, "acp") : undefined;

if (wrapped === undefined) {
  // A status line is asked for at each prompt, and has a quarter of the full start.
  const isAnswered =
    command === "cost" && (await import("./edge/cli/ask/StatusLine.ts").then((it) => it.answered(words)));
  if (!isAnswered) await import("./main/Cli.ts").then(({ run }) => run());
} else {
  const { exitCodeOf, endLike, run } = await import("./edge/wrap/Wrap.ts");
  const ended = await run(wrapped);
  process.exitCode = ended.signal === null ? exitCodeOf(ended) : endLike(ended);
}
