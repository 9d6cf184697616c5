/**
 * Applying batches: folded in the order of the stream, as far ahead of the writing as the caller likes.
 *
 * Room: projection.
 *
 * An entry's meaning depends on what interpreters remember of the entries before it, so a batch is folded ahead
 * only when it continues the one that was folded last. Whatever else comes is folded when its turn to be written
 * has come, from what the file then holds: a batch that is given again, one after a gap, or all that was folded
 * ahead of a file that another process has written to.
 */
import type { Database } from "better-sqlite3";
import { Effect } from "effect";
import * as Chain from "../Chain.ts";
import * as InterpreterMemory from "./InterpreterMemorySqlite.ts";
import type { Checkpoint } from "../Checkpoint.ts";
import { readCheckpoint } from "../EngineSqlite.ts";
import * as Fold from "./Fold.ts";
import type { Projection } from "../Projection.ts";
import { type Applied, type Batch, identityOf, type Incoming, type Prepared, StorageTrouble } from "../ReadModel.ts";
import { storageTrouble } from "../StorageTroubleSqlite.ts";
import type { RowWriterChoice } from "../write/WriterChoiceSqlite.ts";

interface Ready {
  /** Interpreter memory that it was made with; worthless once that was dropped. */
  readonly epoch: number;
  readonly folded: Fold.Folded;
  readonly after: number;
  readonly checkpoint: Checkpoint;
}

interface InHand extends Prepared {
  readonly ready: Ready | undefined;
}

/** Once refused rows are taken out, nothing is refused; a second time is for the unforeseen. */
const mostProbes = 2;

/** With the digest in place: nearly always the log has given it along. */
const proven = (incoming: Incoming): Incoming =>
  incoming.entry.digest === undefined ? { ...incoming, entry: Chain.proven(incoming.entry) } : incoming;

const followOn = (after: number, incoming: ReadonlyArray<Incoming>): boolean =>
  incoming.every(({ entry }, index) => entry.sequence === after + 1 + index);

export interface Apply {
  readonly prepare: (batch: Batch) => Prepared;
  readonly commit: (prepared: Prepared) => Effect.Effect<Applied, StorageTrouble>;
}

export const make = (options: {
  /** Only read here. */
  readonly db: Database;
  readonly file: string;
  readonly projections: ReadonlyArray<Projection>;
  readonly writer: RowWriterChoice;
}): Apply => {
  const { db, file, projections, writer } = options;
  const carries = InterpreterMemory.make(db);
  const { fold, foldEach } = Fold.make(projections);
  let epoch = 0;
  /** The last sequence folded; undefined when that is not known. */
  let front: number | undefined = readCheckpoint(db).sequence;
  /** The running hash there. */
  let chain = readCheckpoint(db).chain;

  const forget = () => {
    epoch += 1;
    front = undefined;
    carries.forget();
  };

  /** Folds entries that follow on `after`. */
  const foldAfter = (
    after: number,
    incoming: ReadonlyArray<Incoming>,
    { now, refusals, streamCreated }: Batch & { readonly refusals?: Fold.Refusals },
  ) => {
    const last = incoming.at(-1)?.entry;
    if (last === undefined) return undefined;
    const { recordedAt, sequence } = last;
    const whole = incoming.map(proven);
    const next = Chain.extended(chain, whole);
    const folded = fold({ carries, incoming: whole, now, marks: next.marks }, refusals);
    front = sequence;
    chain = next.chain;
    const checkpoint = { sequence, identity: identityOf(last), recordedAt, streamCreated, chain };
    return { epoch, folded, after, checkpoint } satisfies Ready;
  };

  const attempt = <A>(work: () => A): Effect.Effect<A, StorageTrouble> =>
    Effect.try({
      try: work,
      catch: (cause) => {
        forget();
        return storageTrouble(file, cause);
      },
    });

  /** Entries that the file does not have yet, and its sequence. Nothing is remembered of what was folded ahead. */
  const freshOf = ({ incoming }: Batch) => {
    forget();
    const checkpoint = readCheckpoint(db);
    return { checkpoint, fresh: incoming.filter(({ entry }) => entry.sequence > checkpoint.sequence) };
  };

  /** Folds what the file does not have yet; or answers with what there is to say of it. */
  const foldNow = (batch: Batch, refusals: Fold.Refusals): Effect.Effect<Ready | Applied, StorageTrouble> =>
    attempt(() => {
      const { checkpoint, fresh } = freshOf(batch);
      const reached = checkpoint.sequence;
      const gap = fresh.findIndex(({ entry }, index) => entry.sequence !== reached + 1 + index);
      if (gap >= 0) return { _tag: "Missing", sequence: reached + 1 + gap } satisfies Applied;
      front = reached;
      chain = checkpoint.chain;
      return foldAfter(reached, fresh, { ...batch, refusals }) ?? ({ _tag: "Committed", checkpoint } satisfies Applied);
    });

  /** Finds the units whose rows SQLite refuses, one by one. */
  const findRefused = Effect.fnUntraced(function* (batch: Batch) {
    const units = yield* attempt(() =>
      foldEach({ carries, incoming: freshOf(batch).fresh.map(proven), marks: [], now: batch.now }),
    );
    const found = yield* writer.probe(units.map(({ packed }) => packed));
    return found.flatMap(({ reason, unit }) => {
      const name = units[unit]?.name;
      return name === undefined ? [] : [[name, reason] as const];
    });
  });

  const faultless = (after: number, to: number) =>
    new StorageTrouble({
      reason: "other",
      path: file,
      message: `${file} refuses rows of sequences ${after + 1} to ${to} for no row's fault.`,
      hint: "Run: recollect verify",
    });

  return {
    prepare: (batch): InHand => {
      const { incoming } = batch;
      if (front === undefined || !followOn(front, incoming)) return { batch, ready: undefined };
      try {
        return { batch, ready: foldAfter(front, incoming, batch) };
      } catch {
        // The interpreters' memory could not be read. When its turn comes it is tried again, and named then.
        forget();
        return { batch, ready: undefined };
      }
    },
    commit: Effect.fnUntraced(function* (prepared: Prepared) {
      const { batch } = prepared;
      let { ready } = prepared as InHand;
      let refusals: Fold.Refusals = new Map();
      for (let probes = 0; ;) {
        if (ready?.epoch !== epoch) {
          const found = yield* foldNow(batch, refusals);
          if ("_tag" in found) return found;
          ready = found;
        }
        const { after, checkpoint, folded } = ready;
        const write = writer.write({ packed: folded.packed, after, checkpoint, now: batch.now });
        // A packed batch is used up, also where it fails or is interrupted: the same again is folded again.
        const written = yield* Effect.onError(write, () => Effect.sync(forget));
        if (written._tag === "Written") {
          carries.written(folded.carries);
          return { _tag: "Committed", checkpoint } satisfies Applied;
        }
        if (written._tag === "Refused") {
          if (probes++ === mostProbes) return yield* faultless(after, checkpoint.sequence);
          refusals = new Map([...refusals, ...(yield* findRefused(batch))]);
        }
        forget();
        if (written._tag === "Superseded") return { _tag: "Superseded" } satisfies Applied;
      }
    }),
  };
};
