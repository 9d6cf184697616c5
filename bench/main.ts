/**
 * `npm run bench [-- --json] [-- ID…]`: a table of figures, each beside its peer or limit in the same run.
 *
 * The table or, with `--json`, one JSON value goes to stdout; everything else to stderr. Figures of a busy machine are
 * worth little, so the load before the run is part of the answer.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime";
import { Cause, Effect, Exit, Logger } from "effect";
import { parseArgs } from "node:util";
import type { Row } from "./Harness.ts";
import { machine } from "./Machine.ts";
import { type Figure, figureOf, table } from "./Report.ts";
import { row as append256 } from "./rows/append-256.ts";
import { row as appendBatch } from "./rows/append-batch.ts";
import { row as appendOne } from "./rows/append-one.ts";
import { row as catchUpImported } from "./rows/catch-up-imported.ts";
import { row as catchUp } from "./rows/catch-up.ts";
import { row as importRate } from "./rows/import.ts";
import { row as readCold } from "./rows/read-cold.ts";
import { row as readWarm } from "./rows/read-warm.ts";
import { row as spoolPut } from "./rows/spool-put.ts";
import { row as storedBytes } from "./rows/stored-bytes.ts";

const rows: ReadonlyArray<Row> = [
  appendOne,
  append256,
  appendBatch,
  catchUp,
  catchUpImported,
  readCold,
  readWarm,
  importRate,
  spoolPut,
  storedBytes,
];

/** Of a process that a person ended: 128 and the number of SIGINT. */
const interrupted = 130;

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
    const exit = yield* Effect.exit(Effect.scoped(row.run));
    if (Exit.isFailure(exit)) {
      if (Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.failCause(exit.cause);
      // The other rows are worth having all the same.
      say(Cause.pretty(exit.cause));
      process.exitCode = 1;
    }
    figures.push(figureOf(row, Exit.isSuccess(exit) ? exit.value : { skipped: "it failed; its error is on stderr" }));
    say(`    ${((performance.now() - began) / 1000).toFixed(1)} s`);
  }
  return { machine: about, rows: figures };
});

/** A log line must not stand in the JSON. */
const toStderr = Logger.layer([Logger.make(({ message }) => say(`    ${String(message)}`))]);

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: "boolean" } } });
const unknown = positionals.filter((id) => !rows.some((row) => row.id === id));

const program = Effect.gen(function* () {
  const chosen = positionals.length === 0 ? rows : rows.filter(({ id }) => positionals.includes(id));
  const report = yield* measure(chosen);
  process.stdout.write(values.json === true ? `${JSON.stringify(report)}\n` : table(report));
});

if (unknown.length > 0) {
  say(`There is no row ${unknown.join(", ")}. The rows are: ${rows.map(({ id }) => id).join(", ")}`);
  process.exitCode = 2;
} else {
  // Ctrl-C ends servers and folders too.
  NodeRuntime.runMain(Effect.provide(program, toStderr), {
    teardown: (exit, onExit) => {
      if (Exit.isSuccess(exit)) onExit(Number(process.exitCode ?? 0));
      else onExit(Cause.hasInterruptsOnly(exit.cause) ? interrupted : 1);
    },
  });
}
