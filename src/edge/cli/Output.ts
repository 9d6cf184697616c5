/**
 * Output of a command: data on stdout, everything said to a person on stderr.
 *
 * Room: edge.
 *
 * `--json` output is a contract (`docs/cli.md`): keys in camelCase, times in epoch milliseconds. Text for people may
 * change at any time; it has no colours, and what a transcript holds cannot move a terminal's cursor.
 */
import { Console, Context, Effect, Schema, Stdio, Stream } from "effect";
import { CliOutput } from "effect/cli";
import { grouped, scaled } from "../../domain/Grouped.ts";
import { asCalled } from "../../machine/CalledAs.ts";
import { asStored, type Shown } from "../../client/Shown.ts";
import { shown, shownJson } from "./Shown.ts";

/** Limits on printed data. A command that has no store prints nothing that was stored. */
export const Shows = Context.Reference<Shown>("recollect/edge/cli/Shows", { defaultValue: () => asStored });

/** One JSON value on a line of its own. */
export const json = (value: unknown): Effect.Effect<void> =>
  Effect.flatMap(Shows, (shows) => Console.log(shownJson(JSON.stringify(shows.value(value)))));

export { shown } from "./Shown.ts";

/** Text for a person, on stdout, with a line feed behind. */
export const line = (text = ""): Effect.Effect<void> =>
  Effect.flatMap(Shows, (shows) => Console.log(shown(shows.text(text))));

/** The same for our own sentences: commands in them are named as this one was called. Never for stored text. */
export const said = (text: string): Effect.Effect<void> => line(asCalled(text));

/** The same of pieces that are `shown` already and have the terminal's own marks for bold between them. */
export const styled = (text: string): Effect.Effect<void> =>
  Effect.flatMap(Shows, (shows) => Console.log(shows.text(text)));

/** Text said beside the data, on stderr; commands in it are named as this one was called. */
export const note = (text: string): Effect.Effect<void> =>
  Effect.flatMap(Shows, (shows) => Console.error(shows.text(shown(asCalled(text)))));

/** Printed data that could not be written. The end of the process says so. */
class OutputLost extends Schema.TaggedError<OutputLost>()("OutputLost", { message: Schema.String }) {}

/** Returns when all that was printed has left the process. For a command that then gives up what it has printed. */
export const written: Effect.Effect<void, OutputLost> = Effect.callback((resume) => {
  const lost = Effect.fail(new OutputLost({ message: "The output cannot be written." }));
  // The event of a failed write, which interrupts the command, comes behind the callback.
  process.stdout.write("", (error) => setImmediate(() => resume(error == null ? Effect.void : lost)));
});

/** Pieces as fast as the reader takes them: as they are, but a terminal is no reader of them and gets them shown. */
export const raw = <E, R>(stream: Stream.Stream<string, E, R>) =>
  Effect.gen(function* () {
    const stdio = yield* Stdio.Stdio;
    const shows = yield* Shows;
    const told = Stream.map(stream, shows.text);
    yield* Stream.run(
      process.stdout.isTTY === true ? Stream.map(told, shown) : told,
      stdio.stdout({ endOnDone: false }),
    );
  });

/** Many lines, as fast as the reader takes them. */
export const lines = <E, R>(stream: Stream.Stream<string, E, R>) => raw(Stream.map(stream, (text) => `${text}\n`));

/** Bytes for a person: `512 B`, `12.3 MB` (powers of 1,000). */
export const bytes = (count: number): string => scaled(count, [" B", " kB", " MB", " GB", " TB"]);

/** A count for a person: `12,345`. */
export const count = (value: number): string => grouped(value, 3);

/** `1 thread`, `2 threads`, `3 entries`. */
export const counted = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;

/** A duration for a person: `250 ms`, `1.5 s`, `2 min 5 s`, `3 h 20 min`. */
export const duration = (millis: number): string => {
  if (millis < 999.5) return `${Math.round(millis)} ms`;
  if (millis < 59_950) return `${(millis / 1000).toFixed(1)} s`;
  const seconds = Math.round(millis / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
};

/** The moments that a date can hold. */
const latest = 8_640_000_000_000_000;

/** A moment for a person, in UTC: `2026-11-23 09:05:54`. */
export const moment = (millis: number | null | undefined): string =>
  millis == null || Math.abs(millis) > latest ? "-" : new Date(millis).toISOString().slice(0, 19).replace("T", " ");

// oxlint-disable-next-line eslint/no-control-regex -- plain ASCII is as wide as it is long
const plainAscii = /^[\x20-\x7E]*$/;

/** Cells of a terminal that a text takes: a character of a script without spaces takes two. */
export const widthOf = (text: string): number => (plainAscii.test(text) ? text.length : CliOutput.displayWidth(text));

export const padded = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - widthOf(text)));

/** Segmenter, made at its first use: it costs milliseconds and most texts need none. */
let graphemes: Intl.Segmenter | undefined;

/** The beginning of a text that takes at most `width` cells; no character of several code points is divided. */
export const beginning = (text: string, width: number): string => {
  if (plainAscii.test(text)) return text.slice(0, width);
  let begun = "";
  let cells = 0;
  for (const { segment } of (graphemes ??= new Intl.Segmenter()).segment(text)) {
    cells += CliOutput.displayWidth(segment);
    if (cells > width) break;
    begun += segment;
  }
  return begun;
};

/** At most `width` cells on one line; what is cut ends in `…`. */
export const clip = (text: string, width: number): string => {
  // A text of megabytes is not gone through for a few characters.
  const flat = shown(text.slice(0, 4 * width + 1000))
    .replaceAll(/\s+/g, " ")
    .trim();
  return widthOf(flat) <= width ? flat : `${beginning(flat, Math.max(0, width - 1)).trimEnd()}…`;
};

/** Columns side by side, each as wide as its widest cell; numbers to the right. */
export const table = (
  header: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
): ReadonlyArray<string> => {
  const isNumber = header.map(
    (_, column) => rows.length > 0 && rows.every((row) => /^[\d,.]+$|^-$/.test(row[column] ?? "")),
  );
  const width = header.map((title, column) =>
    rows.reduce((widest, row) => Math.max(widest, widthOf(row[column] ?? "")), title.length),
  );
  const inColumn = (cell: string, column: number): string => {
    const most = width[column] ?? 0;
    return isNumber[column] ? " ".repeat(Math.max(0, most - widthOf(cell))) + cell : padded(cell, most);
  };
  return [header, ...rows].map((row) => row.map(inColumn).join("  ").trimEnd());
};

/** One CSV line, quoted where RFC 4180 asks for it. */
export const csv = (cells: ReadonlyArray<unknown>): string =>
  cells
    .map((cell) => {
      const text = cell == null ? "" : String(cell);
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    })
    .join(",");
