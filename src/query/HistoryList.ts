/**
 * Lists of any kind of history.
 *
 * Room: query.
 */
import type { Sequence } from "../domain/History.ts";
import type { ThreadConditions } from "./ThreadFilter.ts";

/** The conditions on threads hold for lists of threads alone, but for `since`. */
export interface HistoryFilter extends ThreadConditions {
  readonly kind: "thread" | "task" | "session";
  /** With which its id begins. */
  readonly prefix?: string | undefined;
  /** A tag that it has now. Only threads have tags. */
  readonly tag?: string | undefined;
  /** Active at or after this time; of a session, started. Epoch milliseconds. */
  readonly since?: number | undefined;
  /** Default 50, at most `maxPage`. */
  readonly limit?: number | undefined;
  /** The `next` of the page before. */
  readonly cursor?: string | undefined;
  readonly tenant?: string | undefined;
}

export interface ListedHistory {
  readonly kind: HistoryFilter["kind"];
  readonly id: string;
  /** Of a thread its title, else its first words; of a task its description. */
  readonly title: string | null;
  readonly tags: ReadonlyArray<string>;
  /** Order of lists: the latest activity; of a session, its start. Epoch milliseconds. */
  readonly listedAt: number;
  readonly firstSequence: Sequence;
  readonly lastSequence: Sequence;
}

export interface HistoryPage {
  readonly histories: ReadonlyArray<ListedHistory>;
  /** Value of `cursor` for the next page; undefined on the last. */
  readonly next: string | undefined;
}
