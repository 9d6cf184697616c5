/**
 * A JSON text with other texts in place of some of its own, and all else as it was written: numbers, escapes, spaces.
 *
 * Room: domain.
 */

/** A text of valid JSON; with a colon behind it, a name. */
const literal = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?/g;

const isTree = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

const countTexts = (value: unknown): number =>
  typeof value === "string"
    ? 1
    : isTree(value)
      ? Object.values(value).reduce<number>((sum, one) => sum + countTexts(one), 0)
      : 0;

/**
 * `text` is the JSON of `value`, and says `other` afterwards: the same but for texts. Where names differ, or one stands twice in an
 * object (the first of them is in no value), all of it is written anew.
 */
export const rewritten = (text: string, value: unknown, other: unknown): string => {
  let found = 0;
  const numbered = text.replaceAll(literal, (all, colon?: string) => (colon === undefined ? String(found++) : all));
  const texts = new Map<unknown, string>();
  let isSame = found === countTexts(value);
  const compare = (was: unknown, is: unknown, at: unknown): void => {
    if (was === is) return;
    if (typeof was === "string" && typeof is === "string") texts.set(at, JSON.stringify(is));
    else if (isTree(was) && isTree(is) && isTree(at) && Object.keys(was).every((key) => Object.hasOwn(is, key)))
      for (const key of Object.keys(was)) compare(was[key], is[key], at[key]);
    else isSame = false;
  };
  compare(value, other, JSON.parse(numbered));
  if (!isSame) return JSON.stringify(other);
  let next = 0;
  return text.replaceAll(literal, (all, colon?: string) => (colon === undefined ? (texts.get(next++) ?? all) : all));
};
