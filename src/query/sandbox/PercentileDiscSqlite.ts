/**
 * SQLite's `percentile_disc`, for a SQLite that has none: those before 3.51, such as that of Node 24.
 *
 * Room: query.
 *
 * The value at a fraction of the sorted ones, without interpolation: the place is rounded down.
 */
import type { AggregateOptions, DatabaseSync } from "node:sqlite";

interface Seen {
  readonly values: Array<number>;
  readonly fraction: number;
}

const gathering = {
  start: (): Seen => ({ values: [], fraction: 0 }),
  step: ({ values }: Seen, value: unknown, fraction: unknown): Seen => {
    if (typeof value === "number" || typeof value === "bigint") values.push(Number(value));
    return { values, fraction: Number(fraction) };
  },
  result: ({ fraction, values }: Seen): number | null =>
    values.toSorted((a, b) => a - b)[Math.floor(fraction * (values.length - 1))] ?? null,
};

/** Node's types know no object as what is gathered, which SQLite itself never sees. */
export const percentileDisc = gathering as unknown as AggregateOptions;

export const addPercentileDisc = (db: DatabaseSync): void => {
  const found = db.prepare("SELECT 1 FROM pragma_function_list WHERE name = 'percentile_disc'").get();
  if (found === undefined && typeof db.aggregate === "function") db.aggregate("percentile_disc", percentileDisc);
};
