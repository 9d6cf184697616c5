/**
 * Texts of others in a Markdown file of ours: they cannot end where they stand, run markup, or fetch a picture.
 *
 * Room: edge.
 *
 * Decision: what was said stands in a block quotation, because nothing in one is a heading of ours and nothing in it stays open
 * behind it; and a CommonMark parser looks at what was made, because code, where a sign must stay as it is, is known for sure
 * by it alone.
 */
import MarkdownIt, { type Token } from "markdown-it";
import { visible } from "./VisibleText.ts";

const parser = new MarkdownIt({ html: true, linkify: false });

/** Longer texts are made harmless without a look at where their code is. */
const mostCharacters = 60_000;

/** Every sign that Markdown takes for itself, as itself. One line. */
export const literal = (text: string): string =>
  visible(text)
    .replaceAll(/\s+/g, " ")
    .trim()
    .replaceAll(/[\\`*_{}[\]<>#!|~&$]/g, String.raw`\$&`);

/** Tags and pictures as text. */
const disarmed = (text: string): string =>
  text.replaceAll(/<(?=[A-Za-z/!?])/g, String.raw`\<`).replaceAll("![", String.raw`!\[`);

/** The same, but for what looks like code. */
const disarmedBesideCode = (text: string): string => {
  const lines: Array<string> = [];
  let fence: string | undefined;
  for (const line of text.split("\n")) {
    const mark = /^(?:`{3,}(?=[^`]*$)|~{3,})/.exec(line)?.[0];
    if (fence === undefined) {
      if (mark !== undefined) fence = mark;
      const parts = mark === undefined ? line.split(/(`+[^`]+`+)/) : [line];
      lines.push(mark === undefined ? parts.map((part, at) => (at % 2 === 0 ? disarmed(part) : part)).join("") : line);
    } else {
      if (mark?.startsWith(fence) === true && mark.length === line.trimEnd().length) fence = undefined;
      lines.push(line);
    }
  }
  return lines.join("\n");
};

const isArmed = ({ children, type }: Token): boolean =>
  type === "html_block" || type === "html_inline" || type === "image" || (children ?? []).some(isArmed);

/** Markdown of others without tags and pictures; code in it as it was, where that is sure. */
const harmless = (text: string): string => {
  if (text.length > mostCharacters) return disarmed(text);
  const made = disarmedBesideCode(text);
  return parser.parse(made, {}).some(isArmed) ? disarmed(text) : made;
};

/** Words as a block quotation. */
export const quotation = (text: string): string =>
  harmless(visible(text).trim())
    .split("\n")
    .map((line) => (line === "" ? ">" : `> ${line}`))
    .join("\n");
