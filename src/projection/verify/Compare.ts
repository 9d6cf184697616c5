/**
 * Comparing the two copies of one sequence: what the stream holds, and what the ledger kept of it.
 *
 * Room: projection.
 *
 * By digests: a copy is whole when its content gives the digest that was taken when it was recorded. Of a ledger that
 * was made before digests were kept, the content itself is compared.
 */
import { isMisfit, type LogEntry } from "../../domain/Event.ts";
import type { Sequence } from "../../domain/History.ts";
import { digestOf, equal } from "../../log/Digest.ts";
import { digestOfEntry, storedOf } from "../../log/Envelope.ts";
import { isLost } from "../fold/CatchUp.ts";

/**
 * Copy that needs the repair:
 *
 * - `stream`: only the ledger has it whole; `recollect heal` puts it back
 * - `ledger`: only the stream has it whole; `recollect rebuild` puts it back
 * - `both`: neither has it whole; `recollect heal` says so at its place
 * - `content`: both are whole and say different things; a person decides
 */
export const differenceKinds = ["stream", "ledger", "both", "content"] as const;
export type DifferenceKind = (typeof differenceKinds)[number];

export interface Difference {
  readonly sequence: Sequence;
  readonly kind: DifferenceKind;
  readonly message: string;
}

const nameOf = (entry: LogEntry): string =>
  isMisfit(entry) ? `a message that is no event (${entry.problem})` : `${entry.type} ${entry.id}`;

/** True when the content is what was recorded: always true for a row from before digests were kept. */
export const isWhole = (entry: LogEntry): boolean =>
  entry.digest === undefined || equal(entry.digest, digestOfEntry(entry));

/** The digest as we would spell the event: all that can be compared with a row from before digests were kept. */
const spelledByUs = (entry: LogEntry): Uint8Array =>
  isMisfit(entry) ? digestOfEntry(entry) : digestOf(storedOf({ ...entry, wire: undefined }));

/** True when a ledger's row is of the very event that the stream holds, whatever has become of the row. */
export const isSameEvent = (stream: LogEntry, ledger: LogEntry): boolean =>
  ledger.digest === undefined
    ? equal(spelledByUs(stream), spelledByUs(ledger))
    : equal(stream.digest ?? digestOfEntry(stream), ledger.digest);

const bothThere = (sequence: Sequence, stream: LogEntry, ledger: LogEntry): Difference | undefined => {
  const whole = isWhole(ledger);
  if (isSameEvent(stream, ledger)) {
    if (whole) return undefined;
    return { sequence, kind: "ledger", message: `the ledger's row of ${nameOf(stream)} was changed` };
  }
  if (equal(stream.digest ?? digestOfEntry(stream), digestOfEntry(ledger)))
    return { sequence, kind: "ledger", message: `the digest in the ledger's row of ${nameOf(stream)} was changed` };
  if (!whole)
    return { sequence, kind: "ledger", message: `the ledger's row at the place of ${nameOf(stream)} is damaged` };
  return {
    sequence,
    kind: "content",
    message: `the stream holds ${nameOf(stream)}, the ledger ${nameOf(ledger)}, and they are not the same`,
  };
};

/** Difference between the two copies of one sequence; undefined when they agree. */
export const compare = (
  sequence: Sequence,
  stream: LogEntry | undefined,
  ledger: LogEntry | undefined,
): Difference | undefined => {
  const inStream = stream !== undefined && !isLost(stream);
  const inLedger = ledger !== undefined && !isLost(ledger);
  if (inStream && inLedger) return bothThere(sequence, stream, ledger);
  if (inLedger) {
    return isWhole(ledger)
      ? { sequence, kind: "stream", message: `the stream has lost ${nameOf(ledger)}, which the ledger still has` }
      : { sequence, kind: "both", message: `the stream has lost ${nameOf(ledger)}, and the ledger's row is damaged` };
  }
  if (inStream) return { sequence, kind: "ledger", message: `the ledger lacks ${nameOf(stream)}` };
  return { sequence, kind: "both", message: "neither the stream nor the ledger has it" };
};
