/**
 * The running hash over what was folded, and its marks: one is kept for each thousand sequences.
 *
 * Room: projection.
 *
 * Decision: marks and not a running hash in every row, because 32 bytes a row are a twentieth of a small event, and the
 * hash at any sequence is that of the mark before it with at most 999 digests more. Two copies are equal up to the last
 * mark in which they agree, so a comparison of a million events begins with a thousand pairs of numbers.
 */
import { isMisfit, type LogEntry } from "../domain/Event.ts";
import { chained, type Leaf } from "../log/Digest.ts";
import { digestOfEntry } from "../log/Envelope.ts";
import { subjectOf } from "../log/Subject.ts";
import type { Incoming } from "./ReadModel.ts";

export const markEvery = 1_000;

export interface Mark {
  readonly sequence: number;
  readonly chain: Uint8Array;
}

/** An entry that brings its digest along, taken here where its reader did not. */
export const proven = (entry: LogEntry): LogEntry =>
  entry.digest === undefined ? { ...entry, digest: digestOfEntry(entry) } : entry;

export const leafOf = (entry: LogEntry): Leaf => ({
  sequence: entry.sequence,
  id: isMisfit(entry) ? "" : entry.id,
  subject: isMisfit(entry) ? entry.subject : subjectOf(entry.history),
  digest: entry.digest ?? digestOfEntry(entry),
});

/** The running hash after these entries, and the marks on the way. */
export const extended = (chain: Uint8Array, incoming: ReadonlyArray<Incoming>) => {
  const marks: Array<Mark> = [];
  let reached = chain;
  for (const { entry } of incoming) {
    reached = chained(reached, leafOf(entry));
    if (entry.sequence % markEvery === 0) marks.push({ sequence: entry.sequence, chain: reached });
  }
  return { chain: reached, marks };
};
