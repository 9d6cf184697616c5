/**
 * `npm run bench [-- FLAGS] [ID…]`: a table of figures, each beside its peer or limit in the same run.
 *
 * The table or, with `--json`, one JSON value goes to stdout; everything else to stderr. Figures of a busy machine are
 * worth little, so the load before the run is part of the answer.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime";
import { Cause, Effect, Exit, Logger } from "effect";
import { parseArgs } from "node:util";
import { writeDocs } from "./Docs.ts";
import { isFull, type Row } from "./Harness.ts";
import { table } from "./Report.ts";
import { allRows, choose } from "./Rows.ts";
import { mostMinutes, run, say } from "./Run.ts";
import { merged, save, saved } from "./Saved.ts";

const help = `npm run bench [-- FLAGS] [ID…]

Measures every row, or those named: an id (append-one), or the beginning that several share (append).
Prints a table; progress goes to stderr. A row whose peer cannot be had says so and is no failure.

  --list         the rows there are, without measuring
  --json         one JSON value instead of the table: {"machine":…,"rows":[{"id","what","ours","peer",…}]}
  --save         also keeps the figures in bench/figures.json, and writes the pages and plots from it
  --write-docs   writes the tables and plots of README.md and docs/performance.md from bench/figures.json; measures nothing
  --full         rows take their full size (a million subjects), and the run may take longer than ${mostMinutes} minutes
  --help         this

Exit code 1 when something of ours failed, 2 for a wrong command line, 130 when interrupted. A goal that is not met is
no failure: the table says so.
`;

/** Of a process that a person ended: 128 and the number of SIGINT. */
const interrupted = 130;

const options = {
  json: { type: "boolean", default: false },
  list: { type: "boolean", default: false },
  save: { type: "boolean", default: false },
  "write-docs": { type: "boolean", default: false },
  full: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

const parsed = () => {
  try {
    return parseArgs({ allowPositionals: true, options });
  } catch (error) {
    say(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    return undefined;
  }
};

/** A log line must not stand in the JSON. */
const toStderr = Logger.layer([Logger.make(({ message }) => say(`    ${String(message)}`))]);

const measure = Effect.fnUntraced(function* (
  all: ReadonlyArray<Row>,
  chosen: ReadonlyArray<Row>,
  wanted: { readonly json: boolean; readonly save: boolean },
) {
  const before = saved();
  const secondsOf = (id: string) => before?.rows.find((row) => row.id === id)?.seconds;
  const { failed, report } = yield* run(chosen, { secondsOf });
  if (failed) process.exitCode = 1;
  process.stdout.write(wanted.json ? `${JSON.stringify(report)}\n` : table(report));
  if (!wanted.save) return;
  const whole = merged(
    before,
    report,
    all.map(({ id }) => id),
  );
  save(whole);
  for (const file of writeDocs(whole)) say(`wrote ${file}`);
});

const writeSaved = (): void => {
  const report = saved();
  if (report === undefined) {
    say("There is no bench/figures.json: measure with --save first.");
    process.exitCode = 2;
  } else for (const file of writeDocs(report)) say(`wrote ${file}`);
};

const main = async (): Promise<void> => {
  const command = parsed();
  if (command === undefined) {
    process.exitCode = 2;
    return;
  }
  const { positionals, values } = command;
  if (values.help) process.stdout.write(help);
  else if (values["write-docs"]) writeSaved();
  else {
    const all = await allRows();
    const { chosen, unknown } = choose(all, positionals);
    if (unknown.length > 0) {
      say(`There is no row ${unknown.join(", ")}. The rows are: ${all.map(({ id }) => id).join(", ")}`);
      process.exitCode = 2;
    } else if (values.list) {
      for (const { id, what } of chosen) process.stdout.write(`${id.padEnd(24)} ${what}\n`);
    } else {
      const program = measure(all, chosen, values).pipe(
        Effect.provide(toStderr),
        Effect.provideService(isFull, values.full),
      );
      // Ctrl-C ends servers and folders too.
      NodeRuntime.runMain(program, {
        teardown: (exit, onExit) => {
          if (Exit.isSuccess(exit)) onExit(Number(process.exitCode ?? 0));
          else onExit(Cause.hasInterruptsOnly(exit.cause) ? interrupted : 1);
        },
      });
    }
  }
};

await main();
