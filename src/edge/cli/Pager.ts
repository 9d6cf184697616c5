/**
 * A pager for what is longer than the terminal: `PAGER`, else `less`.
 *
 * Room: edge.
 *
 * Only where a person looks: standard input and output are terminals. `PAGER=cat`, or an empty one, turns it off. What is
 * printed is held until the command has ended and let go of its store, so that a reader of it keeps nothing open.
 */
import { Console, Effect } from "effect";
import { spawnSync } from "node:child_process";

/** As git has it: colours, no clearing at the end, and out at once where everything fits. */
const lessFlags = "FRX";
const usual = "less";

const pagerOf = (): string | undefined => {
  const { isTTY, rows } = process.stdout;
  if (isTTY !== true || process.stdin.isTTY !== true || !(rows > 0) || process.env["TERM"] === "dumb") return undefined;
  const named = process.env["PAGER"]?.trim() ?? usual;
  return named === "" || named === "cat" ? undefined : named;
};

/** True when it was shown. */
const shownBy = (pager: string, text: string): boolean => {
  const env = { ...process.env, LESS: process.env["LESS"] ?? lessFlags };
  const { error, status } = spawnSync(pager, { shell: true, input: text, stdio: ["pipe", "inherit", "inherit"], env });
  // A pager that is left before its end reads no further.
  const isRun = error === undefined || ("code" in error && error.code === "EPIPE");
  // The shell's own word for a program that is not there.
  return isRun && status !== 127 && status !== 126;
};

/** Lines that the text takes, each at least one row of the terminal. */
const rowsOf = (text: string): number => text.split("\n").length;

/** Shows what a command prints in a pager, where it is longer than the terminal. */
export const paged = <A, E, R>(command: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const pager = pagerOf();
    if (pager === undefined) return command;
    const printed: Array<string> = [];
    const noted: Array<string> = [];
    return Effect.gen(function* () {
      const console = yield* Console.Console;
      const show = Effect.sync(() => {
        const text = printed.join("\n");
        const isShown = printed.length > 0 && rowsOf(text) >= process.stdout.rows && shownBy(pager, `${text}\n`);
        if (!isShown && printed.length > 0) console.log(text);
        for (const line of noted) console.error(line);
      });
      const held: Console.Console = {
        ...console,
        log: (...words: ReadonlyArray<unknown>) => void printed.push(words.map(String).join(" ")),
        error: (...words: ReadonlyArray<unknown>) => void noted.push(words.map(String).join(" ")),
      };
      return yield* command.pipe(Effect.provideService(Console.Console, held), Effect.ensuring(show));
    });
  });
