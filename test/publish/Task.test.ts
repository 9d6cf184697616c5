import { assert, describe, it } from "@effect/vitest";
import { Effect, Result, Schema } from "effect";
import { eventTypes } from "../../src/domain/Event.ts";
import { decide, evolve, isTaskEventName, notSubmitted, type TaskEventName } from "../../src/domain/Task.ts";

const names = Object.keys(eventTypes).filter(isTaskEventName);
const moves = Schema.Array(Schema.Literals(names as [TaskEventName, ...Array<TaskEventName>]));

/** The state after all moves that were allowed, and those moves. */
const play = (wanted: ReadonlyArray<TaskEventName>) => {
  let state = notSubmitted;
  const made: Array<TaskEventName> = [];
  for (const move of wanted) {
    const decided = decide({ taskId: "t", state, move });
    if (Result.isFailure(decided) || decided.success === "nothing") continue;
    made.push(move);
    state = evolve(state, { type: move });
  }
  return { state, made };
};

const ends: ReadonlyArray<string> = ["task.completed", "task.failed", "task.timed_out", "task.cancelled"];

describe("Task", () => {
  it.effect.prop("deciding twice decides nothing", [moves], ([wanted]) =>
    Effect.sync(() => {
      for (const move of names) {
        const { state } = play(wanted);
        const first = decide({ taskId: "t", state, move });
        if (Result.isFailure(first) || first.success === "nothing") continue;
        const again = decide({ taskId: "t", state: evolve(state, { type: move }), move });
        // What changes no state is each time one of its own: a report of progress, and a restoring.
        if (move !== "task.progressed" && move !== "task.restored")
          assert.deepStrictEqual(again, Result.succeed("nothing"));
      }
    }),
  );

  it.effect.prop(
    "a task begins with its submission, and nothing but its restoring follows its end",
    [moves],
    ([wanted]) =>
      Effect.sync(() => {
        const made = play(wanted).made.filter((move) => move !== "task.restored");
        assert.isTrue(made.length === 0 || made[0] === "task.submitted");
        assert.strictEqual(made.filter((move) => move === "task.submitted").length, Math.min(1, made.length));
        const end = made.findIndex((move) => ends.includes(move));
        assert.isTrue(end < 0 || end === made.length - 1);
      }),
  );

  it("is submitted once, whatever became of it", () => {
    for (const later of [[], ["task.claimed"], ["task.cancelled"]] as const) {
      const { state } = play(["task.submitted", ...later]);
      assert.deepStrictEqual(decide({ taskId: "t", state, move: "task.submitted" }), Result.succeed("nothing"));
    }
  });

  it("says what is possible when it refuses", () => {
    const { state } = play(["task.submitted"]);
    const refused = Result.getOrThrow(Result.flip(decide({ taskId: "t", state, move: "task.resumed" })));
    assert.deepInclude(refused, { taskId: "t", from: "pending", move: "task.resumed" });
    assert.match(refused.hint, /task\.started/);
  });

  it("knows a task that others have moved in ways it would not allow", () => {
    const state = ["task.completed", "task.progressed", "x.unknown"].reduce(
      (before, type) => evolve(before, { type }),
      notSubmitted,
    );
    assert.strictEqual(state.status, "completed");
  });
});
