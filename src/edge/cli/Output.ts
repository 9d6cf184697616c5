/**
 * What a command prints: data on stdout, everything said to a person on stderr.
 *
 * Room: edge. In: none. Out: every command.
 *
 * `--json` output is a contract (`docs/cli.md`): one JSON value per line, keys in camelCase, times in epoch
 * milliseconds. Text for people may change at any time. Colours only on a terminal and never with `NO_COLOR`.
 */
import { Console, Effect, Stdio, Stream } from "effect";

/** One JSON value on a line of its own. */
export const json = (value: unknown): Effect.Effect<void> => Console.log(JSON.stringify(value));

/** One line of text for a person, on stdout. */
export const line = (text = ""): Effect.Effect<void> => Console.log(text);

/** One line said beside the data, on stderr. */
export const note = (text: string): Effect.Effect<void> => Console.error(text);

/** Many lines, as fast as the reader takes them. */
export const lines = <E, R>(stream: Stream.Stream<string, E, R>) =>
  Effect.flatMap(Stdio.Stdio, (stdio) =>
    stream.pipe(
      Stream.map((text) => `${text}\n`),
      Stream.run(stdio.stdout({ endOnDone: false })),
    ),
  );

const suffixes = ["B", "kB", "MB", "GB", "TB"] as const;

/** Bytes for a person: `512 B`, `12.3 MB` (powers of 1,000). */
export const bytes = (count: number): string => {
  let value = count;
  let step = 0;
  while (value >= 1000 && step < suffixes.length - 1) {
    value /= 1000;
    step++;
  }
  return `${step === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${suffixes[step]}`;
};

/** A count for a person: `12,345`. */
export const count = (value: number): string => value.toLocaleString("en-US");

/** `1 thread`, `2 threads`, `3 entries`. */
export const counted = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;

/** A duration for a person: `250 ms`, `1.5 s`, `2 min 5 s`. */
export const duration = (millis: number): string => {
  if (millis < 1000) return `${Math.round(millis)} ms`;
  if (millis < 60_000) return `${(millis / 1000).toFixed(1)} s`;
  return `${Math.floor(millis / 60_000)} min ${Math.round((millis % 60_000) / 1000)} s`;
};

/** A moment for a person, in UTC: `2026-11-23 09:05:54`. */
export const moment = (millis: number | null | undefined): string =>
  millis == null ? "-" : new Date(millis).toISOString().slice(0, 19).replace("T", " ");

/** At most `width` characters on one line; what is cut ends in `…`. */
export const clip = (text: string, width: number): string => {
  const flat = text.replaceAll(/\s+/g, " ").trim();
  return flat.length <= width ? flat : `${flat.slice(0, Math.max(0, width - 1)).trimEnd()}…`;
};

/** Columns side by side, each as wide as its widest cell; numbers to the right. */
export const table = (
  header: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
): ReadonlyArray<string> => {
  const isNumber = header.map(
    (_, column) => rows.length > 0 && rows.every((row) => /^[\d,.]+$|^-$/.test(row[column] ?? "")),
  );
  const width = header.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)));
  return [header, ...rows].map((row) =>
    row
      .map((cell, column) => (isNumber[column] ? cell.padStart(width[column] ?? 0) : cell.padEnd(width[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
};

/** One CSV line, quoted where RFC 4180 asks for it. */
export const csv = (cells: ReadonlyArray<unknown>): string =>
  cells
    .map((cell) => {
      const text = cell == null ? "" : String(cell);
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    })
    .join(",");
