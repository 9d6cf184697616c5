/**
 * Moments as people write them on a command line.
 *
 * Room: edge.
 */

import type { Moment } from "../../projection/AsOf.ts";

const day = 86_400_000;
const units: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: day, w: 7 * day };

/** Epoch milliseconds from 1973 to 5138, so no count that anybody means. */
const epochMillis = /^\d{12,14}$/;
const iso = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/i;

/**
 * `2026-11-01`, `2026-11-01T10:00:00Z`, `2026-11-01 10:00` (UTC, as we print it), epoch milliseconds, or so long ago:
 * `30m`, `12h`, `7d`, `2w`. Undefined for anything else.
 */
export const momentOf = (text: string, now: number): number | undefined => {
  const ago = /^(\d{1,6})([mhdw])$/.exec(text);
  if (ago !== null) return now - Number(ago[1]) * (units[ago[2] ?? ""] ?? 0);
  if (epochMillis.test(text)) return Number(text);
  const written = iso.exec(text);
  if (written === null) return undefined;
  const isDateOnly = text.length === "2026-11-01".length;
  const at = Date.parse(isDateOnly || written[1] !== undefined ? text.replace(" ", "T") : `${text.replace(" ", "T")}Z`);
  // V8 reads the 31st of February as the third of March.
  const date = text.slice(0, "2026-11-01".length);
  const midnight = Date.parse(date);
  const isDay = Number.isFinite(midnight) && new Date(midnight).toISOString().startsWith(date);
  return Number.isNaN(at) || !isDay ? undefined : at;
};

const sequence = /^\d{1,11}$/;

/** A moment of the record: a sequence (a whole number) or a time. Undefined for anything else. */
export const recordMomentOf = (text: string, now: number): Moment | undefined => {
  if (sequence.test(text)) return { sequence: Number(text) };
  const time = momentOf(text, now);
  return time === undefined ? undefined : { time };
};

/** Hint: ways to write one. */
export const momentHint = "Write 2026-11-01, 2026-11-01T10:00Z, 12h or 7d.";
