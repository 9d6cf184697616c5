import { assert, describe, it } from "@effect/vitest";
import { catalogue } from "./damage/Catalogue.ts";
import { chosen, counted, run } from "./Damage.ts";

describe("the damage drill", () => {
  it("has at least 120 faults, each title once in its group", () => {
    assert.isAtLeast(catalogue.length, 120);
    assert.strictEqual(new Set(catalogue.map(({ group, title }) => `${group}: ${title}`)).size, catalogue.length);
  });

  it("plants faults that are noticed, named and mended, while no program reads what was never said", async () => {
    const said: Array<string> = [];
    const faults = chosen({ isShort: true });
    const outcome = await run({ faults, seeds: [1], atOnce: 2, say: (line) => said.push(line) });
    assert.deepStrictEqual(outcome.faults, [], said.join("\n"));
    const { noticed, trueReads, wrongReads } = counted(outcome.verdicts);
    assert.isAtLeast(faults.length, 12);
    assert.isAtLeast(noticed, 10, said.join("\n"));
    assert.isAbove(trueReads, 0);
    assert.strictEqual(wrongReads, 0);
  }, 900_000);
});
