/**
 * Event ids of a history, remembered so that looking for one does not read the history again each time.
 *
 * Room: log.
 *
 * The memory may be behind the log, never wrong: the sequence it reaches to is what the next append expects.
 * One history is searched by one fiber at a time: a caller that gave up on a long search finds its result later.
 */
import { Effect, Semaphore } from "effect";
import type { Sequence } from "../../domain/History.ts";

export interface KnownIds {
  /** Everything recorded from this time on is known, epoch milliseconds; -Infinity: the whole history. */
  readonly since: number;
  /** Everything that stands after this sequence is known; 0: the whole history; Infinity: see `since` alone. */
  readonly after: Sequence;
  /** Last sequence of the history that was seen; 0: it was empty. */
  upTo: Sequence;
  readonly ids: Map<string, Sequence>;
  /** Of which ids it is known whether they are there; undefined: of all. */
  covers: ReadonlySet<string> | undefined;
}

/** Most ids remembered over all histories: about 25 MB. */
export const maxRememberedIds = 200_000;

export interface HistoryIds {
  /** Most ids held of one history: of a longer one only those that are looked for. */
  readonly mostOfOne: number;
  /** Runs when no other search of this history is under way. */
  readonly inTurn: (subject: string) => <A, E, R>(search: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>;
  readonly get: (subject: string) => KnownIds | undefined;
  /** Remembers, or after a change counts again, and forgets the longest unused histories when there are too many ids. */
  readonly keep: (subject: string, known: KnownIds) => void;
  readonly forget: (subject: string) => void;
}

export const make = (most = maxRememberedIds): HistoryIds => {
  // A Map iterates in the order of insertion: the first key is the longest unused.
  const remembered = new Map<string, { readonly known: KnownIds; readonly size: number }>();
  let total = 0;
  const turns = new Map<string, { readonly turn: Semaphore.Semaphore; users: number }>();
  const enter = (subject: string) => {
    const entered = turns.get(subject) ?? { turn: Semaphore.makeUnsafe(1), users: 0 };
    turns.set(subject, entered);
    entered.users++;
    return entered;
  };
  const leave = (subject: string, entered: { users: number }) => {
    entered.users--;
    if (entered.users === 0) turns.delete(subject);
  };
  const forget = (subject: string) => {
    total -= remembered.get(subject)?.size ?? 0;
    remembered.delete(subject);
  };
  return {
    mostOfOne: most - 1,
    inTurn: (subject) => (search) =>
      Effect.suspend(() => {
        const entered = enter(subject);
        return Effect.ensuring(
          entered.turn.withPermits(1)(search),
          Effect.sync(() => leave(subject, entered)),
        );
      }),
    get: (subject) => remembered.get(subject)?.known,
    keep: (subject, known) => {
      forget(subject);
      // One more than its ids, so that empty histories count too.
      const size = known.ids.size + 1;
      remembered.set(subject, { known, size });
      total += size;
      for (const oldest of remembered.keys()) {
        if (total <= most) break;
        forget(oldest);
      }
    },
    forget,
  };
};
