import { assert, describe, it } from "@effect/vitest";
import { Cause, Exit, Result } from "effect";
import { checkAll } from "../../src/log/append/AppendCheck.ts";
import { type Append, LogUnavailable } from "../../src/log/EventLog.ts";
import { PendingAppend, type Settled, WaitingAppends } from "../../src/log/append/WaitingAppends.ts";
import { events, fresh } from "../contract/EventLogContract.ts";

const told: Array<Settled> = [];

const pending = (appends: ReadonlyArray<Append>, since = 0): PendingAppend => {
  const checked = Result.getOrThrow(checkAll(appends, 1e6));
  const append = new PendingAppend({ checked, since, tell: (settled) => told.push(settled) });
  append.isReady = true;
  return append;
};

const to = (history: Append["history"], expected: Append["expected"] = 0, count = 1): Append => ({
  history,
  events: events(count),
  expected,
});

const all = { appends: 100, events: 100, bytes: 1e6, sameHistory: true };

const waiting = (...appends: ReadonlyArray<PendingAppend>): WaitingAppends => {
  const queue = new WaitingAppends();
  for (const append of appends) queue.add(append);
  return queue;
};

describe("appends that wait", () => {
  it("are taken in order, as many as may go", () => {
    const appends = Array.from({ length: 5 }, () => pending([to(fresh(), 0, 2)]));
    const queue = waiting(...appends);
    assert.deepEqual(queue.take({ ...all, appends: 2 }), appends.slice(0, 2));
    assert.deepEqual(queue.take({ ...all, events: 5 }), appends.slice(2, 4));
    assert.deepEqual(queue.take({ ...all, events: 1 }), appends.slice(4), "one that is too large goes alone");
    assert.strictEqual(queue.size, 0);
  });

  it("wait for what is on its way in their history, and hold back nobody else", () => {
    const history = fresh();
    const [first, second, other] = [pending([to(history)]), pending([to(history)]), pending([to(fresh())])];
    const queue = waiting(first, second, other);
    assert.deepEqual(queue.take(all), [first, other]);
    assert.deepEqual(queue.take(all), []);
    queue.release(first);
    assert.deepEqual(queue.take(all), [second]);
  });

  it("go together with what is before them in their history only when they expect nothing of their own", () => {
    const history = fresh();
    const [one, any, another] = [pending([to(history)]), pending([to(history, "any")]), pending([to(history)])];
    const later = pending([to(history, "any")]);
    const queue = waiting(one, any, another, later);
    assert.deepEqual(queue.take(all), [one, any], "the last one must not overtake the one before it");
    const alone = waiting(pending([to(history, "any")]), pending([to(history, "any")]));
    assert.lengthOf(alone.take({ ...all, sameHistory: false }), 1);
  });

  it("hold back later ones of their histories while they are not ready", () => {
    const [a, b] = [fresh(), fresh()];
    const notReady = pending([to(a), to(b)]);
    notReady.isReady = false;
    const later = pending([to(b, "any")]);
    const queue = waiting(notReady, later);
    assert.deepEqual(queue.take(all), []);
    notReady.isReady = true;
    assert.deepEqual(queue.take(all), [notReady, later]);
  });

  it("are put back before all others, and are dropped when nobody waits for them any more", () => {
    const [first, second, third] = [pending([to(fresh())]), pending([to(fresh())]), pending([to(fresh())])];
    const queue = waiting(first, second, third);
    queue.putBack(queue.take({ ...all, appends: 2 }));
    second.abandon();
    assert.deepEqual(queue.take(all), [first, third]);
  });

  it("are told once what became of them", () => {
    told.length = 0;
    const append = pending([to(fresh())]);
    append.fail(Cause.fail(new LogUnavailable({ reason: "a test" })));
    append.succeed();
    assert.lengthOf(told, 1);
    assert.isTrue(told.every(Exit.isFailure));
    assert.isTrue(append.isOver);
  });

  it("are found by their age", () => {
    const [old, young] = [pending([to(fresh())], 10), pending([to(fresh())], 20)];
    const queue = waiting(old, young);
    assert.deepEqual(queue.takeOlder(10), []);
    assert.deepEqual(queue.takeOlder(15), [old]);
    assert.deepEqual(queue.take(all), [young]);
  });
});
