/**
 * Text of others made harmless to look at: no sign of it turns the line around, moves a cursor or hides.
 *
 * Room: edge.
 */
import { hidden } from "../../cli/Shown.ts";
/* oxlint-disable no-control-regex -- control signs are what it looks for */

/** ANSI: control sequences, operating system commands (ended by BEL or ST), and other escapes of two signs. */
const ansi =
  /\u{1b}(?:\[[0-?]*[ -/]*[@-~]|\][^\u{7}\u{1b}]*(?:\u{7}|\u{1b}\\)?|[PX^_][^\u{1b}]*(?:\u{1b}\\)?|[@-Z\\-_])/gu;

/** Names of those that readers know; any other one is shown by its number. */
const names: Readonly<Record<string, string>> = {
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

/** A text without any of these is what it seems. */
const suspicious =
  /[\u{0}-\u{8}\u{b}-\u{1f}\u{7f}-\u{9f}\u{ad}\u{61c}\u{115f}\u{1160}\u{180e}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{3164}\u{feff}\u{ffa0}\u{fff9}-\u{fffb}\u{d800}-\u{dfff}\u{e0000}-\u{e0fff}]/u;
const controls = /[\u{0}-\u{8}\u{b}-\u{1f}\u{7f}-\u{9f}]/gu;

const controlPicture = (sign: string): string => {
  const code = sign.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  return code === 0x7f ? "␡" : `⟨${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
};

/** Tags and selectors of plane 14 are invisible letters, in which an instruction can hide. */
const spelled = (sign: string): string => {
  const code = sign.codePointAt(0) ?? 0;
  const letter = code - 0xe_0000;
  if (letter > 0x20 && letter < 0x7f) return `⟨tag ${String.fromCodePoint(letter)}⟩`;
  if (letter >= 0 && letter < 0x80) return "⟨tag⟩";
  return names[sign] ?? `⟨${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
};

/** Colours of a terminal go; other control signs, directions and invisible letters are spelled out. */
export const visible = (text: string): string => {
  if (!suspicious.test(text)) return text;
  return text
    .replaceAll("\r\n", "\n")
    .replaceAll(ansi, "")
    .replaceAll(controls, controlPicture)
    .replaceAll(hidden, spelled)
    .toWellFormed();
};
