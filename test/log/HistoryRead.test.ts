/** Reading when copies disagree: what a cluster does seldom, a made-up one does each time. */
import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber } from "effect";
import { TestClock } from "effect/testing";
import type { DirectGet, Selector } from "../../src/log/read/DirectGetNats.ts";
import type { StoredMessage } from "../../src/log/Envelope.ts";
import * as HistoryRead from "../../src/log/read/HistoryReadNats.ts";
import type { StreamFacts } from "../../src/log/connection/StreamNats.ts";

const facts: StreamFacts = {
  name: "S",
  created: 0,
  replicas: 3,
  firstSequence: 1,
  lastSequence: 10,
  messages: 10,
  bytes: 0,
  firstAt: 1,
  duplicateWindowMillis: 1,
  clockSkewMillis: 0,
  learntAt: 0,
};

const message = (sequence: number): StoredMessage => ({
  sequence,
  subject: "s",
  recordedAt: sequence,
  headers: {},
  body: new Uint8Array(),
});

/** Ten messages at the leader; `copy` says how many of them the copy has that answers its n-th question. */
const cluster = (copy: (question: number) => number, leader = (_question: number) => 10) => {
  let questions = 0;
  let leaderQuestions = 0;
  const from = (selector: Selector) =>
    "seq" in selector ? selector.seq : Date.parse("start_time" in selector ? selector.start_time : "");
  const get: DirectGet = {
    one: (_stream, selector, source) =>
      Effect.sync(() => {
        const has = source === "leader" ? leader(leaderQuestions++) : copy(questions++);
        const sequence = "last_by_subj" in selector ? has : from(selector);
        return sequence < 1 || sequence > has ? undefined : message(sequence);
      }),
    batch: (_stream, selector, most = 4) =>
      Effect.sync(() => {
        const has = copy(questions++);
        const found = [];
        for (let sequence = from(selector); sequence <= has && found.length < Math.min(most, 4); sequence++) {
          found.push({ ...message(sequence), pending: has - sequence });
        }
        return found;
      }),
  };
  return HistoryRead.make({ get, stream: "S", facts: () => facts });
};

/** All pages, in a time that passes by itself. */
const readAll = (read: HistoryRead.HistoryRead, from: HistoryRead.From = { after: 0 }) =>
  Effect.gen(function* () {
    const reading = yield* Effect.forkChild(
      Effect.gen(function* () {
        const pages = read.pages("s", from);
        const all: Array<number> = [];
        for (let page = yield* pages; page.length > 0; page = yield* pages)
          all.push(...page.map(({ sequence }) => sequence));
        return all;
      }),
    );
    yield* TestClock.adjust("2 minutes");
    return yield* Fiber.join(reading);
  });

const ten = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

describe("reading a history of three copies", () => {
  it.effect("waits for a copy that is behind", () =>
    Effect.gen(function* () {
      assert.deepEqual(yield* readAll(cluster((question) => Math.min(10, question))), ten);
    }),
  );

  it.effect("asks the leader event by event when no copy catches up", () =>
    Effect.gen(function* () {
      assert.deepEqual(yield* readAll(cluster(() => 7)), ten);
      assert.deepEqual(yield* readAll(cluster(() => 0)), ten);
    }),
  );

  it.effect("ends where the history ended when the read began, though a copy has more by now", () =>
    Effect.gen(function* () {
      assert.deepEqual(yield* readAll(cluster(() => 12)), ten);
      assert.deepEqual(
        yield* readAll(
          cluster(() => 12),
          { after: 8 },
        ),
        [9, 10],
      );
      assert.deepEqual(
        yield* readAll(
          cluster(() => 12),
          { after: 10 },
        ),
        [],
      );
      assert.deepEqual(
        yield* readAll(
          cluster(() => 10),
          { since: 9 },
        ),
        [9, 10],
      );
      assert.deepEqual(
        yield* readAll(
          cluster(() => 10),
          { since: 11 },
        ),
        [],
      );
    }),
  );

  it.effect("waits for a new leader that has not yet applied what this process appended", () =>
    Effect.gen(function* () {
      const read = cluster(
        () => 10,
        (question) => (question < 3 ? 9 : 10),
      );
      read.wrote("s", 10);
      const last = yield* Effect.forkChild(read.last("s"));
      yield* TestClock.adjust("1 minute");
      assert.strictEqual((yield* Fiber.join(last))?.sequence, 10);
    }),
  );
});
