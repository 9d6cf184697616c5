/**
 * Text that others wrote, made safe to look at: nothing in it moves a cursor, turns around or hides.
 *
 * Room: edge.
 *
 * The one place for it: every line for a person, every error, and what goes to a terminal as data passes through here.
 * Control characters are shown as `\x1b`, characters that turn the direction of writing or cannot be seen as `<U+202E>`.
 * A joiner between two pictures stays: it makes one picture of them.
 */

// oxlint-disable-next-line eslint/no-control-regex -- control characters are what it looks for
const controls = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/g;

/** Direction marks, embeddings and isolates; zero widths; invisible operators; line separators; tags; interlinear marks. */
export const hidden =
  /[\u00AD\u061C\u115F\u1160\u180E\u200B\u200C\u200E\u200F\u2028-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0\uFFF9-\uFFFB\u{E0000}-\u{E0FFF}]|(?<!\p{Extended_Pictographic}\uFE0F?|\p{Emoji_Modifier})\u200D|\u200D(?!\p{Extended_Pictographic})/gu;

const named = (character: string): string =>
  `<U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}>`;

/** For eyes: what cannot be seen or would act is shown as what it is. */
export const shown = (text: string): string =>
  text
    .replaceAll("\r\n", "\n")
    .replaceAll(controls, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`)
    .replaceAll(hidden, named);

// oxlint-disable-next-line eslint/no-control-regex -- control characters are what it looks for
const inJson = /[\u007F-\u009F\u00AD\u061C\u180E\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB]/g;

/** JSON that says the same, with these characters escaped: for machines no other, for eyes harmless. */
export const shownJson = (json: string): string =>
  json.replaceAll(inJson, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
