/**
 * Events of an older ledger that a newly folded one lacks: those that a rebuild would drop.
 *
 * Room: projection.
 *
 * The running hashes are compared first: up to the last mark, or the end of the old ledger, in which both agree nothing
 * differs. Behind it, rows are compared by their digests.
 */
import { Effect } from "effect";
import type { LogEntry } from "../../domain/Event.ts";
import type { Sequence } from "../../domain/History.ts";
import * as Ranges from "../../domain/SequenceRanges.ts";
import type { SequenceRange } from "../../domain/StoreEvents.ts";
import { equal } from "../../log/Digest.ts";
import { isLost } from "../fold/CatchUp.ts";
import { compare } from "../verify/Compare.ts";
import { endOf, type Ledger } from "../verify/LedgerSqlite.ts";
import { chainIn } from "../verify/VerifySqlite.ts";

/** Rows compared before others get a turn. */
const rowsPerTurn = 500;

/** Asks a file that may be damaged; `instead` where it cannot say. */
const orElse = <A>(ask: () => A, instead: A): A => {
  try {
    return ask();
  } catch {
    return instead;
  }
};

/**
 * Last sequence of the old ledger, where the new rows give the running hash that it noted there: they are what it recorded,
 * and whatever else its rows say by now was changed since. 0 where they do not.
 */
const provenTo = (old: Ledger, fresh: Ledger): Sequence => {
  const end = orElse(() => old.checkpoint(), undefined);
  if (end === undefined || end.sequence === 0 || fresh.checkpoint().sequence < end.sequence) return 0;
  return equal(chainIn(fresh, end.sequence), end.chain) ? end.sequence : 0;
};

/** The last sequence up to which both running hashes agree. */
const agreedTo = (old: Ledger, fresh: Ledger): Sequence => {
  const known = new Map(fresh.marks().map(({ chain, sequence }) => [sequence, chain]));
  const marks = orElse(old.marks, []);
  const agreed = marks.findLast(({ chain, sequence }) => equal(chain, known.get(sequence)));
  return agreed?.sequence ?? 0;
};

/** True when dropping the old row would lose something: a row that is only damaged tells nothing where the stream has the event. */
const isOnlyInOld = (sequence: Sequence, old: LogEntry, fresh: LogEntry | undefined): boolean => {
  if (isLost(old)) return false;
  if (fresh === undefined || isLost(fresh)) return true;
  return compare(sequence, fresh, old)?.kind === "content";
};

/** Rows of a file that may be damaged: those that can be read, and the places of those that cannot. */
const readable = (ledger: Ledger, from: Sequence, to: Sequence) => {
  try {
    return { entries: ledger.between(from, to), unreadable: [] };
  } catch {
    const entries: Array<LogEntry> = [];
    const unreadable: Array<Sequence> = [];
    for (let sequence = from; sequence <= to; sequence++) {
      try {
        entries.push(...ledger.between(sequence, sequence));
      } catch {
        unreadable.push(sequence);
      }
    }
    return { entries, unreadable };
  }
};

/** The places, from `after` on, in order. A row that cannot be read counts where the new ledger has nothing there. */
export const onlyInOld = Effect.fnUntraced(function* (options: {
  readonly old: Ledger;
  readonly fresh: Ledger;
  readonly after?: Sequence;
}) {
  const { fresh, old } = options;
  const found: Array<SequenceRange> = [];
  const last = orElse(
    () => endOf(old) ?? old.reach().last,
    orElse(() => old.checkpoint().sequence, 0),
  );
  const begin = Math.max(options.after ?? 0, agreedTo(old, fresh), provenTo(old, fresh));
  for (let at = begin + 1; at <= last; at += rowsPerTurn) {
    const to = Math.min(last, at + rowsPerTurn - 1);
    const kept = new Map(fresh.between(at, to).map((entry) => [entry.sequence, entry]));
    const { entries, unreadable } = readable(old, at, to);
    const places = [
      ...entries.flatMap((entry) =>
        isOnlyInOld(entry.sequence, entry, kept.get(entry.sequence)) ? [entry.sequence] : [],
      ),
      ...unreadable.filter((sequence) => !kept.has(sequence)),
    ];
    for (const sequence of places.toSorted((a, b) => a - b)) Ranges.add(found, sequence);
    yield* Effect.yieldNow;
  }
  return found as ReadonlyArray<SequenceRange>;
});
