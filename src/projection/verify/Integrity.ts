/**
 * Known integrity of the record, without a new check: scrubbed up to where, findings, files that are kept.
 *
 * Room: projection.
 */
import type { Sequence } from "../../domain/History.ts";
import * as Ranges from "../../domain/SequenceRanges.ts";
import type { Condition } from "../ProjectorCondition.ts";
import * as KeptFiles from "../rebuild/KeptFiles.ts";
import * as LastVerified from "./LastVerified.ts";
import * as State from "./ScrubState.ts";

export interface Integrity {
  readonly scrub: Pick<State.ScrubState, "sequence" | "head" | "at" | "passes" | "finishedAt" | "mended">;
  /** Findings of the scrubber without a repair, the worst first. */
  readonly conditions: ReadonlyArray<Condition>;
  /** Replaced files that hold what nothing else does. */
  readonly kept: ReadonlyArray<KeptFiles.Kept>;
  /** Until where the last verification found nothing, and when; absent when there was none. */
  readonly verified?: { readonly sequence: Sequence; readonly at: number } | undefined;
}

type Kind = State.Finding["kind"];

const names: Readonly<Record<Kind, Condition["name"]>> = {
  witness: "witnessDisagrees",
  content: "copiesDiffer",
  both: "eventsLost",
  stream: "eventsLost",
  ledger: "ledgerDamaged",
  database: "databaseDamaged",
};

const hints: Readonly<Record<Kind, string>> = {
  witness:
    "Put the newer copy of the folder back. To go on from here, remove the witness: its file, or the key head of its bucket.",
  content: "recollect heal shows both copies of each place.",
  both: "recollect heal says so at each place.",
  stream: "recollect heal puts them back from the ledger.",
  ledger: "It is mended by itself at the end of this pass; at once with: recollect rebuild",
  database: "It is mended by itself at the end of this pass; at once with: recollect rebuild",
};

const worstFirst: ReadonlyArray<Kind> = ["witness", "content", "both", "stream", "ledger", "database"];

const messageOf = ({ kind, message, ranges }: State.Finding): string => {
  if (ranges.length === 0) return message;
  const count = Ranges.count(ranges);
  const events = count === 1 ? "1 event" : `${count} events`;
  return `${events} (${kind}) at ${Ranges.text(ranges)}: ${message}.`;
};

const conditionOf = (finding: State.Finding): Condition => ({
  name: names[finding.kind],
  stopped: false,
  message: messageOf(finding),
  hint: hints[finding.kind],
});

/** Of the database at a path. Plain: three small files are looked at. `now`: epoch milliseconds. */
export const integrityOf = (path: string, now = Number.POSITIVE_INFINITY): Integrity => {
  const { at, findings, finishedAt, head, mended, passes, sequence } = State.readSync(path);
  const verified = LastVerified.readSync(path);
  // A verification that found nothing knows better, but it knows of no witness. One of the future was made before the clock
  // was set back: it may be older than a finding.
  const verifiedAt = verified === undefined || verified.at > now ? 0 : verified.at;
  const standing = findings.filter((finding) => finding.kind === "witness" || finding.at > verifiedAt);
  return {
    scrub: { at, finishedAt, head, mended, passes, sequence },
    conditions: worstFirst.flatMap((kind) => standing.filter((finding) => finding.kind === kind)).map(conditionOf),
    kept: KeptFiles.kept(path),
    ...(verified === undefined ? {} : { verified: { sequence: verified.sequence, at: verified.at } }),
  };
};
