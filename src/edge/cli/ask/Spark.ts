/**
 * Numbers as a line of bars, one a character.
 *
 * Room: edge.
 */

const bars = "▁▂▃▄▅▆▇█";

/** From 0 to the largest; a blank where nothing was. */
export const spark = (values: ReadonlyArray<number>): string => {
  const most = Math.max(0, ...values);
  return values
    .map((value) => (value <= 0 || most === 0 ? " " : (bars[Math.ceil((value / most) * bars.length) - 1] ?? " ")))
    .join("");
};
