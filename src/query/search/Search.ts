/**
 * Question and answer of a search.
 *
 * Room: query.
 */
import type { Sequence } from "../../domain/History.ts";
import type { HitKind } from "../../../projections/search.ts";
import type { ThreadRow } from "../Query.ts";

export { type HitKind, hitKinds } from "../../../projections/search.ts";

export interface SearchFilter {
  /**
   * `words`: all of them in one text, in any order; in double quotes a phrase, with `*` behind a beginning.
   * `contains`: these characters, wherever they stand. `regex`: a regular expression of JavaScript, without case.
   */
  readonly text: string;
  readonly by?: "words" | "contains" | "regex";
  /** Default: all. */
  readonly kinds?: ReadonlyArray<HitKind>;
  /** Most threads of the answer; default 10. */
  readonly limit?: number;
  /** Most hits of one thread that are shown; default 3. */
  readonly hitsPerThread?: number;
  /** Length of a snippet in UTF-16 units; default 160. */
  readonly width?: number;
  readonly tenant?: string;
  readonly threadId?: string;
  /** Ids of threads that are left out, with those that work for them or continue them. */
  readonly except?: ReadonlyArray<string>;
  /** A working directory, one below it, or its last name. */
  readonly project?: string;
  readonly branch?: string;
  /** The agent's program or its beginning: `claude` for `claude-code`. */
  readonly agent?: string;
  /** A model or a part of its name. */
  readonly model?: string;
  readonly role?: string;
  /** Arguments and answers of this tool. */
  readonly tool?: string;
  /** In threads that read this file or named it to a tool. */
  readonly file?: string;
  /** Epoch milliseconds, both included. */
  readonly since?: number;
  readonly until?: number;
  /** Limits what is shown of a text, applied to it whole before a snippet is cut from it. Default: all of it. */
  readonly shown?: (text: string) => string;
  /** Only in threads that work for no other one: sub-agents are left out. */
  readonly isMain?: boolean;
  /** Only what failed calls were given and answered. */
  readonly hasError?: boolean;
  /** With filters: goes on through older hits until enough passed, for 2 s at most. */
  readonly goesOn?: boolean;
}

export interface SearchHit {
  readonly kind: HitKind;
  /** Its place: what `recollect thread ID --around` takes. */
  readonly sequence: Sequence;
  readonly messageId: string | null;
  readonly toolCallId: string | null;
  readonly toolName: string | null;
  readonly role: string | null;
  /** Epoch milliseconds; null where no time is known. */
  readonly at: number | null;
  readonly snippet: string;
  /** Places of the words in the snippet, in UTF-16 units: from, to. */
  readonly marks: ReadonlyArray<readonly [number, number]>;
}

export interface SearchAnswer {
  /** The best first. `count` hits in each, of which the best are in `hits`: at least so many where `isCut`. */
  readonly threads: ReadonlyArray<{
    readonly thread: ThreadRow;
    readonly count: number;
    readonly hits: ReadonlyArray<SearchHit>;
  }>;
  /** Threads with a hit, of which `threads` are the best: at least so many where `isCut`. */
  readonly total: number;
  /** Hits that were ranked, and whether there are older ones that were not. */
  readonly ranked: number;
  readonly isCut: boolean;
}
