import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { datasetteMetadata, dictionary } from "../../src/query/Dictionary.ts";
import { said } from "../projection/StubLog.ts";
import { folded } from "../projection/World.ts";

describe("the dictionary without a database", () => {
  it.live("says what v_dictionary says, word for word", () =>
    Effect.gen(function* () {
      const { rows } = yield* folded([said(1, "x")]);
      const inDatabase =
        rows(`SELECT view, "column", doc, type, unit, purpose, is_additive, is_personal FROM v_dictionary
        WHERE position > 0 ORDER BY view, position`).map(Object.values);
      const inCode = dictionary()
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        .flatMap(({ columns, name }) =>
          columns.map((column) => [
            name,
            column.name,
            column.doc,
            column.type,
            column.unit,
            column.purpose,
            Number(column.isAdditive),
            Number(column.isPersonal),
          ]),
        );
      assert.deepStrictEqual(inCode, inDatabase as never);
    }),
  );

  it("is metadata for Datasette: each view with its sentence, each column with its unit", () => {
    const { tables } = datasetteMetadata("recollect").databases["recollect"] ?? { tables: {} };
    const stats = tables["v_tool_stats"];
    assert.strictEqual(stats?.units["result_bytes"], "bytes");
    assert.match(stats?.columns["p95_duration_millis"] ?? "", /Unit: milliseconds\.$/);
    assert.match(tables["v_messages"]?.columns["text"] ?? "", /Personal\.$/);
    assert.lengthOf(Object.keys(tables), dictionary().length);
  });
});
