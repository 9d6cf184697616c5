import { assert, describe, it } from "@effect/vitest";
import { run } from "./Soak.ts";

describe("a store under everything at once", () => {
  it("grows by what it is given and by nothing else, and has all of it once", { timeout: 240_000 }, async () => {
    const said: Array<string> = [];
    const { faults, ...outcome } = await run({ seconds: 15, say: (line) => said.push(line) });
    assert.deepStrictEqual(faults, [], said.join("\n"));
    for (const count of [outcome.said, outcome.answers, outcome.tasks, outcome.watched, outcome.imported])
      assert.isAbove(count, 0, said.join("\n"));
  });
});
