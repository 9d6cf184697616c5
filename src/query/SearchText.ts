/**
 * From what a person types to what FTS5 understands: no input is a syntax error.
 *
 * Room: query.
 *
 * Every word becomes a quoted string, so that operators and punctuation are words like others. Words stand in any
 * order in the same part; `"a phrase"` keeps its order; `begin*` finds what begins so.
 */
const quoted = (words: string): string => `"${words.replaceAll('"', '""')}"`;

/** Words with something FTS5's tokenizer makes a token of; others would match nothing and spoil the rest. */
const hasToken = /[\p{L}\p{N}\p{Co}]/u;

/** The MATCH expression, or undefined when there is no word in the text. */
export const matchOf = (text: string): string | undefined => {
  const terms: Array<string> = [];
  for (const [, phrase, word] of text.replaceAll("\0", " ").matchAll(/"([^"]*)"?|([^\s"]+)/g)) {
    const given = phrase ?? word ?? "";
    if (!hasToken.test(given)) continue;
    const isBeginning = word !== undefined && word.endsWith("*");
    terms.push(isBeginning ? `${quoted(word.replace(/\*+$/, ""))}*` : quoted(given));
  }
  return terms.length === 0 ? undefined : terms.join(" AND ");
};
