/**
 * The one place where layers become a process.
 *
 * Room: main.
 *
 * `wrap` and `acp` stand in the way of a start, so they are recognised before anything else is loaded.
 */
import * as Wrap from "./edge/wrap/Arguments.ts";

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
