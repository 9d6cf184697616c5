/**
 * Lines of nats-server's own log about streams and disks, repeated in ours, which people read.
 *
 * Room: machine.
 */
import { Effect } from "effect";
import { closeSync, openSync, readSync, statSync } from "node:fs";

/** A look at a file that has not grown is one `stat`. */
const everyMillis = 5_000;
/** Read at a look; what is beyond is counted as not read, so a server that complains without end costs no memory. */
const maxBytes = 256 * 1024;
/** Said at a look; the others are counted. */
const maxLines = 20;

const grave = /\[(ERR|FTL)\]/;
const warned = /\[WRN\]/;
/** Lines that concern the record. A stranger whom the server turned away is the server's own affair. */
const ours = /jetstream|stream|consumer|store|raft|filestore|block|checksum|corrupt|disk|no space|sync|write|meta/i;

/** `[123] 2026/11/30 05:14:04.123456 [ERR] text`. */
const textOf = (line: string): string => line.replace(/^\[\d+\] \S+ \S+ /, "").trim();

/** The lines of a piece of log that a person must know of. */
export const grievances = (text: string): ReadonlyArray<string> =>
  text
    .split("\n")
    .filter((line) => grave.test(line) || warned.test(line))
    .map(textOf)
    .filter((line) => ours.test(line) && !/authentication|authorization/i.test(line));

/** Text behind `from`, in whole lines; from the beginning of a file that the server has begun anew. */
export const readOn = (file: string, from: number): { readonly text: string; readonly next: number } => {
  try {
    const { size } = statSync(file);
    const start = size < from ? 0 : from;
    if (size === start) return { text: "", next: size };
    const bytes = Buffer.alloc(Math.min(size - start, maxBytes));
    const opened = openSync(file, "r");
    const length = readSync(opened, bytes, 0, bytes.length, start);
    closeSync(opened);
    const end = bytes.lastIndexOf(10, length - 1) + 1;
    const isFull = length === maxBytes;
    // A line longer than all of it is passed over.
    return {
      text: bytes.toString("utf8", 0, end),
      next: end === 0 && !isFull ? start : start + (end === 0 ? length : end),
    };
  } catch {
    return { text: "", next: 0 };
  }
};

/** Follows the log from a length on, until interrupted. */
export const follow = Effect.fnUntraced(
  function* (file: string, from: number) {
    for (let at = from; ;) {
      yield* Effect.sleep(everyMillis);
      const { next, text } = readOn(file, at);
      at = next;
      const lines = text === "" ? [] : grievances(text);
      for (const line of lines.slice(0, maxLines)) {
        yield* line.startsWith("[WRN]") ? Effect.logWarning(line) : Effect.logError(line);
      }
      if (lines.length > maxLines) yield* Effect.logError(`and ${lines.length - maxLines} more; all are in ${file}`);
    }
  },
  Effect.annotateLogs("component", "nats-server"),
);
