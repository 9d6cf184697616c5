/**
 * The difference of two texts by lines, as a unified diff.
 *
 * Room: edge.
 */

/** Beyond so many lines on either side, what is between the equal ends is shown as taken away and added. */
const mostLines = 1500;
const context = 3;

interface Line {
  readonly sign: " " | "+" | "-";
  readonly text: string;
}

/** The longest common subsequence, by the table of its lengths: at most 1500 × 1500 numbers of two bytes. */
const middle = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<Line> => {
  const removed = before.map((text): Line => ({ sign: "-", text }));
  const added = after.map((text): Line => ({ sign: "+", text }));
  if (before.length === 0 || after.length === 0 || before.length > mostLines || after.length > mostLines)
    return [...removed, ...added];
  const width = after.length + 1;
  const lengths = new Uint16Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i--)
    for (let j = after.length - 1; j >= 0; j--)
      lengths[i * width + j] =
        before[i] === after[j]
          ? (lengths[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(lengths[(i + 1) * width + j] ?? 0, lengths[i * width + j + 1] ?? 0);
  const lines: Array<Line> = [];
  let i = 0;
  let j = 0;
  while (i < before.length && j < after.length) {
    if (before[i] === after[j]) {
      lines.push({ sign: " ", text: before[i] ?? "" });
      i += 1;
      j += 1;
    } else if ((lengths[(i + 1) * width + j] ?? 0) >= (lengths[i * width + j + 1] ?? 0)) {
      lines.push({ sign: "-", text: before[i] ?? "" });
      i += 1;
    } else {
      lines.push({ sign: "+", text: after[j] ?? "" });
      j += 1;
    }
  }
  return [...lines, ...removed.slice(i), ...added.slice(j)];
};

/** Lines with their signs; three equal ones around each change, and `@@` where others are left out. Empty when equal. */
export const unified = (before: string, after: string): string => {
  if (before === after) return "";
  const a = before.split("\n");
  const b = after.split("\n");
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail])
    tail += 1;
  const same = (text: string): Line => ({ sign: " ", text });
  const lines = [
    ...a.slice(0, head).map(same),
    ...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...a.slice(a.length - tail).map(same),
  ];
  const near = new Uint8Array(lines.length);
  for (const [index, { sign }] of lines.entries())
    if (sign !== " ") near.fill(1, Math.max(0, index - context), index + context + 1);
  const shown: Array<string> = [];
  let number = 1;
  for (const [index, { sign, text }] of lines.entries()) {
    if (near[index] === 1) {
      if (near[index - 1] !== 1) shown.push(`@@ line ${number} @@`);
      shown.push(`${sign}${text}`);
    }
    if (sign !== "+") number += 1;
  }
  return shown.join("\n");
};
