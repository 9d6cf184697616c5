/** One database file and two projectors that write it: the project's central promise, that an event is applied once. */
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { join } from "node:path";
import type { Projection } from "../../src/projection/Projection.ts";
import * as ReadModelSqlite from "../../src/projection/ReadModelSqlite.ts";
import { said } from "./StubLog.ts";
import { ask, temporaryFolder } from "./World.ts";

/** Counts every application of every event: a second one is seen. */
const counting: Projection = {
  name: "counting",
  version: 1,
  doc: "Counts.",
  tables: [
    {
      name: "counts",
      doc: "One row.",
      key: ["one"],
      columns: {
        one: { type: "integer", doc: "1." },
        times: { type: "integer", merge: "sum", doc: "How often an event was applied." },
      },
    },
  ],
  views: [],
  handle: () => [{ table: "counts", row: { one: 1, times: 1 } }],
};

const batch = (from: number, to: number) => ({
  incoming: Array.from({ length: to - from + 1 }, (_, n) => ({ entry: said(from + n, `word ${from + n}`) })),
  streamCreated: 1,
  now: 2,
});

const times = (file: string) => ask(file, "SELECT times FROM counts")[0]?.["times"];

const opened = (file: string, threadFromRows: number) =>
  Effect.acquireRelease(
    ReadModelSqlite.open({ file, projections: [counting], durability: "scratch", threadFromRows }),
    ({ close }) => close,
  );

describe("two projectors on one file", () => {
  for (const [where, threadFromRows] of [
    ["in their own threads", Number.POSITIVE_INFINITY],
    ["in threads beside them", 0],
  ] as const) {
    it.live(`apply each event once, also what both had prepared before either wrote: ${where}`, () =>
      Effect.gen(function* () {
        const file = join(yield* temporaryFolder, "model.db");
        const one = yield* opened(file, threadFromRows);
        const other = yield* opened(file, threadFromRows);
        const mine = yield* one.prepare(batch(1, 5));
        const theirs = yield* other.prepare(batch(1, 5));
        const theirNext = yield* other.prepare(batch(6, 9));
        assert.strictEqual((yield* one.commit(mine))._tag, "Committed");
        assert.strictEqual((yield* other.commit(theirs))._tag, "Committed");
        assert.strictEqual(times(file), 5);
        assert.strictEqual((yield* one.apply(batch(6, 7)))._tag, "Committed");
        assert.strictEqual((yield* other.commit(theirNext))._tag, "Committed");
        assert.strictEqual(times(file), 9);
        assert.deepInclude(yield* one.apply(batch(3, 9)), { _tag: "Committed" });
        assert.strictEqual(times(file), 9);
        const [before, after] = [yield* one.checkpoint, yield* other.checkpoint];
        assert.deepStrictEqual(before, after);
        assert.strictEqual(before.sequence, 9);
      }),
    );
  }
});
