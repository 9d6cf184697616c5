import { assert, describe, it } from "@effect/vitest";
import { Result, Schema } from "effect";
import { due, idOf, lateMillis, next, TaskSchedule } from "../../src/coordination/config/TaskSchedule.ts";

const at = (text: string): number => Date.parse(text);
const schedule = (more: Partial<TaskSchedule>): TaskSchedule => ({
  request: { agentType: "a" },
  from: at("2026-11-27T00:00:00Z"),
  missed: "skip",
  paused: false,
  ...more,
});

describe("a schedule", () => {
  it("comes at the times of its expression, in its own time zone, whatever the machine's is", () => {
    const nightly = schedule({ cron: "30 2 * * *", timezone: "Europe/Berlin" });
    assert.strictEqual(next(nightly, at("2026-11-27T12:00:00Z")), at("2026-11-28T01:30:00Z"));
    assert.strictEqual(next(schedule({ cron: "30 2 * * *" }), at("2026-11-27T12:00:00Z")), at("2026-11-28T02:30:00Z"));
  });

  it("comes once in a night in which the clock is set back, and once when it is set forward over its time", () => {
    const back = schedule({ cron: "30 2 * * *", timezone: "Europe/Berlin", from: at("2026-10-24T12:00:00Z") });
    assert.strictEqual(next(back, back.from), at("2026-10-25T00:30:00Z"));
    assert.strictEqual(next(back, at("2026-10-25T00:30:00Z")), at("2026-10-26T01:30:00Z"));
    const forward = { ...back, from: at("2027-03-27T12:00:00Z") };
    const first = next(forward, forward.from) ?? 0;
    assert.strictEqual(new Date(first).toISOString().slice(0, 10), "2027-03-28");
    assert.strictEqual(new Date(next(forward, first) ?? 0).toISOString().slice(0, 10), "2027-03-29");
    assert.strictEqual(due({ ...forward, missed: "once" }, at("2027-03-28T12:00:00Z")), first);
  });

  it("comes after each interval, counted from its beginning", () => {
    const every = schedule({ everyMillis: 5_000 });
    assert.strictEqual(next(every, every.from - 1), every.from + 5_000);
    assert.strictEqual(next(every, every.from + 5_000), every.from + 10_000);
    assert.isUndefined(due(every, every.from + 4_999));
    assert.strictEqual(due(every, every.from + 5_000), every.from + 5_000);
    assert.strictEqual(due(every, every.from + 9_999), every.from + 5_000);
  });

  it("is due at the very second of its expression, and not before it begins", () => {
    const noon = schedule({ cron: "0 12 * * *", from: at("2026-11-27T12:00:00Z") });
    assert.isUndefined(due(noon, at("2026-11-27T12:00:00Z")));
    assert.strictEqual(due(noon, at("2026-11-28T12:00:00Z")), at("2026-11-28T12:00:00Z"));
    assert.isUndefined(due(noon, at("2026-11-28T11:59:59.999Z")));
  });

  it("skips what was missed, or makes it up once, and neither while it is paused", () => {
    const hourly = schedule({ cron: "0 * * * *" });
    const late = at("2026-11-27T09:00:00Z") + lateMillis + 1;
    assert.isUndefined(due(hourly, late));
    assert.strictEqual(due(hourly, late - 1), at("2026-11-27T09:00:00Z"));
    assert.strictEqual(due({ ...hourly, missed: "once" }, late), at("2026-11-27T09:00:00Z"));
    for (const asked of [due, next]) assert.isUndefined(asked({ ...hourly, missed: "once", paused: true }, late));
  });

  it("names its tasks by itself and the instant", () => {
    assert.strictEqual(idOf("nightly", at("2026-11-28T02:00:00Z")), "nightly@2026-11-28T02:00:00.000Z");
  });

  it("is refused when it has no time, two, one that never comes, or what is no field of a request", () => {
    const decode = Schema.decodeUnknownResult(TaskSchedule, { onExcessProperty: "error" });
    const refused = (more: object) => Result.isFailure(decode({ ...schedule({}), ...more }));
    assert.isFalse(refused({ cron: "*/5 * * * *" }));
    assert.isTrue(refused({}));
    assert.isTrue(refused({ cron: "* * * * *", everyMillis: 1_000 }));
    for (const cron of ["", "soon", "0 0 30 2 *", "61 * * * *", "*".repeat(201)])
      assert.isTrue(refused({ cron }), cron);
    assert.isTrue(refused({ cron: "* * * * *", timezone: "Middle/Earth" }));
    for (const everyMillis of [999, 1.5, 1e12]) assert.isTrue(refused({ everyMillis }));
    assert.isTrue(refused({ everyMillis: 1_000, request: { agentType: "a", env: { KEY: "secret" } } }));
  });

  it("is refused when none of its tasks could be submitted, and when it begins at no date", () => {
    const decode = Schema.decodeUnknownResult(TaskSchedule, { onExcessProperty: "error" });
    const refused = (more: object) => Result.isFailure(decode({ ...schedule({ everyMillis: 1_000 }), ...more }));
    assert.isFalse(refused({ maxAttempts: 100, threadId: "t" }));
    for (const agentType of ["", "x".repeat(101)]) assert.isTrue(refused({ request: { agentType } }));
    assert.isTrue(refused({ request: { agentType: "a", timeoutSeconds: -1 } }));
    for (const maxAttempts of [0, 101]) assert.isTrue(refused({ maxAttempts }));
    assert.isTrue(refused({ threadId: "x".repeat(201) }));
    for (const from of [1e300, -1, 9e15]) assert.isTrue(refused({ from }));
  });
});
