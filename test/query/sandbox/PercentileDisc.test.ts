import { assert, describe, it } from "@effect/vitest";
import { DatabaseSync } from "node:sqlite";
import { addPercentileDisc, percentileDisc } from "../../../src/query/sandbox/PercentileDiscSqlite.ts";

describe("percentile_disc of a SQLite that has none", () => {
  it("gives what SQLite's own does, and by our fractions the nearest rank, for any number of values", () => {
    const db = new DatabaseSync(":memory:");
    db.aggregate("ours", percentileDisc);
    const at = (percent: number) => `min(1.0, ((n * ${percent} + 99) / 100 - 0.5) / max(1, n - 1))`;
    for (let n = 0; n <= 130; n++) {
      const values = Array.from({ length: n }, (_, place) => ((place * 7919) % 131) / 4);
      const sorted = values.toSorted((a, b) => a - b);
      for (const percent of [50, 95, 99]) {
        const row = db
          .prepare(
            `SELECT ours(value, ${at(percent)}) AS ours, percentile_disc(value, ${at(percent)}) AS theirs
             FROM json_each(:values), (SELECT CAST(:n AS INTEGER) AS n)`,
          )
          .get({ values: JSON.stringify(values), n }) as { readonly ours: unknown; readonly theirs: unknown };
        assert.strictEqual(row.ours, row.theirs);
        assert.strictEqual(row.ours, sorted[Math.ceil((n * percent) / 100) - 1] ?? null, `${n} values, ${percent} %`);
      }
    }
    addPercentileDisc(db);
    db.close();
  });
});
