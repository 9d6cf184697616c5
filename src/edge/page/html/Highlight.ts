/**
 * Code in four shades, and differences in two: coloured on the server, so that no script has to.
 *
 * Room: edge.
 *
 * One scanner for all languages that write strings, comments, numbers and words in the usual ways. It is a help to the
 * eye and not a parser: what it does not know stays plain.
 */
import { type Html, Html as Markup, html } from "./Html.ts";

/** Beyond this a text is shown plain. */
const mostCharacters = 40_000;

const words =
  "abstract and as async await begin bool break case catch class const continue def default defer delete do done echo elif else end enum esac except export extends false fi final finally fn for from func function go if impl implements import in interface is lambda let match mod mut new nil none not null or package pass private protected pub public raise readonly return select self static struct super switch then this throw trait true try type typeof undefined unless until use using var void where while with yield SELECT FROM WHERE GROUP ORDER BY LIMIT JOIN LEFT ON AS AND OR NOT NULL INSERT UPDATE CREATE TABLE WITH CASE WHEN THEN ELSE END DISTINCT HAVING UNION IN IS";
const keywords = new Set(words.split(" "));

const hashed = new Set([
  "py",
  "python",
  "sh",
  "bash",
  "zsh",
  "shell",
  "console",
  "yaml",
  "yml",
  "toml",
  "ruby",
  "rb",
  "r",
  "make",
  "dockerfile",
  "conf",
  "ini",
]);
const dashed = new Set(["sql", "lua", "hs", "haskell", "sqlite"]);
const proseLike = new Set(["", "text", "txt", "md", "markdown", "log", "plain", "csv", "output"]);

/** Each piece is a comment, a string, a number or a word; what lies between stays as it is. */
const scanner = (language: string): RegExp => {
  const comment = hashed.has(language)
    ? "(?<![\\w$])#[^\\n]*"
    : dashed.has(language)
      ? "--[^\\n]*|/\\*[\\s\\S]*?(?:\\*/|$)"
      : language === "html" || language === "xml"
        ? "<!--[\\s\\S]*?(?:-->|$)"
        : "//[^\\n]*|/\\*[\\s\\S]*?(?:\\*/|$)";
  const string = `"(?:[^"\\\\\\n]|\\\\.)*"|'(?:[^'\\\\\\n]|\\\\.)*'|\`(?:[^\`\\\\]|\\\\.)*\``;
  return new RegExp(`(?<c>${comment})|(?<s>${string})|(?<n>\\b\\d[\\w.]*\\b)|(?<k>\\b[A-Za-z_]\\w*\\b)`, "g");
};

const scanned = (text: string, language: string): Html => {
  const parts: Array<Html> = [];
  let at = 0;
  for (const found of text.matchAll(scanner(language))) {
    const { c, k, n, s } = found.groups ?? {};
    if (k !== undefined && !keywords.has(k)) continue;
    const kind = c !== undefined ? "c" : s !== undefined ? "s" : n !== undefined ? "n" : "k";
    parts.push(html`${text.slice(at, found.index)}<span class="${kind}">${found[0]}</span>`);
    at = found.index + found[0].length;
  }
  parts.push(html`${text.slice(at)}`);
  return Markup.joined(parts);
};

/** Lines that were added or taken away say so by their first sign too. */
const differences = (text: string): Html =>
  Markup.joined(
    text.split("\n").map((line) => {
      if (/^(?:@@|diff |index |--- |\+\+\+ )/.test(line)) return html`<span class="hunk">${line}</span>${"\n"}`;
      if (line.startsWith("+")) return html`<span class="add">${line}</span>${"\n"}`;
      if (line.startsWith("-")) return html`<span class="del">${line}</span>${"\n"}`;
      return html`${line}${"\n"}`;
    }),
  );

/** A block of code, which can be reached by the keyboard because it may scroll. */
export const code = (text: string, language: string, label = "Code"): Html => {
  const name = language.toLowerCase();
  const inside =
    text.length > mostCharacters || proseLike.has(name)
      ? html`${text}`
      : name === "diff" || name === "patch"
        ? differences(text)
        : scanned(text, name);
  return html`<pre tabindex="0" role="region" aria-label="${name === "" ? label : `${label}, ${name}`}">
${inside}</pre>`;
};

/** The language that the name of a file tells. */
export const languageOf = (path: string): string => /\.(\w{1,10})$/.exec(path)?.[1]?.toLowerCase() ?? "";
