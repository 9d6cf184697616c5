/**
 * A progress bar on a terminal, and nothing elsewhere.
 *
 * Room: edge.
 *
 * One line on stderr, redrawn at most ten times a second and cleared at the end, so that it never gets between the
 * data and its reader. Where stderr is no terminal (a pipe, CI), no bar is drawn at all.
 */
import { Clock, Effect, Stdio } from "effect";
import { bytes, count, duration } from "./Output.ts";

export interface Step {
  /** Done so far and in all, in the same unit. A total of 0 is an unknown one. */
  readonly done: number;
  readonly total: number;
  /** Current work, in few words. */
  readonly what: string;
}

export interface Bar {
  readonly show: (step: Step) => void;
  /** Takes the bar away before something is printed; it comes back with the next step. */
  readonly clear: () => void;
}

const redrawMillis = 100;
const barWidth = 24;
/** Of a terminal that does not say how wide it is, or says 0. */
const usualColumns = 80;

/** For a bar that counts events. */
export const events = (done: number): string => `${count(Math.round(done))} events`;

const clear = "\r\u001b[K";

/** The text of one step: bar, share, rate and what remains. */
export const render = (step: Step, elapsedMillis: number, amount: (done: number) => string = bytes): string => {
  const rate = elapsedMillis > 0 ? (step.done / elapsedMillis) * 1000 : 0;
  const speed = `${amount(rate)}/s`;
  if (step.total <= 0) return `${amount(step.done)}  ${speed}  ${step.what}`;
  const share = Math.min(1, step.done / step.total);
  const filled = Math.round(share * barWidth);
  const remaining = rate > 0 ? duration(((step.total - step.done) / rate) * 1000) : "?";
  const bar = "█".repeat(filled) + "░".repeat(barWidth - filled);
  return `${bar} ${String(Math.floor(share * 100)).padStart(3)} %  ${speed}  ${remaining} left  ${step.what}`;
};

/** The beginning that fits into one line: a line that wraps cannot be cleared. The last column stays free, where some terminals wrap. */
export const fitting = (line: string, columns: number | undefined): string =>
  line.slice(0, (columns === undefined || columns === 0 ? usualColumns : columns) - 1);

/** A bar for the life of the scope. */
export const make = Effect.fnUntraced(function* (amount?: (done: number) => string) {
  const stdio = yield* Stdio.Stdio;
  if (!(yield* stdio.stderrIsTerminal)) return { show: () => {}, clear: () => {} } satisfies Bar;
  const clock = yield* Clock.Clock;
  const started = clock.currentTimeMillisUnsafe();
  let drawn = 0;
  const wipe = () => {
    if (drawn > 0) process.stderr.write(clear);
    drawn = 0;
  };
  yield* Effect.addFinalizer(() => Effect.sync(wipe));
  const show = (step: Step) => {
    const now = clock.currentTimeMillisUnsafe();
    if (now - drawn < redrawMillis) return;
    drawn = now;
    const line = fitting(render(step, now - started, amount), process.stderr.columns);
    process.stderr.write(clear + line);
  };
  return { show, clear: wipe } satisfies Bar;
});
