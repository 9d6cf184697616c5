/**
 * Verifying: the stream against the ledger, every table against a fresh fold of the stream, and the file against what
 * this version makes.
 *
 * Room: projection.
 *
 * Promises: it ends; it changes nothing; what differs is named by its place (sequences, keys, pages, views); memory and
 * the pace of reading are bounded by one batch.
 *
 * Everything is compared up to the ledger's checkpoint at the beginning: the database is read in one snapshot, so a
 * running projector and new events change nothing. The snapshot keeps the write-ahead log from shrinking meanwhile.
 * The fresh fold needs as much disk as the database without its full-text index; its file is removed afterwards. A part
 * of the stream cannot be folded, so with `from` or `to` the copies and the file are compared and the tables are not.
 */
import { Clock, Effect } from "effect";
import type { LogEntry } from "../../domain/Event.ts";
import type { Sequence } from "../../domain/History.ts";
import * as Ranges from "../../domain/SequenceRanges.ts";
import { chained, equal, hex } from "../../log/Digest.ts";
import { EventLog, type LogDamaged, type LogInfo, type LogUnavailable } from "../../log/EventLog.ts";
import { leafOf, markEvery } from "../Chain.ts";
import { entriesUpTo, isLost, lostEntry } from "../fold/CatchUp.ts";
import { incomingOfAll } from "../fold/LargeEntries.ts";
import * as Pipeline from "../fold/Pipeline.ts";
import type { Projection } from "../Projection.ts";
import * as ProjectorCondition from "../ProjectorCondition.ts";
import type { ReadModel, StorageTrouble } from "../ReadModel.ts";
import * as ReadModelSqlite from "../ReadModelSqlite.ts";
import * as Generations from "../rebuild/Generations.ts";
import { attemptOn } from "../rebuild/LedgerFileSqlite.ts";
import { compare, type Difference, type DifferenceKind, isWhole } from "./Compare.ts";
import { type Fault, fullTextFaults } from "./DatabaseCheckSqlite.ts";
import type { RowDifference } from "./RowDifferencesSqlite.ts";
import { type AcceptedLoss, openSnapshot, type Snapshot } from "./VerifySqlite.ts";

/** Differences of one kind at sequences that follow on each other. */
export interface Place {
  readonly kind: DifferenceKind;
  readonly first: Sequence;
  readonly last: Sequence;
  readonly count: number;
  /** Message of the first of them. */
  readonly message: string;
}

export interface TableResult {
  readonly name: string;
  readonly rows: number;
  readonly digest: string;
  /** The digest that a fresh fold of the stream gives. */
  readonly expected: string;
  /** The first rows that differ, by key. */
  readonly differing: ReadonlyArray<RowDifference>;
}

export interface Verified {
  /** True when nothing differs: stream, ledger, read models and file are as they should be. */
  readonly ok: boolean;
  /** Range that was compared, both ends included. */
  readonly from: Sequence;
  readonly upTo: Sequence;
  readonly stream: {
    readonly firstSequence: Sequence;
    readonly lastSequence: Sequence;
    readonly messages: number;
    readonly created: number;
  };
  readonly ledger: { readonly firstSequence: Sequence; readonly lastSequence: Sequence; readonly rows: number };
  /** The running hash at `upTo`, of either copy, in hexadecimal. */
  readonly chain: { readonly stream: string; readonly ledger: string };
  /** The condition that the projector would name, where there is one. */
  readonly condition?: ProjectorCondition.Condition | undefined;
  /** Number of sequences that differ; the first `mostDifferences` are listed, and the first as many places. */
  readonly differing: number;
  readonly differences: ReadonlyArray<Difference>;
  readonly places: ReadonlyArray<Place>;
  /** Accepted losses: what they name is no difference. */
  readonly accepted: ReadonlyArray<AcceptedLoss>;
  /** Empty when only a part was compared. */
  readonly tables: ReadonlyArray<TableResult>;
  readonly database: ReadonlyArray<Fault>;
  readonly deadLetters: number;
}

/** Most differences listed: a stream made anew differs everywhere. */
export const mostDifferences = 1000;

class Comparison {
  readonly differences: Array<Difference> = [];
  readonly places: Array<Place> = [];
  differing = 0;
  /** The running hash of the stream as far as it was compared. */
  chain: Uint8Array;
  /** The first sequence at which the running hash that was kept is not that of the stream. */
  wrongMark: Sequence | undefined;
  private readonly accepted: ReadonlyArray<AcceptedLoss>;
  private readonly marks: ReadonlyMap<Sequence, Uint8Array>;

  constructor(options: {
    readonly chain: Uint8Array;
    readonly accepted: ReadonlyArray<AcceptedLoss>;
    readonly marks: ReadonlyMap<Sequence, Uint8Array>;
  }) {
    this.chain = options.chain;
    this.accepted = options.accepted;
    this.marks = options.marks;
  }

  extend(entry: LogEntry) {
    this.chain = chained(this.chain, leafOf(entry));
    const { sequence } = entry;
    if (sequence % markEvery === 0 && !equal(this.chain, this.marks.get(sequence))) this.wrongMark ??= sequence;
  }

