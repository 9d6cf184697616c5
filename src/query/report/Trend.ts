/**
 * A number a day for each row of a table: what a sparkline shows.
 *
 * Room: query.
 */
import type { Value } from "../Sql.ts";
import type { Unit } from "./Unit.ts";

/** Most numbers of a trend. */
const mostSteps = 30;
const dayMillis = 86_400_000;

export interface Trend {
  readonly unit: Unit;
  readonly doc: string;
  /** Days of one number: 1 for up to 30 days, else as many as make 30 of all. */
  readonly stepDays: number;
  /** The first day of each number, YYYY-MM-DD, oldest first; empty where no time is known. */
  readonly days: ReadonlyArray<string>;
  /** For each row its numbers, 0 where nothing was. */
  readonly rows: ReadonlyArray<ReadonlyArray<number>>;
}

/** Rows of (key, day, number), laid out by the keys' order, from the first to the last day without a hole. */
export const trendsOf = (
  keys: ReadonlyArray<Value>,
  rows: ReadonlyArray<ReadonlyArray<Value>>,
): Pick<Trend, "stepDays" | "days" | "rows"> => {
  const known = rows.map(([, day]) => (typeof day === "string" ? Date.parse(day) : Number.NaN)).filter(Number.isFinite);
  if (known.length === 0) return { stepDays: 1, days: [], rows: keys.map(() => []) };
  const first = known.reduce((least, day) => Math.min(least, day));
  const last = known.reduce((most, day) => Math.max(most, day));
  const all = Math.round((last - first) / dayMillis) + 1;
  const stepDays = Math.ceil(all / mostSteps);
  const days = Array.from({ length: Math.ceil(all / stepDays) }, (_, at) =>
    new Date(first + at * stepDays * dayMillis).toISOString().slice(0, 10),
  );
  const byKey = new Map<Value, Array<number>>(keys.map((key) => [key, days.map(() => 0)]));
  for (const [key = null, day, value] of rows) {
    const line = byKey.get(key);
    if (typeof day !== "string" || line === undefined) continue;
    const at = Math.floor(Math.round((Date.parse(day) - first) / dayMillis) / stepDays);
    line[at] = (line[at] ?? 0) + Number(value ?? 0);
  }
  return { stepDays, days, rows: keys.map((key) => byKey.get(key) ?? []) };
};
