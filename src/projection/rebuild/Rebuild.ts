/**
 * Rebuilding: stream and ledger are folded into a new file beside the live one, which then takes its place.
 *
 * Room: projection.
 *
 * Promises: readers never see less than before; a projector in another process goes on meanwhile, and moves to the
 * new file in its next transaction; a rebuild killed at any moment leaves the live file as it was; an event that the
 * ledger has and the stream does not is never dropped, unless the loss is accepted, with a reason, as an event.
 *
 * How: the new file catches up beside the live one, and what the stream has lost in its middle comes from the ledger.
 * Both are compared. Then the live file's write lock is taken, so that its checkpoint stands still; the new file catches
 * up to it, and the path is led to the new file before the lock is let go. The projector asks under the same lock which
 * file the path leads to, so no event falls between the two.
 *
 * Decision: a hole in the middle is filled and not refused, because its place is free and nothing is dropped: so an
 * upgrade goes on while the stream waits for its heal, and `verify` names the place until then. An event that stands where the
 * stream has something else, or behind its end, has no place, and is refused.
 */
import { Effect, type Scope } from "effect";
import * as path from "node:path";
import type { LogEntry } from "../../domain/Event.ts";
import type { Sequence } from "../../domain/History.ts";
import * as Ranges from "../../domain/SequenceRanges.ts";
import type { CopyHead, SequenceRange } from "../../domain/StoreEvents.ts";
import { hex } from "../../log/Digest.ts";
import { EventLog, type LogInfo } from "../../log/EventLog.ts";
import { catchUp, isLost, lostEntry } from "../fold/CatchUp.ts";
import * as ProjectorCondition from "../ProjectorCondition.ts";
import * as AcceptLoss from "./AcceptLoss.ts";
import * as Generations from "./Generations.ts";
import { attemptOn, openLedger } from "./LedgerFileSqlite.ts";
import { onlyInOld } from "./OnlyInOld.ts";
import type { Projection } from "../Projection.ts";
import type { Checkpoint } from "../Checkpoint.ts";
import { type ReadModel, StorageTrouble } from "../ReadModel.ts";
import * as ReadModelSqlite from "../ReadModelSqlite.ts";
import { isWhole } from "../verify/Compare.ts";
import type { Ledger } from "../verify/LedgerSqlite.ts";
import * as WriteLock from "../write/WriteLockSqlite.ts";

export interface Progress {
  readonly sequence: Sequence;
  /** The head as far as it is known; it moves while others publish. */
  readonly head: Sequence;
  readonly step: "folding" | "indexing" | "comparing";
}

export interface Rebuilt {
  /** The file the path leads to now. */
  readonly file: string;
  readonly checkpoint: Sequence;
  /** Sequences that the new file lacks, or that were in neither copy. */
  readonly lost: ReadonlyArray<SequenceRange>;
  /** Sequences that the stream has lost and the old ledger gave back. */
  readonly recovered: ReadonlyArray<SequenceRange>;
  /** The event that says that a loss was accepted. */
  readonly accepted?: { readonly sequence: Sequence; readonly events: number } | undefined;
  /** Name of the old file, where it holds what nothing else does: removed by `discardKept` alone. */
  readonly kept?: string | undefined;
}

/** Before the live file is locked, the new one is this close to the head: what remains is milliseconds. */
const closeEnough = 1000;
/** Rounds of catching up without getting close; then the lock is taken anyway. */
const mostRounds = 20;
/** Before kept files had a mark beside them, they were noted in the database by their path under this prefix. */
const keptPrefix = "kept:";

const lockFile = (link: string): string => `${link}.rebuild-lock`;

/** One rebuild at a time for each path; a killed one has let go. */
const holdRebuildLock = (link: string): Effect.Effect<void, StorageTrouble, Scope.Scope> =>
  WriteLock.hold(lockFile(link), "now").pipe(
    Effect.mapError((trouble) =>
      trouble.reason === "busy"
        ? new StorageTrouble({
            reason: "busy",
            path: link,
            message: "Another process is rebuilding this database.",
            hint: "Wait for it, or end it: the database stays as it is.",
          })
        : trouble,
    ),
  );

