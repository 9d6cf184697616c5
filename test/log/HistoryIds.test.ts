import { assert, describe, it } from "@effect/vitest";
import * as HistoryIds from "../../src/log/append/HistoryIds.ts";
import { deliveryOf, parseHeaders } from "../../src/log/read/MessageNats.ts";

const known = (count: number): HistoryIds.KnownIds => ({
  since: 0,
  after: 0,
  upTo: count,
  covers: undefined,
  ids: new Map(Array.from({ length: count }, (_, index) => [`id ${index}`, index + 1])),
});

describe("HistoryIds", () => {
  it("forgets the longest unused history when there are too many ids, and never more than it must", () => {
    const ids = HistoryIds.make(10);
    ids.keep("a", known(3));
    ids.keep("b", known(3));
    ids.keep("a", known(4));
    ids.keep("c", known(3));
    assert.isUndefined(ids.get("b"));
    assert.strictEqual(ids.get("a")?.upTo, 4);
    assert.strictEqual(ids.get("c")?.upTo, 3);
    ids.forget("a");
    assert.isUndefined(ids.get("a"));
    ids.keep("d", known(5));
    assert.isDefined(ids.get("c"));
  });

  it("does not keep a history that is larger than all it may remember", () => {
    const ids = HistoryIds.make(10);
    ids.keep("a", known(10));
    assert.isUndefined(ids.get("a"));
  });
});

describe("what the client delivers", () => {
  it("is read from the raw headers: first value, trimmed, colons kept", () => {
    const block = "NATS/1.0 100 Idle\r\nA: 1\r\nA: 2\r\nTime: 10:11\r\nempty:\r\n\r\n";
    assert.deepEqual(parseHeaders(block), { A: "1", Time: "10:11", empty: "" });
    assert.deepEqual(parseHeaders("NATS/1.0\r\n\r\n"), {});
    assert.deepEqual(parseHeaders(""), {});
  });

  it("has its numbers in the reply subject, in the server's old form and in its new", () => {
    const expected = { sequence: 12, delivery: 7, nanos: "1795427288034123456" };
    assert.deepEqual(deliveryOf("$JS.ACK.S.c.1.12.7.1795427288034123456.0"), expected);
    assert.deepEqual(deliveryOf("$JS.ACK._.hash.S.c.1.12.7.1795427288034123456.0"), expected);
    assert.deepEqual(deliveryOf("$JS.ACK._.hash.S.c.1.12.7.1795427288034123456.0.token"), expected);
    assert.isUndefined(deliveryOf("$JS.FC.S.c.x"));
    assert.isUndefined(deliveryOf(""));
  });
});
