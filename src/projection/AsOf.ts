/**
 * The read models as of an earlier moment: a fold of the ledger up to there, into a file of its own.
 *
 * Room: projection.
 *
 * Promises: what is asked of that file is what would have been answered then, of every list, view and report, by the
 * projections of today: nothing that came later is in it, also no title, end, result or deletion. The live file is only read.
 *
 * Decision: a fold and not a filter by sequence, because rows are merged as events come: what a later one replaced is no
 * longer there. It costs what a rebuild does, without the stream: 100,000 small events took 7 s of processor.
 */
import { Clock, Effect, Schema, type Scope } from "effect";
import type { LogEntry } from "../domain/Event.ts";
import type { Sequence } from "../domain/History.ts";
import * as Pipeline from "./fold/Pipeline.ts";
import type { Projection } from "./Projection.ts";
import { StorageTrouble } from "./ReadModel.ts";
import * as ReadModelSqlite from "./ReadModelSqlite.ts";
import * as Generations from "./rebuild/Generations.ts";
import { attemptOn, openLedger } from "./rebuild/LedgerFileSqlite.ts";
import type { Ledger } from "./verify/LedgerSqlite.ts";

/** After an event of the stream, or after the last one that the log had taken by a time (epoch milliseconds). */
export type Moment = { readonly sequence: Sequence } | { readonly time: number };

/** The moment lies outside of what the database has. */
export class NoSuchMoment extends Schema.TaggedError<NoSuchMoment>()("NoSuchMoment", {
  message: Schema.String,
  hint: Schema.String,
}) {}

/** Events folded at once; a batch is prepared while the one before it is written. */
const batchEvents = 2_000;

/** The last sequence that the log had taken by a time: its times ascend with its sequences. */
const takenBy = (ledger: Ledger, time: number, last: Sequence): Sequence => {
  let [low, high] = [0, last];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const at = ledger.at(middle)?.recordedAt ?? 0;
    if (at <= time) low = middle;
    else high = middle - 1;
  }
  return low;
};

const sequenceOf = (ledger: Ledger, moment: Moment): Sequence | NoSuchMoment => {
  const { sequence: last } = ledger.checkpoint();
  if ("time" in moment) return takenBy(ledger, moment.time, last);
  if (moment.sequence <= last) return moment.sequence;
  return new NoSuchMoment({
    message: `There is no event ${moment.sequence} yet: the database ends at ${last}.`,
    hint: "Name an earlier one, or a time.",
  });
};

export interface AsOf {
  /** A database like the live one, removed with the scope. */
  readonly file: string;
  /** The last sequence in it. */
  readonly sequence: Sequence;
}

const noLedger = (path: string) =>
  new StorageTrouble({
    reason: "other",
    path,
    message: `There is no database at ${path} whose ledger can be read.`,
    hint: "Start the store once with npm start (or recollect up).",
  });

/** The ledger of the live database. */
const liveLedger = Effect.fnUntraced(function* (path: string) {
  const live = Generations.current(path);
  const ledger = live === undefined ? undefined : yield* openLedger(live);
  return ledger ?? (yield* noLedger(path));
});

/** The last sequence that the moment has. */
export const sequenceOfMoment = (
  path: string,
  moment: Moment,
): Effect.Effect<Sequence, StorageTrouble | NoSuchMoment> =>
  Effect.gen(function* () {
    const ledger = yield* liveLedger(path);
    const sequence = yield* attemptOn(path, () => sequenceOf(ledger, moment));
    return sequence instanceof NoSuchMoment ? yield* sequence : sequence;
  }).pipe(Effect.scoped);

interface Folded {
  /** Path of the live database. */
  readonly path: string;
  readonly projections: ReadonlyArray<Projection>;
  readonly onProgress?: (sequence: Sequence, until: Sequence) => Effect.Effect<void>;
}

export interface Options extends Folded {
  readonly moment: Moment;
}

/** A database of everything up to a sequence, in a file that is not there yet, and is its caller's to remove. */
export const foldUpTo = Effect.fn("projection.foldUpTo")(function* (options: Folded, until: Sequence, file: string) {
  const { path, projections } = options;
  const ledger = yield* liveLedger(path);
  const model = yield* Effect.acquireRelease(
    ReadModelSqlite.open({ file, projections, durability: "scratch", indexes: "later" }),
    ({ close }) => close,
  );
  const pipeline = yield* Pipeline.make(model);
  const { streamCreated } = ledger.checkpoint();
  const now = yield* Clock.currentTimeMillis;
  for (let from = 1; from <= until; from += batchEvents) {
    const to = Math.min(until, from + batchEvents - 1);
    const entries: ReadonlyArray<LogEntry> = yield* attemptOn(path, () => ledger.between(from, to));
    if (entries.length > 0) yield* pipeline.put({ incoming: entries.map((entry) => ({ entry })), streamCreated, now });
    yield* options.onProgress?.(to, until) ?? Effect.void;
  }
  yield* pipeline.done;
  yield* model.index;
}, Effect.scoped);

/** Makes it, beside the live database; a killed process's is removed by the next. */
export const asOf = (options: Options): Effect.Effect<AsOf, StorageTrouble | NoSuchMoment, Scope.Scope> =>
  Effect.gen(function* () {
    const { path, moment } = options;
    const sequence = yield* sequenceOfMoment(path, moment);
    const file = `${path}.as-of-${process.pid}`;
    yield* Effect.acquireRelease(
      attemptOn(path, () => Generations.removeStale(path, "as-of")),
      () => Effect.sync(() => Generations.remove(file)),
    );
    yield* foldUpTo(options, sequence, file);
    return { file, sequence };
  }).pipe(Effect.withSpan("projection.asOf"));