  note(difference: Difference | undefined) {
    if (difference === undefined) return;
    const { kind, message, sequence } = difference;
    // An event that was accepted as lost is lost in both.
    if (kind === "both" && this.accepted.some(({ ranges }) => Ranges.has(ranges, sequence))) return;
    this.differing += 1;
    if (this.differences.length < mostDifferences) this.differences.push(difference);
    const last = this.places.at(-1);
    if (last !== undefined && last.kind === kind && last.last === sequence - 1)
      this.places[this.places.length - 1] = { ...last, last: sequence, count: last.count + 1 };
    else if (this.places.length < mostDifferences)
      this.places.push({ kind, first: sequence, last: sequence, count: 1, message });
  }
}

/** Behind the end of both copies there is nothing to read: it is one place, however far a checkpoint says that it goes. */
const beyond = (comparison: Comparison, first: Sequence, last: Sequence): void => {
  if (first > last) return;
  comparison.differing += last - first + 1;
  const message = "neither copy has what the checkpoint says was read";
  comparison.places.push({ kind: "both", first, last, count: last - first + 1, message });
};

export type Step = "comparing" | "tables" | "file";

export interface Options {
  readonly path: string;
  readonly projections: ReadonlyArray<Projection>;
  /** The first and last sequence to compare. Default: all that the ledger has. */
  readonly from?: Sequence | undefined;
  readonly to?: Sequence | undefined;
  /** The running hash before `from`, where it was noted elsewhere: the ledger must have the same. */
  readonly chainBefore?: string | undefined;
  readonly onProgress?: (progress: {
    readonly sequence: Sequence;
    readonly head: Sequence;
    readonly step: Step;
  }) => Effect.Effect<void>;
}

interface Work {
  readonly snapshot: Snapshot;
  readonly fresh: Pipeline.Pipeline | undefined;
  readonly info: LogInfo;
  readonly comparison: Comparison;
  readonly onProgress: (sequence: Sequence, step: Step) => Effect.Effect<void>;
}

/** Entry that read models are made of, as in a rebuild: where the stream has lost an event, the ledger's row, while that is whole. */
const wholeOf = (stream: LogEntry, ledger: LogEntry | undefined): LogEntry =>
  isLost(stream) && ledger !== undefined && isWhole(ledger) ? ledger : stream;

const foldAfresh = Effect.fnUntraced(function* (work: Work, entries: ReadonlyArray<LogEntry>) {
  if (work.fresh === undefined || entries.length === 0) return;
  const incoming = yield* incomingOfAll(entries);
  const now = yield* Clock.currentTimeMillis;
  yield* work.fresh.put({ incoming, streamCreated: work.info.created, now });
});

/** Compares a piece of the stream with the ledger, and folds it afresh. */
const compareBatch = Effect.fnUntraced(function* (
  work: Work,
  entries: ReadonlyArray<LogEntry>,
): Effect.fn.Return<void, StorageTrouble | LogUnavailable, EventLog> {
  const { comparison } = work;
  const first = entries[0]?.sequence ?? 0;
  const last = entries.at(-1)?.sequence ?? 0;
  const ledger = new Map((yield* work.snapshot.between(first, last)).map((entry) => [entry.sequence, entry]));
  for (const entry of entries) {
    comparison.note(compare(entry.sequence, entry, ledger.get(entry.sequence)));
    comparison.extend(entry);
  }
  yield* foldAfresh(
    work,
    entries.map((entry) => wholeOf(entry, ledger.get(entry.sequence))),
  );
  yield* work.onProgress(last, "comparing");
  yield* Effect.yieldNow;
});

/** Compares what the ledger has beyond the end of the stream. */
const compareRest = Effect.fnUntraced(function* (work: Work, from: Sequence, to: Sequence) {
  const step = 1000;
  for (let at = from; at <= to; at += step) {
    const entries = new Map(
      (yield* work.snapshot.between(at, Math.min(to, at + step - 1))).map((entry) => [entry.sequence, entry]),
    );
    const last: Array<LogEntry> = [];
    for (let sequence = at; sequence <= Math.min(to, at + step - 1); sequence++) {
      work.comparison.note(compare(sequence, undefined, entries.get(sequence)));
      last.push(wholeOf(lostEntry(sequence), entries.get(sequence)));
    }
    yield* foldAfresh(work, last);
    yield* Effect.yieldNow;
  }
});

const tablesOf = Effect.fnUntraced(function* (snapshot: Snapshot, fresh: ReadModel) {
  const expected = new Map((yield* fresh.digests).map(({ digest, name }) => [name, digest]));
  return yield* Effect.forEach(yield* snapshot.digests, ({ digest, name, rows }) =>
    Effect.gen(function* () {
      const wanted = expected.get(name) ?? "missing";
      const differing = digest === wanted ? [] : yield* snapshot.rowsOf(name);
      return { name, rows, digest, expected: wanted, differing } satisfies TableResult;
    }),
  );
});

