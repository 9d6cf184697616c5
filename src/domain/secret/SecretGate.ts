/**
 * A text that comes bit by bit, without its secrets: what may still become one is held back until it is decided.
 *
 * Room: domain.
 *
 * Promises: what was given is given on in the same order, redacted as it would be in one piece but for the first letters of
 * a token, which say its kind and no more; what is ordinary is given on at once; at most 20,000 characters are held back.
 */
import { findSecrets, type Finding } from "./FindSecrets.ts";
import type { Redactor } from "./RedactSecrets.ts";
import { shapes } from "./SecretShapes.ts";
import { isRun } from "./TextValues.ts";

/** A private key is as long; a text that goes on without its end is given on. */
const mostHeld = 20_000;
/** Length of the text before that is kept: a name and its separator stand there. */
const mostBefore = 1_024;

/** Text that would make a secret of what only waits for its value: a token, a password in a URL, a cookie. */
const probes = ["q7Zk9Wv2Xm4Bq7Zk9Wv2Xm4B", "q7Zk9W@h ", "a=q7Zk9Wv2Xm;"] as const;

/** Beginnings of tokens that are told apart from words by their first letters. */
const prefixes: ReadonlyArray<string> = [
  "eyJ",
  ...new Set(shapes.map(({ before = "", prefix }) => `${before}${prefix}`).filter(({ length }) => length > 1)),
];

/** Start of the unbroken end of a text: letters, digits and what stands in tokens beside them. */
const lastWord = (text: string): number => {
  let at = text.length;
  while (
    at > 0 &&
    text.length - at < mostBefore &&
    (isRun(text.charCodeAt(at - 1)) || "./+=~".includes(text.charAt(at - 1)))
  )
    at--;
  return at;
};

/** From where on nothing is decided yet; the text's length when all of it is. */
export const undecidedFrom = (text: string, finding: Finding): number => {
  const { length } = text;
  let from = length;
  const key = text.lastIndexOf("-----BEGIN ");
  if (
    key >= 0 &&
    text.indexOf("-----END", key) < 0 &&
    /^-----BEGIN [A-Z0-9 ]*(?:-{1,5}|$|-----[^]*)$/.test(text.slice(key, key + 80))
  )
    from = key;
  const word = lastWord(text);
  for (let at = word; at < length; at++) {
    const isBeginning = at === word || !isRun(text.charCodeAt(at - 1)) || !isRun(text.charCodeAt(at));
    if (isBeginning && prefixes.some((prefix) => text.startsWith(prefix, at))) from = Math.min(from, at);
  }
  for (const probe of probes) {
    for (const { end, start } of findSecrets(text + probe, finding)) if (end > length && start < from) from = start;
  }
  return from;
};

export class SecretGate {
  readonly #redactor: Redactor;
  /** Text that was given, from a little before what is held back. */
  #text = "";
  /** Length of it that was given on. */
  #from = 0;

  constructor(redactor: Redactor) {
    this.#redactor = redactor;
  }

  /** Takes a bit; gives what is decided now. */
  add(bit: string): string {
    this.#text += bit;
    const undecided = undecidedFrom(this.#text, this.#redactor.finding);
    return this.#give(this.#text.length - undecided > mostHeld ? this.#text.length : undecided);
  }

  /** Nothing more comes: all that was held back. */
  end(): string {
    return this.#give(this.#text.length);
  }

  #give(upTo: number): string {
    if (upTo <= this.#from) return "";
    const given = this.#redactor.textFrom(this.#text.slice(0, upTo), this.#from);
    const cut = Math.max(0, upTo - mostBefore);
    this.#text = this.#text.slice(cut);
    this.#from = upTo - cut;
    return given;
  }
}
