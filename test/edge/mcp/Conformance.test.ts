import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { run, taskRuns } from "../../drill/Conformance.ts";
import { Stage } from "../cli/Program.ts";

const stage = new Stage();
beforeAll(async () => void (await stage.up()), 60_000);
afterAll(() => stage[Symbol.asyncDispose]());

/** Those that wait for no long task; `npm run drill -- mcp` runs all, and the whole suite in both of its lines. */
const short = new Set(["tasks-capability-negotiation", "tasks-mrtr-input", "tasks-dispatch-and-envelope"]);

describe("the conformance suite of MCP", { timeout: 120_000 }, () => {
  it("finds nothing wrong with tasks", async () => {
    const said: Array<string> = [];
    const runs = taskRuns.filter(({ name }) => short.has(name));
    const counted = await run({ data: stage.data, runs, say: (line) => said.push(line) });
    assert.deepStrictEqual(
      counted.flatMap(({ faults }) => faults),
      [],
      said.join("\n"),
    );
    assert.isAtLeast(
      counted.reduce((sum, { passed }) => sum + passed, 0),
      18,
    );
  });
});
