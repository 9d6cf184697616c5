/**
 * The terminal that text for a person is shown on: its width, and whether it has colours.
 *
 * Room: edge.
 *
 * A pipe has no width and no colours: what goes there is whole. `NO_COLOR` (no-color.org) and `--color never` turn
 * colours off, `--color always` on.
 */
import { Flag } from "effect/cli";
import { beginning } from "./Output.ts";

export interface Screen {
  readonly isTerminal: boolean;
  readonly columns: number;
  readonly isColored: boolean;
}

export const color = Flag.Literals("color", ["auto", "always", "never"]).pipe(
  Flag.withDescription("Bold and colours (default: auto, where standard output is a terminal and NO_COLOR is not set)"),
  Flag.withDefault("auto" as const),
);

export const utc = Flag.Boolean("utc").pipe(
  Flag.withDefault(false),
  Flag.withDescription("Times in full and in UTC, in place of local and relative ones"),
);

/** Width of what is no terminal, and of a terminal that does not say. */
const usualColumns = 100;

/** Narrowest that text is laid out for. */
const leastColumns = 20;

export const screenOf = (how: "auto" | "always" | "never"): Screen => {
  const { columns, isTTY } = process.stdout;
  const isTerminal = isTTY === true;
  const noColor = (process.env["NO_COLOR"] ?? "") !== "" || process.env["TERM"] === "dumb";
  return {
    isTerminal,
    columns: Math.max(leastColumns, isTerminal ? columns || usualColumns : usualColumns),
    isColored: how === "always" || (how === "auto" && isTerminal && !noColor),
  };
};

const escape = String.fromCharCode(27);
const style =
  (begin: number, end: number) =>
  (text: string, { isColored }: Pick<Screen, "isColored">): string =>
    isColored && text !== "" ? `${escape}[${begin}m${text}${escape}[${end}m` : text;

export const bold = style(1, 22);
export const dim = style(2, 22);

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** A time for a list: `3 h ago`, `Feb 6`, `2024-02-06`; `-` for an unknown one. */
export const when = (millis: number | null, now: number): string => {
  if (millis === null || !Number.isFinite(new Date(millis).getTime())) return "-";
  const ago = now - millis;
  if (ago >= 0 && ago < minute) return "just now";
  if (ago >= 0 && ago < hour) return `${Math.floor(ago / minute)} min ago`;
  if (ago >= 0 && ago < day) return `${Math.floor(ago / hour)} h ago`;
  const date = new Date(millis);
  if (ago >= 0 && date.getFullYear() === new Date(now).getFullYear())
    return date.toLocaleDateString("en-US", { month: "short", day: "numeric" });
  const two = (part: number) => String(part).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
};

/** The last name of a folder. */
export const folderName = (path: string | null): string => path?.split(/[\\/]/).findLast((name) => name !== "") ?? "-";

/** The agent by the name that people use. */
export const agentName = (tool: string | null, client: string | null): string =>
  (tool ?? client ?? "-").replace(/-(?:code|cli|agent)$/, "");

const wrappedLine = (line: string, columns: number): ReadonlyArray<string> => {
  const begin = /^\s*/.exec(line)?.[0] ?? "";
  const lines: Array<string> = [];
  let rest = line;
  for (;;) {
    const units = beginning(rest, columns).length;
    if (units >= rest.length || units <= begin.length) break;
    const blank = rest.lastIndexOf(" ", units);
    const cut = blank > begin.length ? blank : units;
    lines.push(rest.slice(0, cut).trimEnd());
    rest = begin + rest.slice(cut).trimStart();
  }
  return [...lines, rest];
};

/** Lines broken at words to the width of the terminal, with the indent of the line; as they are in a pipe. */
export const wrapped = (text: string, { columns, isTerminal }: Screen): string =>
  isTerminal
    ? text
        // A terminal gives a tab up to eight columns, where it has one character here.
        .replaceAll("\t", "    ")
        .split("\n")
        .flatMap((line) => wrappedLine(line, columns))
        .join("\n")
    : text;
