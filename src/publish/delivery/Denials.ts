/**
 * What becomes of a command that the server does not let us write: the call fails, or it is spooled and said once.
 *
 * Room: publish.
 */
import type { AccessDenied } from "../../log/EventLog.ts";

export type WhenDenied = ((why: AccessDenied) => void) | undefined;

export class Denials {
  readonly #whenDenied: WhenDenied;
  #isTold = false;

  constructor(whenDenied: WhenDenied) {
    this.#whenDenied = whenDenied;
  }

  /** What a call fails with; undefined where nothing is denied, or where it is spooled all the same. */
  failure(why: AccessDenied | undefined): AccessDenied | undefined {
    if (why === undefined || this.#whenDenied === undefined) return why;
    if (!this.#isTold) this.#whenDenied(why);
    this.#isTold = true;
    return undefined;
  }

  /** The log has taken something: the next denial is news again. */
  over(): void {
    this.#isTold = false;
  }
}