/** Gives files that were noted by their path a mark beside them, by their name: the folder may have been moved. */
const markNoted = Effect.fnUntraced(function* (link: string, live: string) {
  const notes = yield* WriteLock.notesOf(live, keptPrefix);
  const names = new Set(notes.map((note) => path.basename(note.slice(keptPrefix.length))));
  yield* attemptOn(link, () => {
    for (const file of Generations.leftovers(link)) {
      if (names.has(path.basename(file))) Generations.keep(file, "It holds what the stream no longer had.");
    }
  });
});

/** Removes what replaced files and killed rebuilds have left, except the files that are kept. Only under the rebuild lock. */
const sweep = Effect.fnUntraced(function* (link: string) {
  const live = Generations.current(link);
  if (Generations.leftovers(link).length === 0) return;
  // A live file that cannot say what is kept: nothing is removed.
  const isReadable =
    live === undefined ||
    (yield* markNoted(link, live).pipe(
      Effect.as(true),
      Effect.catchIf(
        ({ reason }) => reason === "damaged",
        () => Effect.succeed(false),
      ),
    ));
  if (isReadable) yield* attemptOn(link, () => Generations.leftovers(link).forEach(Generations.remove));
});

/** Sweeps unless another process is rebuilding. */
export const sweepLeftovers = (link: string): Effect.Effect<void, StorageTrouble> =>
  Generations.leftovers(link).length === 0
    ? Effect.void
    : Effect.scoped(Effect.andThen(holdRebuildLock(link), sweep(link))).pipe(
        Effect.catchIf(
          ({ reason }) => reason === "busy",
          () => Effect.void,
        ),
      );

/**
 * Condition of the live file: `usual`; `ahead`, when the stream ends before it or is another one; `damaged`, when it cannot
 * say. Of another stream's ledger nothing is filled into holes.
 */
const lookAt = Effect.fnUntraced(function* (live: string | undefined) {
  if (live === undefined) return { isAhead: false, isDamaged: false, isOther: false };
  const peeked = yield* Effect.result(WriteLock.peekAny(live));
  if (peeked._tag === "Failure") return { isAhead: false, isDamaged: true, isOther: true };
  const { condition } = yield* ProjectorCondition.identify(peeked.success);
  const isAhead = condition?.stopped === true && condition.name !== "hole";
  return { isAhead, isDamaged: false, isOther: condition?.name === "recreated" };
});

interface Building {
  readonly model: ReadModel;
  readonly log: EventLog["Service"];
  readonly lost: (sequence: Sequence) => LogEntry;
  readonly onProgress: (progress: Progress) => Effect.Effect<void>;
}

const foldTo = (building: Building, until: Sequence, info: LogInfo) =>
  catchUp({
    model: building.model,
    until,
    streamCreated: info.created,
    lost: building.lost,
    onProgress: (sequence) =>
      building.onProgress({ sequence, head: Math.max(until, info.lastSequence), step: "folding" }),
  });

/** Follows the moving head until it is near. */
const approach = Effect.fnUntraced(function* (building: Building) {
  for (let round = 0; round < mostRounds; round++) {
    const info = yield* building.log.info;
    const { sequence } = yield* building.model.checkpoint;
    if (round > 0 && info.lastSequence - sequence <= closeEnough) return;
    yield* foldTo(building, info.lastSequence, info);
  }
});

/**
 * Decision: indexes for readers are made when nearly all rows are there. Kept up row by row they took a third of the
 * writing of 300,000 small events (12 s instead of 7.4), and more the larger they grew; made at the end, 0.9 s.
 */
const indexAll = Effect.fnUntraced(function* ({ log, model, onProgress }: Building) {
  const { sequence } = yield* model.checkpoint;
  const { lastSequence } = yield* log.info;
  yield* onProgress({ sequence, head: Math.max(sequence, lastSequence), step: "indexing" });
  yield* model.index;
});

interface Old {
  readonly live: string;
  /** Undefined when it cannot be read. */
  readonly ledger: Ledger | undefined;
  /** Its checkpoint is none that this stream will reach. */
  readonly isForeign: boolean;
}

