/**
 * Commands that the server's permissions refuse: the call fails, or it is spooled and said once.
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

  /** Error of a call; undefined where nothing is denied, or where it is spooled all the same. */
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
