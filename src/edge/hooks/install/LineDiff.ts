/**
 * The lines that a change takes out and puts in, for a person who is asked about it.
 *
 * Room: edge.
 */

/** Lines of a file that are held against each other one by one; of a larger one the number of lines is said. */
const mostLines = 4_000;
/** Unchanged lines that are shown beside a change. */
const around = 2;

const linesOf = (text: string | undefined): ReadonlyArray<string> =>
  text === undefined || text === "" ? [] : text.replace(/\n$/, "").split("\n");

type Step = readonly [sign: " " | "-" | "+", line: string];

/** Longest common subsequence, from the end: the usual way of `diff`. */
const steps = (left: ReadonlyArray<string>, right: ReadonlyArray<string>): ReadonlyArray<Step> => {
  const width = right.length + 1;
  const lengths = new Uint16Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i--)
    for (let j = right.length - 1; j >= 0; j--)
      lengths[i * width + j] =
        left[i] === right[j]
          ? (lengths[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(lengths[(i + 1) * width + j] ?? 0, lengths[i * width + j + 1] ?? 0);
  const found: Array<Step> = [];
  let i = 0;
  let j = 0;
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && left[i] === right[j]) {
      found.push([" ", left[i] ?? ""]);
      i++;
      j++;
    } else if (i < left.length && (lengths[(i + 1) * width + j] ?? 0) >= (lengths[i * width + j + 1] ?? 0))
      found.push(["-", left[i++] ?? ""]);
    else found.push(["+", right[j++] ?? ""]);
  }
  return found;
};

/** Changed lines with two of their neighbours; `…` where lines are left out. Tokens are not shown. */
export const diffLines = (before: string | undefined, after: string | undefined): ReadonlyArray<string> => {
  const left = linesOf(before);
  const right = linesOf(after);
  if (left.length > mostLines || right.length > mostLines) return [`${left.length} lines become ${right.length}`];
  const all = steps(left, right);
  const isNear = all.map((_, at) =>
    all.slice(Math.max(0, at - around), at + around + 1).some(([sign]) => sign !== " "),
  );
  const shown: Array<string> = [];
  for (const [at, [sign, line]] of all.entries()) {
    if (isNear[at] === true) shown.push(`${sign} ${line}`.replaceAll(/rct_[\w-]{8,}/g, "rct_…"));
    else if (shown.at(-1) !== "…") shown.push("…");
  }
  return shown;
};