/** A file of its own for the fresh fold, removed with the scope, and by the next verification if this one is killed. */
const openFresh = Effect.fnUntraced(function* (path: string, projections: ReadonlyArray<Projection>) {
  const file = `${path}.verify-${process.pid}`;
  yield* Effect.acquireRelease(
    attemptOn(path, () => Generations.removeStale(path, "verify")),
    () => Effect.sync(() => Generations.remove(file)),
  );
  return yield* Effect.acquireRelease(
    ReadModelSqlite.open({ file, projections, durability: "scratch", indexes: "none" }),
    (model) => model.close,
  );
});

const chainBeforeFault = (before: Uint8Array, noted: string | undefined): ReadonlyArray<Fault> =>
  noted === undefined || hex(before) === noted
    ? []
    : [{ what: "chain", message: "what was verified last time has changed in the ledger since: verify all of it" }];

/** A running hash that is not what its digests give, where no sequence says why. */
const chainFaults = (comparison: Comparison, ledger: Uint8Array): ReadonlyArray<Fault> => {
  const { chain, differing, places, wrongMark } = comparison;
  if (differing > 0 || places.length > 0) return [];
  const wrong = [
    ...(wrongMark === undefined ? [] : [`kept at sequence ${wrongMark}`]),
    ...(equal(chain, ledger) ? [] : ["beside the checkpoint"]),
  ];
  return wrong.map((where) => ({ what: "chain", message: `the running hash ${where} is not that of the events` }));
};

const run = Effect.fnUntraced(function* (options: Options) {
  const { path, projections } = options;
  const log = yield* EventLog;
  const isEverything = options.from === undefined && options.to === undefined;
  const model = isEverything ? yield* openFresh(path, projections) : undefined;
  const snapshot = yield* openSnapshot({ path, projections, freshFile: model?.file });
  const { info, condition } = yield* ProjectorCondition.identify(snapshot.checkpoint);
  const from = Math.max(1, options.from ?? 1);
  const upTo = Math.min(snapshot.checkpoint.sequence, options.to ?? snapshot.checkpoint.sequence);
  const inStream = Math.min(upTo, info.lastSequence);
  const accepted = yield* snapshot.accepted;
  const before = yield* snapshot.chainAt(from - 1);
  const comparison = new Comparison({ chain: before, accepted, marks: yield* snapshot.marks });
  const onProgress = (sequence: Sequence, step: Step) =>
    options.onProgress?.({ sequence, head: upTo, step }) ?? Effect.void;
  const fresh = model === undefined ? undefined : yield* Pipeline.make(model);
  const work: Work = { snapshot, fresh, info, comparison, onProgress };
  const use = (entries: ReadonlyArray<LogEntry>) => compareBatch(work, entries);
  yield* entriesUpTo({ after: from - 1, until: inStream, lost: lostEntry, use });
  const reach = yield* snapshot.reach;
  const inCopies = Math.min(upTo, Math.max(inStream, reach.last));
  yield* compareRest(work, Math.max(from, inStream + 1), inCopies);
  beyond(comparison, Math.max(from, inCopies + 1), upTo);
  yield* fresh?.done ?? Effect.void;
  yield* onProgress(upTo, "tables");
  // Indexes that SQLite keeps up in the live file are made in the fresh one when all its rows are there.
  yield* model?.index ?? Effect.void;
  const tables = model === undefined ? [] : yield* tablesOf(snapshot, model);
  yield* onProgress(upTo, "file");
  const isAtCheckpoint = upTo === snapshot.checkpoint.sequence;
  const ledgerChain = isAtCheckpoint ? snapshot.checkpoint.chain : yield* snapshot.chainAt(upTo);
  const database = [
    ...chainBeforeFault(before, options.chainBefore),
    ...chainFaults(comparison, ledgerChain),
    ...(yield* snapshot.faults),
    ...(yield* attemptOn(path, () => fullTextFaults(path, projections))),
  ];
  const { created, firstSequence, lastSequence, messages } = yield* log.info;
  return {
    ok:
      comparison.differing === 0 &&
      condition?.stopped !== true &&
      tables.every(({ digest, expected }) => digest === expected) &&
      database.length === 0,
    from,
    upTo,
    stream: { firstSequence, lastSequence, messages, created },
    ledger: { firstSequence: reach.first, lastSequence: reach.last, rows: reach.rows },
    chain: { stream: hex(comparison.chain), ledger: hex(ledgerChain) },
    ...(condition === undefined ? {} : { condition }),
    differing: comparison.differing,
    differences: comparison.differences,
    places: comparison.places,
    accepted,
    tables,
    database,
    deadLetters: yield* snapshot.deadLetters,
  } satisfies Verified as Verified;
});

/** Compares everything, changes nothing. */
export const verify = (
  options: Options,
): Effect.Effect<Verified, StorageTrouble | LogUnavailable | LogDamaged, EventLog> =>
  Effect.scoped(run(options)).pipe(Effect.withSpan("projection.verify"));
