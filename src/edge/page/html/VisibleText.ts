/**
 * Text of others made harmless to look at: no sign of it turns the line around, moves a cursor or hides.
 *
 * Room: edge.
 */
/* oxlint-disable no-control-regex -- control signs are what it looks for */

/** ANSI: control sequences, operating system commands (ended by BEL or ST), and other escapes of two signs. */
const ansi =
  /\u{1b}(?:\[[0-?]*[ -/]*[@-~]|\][^\u{7}\u{1b}]*(?:\u{7}|\u{1b}\\)?|[PX^_][^\u{1b}]*(?:\u{1b}\\)?|[@-Z\\-_])/gu;

/** Signs that embed, override or isolate a direction, and other invisible ones. */
const hidden: Readonly<Record<string, string>> = {
  "\u{202a}": "⟨LRE⟩",
  "\u{202b}": "⟨RLE⟩",
  "\u{202c}": "⟨PDF⟩",
  "\u{202d}": "⟨LRO⟩",
  "\u{202e}": "⟨RLO⟩",
  "\u{2066}": "⟨LRI⟩",
  "\u{2067}": "⟨RLI⟩",
  "\u{2068}": "⟨FSI⟩",
  "\u{2069}": "⟨PDI⟩",
  "\u{200b}": "⟨ZWSP⟩",
  "\u{2060}": "⟨WJ⟩",
  "\u{feff}": "⟨BOM⟩",
};

const suspicious =
  /[\u{0}-\u{8}\u{b}-\u{1f}\u{7f}-\u{9f}\u{200b}\u{202a}-\u{202e}\u{2060}\u{2066}-\u{2069}\u{feff}\u{d800}-\u{dfff}\u{e0000}-\u{e007f}]/u;
const controls = /[\u{0}-\u{8}\u{b}-\u{1f}\u{7f}-\u{9f}]/gu;
const directions = /[\u{200b}\u{202a}-\u{202e}\u{2060}\u{2066}-\u{2069}\u{feff}]/gu;
/** Tags of plane 14: invisible letters, in which an instruction can hide. */
const tags = /[\u{e0000}-\u{e007f}]/gu;

const controlPicture = (sign: string): string => {
  const code = sign.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  return code === 0x7f ? "␡" : `⟨${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
};

const tagLetter = (sign: string): string => {
  const letter = (sign.codePointAt(0) ?? 0) - 0xe_0000;
  return letter > 0x20 && letter < 0x7f ? `⟨tag ${String.fromCodePoint(letter)}⟩` : "⟨tag⟩";
};

/** Colours of a terminal go; other control signs, directions and invisible letters are spelled out. */
export const visible = (text: string): string => {
  if (!suspicious.test(text)) return text;
  return text
    .replaceAll("\r\n", "\n")
    .replaceAll(ansi, "")
    .replaceAll(controls, controlPicture)
    .replaceAll(directions, (sign) => hidden[sign] ?? sign)
    .replaceAll(tags, tagLetter)
    .toWellFormed();
};
