import { assert, describe, it } from "@effect/vitest";
import { comparedText } from "../../../../src/edge/cli/record/Status.ts";

describe("a status that is all well", () => {
  it("says how much of stream and ledger was compared, and calls nothing well that was not looked at", () => {
    const scrub = { sequence: 0, head: 0, at: 0, passes: 0, finishedAt: 0, mended: 0 };
    const now = 10_000_000;
    assert.strictEqual(comparedText({ scrub }, now), "stream and ledger are not compared yet");
    assert.strictEqual(comparedText({ scrub: { ...scrub, at: now } }, now), "stream and ledger are not compared yet");
    const under = { ...scrub, sequence: 1_200, head: 50_000, at: now };
    assert.strictEqual(comparedText({ scrub: under }, now), "compared to 1,200 of 50,000 so far");
    const whole = { ...under, passes: 2, finishedAt: now - 3_600_000 };
    assert.match(comparedText({ scrub: whole }, now), /^compared as a whole .*h.* ago$/);
  });
});
