import { assert, describe, it } from "@effect/vitest";
import { task } from "../../../src/domain/History.ts";
import { awaitersOf, cycleOf, hindrance, timeliness } from "../../../src/domain/task/TaskOrder.ts";
import { empty, evolve } from "../../../src/domain/task/TaskRecord.ts";
import { afterFailure, backoffMillis } from "../../../src/domain/task/TaskRetry.ts";
import { recordedEvent } from "../recordedEvent.ts";

const told = (...events: ReadonlyArray<readonly [string, object?]>) =>
  events
    .map(([type, data], index) =>
      recordedEvent(`task.${type}`, data ?? {}, { history: task("t"), sequence: index + 1 }),
    )
    .reduce(evolve, empty);
const asked = (more: object = {}, queue: object = {}) =>
  ["submitted", { request: { agentType: "a" }, queue, ...more }] as const;

describe("the order of tasks", () => {
  it("finds a circle wherever it is, and none in an order, however long", () => {
    assert.isUndefined(cycleOf([[], [0], [0, 1], [2, 0]]));
    assert.deepStrictEqual(cycleOf([[], [0, 3], [1], [2]]), [1, 3, 2, 1]);
    assert.deepStrictEqual(cycleOf([[0]]), [0, 0]);
    const chain = Array.from({ length: 1_000 }, (_, at) => (at === 0 ? [] : [at - 1]));
    assert.isUndefined(cycleOf(chain));
    assert.strictEqual(cycleOf([[999], ...chain.slice(1)])?.length, 1_001);
    const everyone = Array.from({ length: 300 }, (_, at) => Array.from({ length: at }, (__, before) => before));
    assert.isUndefined(cycleOf(everyone));
  });

  it("lets a task wait for those it names, and drops it when one does not complete, unless it is to run", () => {
    const done = told(asked(), ["claimed"], ["started"], ["completed"]);
    const failed = told(asked(), ["claimed"], ["failed", { error: { type: "x" } }]);
    const of = (record: typeof done, whenFailed?: string) =>
      hindrance(told(asked({ after: ["b"], whenFailed })).submitted, { taskId: "b", record })?._tag;
    assert.deepStrictEqual(
      [of(told(asked())), of(empty), of(done), of(failed), of(failed, "run"), of(failed, "cancel")],
      ["Behind", "Behind", undefined, "Dropped", undefined, "Dropped"],
    );
  });

  it("says who waits for a task of a batch, and believes no place that the batch does not have", () => {
    const place = { index: 1, size: 3, atOnce: 3, next: [2, 1, 7, 2] };
    assert.deepStrictEqual(awaitersOf(told(asked({ batchId: "b", place })).submitted), ["b.2"]);
    assert.deepStrictEqual(awaitersOf(told(asked({ place })).submitted), []);
  });

  it("expires what had to start before now and has no attempt, and nothing that has one", () => {
    const queue = { startBy: 1_000, maxAttempts: 2 };
    const is = (now: number, ...more: ReadonlyArray<readonly [string, object?]>) =>
      timeliness(told(asked({}, queue), ...more), now)._tag;
    assert.deepStrictEqual([is(999), is(1_000)], ["Ready", "Expired"]);
    assert.strictEqual(is(1_000, ["claimed"], ["released", { reason: "lapsed" }]), "Ready");
    assert.strictEqual(is(1_000, ["claimed"], ["released", { reason: "deferred" }]), "Expired");
    assert.strictEqual(is(1_000, ["claimed"]), "Ready");
  });
});

describe("a failed attempt", () => {
  const record = told(asked({}, { maxAttempts: 2, backoffMillis: 100, onError: { Bad: "never", Slow: 7 } }), [
    "claimed",
  ]);
  const after = (errorType: string, more: Partial<Parameters<typeof afterFailure>[0]> = {}) =>
    afterFailure({ record, errorType, retry: undefined, ...more });

  it("is followed by another one after the pause of its kind of error, or by the end", () => {
    assert.deepStrictEqual(after("Other"), { _tag: "Again", pauseMillis: 100 });
    assert.deepStrictEqual(after("Slow"), { _tag: "Again", pauseMillis: 7 });
    assert.deepStrictEqual(after("Bad"), { _tag: "Ends", isDeadLetter: false });
    assert.deepStrictEqual(after("toString"), { _tag: "Again", pauseMillis: 100 });
    assert.deepStrictEqual(after("Other", { retry: "never" }), { _tag: "Ends", isDeadLetter: false });
  });

  it("is the last one when no attempt is left, whatever its kind", () => {
    const last = [["released", { reason: "failed" }], ["claimed"]].reduce(
      (state, [type, data], at) =>
        evolve(state, recordedEvent(`task.${String(type)}`, data ?? {}, { history: task("t"), sequence: 3 + at })),
      record,
    );
    assert.deepStrictEqual(after("Slow", { record: last }), { _tag: "Ends", isDeadLetter: true });
    assert.deepStrictEqual([backoffMillis(last), backoffMillis(last, "Slow")], [200, 14]);
  });
});
