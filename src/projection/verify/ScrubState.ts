/**
 * Findings and progress of the scrubber, in a file beside the database: it outlives restarts and rebuilds.
 *
 * Room: projection.
 */
import { Option, Schema } from "effect";
import * as fs from "node:fs";
import { Sequence } from "../../domain/History.ts";
import { SequenceRange } from "../../domain/StoreEvents.ts";
import * as OwnFile from "../../machine/OwnFile.ts";

/**
 * - `stream`, `both`, `content`: places where the copies differ and the stream has to be mended
 * - `ledger`: rows of the ledger that do not match their digests, or are gone
 * - `database`: pages, full-text indexes, tables, views, triggers
 * - `witness`: the witness has seen more, or something else, than this folder holds
 */
export const FindingKind = Schema.Literals(["stream", "both", "content", "ledger", "database", "witness"]);

export const Finding = Schema.Struct({
  kind: FindingKind,
  ranges: Schema.Array(SequenceRange),
  message: Schema.String,
  /** Time of the finding, epoch milliseconds. */
  at: Schema.Finite,
});
export type Finding = typeof Finding.Type;

export const ScrubState = Schema.Struct({
  /** The last sequence that was compared in this pass, and where the pass ends as far as is known. */
  sequence: Sequence,
  head: Sequence,
  /** Time of that, epoch milliseconds. */
  at: Schema.Finite,
  /** Whole passes since the store began, and when the last one ended; 0 before the first. */
  passes: Schema.Natural,
  finishedAt: Schema.Finite,
  /** Time of the last check of the full-text indexes, epoch milliseconds. */
  fullTextAt: Schema.Finite,
  findings: Schema.Array(Finding),
  /** Findings of this pass: they replace the others when it ends. */
  pending: Schema.Array(Finding),
  /** Number of rebuilds of the read models for a finding. */
  mended: Schema.Natural,
});
export type ScrubState = typeof ScrubState.Type;

export const none: ScrubState = {
  sequence: 0,
  head: 0,
  at: 0,
  passes: 0,
  finishedAt: 0,
  fullTextAt: 0,
  findings: [],
  pending: [],
  mended: 0,
};

const fileOf = (path: string): string => `${path}.scrub`;

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(ScrubState));

/** `none` where there is no file, or none that can be read: the pass begins at the beginning. */
export const readSync = (path: string): ScrubState => {
  try {
    return Option.getOrElse(decode(OwnFile.readText(fileOf(path))), () => none);
  } catch {
    return none;
  }
};

/** Atomic. Not durable: what a power cut takes is looked at again. */
export const writeSync = (path: string, state: ScrubState): void => {
  const temporary = `${fileOf(path)}-${process.pid}`;
  fs.writeFileSync(temporary, `${JSON.stringify(state)}\n`, { mode: 0o600 });
  fs.renameSync(temporary, fileOf(path));
};