/** Takes the live file's place, under its write lock. */
const swap = Effect.fnUntraced(function* (
  building: Building,
  options: {
    readonly link: string;
    readonly old: Old | undefined;
    readonly isAccepted: boolean;
    readonly keepWhy: string | undefined;
  },
) {
  const { link, old, isAccepted, keepWhy } = options;
  const { model, log } = building;
  const isForeign = old === undefined || old.isForeign || isAccepted;
  // Most of the bytes reach the disk before anybody has to wait for it.
  yield* model.settle;
  const compared = (yield* model.checkpoint).sequence;
  const held =
    old === undefined
      ? false
      : yield* WriteLock.hold(old.live, "soon").pipe(
          Effect.as(true),
          isForeign ? Effect.orElseSucceed(() => false) : (self) => self,
        );
  const info = yield* log.info;
  const reached: Checkpoint | undefined = held && !isForeign ? yield* WriteLock.peekAny(old.live) : undefined;
  yield* foldTo(building, Math.max(reached?.sequence ?? 0, isForeign ? info.lastSequence : 0), info);
  if (!isForeign && old.ledger !== undefined) {
    // Events of the last moments.
    const late = yield* only(building, old.ledger, compared);
    if (late.length > 0) return yield* AcceptLoss.refused(late);
  }
  yield* model.settle;
  const { sequence } = yield* model.checkpoint;
  yield* model.close;
  yield* attemptOn(link, () => {
    Generations.syncFile(model.file);
    if (old !== undefined && keepWhy !== undefined) Generations.keep(old.live, keepWhy);
    Generations.pointTo(link, model.file);
  });
  return sequence;
});

/** Events that only the old ledger has, after a sequence. */
const only = (building: Building, old: Ledger, after: Sequence) =>
  Effect.scoped(
    Effect.gen(function* () {
      const fresh = yield* openLedger(building.model.file);
      if (fresh === undefined) return [];
      return yield* onlyInOld({ old, fresh, after });
    }),
  );

/**
 * Events that only the old ledger has. A projector goes on writing to it meanwhile: what lies behind our checkpoint and is in the
 * stream by now is no loss, it is compared in the last moments, when the old file stands still.
 */
const onlyOutsideStream = Effect.fnUntraced(function* (building: Building, old: Ledger) {
  const { sequence } = yield* building.model.checkpoint;
  const places = yield* only(building, old, 0);
  // Asked after the ledger was: whatever that has got from the stream is below this.
  const { lastSequence } = yield* building.log.info;
  const behind = Math.max(sequence, lastSequence);
  return Ranges.union(
    places.flatMap(({ first, last }) => (first <= sequence ? [{ first, last: Math.min(last, sequence) }] : [])),
    places.flatMap(({ first, last }) => (last > behind ? [{ first: Math.max(first, behind + 1), last }] : [])),
  );
});

const headOf = (checkpoint: Checkpoint): CopyHead => ({ sequence: checkpoint.sequence, chain: hex(checkpoint.chain) });

const oldHead = (old: Old | undefined): CopyHead | undefined => {
  try {
    return old?.ledger === undefined ? undefined : headOf(old.ledger.checkpoint());
  } catch {
    return undefined;
  }
};

/** Refuses, or lets the loss be an event. Answers what became of it. */
const settleLoss = Effect.fnUntraced(function* (
  building: Building,
  options: {
    readonly old: Old | undefined;
    readonly dropped: ReadonlyArray<SequenceRange>;
    readonly lost: ReadonlyArray<SequenceRange>;
    readonly acceptance: AcceptLoss.Acceptance | undefined;
  },
) {
  const { acceptance, dropped, lost, old } = options;
  if (dropped.length > 0 && acceptance === undefined) return yield* AcceptLoss.refused(dropped);
  const ranges = Ranges.union(dropped, lost);
  if (acceptance === undefined || ranges.length === 0) return undefined;
  const kept = old === undefined || dropped.length === 0 ? undefined : path.basename(old.live);
  const stream = headOf(yield* building.model.checkpoint);
  const sequence = yield* AcceptLoss.record({ acceptance, ranges, stream, ledger: oldHead(old), kept });
  return { sequence, events: Ranges.count(ranges) };
});

