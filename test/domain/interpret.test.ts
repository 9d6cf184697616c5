import { assert, describe, it } from "@effect/vitest";
import { jsonBytes } from "../../src/domain/Truncate.ts";
import { countsOf, sets } from "../support/RawCounts.ts";
import { countFacts, interpretAll } from "./counted.ts";
import { dataRoot, entriesOf } from "./realEntries.ts";

const sorted = (counts: Readonly<Record<string, number>>) => Object.fromEntries(Object.entries(counts).toSorted());

if (dataRoot === undefined)
  console.warn("SKIPPED: the real transcripts are not there; set RECOLLECT_TEST_DATA to their folder");

describe.skipIf(dataRoot === undefined)("the facts of real transcripts", () => {
  const root = dataRoot ?? "";
  for (const set of sets) {
    it(`come to the counts of the raw files of ${set}`, () => {
      const told = interpretAll(entriesOf(set, root));
      const { formats } = countsOf(set, root);
      assert.isAbove(told.length, 0);
      for (const [group, raw] of Object.entries(formats)) {
        const ours = countFacts(told.filter(({ cut }) => cut.group === group));
        assert.deepStrictEqual(
          { ...ours, notUnderstood: [], messages: sorted(ours.messages) },
          {
            messages: sorted(raw.messages),
            toolCallOccurrences: raw.toolCallOccurrences,
            orphanResults: raw.orphanResults,
            outcomes: raw.outcomes,
            tokens: raw.tokens,
            notUnderstood: [],
          },
          group,
        );
        assert.deepStrictEqual(ours.notUnderstood, [], `${group} is understood whole`);
      }
    });

    it(`are remembered in at most 8 KiB a thread in ${set}`, () => {
      const largest = Math.max(...interpretAll(entriesOf(set, root)).map(({ carry }) => jsonBytes(carry)));
      assert.isAtMost(largest, 8 * 1024);
    });
  }

  it("count a thread once that a rollout and `exec --json` both tell", () => {
    const told = interpretAll(entriesOf("codex-rollouts", root));
    const rollouts = told.filter(({ cut }) => cut.group === "codex");
    assert.deepStrictEqual(countFacts(told), countFacts(rollouts));
    assert.deepStrictEqual(countFacts(told.toReversed()).messages, countFacts(rollouts).messages);
  });

  it("describe a thread seldom", () => {
    const told = interpretAll(entriesOf("claude-code-entire", root));
    const described = told.flatMap(({ facts }) => facts.filter(({ _tag }) => _tag === "ThreadDescribed"));
    assert.isBelow(described.length, told.length / 20);
  });
});
