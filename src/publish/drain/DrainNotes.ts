/**
 * Outcomes of waiting commands, noted on the disk.
 *
 * Room: publish.
 *
 * A disk that does not take a note must not stop the others, nor be asked for each of them: what it does not know, the
 * next process delivers again, and finds in the log.
 */
import { Effect } from "effect";
import type { History } from "../../domain/History.ts";
import type { Spool } from "../../spool/Spool.ts";

/** Outcome of a waiting command. */
export type Outcome =
  | { readonly _tag: "Appended" }
  | { readonly _tag: "Forked"; readonly into: History; readonly reason: string }
  /** The log can never take it, or it must not: a person decides. */
  | { readonly _tag: "Refused"; readonly reason: string };

/** Note to the disk of a command that has left the front. */
export interface Note {
  readonly position: number;
  readonly outcome: Outcome;
}

const isAppended = ({ outcome }: Note): boolean => outcome._tag === "Appended";

export class DrainNotes {
  readonly #spool: Spool["Service"];
  /** Notes that the disk did not take: written as soon as the disk can be used. */
  #open: ReadonlyArray<Note> = [];

  constructor(spool: Spool["Service"]) {
    this.#spool = spool;
  }

  /** The position up to which everything has left the front, whatever the disk says. */
  get passed(): number {
    return this.#open.at(-1)?.position ?? 0;
  }

  /** Takes note of these, and of what is open from before. */
  take(more: ReadonlyArray<Note>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const notes = [...this.#open, ...more];
      if (notes.length === 0) return;
      this.#open = notes;
      yield* this.#spool.forget(notes.filter(isAppended).map(({ position }) => position));
      this.#open = notes.filter((note) => !isAppended(note));
      for (const { outcome, position } of this.#open) {
        if (outcome._tag === "Forked") {
          yield* this.#spool.forked({ position, into: outcome.into, reason: outcome.reason });
        } else if (outcome._tag === "Refused") yield* this.#spool.setAside({ position, reason: outcome.reason });
        this.#open = this.#open.filter((note) => note.position !== position);
      }
    }).pipe(Effect.ignore);
  }
}
