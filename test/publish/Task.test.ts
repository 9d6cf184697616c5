import { assert, describe, it } from "@effect/vitest";
import { Effect, Result, Schema } from "effect";
import { eventTypes } from "../../src/domain/Event.ts";
import {
  decide,
  evolve,
  isTaskEventName,
  LeaseLost,
  notSubmitted,
  type TaskEventName,
  type TaskState,
} from "../../src/domain/task/Task.ts";

const names = Object.keys(eventTypes).filter(isTaskEventName);
const moves = Schema.Array(Schema.Literals(names as [TaskEventName, ...Array<TaskEventName>]));

/** An event of that type with that data, at a sequence. */
const event = (type: string, data: unknown = {}, sequence = 1) => ({ type, body: JSON.stringify(data), sequence });
const moveOf = (type: TaskEventName, data: unknown = {}) => ({ type, data });

/** The state after all moves that were allowed, and those moves. */
const play = (wanted: ReadonlyArray<TaskEventName>) => {
  let state = notSubmitted;
  const made: Array<TaskEventName> = [];
  for (const type of wanted) {
    const decided = decide({ taskId: "t", state, move: moveOf(type) });
    if (Result.isFailure(decided) || decided.success === "nothing") continue;
    made.push(type);
    state = evolve(state, event(type));
  }
  return { state, made };
};

/** What changes no state is each time one of its own: a report of progress, a piece of a log, a restoring. */
const additions: ReadonlySet<TaskEventName> = new Set(["task.progressed", "task.logged", "task.restored"]);
const ends: ReadonlyArray<string> = ["task.completed", "task.failed", "task.timed_out", "task.cancelled"];

describe("Task", () => {
  it.effect.prop("deciding twice decides nothing", [moves], ([wanted]) =>
    Effect.sync(() => {
      for (const type of names) {
        const { state } = play(wanted);
        const first = decide({ taskId: "t", state, move: moveOf(type) });
        if (Result.isFailure(first) || first.success === "nothing") continue;
        const again = decide({ taskId: "t", state: evolve(state, event(type)), move: moveOf(type) });
        if (!additions.has(type)) assert.deepStrictEqual(again, Result.succeed("nothing"));
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
      assert.deepStrictEqual(decide({ taskId: "t", state, move: moveOf("task.submitted") }), Result.succeed("nothing"));
    }
  });

  it("says what is possible when it refuses", () => {
    const { state } = play(["task.submitted"]);
    const refused = Result.getOrThrow(Result.flip(decide({ taskId: "t", state, move: moveOf("task.resumed") })));
    assert.deepInclude(refused, { taskId: "t", from: "pending", move: "task.resumed" });
    assert.match(refused.hint, /task\.started/);
  });

  it("knows a task that others have moved in ways it would not allow", () => {
    const state = ["task.completed", "task.progressed", "x.unknown"].reduce(
      (before, type) => evolve(before, event(type)),
      notSubmitted,
    );
    assert.strictEqual(state.status, "completed");
  });

  /** Claimed through the queue at sequence 7. */
  const held: TaskState = [
    event("task.submitted"),
    event("task.claimed", { holder: "h" }, 7),
    event("task.started", { claim: 7 }, 8),
  ].reduce(evolve, notSubmitted);

  it("that a worker holds is moved by nobody without its claim, but for cancelling, answering and restoring", () => {
    const others = ["task.completed", "task.failed", "task.timed_out", "task.released", "task.progressed"] as const;
    for (const type of others) {
      for (const claim of [undefined, 6, 8, "7"]) {
        const refused = Result.getOrThrow(
          Result.flip(decide({ taskId: "t", state: held, move: moveOf(type, { claim }) })),
        );
        assert.instanceOf(refused, LeaseLost, `${type} ${claim}`);
        assert.match(refused.message, /held by a worker/);
      }
      assert.deepStrictEqual(
        decide({ taskId: "t", state: held, move: moveOf(type, { claim: 7 }) }),
        Result.succeed("add"),
      );
    }
    assert.deepStrictEqual(decide({ taskId: "t", state: held, move: moveOf("task.cancelled") }), Result.succeed("add"));
  });

  it("that was claimed outside the queue is moved without a claim, and after a release by anybody", () => {
    const outside = [event("task.submitted"), event("task.claimed", {}, 3), event("task.started", {}, 4)];
    const completed = moveOf("task.completed");
    assert.deepStrictEqual(
      decide({ taskId: "t", state: outside.reduce(evolve, notSubmitted), move: completed }),
      Result.succeed("add"),
    );
    const released = evolve(held, event("task.released", { claim: 7 }, 9));
    assert.deepStrictEqual(
      decide({ taskId: "t", state: released, move: moveOf("task.started") }),
      Result.succeed("add"),
    );
  });

  it("ends once: the same end again is nothing to add, one with another result is refused", () => {
    const done = evolve(held, event("task.completed", { claim: 7, output: { a: 1 } }, 9));
    const again = (data: unknown, type: TaskEventName = "task.completed") =>
      decide({ taskId: "t", state: done, move: moveOf(type, data) });
    assert.deepStrictEqual(again({ output: { a: 1 } }), Result.succeed("nothing"));
    const refused = Result.getOrThrow(Result.flip(again({ output: { a: 2 } })));
    assert.match(refused.hint, /another result/);
    assert.isTrue(Result.isFailure(again({}, "task.failed")));
    const cancelled = evolve(held, event("task.cancelled", { reason: "a" }, 9));
    assert.deepStrictEqual(
      decide({ taskId: "t", state: cancelled, move: moveOf("task.cancelled", { reason: "b" }) }),
      Result.succeed("nothing"),
    );
  });
});
