/**
 * Text as the words it is searched by, for an index that cuts at whatever is no letter or digit.
 *
 * Room: domain.
 *
 * - scripts without spaces (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese): overlapping pairs of characters
 * - identifiers: `getUserById` stands as it is, and its parts behind the text
 * - emoji: their code points
 *
 * A question goes through the same functions, so that both agree. ASCII without such identifiers stays as it is.
 */

const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}ー][\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}ー\p{M}]*/gu;
const emoji = /\p{Extended_Pictographic}/gu;
const ascii = /^[\u0000-\u007f]*$/; // oxlint-disable-line eslint/no-control-regex -- all of ASCII

/** An identifier in camel case; longer ones are no names but keys and encoded bytes. */
const camel = /\b[A-Za-z0-9]{1,80}(?<=[a-z0-9])[A-Z][A-Za-z0-9]{0,80}\b/g;
const seam = /(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/;
const hasSeam = /[a-z0-9][A-Z]/;

const pairs = (run: string): ReadonlyArray<string> => {
  const characters = Array.from(run.replaceAll(/\p{M}/gu, ""));
  return characters.length === 1
    ? characters
    : characters.slice(1).map((second, at) => `${characters[at] ?? ""}${second}`);
};

const picture = (character: string): string => ` u${(character.codePointAt(0) ?? 0).toString(16)} `;

/** One normal form, so that a half-width or decomposed letter is the letter. */
const plain = (text: string): string => text.normalize("NFKC").replaceAll(emoji, picture);

/** Words of a text, as they are indexed. */
export const searchWords = (text: string): string => {
  const words = ascii.test(text)
    ? text
    : plain(text).replaceAll(unspaced, (run) => {
        const found = pairs(run);
        // The last character alone: a question for one character is one for a beginning.
        return ` ${found.join(" ")}${found.length > 1 || found[0]?.length === 2 ? ` ${Array.from(run.replaceAll(/\p{M}/gu, "")).at(-1) ?? ""}` : ""} `;
      });
  if (!hasSeam.test(text)) return words;
  const parts = new Set<string>();
  for (const [identifier] of text.matchAll(camel)) parts.add(identifier);
  return parts.size === 0 ? words : `${words}\n${Array.from(parts, partsOf).join("\n")}`;
};

/** `getUserById` as `get User By Id`; one word for what is no such identifier. */
export const partsOf = (identifier: string): string => identifier.split(seam).join(" ");

/** Search phrase of a word of a question; `isBeginning` where only its beginning is known. */
export const askedWords = (word: string): { readonly phrase: string; readonly isBeginning: boolean } => {
  if (ascii.test(word)) return { phrase: word, isBeginning: false };
  let isBeginning = false;
  const phrase = plain(word).replaceAll(unspaced, (run) => {
    const found = pairs(run);
    isBeginning = found.length === 1 && Array.from(found[0] ?? "").length === 1;
    return ` ${found.join(" ")} `;
  });
  return { phrase: phrase.trim(), isBeginning };
};

const escape = /\\(?:u([0-9a-fA-F]{4})|(.))/g;

/** Words of a JSON text, without its escapes: a line feed written `\n` would else make one word with what follows. */
export const jsonWords = (json: string): string =>
  json.includes("\\")
    ? json.replaceAll(escape, (_, code: string | undefined, letter: string | undefined) => {
        if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
        return letter === '"' || letter === "\\" || letter === "/" ? letter : " ";
      })
    : json;