const openOld = Effect.fnUntraced(function* (live: string | undefined, isForeign: boolean) {
  if (live === undefined) return undefined;
  return { live, isForeign, ledger: yield* openLedger(live) } satisfies Old as Old;
});

/** A file of its own for the new rows, which a failed rebuild takes along; a killed one's is swept by the next. */
const openFresh = Effect.fnUntraced(function* (link: string, projections: ReadonlyArray<Projection>) {
  const file = yield* attemptOn(link, () => Generations.next(link));
  const model = yield* Effect.acquireRelease(
    ReadModelSqlite.open({ file, projections, durability: "scratch", indexes: "later" }),
    (opened) => opened.close,
  );
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => (Generations.isCurrent(link, file) ? undefined : Generations.remove(file))),
  );
  return model;
});

export interface Options {
  readonly path: string;
  readonly projections: ReadonlyArray<Projection>;
  /** Goes on without what the stream has lost. Absent: refused with `LossRefused` when that would drop an event. */
  readonly acceptLoss?: AcceptLoss.Acceptance | undefined;
  readonly onProgress?: (progress: Progress) => Effect.Effect<void>;
}

/** Rebuilds the database behind `path`. */
export const rebuild = Effect.fn("projection.rebuild")(function* (options: Options) {
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const { path: link, projections, acceptLoss } = options;
      const log = yield* EventLog;
      yield* holdRebuildLock(link);
      yield* attemptOn(link, () => Generations.adopt(link));
      yield* sweep(link);
      const live = Generations.current(link);
      const { isAhead, isDamaged, isOther } = yield* lookAt(live);
      const old = yield* openOld(live, isAhead || isDamaged);
      const lost: Array<SequenceRange> = [];
      const recovered: Array<SequenceRange> = [];
      const model = yield* openFresh(link, projections);
      const building: Building = {
        model,
        log,
        onProgress: options.onProgress ?? (() => Effect.void),
        lost: (sequence) => {
          const entry = isOther ? undefined : readFrom(old?.ledger, sequence);
          const found = entry !== undefined && !isLost(entry) && isWhole(entry);
          Ranges.add(found ? recovered : lost, sequence);
          return found ? entry : lostEntry(sequence);
        },
      };
      yield* approach(building);
      yield* indexAll(building);
      // Others have published meanwhile.
      yield* approach(building);
      const dropped = old?.ledger === undefined ? [] : yield* onlyOutsideStream(building, old.ledger);
      const accepted = yield* settleLoss(building, { old, dropped, lost, acceptance: acceptLoss });
      const keepWhy = isDamaged
        ? "It is damaged, and may hold what nothing else does."
        : dropped.length > 0
          ? `It holds what the stream has lost: ${Ranges.text(dropped)}. ${acceptLoss?.reason ?? ""}`
          : undefined;
      const isAccepted = accepted !== undefined && dropped.length > 0;
      const checkpoint = yield* Effect.scoped(swap(building, { link, old, isAccepted, keepWhy }));
      // A link that leads out of the folder leads to another's file.
      const isOurs = live !== undefined && path.dirname(live) === path.dirname(path.resolve(link));
      if (isOurs && keepWhy === undefined) yield* discard(live);
      return {
        file: model.file,
        checkpoint,
        lost: Ranges.union(dropped, lost),
        recovered,
        accepted,
        kept: live === undefined || keepWhy === undefined ? undefined : path.basename(live),
      } satisfies Rebuilt as Rebuilt;
    }),
  );
});

/** Entry of a ledger at a sequence; undefined also for one that cannot be read. */
const readFrom = (ledger: Ledger | undefined, sequence: Sequence): LogEntry | undefined => {
  try {
    return ledger?.at(sequence);
  } catch {
    return undefined;
  }
};

/**
 * The replaced file goes as soon as everything is in it and nothing in its write-ahead log: a reader that has found
 * its name a moment ago, and opens it now, sees all of it. While a reader is in the way, it stays for the next sweep.
 */
const discard = Effect.fnUntraced(function* (file: string) {
  const settled = yield* Effect.orElseSucceed(WriteLock.settle(file), () => false);
  if (settled) yield* Effect.ignore(attemptOn(file, () => Generations.remove(file)));
});
