import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { type Goal, isMet, type Measured, type Row } from "../../bench/Harness.ts";
import { figureOf, markdownTable, type Report, table } from "../../bench/Report.ts";
import { merged } from "../../bench/Saved.ts";

const row = (id: string, goal?: Goal): Row => ({
  id,
  what: "work | of a row",
  unit: "ms",
  goal,
  run: Effect.succeed({ skipped: "it is a test" }),
});
const taken = { at: "2026-11-25T12:00:00.000Z", seconds: 1.5 };
const measured: Measured = { ours: 2, peer: 4, peerName: "the peer" };

const machine: Report["machine"] = {
  cpu: "a processor",
  cores: 2,
  memoryBytes: 2 ** 34,
  system: "linux x64",
  node: "v26.0.0",
  natsServer: "2.15.1",
  fsyncMillis: 0.25,
  load: [0, 0, 0],
  at: taken.at,
};
const figure = (id: string, ours = 2, at = taken.at) =>
  figureOf(row(id), { ...measured, ours }, { at, seconds: taken.seconds });

describe("a goal", () => {
  const met = (goal: Goal, figures: Partial<Measured> = {}) => isMet(goal, { ...measured, ...figures });

  it("is met at its limit and not beyond it", () => {
    assert.isTrue(met({ of: "ratio", is: "at most", limit: 0.5 }));
    assert.isFalse(met({ of: "ratio", is: "at most", limit: 0.49 }));
    assert.isTrue(met({ of: "ratio", is: "at least", limit: 0.5 }));
    assert.isFalse(met({ of: "ratio", is: "at least", limit: 0.51 }));
  });

  it("of our own figure does not look at the peer", () => {
    assert.isTrue(met({ of: "ours", is: "at most", limit: 2 }, { peer: null }));
    assert.isFalse(met({ of: "ours", is: "at least", limit: 3 }, { peer: 1 }));
  });

  it("of a ratio is neither met nor missed without a peer", () => {
    assert.isNull(met({ of: "ratio", is: "at most", limit: 1 }, { peer: null }));
  });
});

describe("a figure", () => {
  it("holds what every reader of the JSON may rely on", () => {
    const of = figureOf(row("append", { of: "ratio", is: "at most", limit: 1.15 }), measured, taken);
    const { goal, id, met, ours, peer, peerName, ratio, unit, what } = of;
    assert.deepStrictEqual(
      { goal, id, met, ours, peer, peerName, ratio, unit, what },
      {
        id: "append",
        what: "work | of a row",
        ours: 2,
        peer: 4,
        peerName: "the peer",
        unit: "ms",
        ratio: 0.5,
        goal: "<= 1.15x",
        met: true,
      },
    );
  });

  it("that could not be taken says why, in the JSON and in the table, and meets nothing", () => {
    const goal: Goal = { of: "ratio", is: "at least", limit: 1 };
    const skipped = figureOf(row("append", goal), { skipped: "there is no redis-server" }, taken);
    assert.deepInclude(skipped, { ours: null, peer: null, ratio: null, met: null });
    assert.strictEqual(skipped.note, "NOT MEASURED: there is no redis-server");
    assert.include(table({ machine, rows: [skipped] }), "append: NOT MEASURED: there is no redis-server");
  });

  it("keeps its place in a Markdown table whatever its words hold", () => {
    const [head = "", , line = ""] = markdownTable({ machine, rows: [figure("append")] })
      .split("\n")
      .filter((text) => text.startsWith("|"));
    const cells = (text: string) => text.split(/(?<!\\)\|/).length;
    assert.strictEqual(cells(line), cells(head));
  });

  it("that is older than the rest of its table says so", () => {
    const text = markdownTable({ machine, rows: [figure("new"), figure("old", 2, "2026-10-01T00:00:00.000Z")] });
    assert.include(text, "`old` was measured on 2026-10-01.");
    assert.notInclude(text, "`new` was measured");
  });
});

describe("saved figures", () => {
  const before: Report = { machine, rows: [figure("a"), figure("b"), figure("gone")] };
  const later = { ...machine, at: "2026-12-01T00:00:00.000Z" };
  const ids = ["a", "b", "c"];
  const oursOf = ({ rows }: Report) => rows.map(({ id, ours }) => `${id}=${ours}`);

  it("of some rows leave the other rows, and the machine's line, as they were", () => {
    const now = merged(before, { machine: later, rows: [figure("b", 9)] }, ids);
    assert.deepStrictEqual(oursOf(now), ["a=2", "b=9"]);
    assert.strictEqual(now.machine.at, machine.at);
  });

  it("of every row replace everything", () => {
    const now = merged(before, { machine: later, rows: [figure("c", 9), figure("b", 9), figure("a", 9)] }, ids);
    assert.deepStrictEqual(oursOf(now), ["a=9", "b=9", "c=9"]);
    assert.strictEqual(now.machine.at, later.at);
  });

  it("of another machine do not stand beside those of this one", () => {
    const now = merged(before, { machine: { ...later, cpu: "another" }, rows: [figure("b", 9)] }, ids);
    assert.deepStrictEqual(oursOf(now), ["b=9"]);
  });
});
