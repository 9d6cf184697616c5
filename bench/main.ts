/**
 * `npm run bench [-- --json] [-- ID…]`: a table of figures, each beside its peer or limit in the same run.
 *
 * The table or, with `--json`, one JSON value goes to stdout; everything else to stderr. Figures of a busy machine are
 * worth little, so the load before the run is part of the answer.
 */
import { Cause, Effect, Exit, Logger } from "effect";
import { parseArgs } from "node:util";
import type { Row } from "./Harness.ts";
import { machine } from "./Machine.ts";
import { type Figure, figureOf, table } from "./Report.ts";
import { append256 } from "./rows/append-256.ts";
import { appendBatch } from "./rows/append-batch.ts";
import { appendOne } from "./rows/append-one.ts";

const rows: ReadonlyArray<Row> = [appendOne, append256, appendBatch];

const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

const measure = Effect.fnUntraced(function* (chosen: ReadonlyArray<Row>) {
  const about = yield* machine;
  say(`${about.cpu}, ${about.cores} cores, load ${about.load.map((load) => load.toFixed(2)).join(" ")}`);
  if (about.load[0] > 0.5 * about.cores) say("This machine is busy: measure again when it is not.");
  const figures: Array<Figure> = [];
  for (const [index, row] of chosen.entries()) {
    const began = performance.now();
    say(`${index + 1}/${chosen.length} ${row.id}: ${row.what} …`);
    const figure = figureOf(row, yield* Effect.scoped(row.run));
    say(`    ${figure.note ?? ""} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
    figures.push(figure);
  }
  return { machine: about, rows: figures };
});

/** A log line must not stand in the JSON. */
const toStderr = Logger.layer([Logger.make(({ message }) => say(`    ${String(message)}`))]);

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: "boolean" } } });
const unknown = positionals.filter((id) => !rows.some((row) => row.id === id));
if (unknown.length > 0) {
  say(`There is no row ${unknown.join(", ")}. The rows are: ${rows.map(({ id }) => id).join(", ")}`);
  process.exitCode = 2;
} else {
  const chosen = positionals.length === 0 ? rows : rows.filter(({ id }) => positionals.includes(id));
  const exit = await Effect.runPromiseExit(measure(chosen).pipe(Effect.provide(toStderr)));
  if (Exit.isSuccess(exit)) {
    process.stdout.write(values.json === true ? `${JSON.stringify(exit.value)}\n` : table(exit.value));
  } else {
    say(Cause.pretty(exit.cause));
    process.exitCode = 1;
  }
}
