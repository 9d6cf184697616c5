/**
 * From what a person types to what FTS5 understands: no input is a syntax error.
 *
 * Room: query.
 *
 * Every word becomes a quoted string, so that operators and punctuation are words like others. Words stand in any
 * order in the same text; `"a phrase"` keeps its order; `begin*` finds what begins so; `getUserById` finds also its
 * parts in another spelling, and `user` finds it.
 */
import { askedWords, partsOf } from "../../domain/search/SearchWords.ts";

/** One word or phrase of a question. */
export interface Term {
  readonly text: string;
  readonly isBeginning: boolean;
}

const quoted = (words: string): string => `"${words.replaceAll('"', '""')}"`;

/** Words with something FTS5's tokenizer makes a token of; others would match nothing and spoil the rest. */
const hasToken = /[\p{L}\p{N}\p{Co}\p{Extended_Pictographic}]/u;

/** The words and phrases of a question, in the order in which they were typed. */
export const termsOf = (text: string): ReadonlyArray<Term> => {
  const terms: Array<Term> = [];
  for (const [, phrase, word] of text.replaceAll("\0", " ").matchAll(/"([^"]*)"?|([^\s"]+)/g)) {
    const given = phrase ?? word ?? "";
    if (!hasToken.test(given)) continue;
    const isBeginning = word !== undefined && word.endsWith("*");
    terms.push({ text: isBeginning ? given.replace(/\*+$/, "") : given, isBeginning });
  }
  return terms;
};

/** Words that are asked for in place of a beginning; undefined for that itself. */
export type Beginnings = (beginning: string) => ReadonlyArray<string> | "left out" | undefined;

const isWord = /^[\p{L}\p{N}]+$/u;

/** The word of which only the beginning is asked for. */
const openWord = ({ isBeginning, text }: Term): string | undefined => {
  const asked = askedWords(text);
  return (isBeginning || asked.isBeginning) && isWord.test(asked.phrase) ? asked.phrase : undefined;
};

/** The words of a question of which only the beginning is asked for. */
export const beginningsOf = (text: string): ReadonlyArray<string> =>
  termsOf(text).flatMap((term) => openWord(term) ?? []);

const matchOfTerm = (term: Term, beginnings: Beginnings | undefined): string | undefined => {
  const { isBeginning, text } = term;
  const open = openWord(term);
  const words = open === undefined ? undefined : beginnings?.(open);
  if (words === "left out") return undefined;
  if (words !== undefined) return `(${words.map(quoted).join(" OR ")})`;
  const asked = askedWords(text);
  const star = isBeginning || asked.isBeginning ? "*" : "";
  const parts = partsOf(text);
  return parts === text || star !== "" || /\s/.test(text)
    ? `${quoted(asked.phrase)}${star}`
    : `(${quoted(text)} OR ${quoted(parts)})`;
};

/** The MATCH expression, or undefined when there is no word in the text. */
export const matchOf = (text: string, beginnings?: Beginnings): string | undefined => {
  const asked = termsOf(text).flatMap((term) => matchOfTerm(term, beginnings) ?? []);
  return asked.length === 0 ? undefined : asked.join(" AND ");
};
