/**
 * From what a person types to what FTS5 understands: no input is a syntax error.
 *
 * Room: query.
 *
 * Every word becomes a quoted string, so that operators and punctuation are words like others. Words stand in any
 * order in the same text; `"a phrase"` keeps its order; `begin*` finds what begins so; `getUserById` finds also its
 * parts in another spelling, and `user` finds it.
 */
import { askedWords, partsOf } from "../domain/search/SearchWords.ts";

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

const matchOfTerm = ({ isBeginning, text }: Term): string => {
  const asked = askedWords(text);
  const star = isBeginning || asked.isBeginning ? "*" : "";
  const parts = partsOf(text);
  return parts === text || star !== "" || /\s/.test(text)
    ? `${quoted(asked.phrase)}${star}`
    : `(${quoted(text)} OR ${quoted(parts)})`;
};

/** The MATCH expression, or undefined when there is no word in the text. */
export const matchOf = (text: string): string | undefined => {
  const terms = termsOf(text);
  return terms.length === 0 ? undefined : terms.map(matchOfTerm).join(" AND ");
};
