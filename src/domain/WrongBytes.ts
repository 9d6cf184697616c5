/**
 * Bytes that should be UTF-8 and are not, in part: a text with U+FFFD for what is wrong, and the place of the first.
 *
 * Room: domain.
 *
 * Which characters were meant cannot be told from one line (Windows-1252, Latin-1, a damaged disk), so none is guessed.
 * The bytes themselves stay in the entry.
 */

export interface Replaced {
  /** Text, with U+FFFD in place of bytes that are not UTF-8. */
  readonly text: string;
  /** Number of U+FFFD that stand for wrong bytes. */
  readonly count: number;
  /** Number of the first wrong byte, from 1; 0 where there is none. */
  readonly first: number;
}

const mark = "\uFFFD";
const markBytes = 3;

/** True where the bytes themselves spell U+FFFD. */
const isSpelled = (bytes: Buffer, at: number): boolean =>
  bytes[at] === 0xef && bytes[at + 1] === 0xbf && bytes[at + 2] === 0xbd;

/** The text of bytes, whatever they are. */
export const replaced = (bytes: Buffer): Replaced => {
  const text = bytes.toString("utf8");
  let spelled = 0;
  for (let at = bytes.indexOf(mark); at !== -1; at = bytes.indexOf(mark, at + markBytes)) spelled++;
  const count = text.split(mark).length - 1 - spelled;
  if (count === 0) return { text, count, first: 0 };
  // Up to the first wrong byte text and bytes are as long as each other.
  let byte = 0;
  let from = 0;
  for (;;) {
    const to = text.indexOf(mark, from);
    byte += Buffer.byteLength(text.slice(from, to));
    if (!isSpelled(bytes, byte)) return { text, count, first: byte + 1 };
    byte += markBytes;
    from = to + 1;
  }
};
