/**
 * The read model: one set of tables that all projections fold into, with the checkpoint beside the rows.
 *
 * Room: projection.
 *
 * The contract of a sink. `ReadModelSqlite` keeps it today; a sink for another database keeps the same one.
 */
import { type Effect, Schema } from "effect";
import { isMisfit, type LogEntry, type RecordedEvent } from "../domain/Event.ts";
import type { Sequence } from "../domain/History.ts";
import type { Checkpoint } from "./Checkpoint.ts";

/** The file cannot be read or written now. Retried for ever, with backoff; shown in `status`; never a dead letter. */
export class StorageTrouble extends Schema.TaggedError<StorageTrouble>()("StorageTrouble", {
  reason: Schema.Literals(["full", "busy", "damaged", "notWritable", "other"]),
  path: Schema.String,
  message: Schema.String,
  hint: Schema.String,
}) {}

/** Identity of a log entry among all others: an event's id, a misfit's subject. Compared together with `recordedAt`. */
export const identityOf = (entry: LogEntry): string => (isMisfit(entry) ? `misfit ${entry.subject}` : entry.id);

/** A log entry on its way into the tables. */
export interface Incoming {
  /** As it came: what the ledger keeps. */
  readonly entry: LogEntry;
  /** The same event with its large body put in place, where that lay in the object store. */
  readonly whole?: RecordedEvent | undefined;
  /** Reason that it cannot be read, where that is known before it is interpreted. */
  readonly refusal?: string | undefined;
}

export interface Batch {
  /** In stream order, the first one directly after the checkpoint. Events at or before it are passed over. */
  readonly incoming: ReadonlyArray<Incoming>;
  readonly streamCreated: number;
  /** The writer's clock, epoch milliseconds. */
  readonly now: number;
}

/** A batch on its way: what it was made of, and whatever else the sink has made of it. */
export interface Prepared {
  readonly batch: Batch;
}

/** Outcome of a batch. */
export type Applied =
  | { readonly _tag: "Committed"; readonly checkpoint: Checkpoint }
  /** Another file has taken this one's place: nothing was written; open the path again. */
  | { readonly _tag: "Superseded" }
  /** `sequence` did not come, although a later one did: nothing was written. */
  | { readonly _tag: "Missing"; readonly sequence: Sequence };

export interface TableDigest {
  readonly name: string;
  readonly rows: number;
  /** SHA-256 of every row, added up: the same rows give the same digest in whatever order they lie. */
  readonly digest: string;
}

/** The dead letters of one projection; `*` counts the events that were unreadable for all. */
export interface DeadLetterCount {
  readonly projection: string;
  readonly count: number;
}

export interface ReadModel {
  /** The file behind the path when it was opened. */
  readonly file: string;
  readonly checkpoint: Effect.Effect<Checkpoint, StorageTrouble>;
  /** True when the tables were made by other versions of the projections than the ones given at `open`. */
  readonly outdated: boolean;
  /**
   * Interprets a batch that will be applied after the ones prepared before it. Costs as much time as writing a
   * batch of small events, and takes no lock: so it is done while another batch is written.
   */
  readonly prepare: (batch: Batch) => Effect.Effect<Prepared, StorageTrouble>;
  /** Rows, dead letters, carries and checkpoint of a batch, in one transaction. After a failure, the same again is safe. */
  readonly commit: (prepared: Prepared) => Effect.Effect<Applied, StorageTrouble>;
  /** Prepares and commits. */
  readonly apply: (batch: Batch) => Effect.Effect<Applied, StorageTrouble>;
  readonly deadLetters: Effect.Effect<ReadonlyArray<DeadLetterCount>, StorageTrouble>;
  /** A digest of every table of the projections, and of the dead letters. */
  readonly digests: Effect.Effect<ReadonlyArray<TableDigest>, StorageTrouble>;
  /**
   * Makes what a file still lacks that was made with fewer indexes, and what the planner chooses by; takes seconds for a
   * million events, in its own thread.
   */
  readonly index: Effect.Effect<void, StorageTrouble>;
  /** Returns when everything applied so far is on the disk, in the file itself. */
  readonly settle: Effect.Effect<void, StorageTrouble>;
  /** Notes for other processes what stands in the way, or with undefined that nothing does. */
  readonly note: (key: string, value: string | undefined) => Effect.Effect<void, StorageTrouble>;
  readonly close: Effect.Effect<void>;
}
