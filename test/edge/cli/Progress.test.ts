import { assert, describe, it } from "@effect/vitest";
import { events, fitting, render } from "../../../src/edge/cli/Progress.ts";

describe("a progress bar", () => {
  it("says how far, how quick, how long still, and at what", () => {
    const text = render({ done: 25_000_000, total: 100_000_000, what: "a.jsonl" }, 5_000);
    assert.match(text, /^█{6}░{18} {2}25 % {2}5\.0 MB\/s {2}15\.0 s left {2}a\.jsonl$/);
  });

  it("counts events where events are counted, and claims no share of what nobody knows", () => {
    assert.match(
      render({ done: 5_000, total: 10_000, what: "into SQL" }, 1_000, events),
      /5,000 events\/s {2}1\.0 s left/,
    );
    assert.strictEqual(render({ done: 500, total: 0, what: "x" }, 1_000, events), "500 events  500 events/s  x");
  });

  it("fits into one line, also of a terminal that does not say how wide it is", () => {
    assert.strictEqual(fitting("x".repeat(200), 100).length, 99);
    for (const columns of [0, undefined]) assert.strictEqual(fitting("into SQL", columns), "into SQL");
  });
});
