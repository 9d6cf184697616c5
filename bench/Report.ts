/** Figures as they are shown: the row's JSON, and the table. */
import { goalText, type Growth, isMet, type Measured, ratioOf, type Row, type Skipped } from "./Harness.ts";
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
  /** How long the whole row took. */
  readonly seconds: number;
  /** When it was measured, ISO 8601. */
  readonly at: string;
  /** What is drawn, where the row measured how a cost grows. */
  readonly growth: Growth | null;
}

export interface Report {
  readonly machine: Machine;
  readonly rows: ReadonlyArray<Figure>;
}

/** Four digits that mean something. */
const rounded = (value: number): number => Number(value.toPrecision(4));

const orNull = (value: number | null): number | null => (value === null ? null : rounded(value));

export const figureOf = (
  row: Row,
  result: Measured | Skipped,
  taken: { readonly at: string; readonly seconds: number },
): Figure => {
  const { goal, id, unit, what } = row;
  const about = { id, what, unit, goal: goalText(row), at: taken.at, seconds: rounded(taken.seconds) };
  if ("skipped" in result) {
    const nothing = { ours: null, peer: null, peerName: null, ratio: null, spread: null, met: null, growth: null };
    return { ...about, ...nothing, note: `NOT MEASURED: ${result.skipped}` };
  }
  const { growth, note, ours, peer, peerName, spread } = result;
  return {
    ...about,
    ours: rounded(ours),
    peer: orNull(peer),
    peerName,
    ratio: orNull(ratioOf(result)),
    spread: spread === undefined ? null : [rounded(spread[0]), rounded(spread[1])],
    met: isMet(goal, result),
    note: note ?? null,
    growth: growth ?? null,
  };
};

const number = (value: number | null): string => {
  if (value === null) return "-";
  const digits = Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 100 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
};

const quantity = (value: number | null, unit: string): string => (value === null ? "-" : `${number(value)} ${unit}`);

const cellsOf = (figure: Figure): ReadonlyArray<string> => [
  figure.id,
  figure.what,
  quantity(figure.ours, figure.unit),
  quantity(figure.peer, figure.unit),
  figure.ratio === null ? "-" : `${number(figure.ratio)}x`,
  figure.spread === null ? "" : `${number(figure.spread[0])}..${number(figure.spread[1])}`,
  figure.goal ?? "-",
  figure.met === null ? "-" : figure.met ? "yes" : "NO",
  figure.peerName ?? "",
];

const heads = ["row", "what", "ours", "peer", "ratio", "rounds", "goal", "met", "peer is"];
/** Columns of numbers stand to the right. */
const toTheRight: ReadonlySet<number> = new Set([2, 3, 4, 5, 6]);

/** What it was measured on, in two lines. */
const machineLines = (machine: Machine): ReadonlyArray<string> => {
  const gigabytes = (machine.memoryBytes / 1024 ** 3).toFixed(1);
  const load = machine.load.map((average) => average.toFixed(2)).join(" ");
  return [
    `${machine.at.slice(0, 16).replace("T", " ")} UTC, ${machine.cpu}, ${machine.cores} cores, ${gigabytes} GiB, ${machine.system}`,
    `Node ${machine.node}, nats-server ${machine.natsServer}, sync_interval always, fsync ${machine.fsyncMillis.toFixed(2)} ms, load before ${load}`,
  ];
};

const howToRead =
  "ratio = ours / peer, medians of rounds measured in turns; rounds = smallest and largest ratio of one round.";

/** The table as a person reads it, with what it was measured on above and what to know about rows below. */
export const table = (report: Report): string => {
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
  return [
    ...machineLines(report.machine),
    "",
    head,
    widths.map((width) => "-".repeat(width)).join("  "),
    ...body,
    "",
    ...report.rows.flatMap(({ id, note }) => (note === null ? [] : [`${id}: ${note}`])),
    howToRead,
    "",
  ].join("\n");
};

const cellOfMarkdown = (text: string): string => text.replaceAll("|", "\\|");

/** The same as Markdown. Rows that were measured at another time than the rest say when. */
export const markdownTable = ({ machine, rows }: Report): string => {
  const lineOf = (cells: ReadonlyArray<string>) => `| ${cells.map(cellOfMarkdown).join(" | ")} |`;
  const dayOf = (at: string) => at.slice(0, 10);
  const lateNotes = rows
    .filter(({ at }) => dayOf(at) !== dayOf(machine.at))
    .map(({ at, id }) => `\`${id}\` was measured on ${dayOf(at)}.`);
  return [
    ...machineLines(machine).map((line, index, all) => (index < all.length - 1 ? `${line},` : `${line}.`)),
    "",
    lineOf(heads),
    `|${heads.map((_, column) => (toTheRight.has(column) ? "---:" : "---")).join("|")}|`,
    ...rows.map((figure) => lineOf(cellsOf(figure))),
    "",
    `${howToRead[0]?.toUpperCase()}${howToRead.slice(1)}`,
    ...lateNotes,
  ].join("\n");
};
