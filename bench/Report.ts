/** Figures as they are shown: the row's JSON, and the table. */
import { goalText, isMet, type Measured, ratioOf, type Row, type Skipped } from "./Harness.ts";
import type { Machine } from "./Machine.ts";

/** A row of the JSON. Figures are null when the row could not be measured here; `note` then says why. */
export interface Figure {
  readonly id: string;
  readonly what: string;
  readonly ours: number | null;
  readonly peer: number | null;
  readonly peerName: string | null;
  readonly unit: string;
  /** ours / peer */
  readonly ratio: number | null;
  /** The smallest and the largest ratio of a round. */
  readonly spread: readonly [number, number] | null;
  /** `<= 1.15x` is about the ratio, `>= 20 MB/s` about our own figure. */
  readonly goal: string | null;
  /** null where there is no goal, or no figure. */
  readonly met: boolean | null;
  readonly note: string | null;
}

/** Four digits that mean something. */
const rounded = (value: number): number => Number(value.toPrecision(4));

export const figureOf = (row: Row, result: Measured | Skipped): Figure => {
  const { goal, id, unit, what } = row;
  const about = { id, what, unit, goal: goalText(row) };
  if ("skipped" in result) {
    const nothing = { ours: null, peer: null, peerName: null, ratio: null, spread: null, met: null };
    return { ...about, ...nothing, note: `NOT MEASURED: ${result.skipped}` };
  }
  const { note, ours, peer, peerName, spread } = result;
  return {
    ...about,
    ours: rounded(ours),
    peer: rounded(peer),
    peerName,
    ratio: rounded(ratioOf(result)),
    spread: spread === undefined ? null : [rounded(spread[0]), rounded(spread[1])],
    met: isMet(goal, result),
    note: note ?? null,
  };
};

const number = (value: number | null): string => {
  if (value === null) return "-";
  const digits = Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 100 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
};

const cellsOf = (figure: Figure): ReadonlyArray<string> => [
  figure.id,
  figure.what,
  `${number(figure.ours)} ${figure.unit}`,
  `${number(figure.peer)} ${figure.unit}`,
  figure.ratio === null ? "-" : `${number(figure.ratio)}x`,
  figure.spread === null ? "" : `${number(figure.spread[0])}..${number(figure.spread[1])}`,
  figure.goal ?? "-",
  figure.met === null ? "-" : figure.met ? "yes" : "NO",
  figure.peerName ?? "",
];

const heads = ["row", "what", "ours", "peer", "ratio", "rounds", "goal", "met", "peer is"];
/** Columns of numbers stand to the right. */
const toTheRight: ReadonlySet<number> = new Set([2, 3, 4, 5, 6]);

/** The table as a person reads it, with what it was measured on above and what to know about rows below. */
export const table = (report: { readonly machine: Machine; readonly rows: ReadonlyArray<Figure> }): string => {
  const { machine } = report;
  const lines = [heads, ...report.rows.map(cellsOf)];
  const widths = heads.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)));
  const lineOf = (cells: ReadonlyArray<string>) =>
    cells
      .map((cell, column) =>
        toTheRight.has(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  const [head, ...body] = lines.map(lineOf);
  const gigabytes = (machine.memoryBytes / 1024 ** 3).toFixed(1);
  return [
    `${machine.at.slice(0, 16).replace("T", " ")} UTC, ${machine.cpu}, ${machine.cores} cores, ${gigabytes} GiB, ${machine.system}`,
    `Node ${machine.node}, nats-server ${machine.natsServer}, sync_interval always, fsync ${machine.fsyncMillis.toFixed(2)} ms, load before ${machine.load.map((load) => load.toFixed(2)).join(" ")}`,
    "",
    head,
    widths.map((width) => "-".repeat(width)).join("  "),
    ...body,
    "",
    ...report.rows.flatMap(({ id, note }) => (note === null ? [] : [`${id}: ${note}`])),
    "ratio = ours / peer, medians of rounds measured in turns; rounds = smallest and largest ratio of one round.",
    "",
  ].join("\n");
};
