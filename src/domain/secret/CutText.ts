/**
 * The beginning of a text, cut before a secret that the cut would halve: half a secret has no shape that is looked for, and
 * would be shown.
 *
 * Room: domain.
 *
 * Decision: by the built-in rules and not by those of a store, because a cut is made where events are folded, and a fold
 * depends on events alone. A secret of a pattern of one's own is safe where it is replaced before it is stored.
 */
import { findSecrets } from "./FindSecrets.ts";
import { shapes } from "./SecretShapes.ts";
import { indexOf } from "./ShapeMatch.ts";

const finding = { shapes: indexOf(shapes) };

/** Text that is looked at on either side of a cut, UTF-16 units: more than a token, a JWT or a private key takes. */
const mostAround = 8_192;

/** The place to cut at: `at`, or the start of the secret that it would halve. */
export const cutAt = (text: string, at: number): number => {
  if (at <= 0 || at >= text.length) return Math.max(0, Math.min(at, text.length));
  const from = Math.max(0, at - mostAround);
  for (const { end, start } of findSecrets(text.slice(from, at + mostAround), finding)) {
    if (from + start < at && from + end > at) return from + start;
  }
  return at;
};

/** The first `most` UTF-16 units at most, never half of a character or of a secret. */
export const cutText = (text: string, most: number): string =>
  text.length <= most ? text : text.slice(0, cutAt(text, most)).toWellFormed();

/** True when a secret of the built-in rules stands in it. */
export const holdsSecret = (text: string): boolean => findSecrets(text, finding).length > 0;
