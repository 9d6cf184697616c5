/**
 * An SQL text seen word by word, past its strings and comments.
 *
 * Room: query.
 */

/** Comments, strings, quoted names, parameters, words, and any other character, in SQLite's own spelling. */
const token =
  /--[^\n]*(?:\n|$)|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|`(?:[^`]|``)*(?:`|$)|\[[^\]]*(?:\]|$)|\?\d*|[:@$][\p{L}\p{N}_$]+|[\p{L}_][\p{L}\p{N}_$]*|[\d.]+[\p{L}\p{N}_]*|[\s\S]/gu;

export interface SqlText {
  /** Bare words in small letters, in order: keywords, and names without quotes. */
  readonly words: ReadonlyArray<string>;
  /** Names of `:name`, `@name`, `$name`, each once. */
  readonly named: ReadonlyArray<string>;
  /** Number of values for `?` and `?n`. */
  readonly positional: number;
}

const isBlank = (text: string): boolean => /^(?:\s|--|\/\*)/.test(text);

/** The text in pieces that are whole: together they are the text again. */
export const tokensOf = (text: string): ReadonlyArray<string> => Array.from(text.matchAll(token), ([one]) => one);

export const readSql = (text: string): SqlText => {
  const words: Array<string> = [];
  const named = new Set<string>();
  let positional = 0;
  for (const one of tokensOf(text)) {
    if (isBlank(one)) continue;
    if (/^[\p{L}_]/u.test(one)) words.push(one.toLowerCase());
    else if (/^[:@$]./.test(one)) named.add(one.slice(1));
    else if (one === "?") positional++;
    else if (/^\?\d/.test(one)) positional = Math.max(positional, Number(one.slice(1)));
  }
  return { words, named: [...named], positional };
};

/** The text without the blanks, comments and semicolons before it. */
export const withoutLead = (text: string): string => text.replace(/^(?:\s|;|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)+/, "");

/** True when nothing stands there but blanks, comments and semicolons. */
export const isEmptySql = (text: string): boolean => tokensOf(text).every((one) => isBlank(one) || one === ";");

/** True when a text joins by the names of columns, which SQLite does not ask the authorizer about. */
export const joinsByName = ({ words }: SqlText): boolean => words.includes("using") || words.includes("natural");
