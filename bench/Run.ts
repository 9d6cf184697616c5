/** Runs rows one after another, says on stderr how far it is, and keeps to the time that a run may take. */
import { Cause, Effect, Exit, Option } from "effect";
import { isFull, type Measured, type Row, type Skipped, Whole } from "./Harness.ts";
import { machine } from "./Machine.ts";
import { type Figure, figureOf, type Report } from "./Report.ts";

/** Most for a whole run without `--full`. */
export const mostMinutes = 20;
/** A row that was never measured here is thought to take this long. */
const guessedSeconds = 40;

export const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

const clock = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

/** What a row came to: a figure, a reason, or a fault of ours. */
interface Outcome {
  readonly result: Measured | Skipped;
  readonly failed: boolean;
}

/** Interrupts pass through; any other end of a row is an outcome, because the other rows are worth having all the same. */
const runRow = Effect.fnUntraced(function* (row: Row, secondsLeft: number) {
  const exit = yield* Effect.exit(
    Effect.timeoutOption(Effect.scoped(row.run), Math.max(1, Math.min(secondsLeft * 1000, 2 ** 31 - 1))),
  );
  if (Exit.isFailure(exit)) {
    if (Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.failCause(exit.cause);
    say(Cause.pretty(exit.cause));
    return { result: { skipped: "it failed; its error is on stderr" }, failed: true } satisfies Outcome;
  }
  const late = (): Skipped => ({ skipped: `the ${mostMinutes} minutes of a run were over; ask for it by its id` });
  return { result: Option.getOrElse(exit.value, late), failed: false } satisfies Outcome;
});

export interface Ran {
  readonly report: Report;
  /** Whether something of ours failed. A peer that cannot be had, or a goal that is not met, is no failure. */
  readonly failed: boolean;
}

export interface Options {
  /** How long a row took the last time. */
  readonly secondsOf?: (id: string) => number | undefined;
  /** Default: that of a whole run; none with `--full`. */
  readonly mostSeconds?: number;
}

export const run = Effect.fnUntraced(function* (rows: ReadonlyArray<Row>, options: Options = {}) {
  const whole = yield* Effect.scope;
  const { mostSeconds = mostMinutes * 60, secondsOf = () => undefined } = options;
  const about = yield* machine;
  say(`${about.cpu}, ${about.cores} cores, load ${about.load.map((load) => load.toFixed(2)).join(" ")}`);
  if (about.load[0] > 0.5 * about.cores) say("This machine is busy: measure again when it is not.");
  const most = (yield* isFull) ? Number.POSITIVE_INFINITY : mostSeconds;
  const began = performance.now();
  const elapsed = () => (performance.now() - began) / 1000;
  const figures: Array<Figure> = [];
  let failed = false;
  for (const [index, row] of rows.entries()) {
    const remaining = rows.slice(index).reduce((sum, { id }) => sum + (secondsOf(id) ?? guessedSeconds), 0);
    say(`[${clock(elapsed())}, about ${clock(remaining)} left] ${index + 1}/${rows.length} ${row.id}: ${row.what}`);
    const [from, at] = [elapsed(), new Date().toISOString()];
    const outcome = yield* Effect.provideService(runRow(row, most - from), Whole, whole);
    failed ||= outcome.failed;
    const figure = figureOf(row, outcome.result, { at, seconds: elapsed() - from });
    figures.push(figure);
    const said = "skipped" in outcome.result ? (figure.note ?? "") : `${figure.ours} ${row.unit}, peer ${figure.peer}`;
    say(`    ${said} (${figure.seconds.toFixed(1)} s)`);
  }
  return { report: { machine: about, rows: figures }, failed } satisfies Ran;
}, Effect.scoped);
