import { assert, describe, it } from "@effect/vitest";
import { Effect, Schema } from "effect";
import type { Change, Projection } from "../../src/projection/Projection.ts";
import { said } from "./StubLog.ts";
import { applyAll, folded } from "./World.ts";

const columns = {
  left: { type: "text", doc: "." },
  right: { type: "text", doc: "." },
  at: { type: "integer", doc: "." },
  first: { type: "name", merge: "first", doc: "." },
  last: { type: "text", doc: "." },
  most: { type: "integer", merge: "max", doc: "." },
} as const;
const key = ["left", "right", "at"];

/** Tables of every kind of lane; each event makes its changes, in all of them. */
const changing = (changes: ReadonlyArray<ReadonlyArray<(table: string) => Change>>): Projection => ({
  name: "changing",
  version: 1,
  doc: "For this test.",
  tables: [
    { name: "cold", doc: ".", key, columns },
    { name: "hot", doc: ".", key, columns, hot: true },
  ],
  views: [],
  handle: ({ sequence }) =>
    (changes[sequence - 1] ?? []).flatMap((change) => ["cold", "hot"].map((table) => change(table))),
});

const eventsOf = (count: number) => Array.from({ length: count }, (_, at) => said(at + 1, "word"));

/** Few keys, so that they meet; spelled one after the other some of them are alike. */
const Step = Schema.Struct({
  kind: Schema.Literals(["row", "row", "row", "one", "from"]),
  left: Schema.Literals(["a", "ab"]),
  right: Schema.Literals(["bc", "c"]),
  at: Schema.Literals([0, 1]),
  // What SQLite turns into another type is merged by SQLite.
  most: Schema.Literals([1, 2, 3, "7", 2.0]),
  word: Schema.Literals(["x", "y", "z"]),
});

const changeOf =
  ({ at, kind, left, most, right, word }: typeof Step.Type) =>
  (table: string): Change => {
    if (kind === "one") return { table, where: { left, right, at } };
    if (kind === "from") return { table, where: { left, right }, from: { column: "at", value: at } };
    return { table, row: { left, right, at, first: word, last: word, most } };
  };

describe("packing", () => {
  it.effect.prop(
    "writes what the changes say one after the other, however many lie in one pack",
    [Schema.Array(Step).check(Schema.isMinLength(1), Schema.isMaxLength(40))],
    ([steps]) =>
      Effect.gen(function* () {
        const changes = steps.map((step) => [changeOf(step)]);
        const whole = yield* folded(eventsOf(steps.length), [changing(changes)]);
        const single = yield* folded([], [changing(changes)]);
        yield* applyAll(single.model, eventsOf(steps.length), 1);
        assert.deepStrictEqual(yield* whole.model.digests, yield* single.model.digests);
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 40 } },
  );

  const row =
    (left: string, word: string, most: unknown = 1) =>
    (table: string) =>
      ({ table, row: { left, right: "r", at: 1, first: word, last: word, most } }) as Change;
  const removal = (left: string) => (table: string) => ({ table, where: { left, right: "r", at: 1 } });

  it.live("keeps a row that was removed and came again as it came, and nothing of what it was", () =>
    Effect.gen(function* () {
      const changes = [[row("k", "old")], [row("k", "middle"), removal("k"), row("k", "new"), removal("gone")]];
      const { model, rows } = yield* folded([], [changing(changes)]);
      yield* applyAll(model, eventsOf(1));
      yield* applyAll(model, eventsOf(2));
      for (const table of ["cold", "hot"]) {
        assert.deepStrictEqual(
          rows(`SELECT (SELECT text FROM names WHERE name = first) AS first, last FROM ${table}`),
          [{ first: "new", last: "new" }],
          table,
        );
      }
    }),
  );

  it.live("leaves it to SQLite to merge what it turns into another type", () =>
    Effect.gen(function* () {
      const { rows } = yield* folded(eventsOf(1), [changing([[row("k", "x", "7"), row("k", "x", 3)]])]);
      for (const table of ["cold", "hot"])
        assert.deepStrictEqual(rows(`SELECT most FROM ${table}`), [{ most: 7 }], table);
    }),
  );

  it.live("tells keys apart that are spelled alike one after the other", () =>
    Effect.gen(function* () {
      const keyed = (left: string, right: string) => (table: string) => ({
        table,
        row: { left, right, at: 1, last: left },
      });
      const { rows } = yield* folded(eventsOf(1), [changing([[keyed("a", "bc"), keyed("ab", "c")]])]);
      for (const table of ["cold", "hot"]) assert.lengthOf(rows(`SELECT 1 FROM ${table}`), 2, table);
    }),
  );

  it.live("writes nothing of an event of which one row fits no table", () =>
    Effect.gen(function* () {
      const nowhere = () => ({ table: "nowhere", row: {} });
      const { rows } = yield* folded(eventsOf(2), [changing([[row("half", "x"), nowhere], [row("whole", "x")]])]);
      for (const table of ["cold", "hot"])
        assert.deepStrictEqual(rows(`SELECT left FROM ${table}`), [{ left: "whole" }], table);
      assert.lengthOf(rows("SELECT 1 FROM v_dead_letters"), 1);
    }),
  );
});
