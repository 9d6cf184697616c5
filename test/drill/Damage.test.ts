import { assert, describe, it } from "@effect/vitest";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { catalogue } from "./damage/Catalogue.ts";
import { page } from "./damage/Page.ts";
import { chosen, counted, run } from "./Damage.ts";

describe("the damage drill", () => {
  it("has at least 120 faults, each title once in its group", () => {
    assert.isAtLeast(catalogue.length, 120);
    assert.strictEqual(new Set(catalogue.map(({ group, title }) => `${group}: ${title}`)).size, catalogue.length);
  });

  it("writes a page that keeps the rows of earlier runs where no verdict is newer", () => {
    const before = readFileSync(join(import.meta.dirname, "../../docs/damage.md"), "utf8");
    assert.strictEqual(page([], before), before);
    const [fault] = catalogue;
    if (fault === undefined) return assert.fail("no fault");
    const reads = { true: 0, refused: 0, wrong: 1 };
    const problems = ["read of a thread gave nothing that are not the 2 that were said"];
    const verdict = {
      fault,
      seed: 1,
      planted: "x",
      noticed: undefined,
      mend: "",
      missing: 0,
      reads,
      problems,
      seconds: 1,
    };
    const after = page([verdict], before);
    assert.include(after, "| **not as promised** | 1 |");
    assert.include(after, "**Fails**: read of a thread");
    assert.strictEqual(after.split("\n").length, before.split("\n").length);
    assert.strictEqual(page([{ ...verdict, seed: 9 }], before).split("\n").length, before.split("\n").length + 1);
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
