import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { configChanges } from "../../projections/configChanges.ts";
import { ledger } from "../../projections/ledger.ts";
import { config } from "../../src/domain/History.ts";
import { event, said } from "../projection/StubLog.ts";
import { folded } from "../projection/World.ts";

const changed = (sequence: number, data: object, more: object = {}) =>
  event(sequence, "config.changed", data, { in: config("default"), ...more });

describe("changes of a configuration", () => {
  it.live("are countable: who changed what when and why, each with its version and what it was before", () =>
    Effect.gen(function* () {
      const first = [
        { field: "a", value: 1 },
        { field: "limits.b", value: { per: [] } },
      ];
      const { rows } = yield* folded(
        [
          changed(1, { changes: first, why: "begin" }, { actor: "ana" }),
          said(2, "x"),
          event(3, "config.changed", { changes: [{ field: "a", value: 9 }] }, { in: config("other") }),
          changed(4, { changes: [{ field: "a", value: 2 }] }, { actor: "bob" }),
          changed(
            5,
            { changes: [{ field: "a" }, { field: "limits.b", value: null }], rolledBackTo: 0 },
            { actor: "ana" },
          ),
        ],
        [ledger, configChanges],
      );
      const found = rows(
        "SELECT version, field, value, previous, changed_by, why, rolled_back_to FROM v_config_changes WHERE scope = 'default' ORDER BY version, field",
      ).map((row) => Object.values(row));
      assert.deepStrictEqual(found as unknown, [
        [1, "a", "1", null, "ana", "begin", null],
        [1, "limits.b", '{"per":[]}', null, "ana", "begin", null],
        [2, "a", "2", "1", "bob", null, null],
        [3, "a", null, "2", "ana", null, 0],
        [3, "limits.b", null, '{"per":[]}', "ana", null, 0],
      ]);
      const byWhom = rows(
        "SELECT changed_by, count(*) AS n FROM v_config_changes WHERE scope = 'default' GROUP BY 1 ORDER BY 1",
      );
      assert.deepStrictEqual(byWhom as unknown, [
        { changed_by: "ana", n: 4 },
        { changed_by: "bob", n: 1 },
      ]);
    }),
  );
});
