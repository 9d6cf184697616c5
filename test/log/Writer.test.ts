/** What an append does with each answer of the server, also those that a real one gives once in a thousand runs. */
import { assert, describe, it } from "@effect/vitest";
import type { Msg, MsgHdrs, MsgHdrsImpl, NatsConnection as Client } from "@nats-io/transport-node";
import { Effect, Fiber } from "effect";
import { TestClock } from "effect/testing";
import { fromContent } from "../../src/domain/EventId.ts";
import { checkAll } from "../../src/log/append/AppendCheck.ts";
import { bodyOf, headersOf, type StoredMessage } from "../../src/log/Envelope.ts";
import type { Append } from "../../src/log/EventLog.ts";
import type { NoAnswer } from "../../src/log/connection/RepliesNats.ts";
import type { Link } from "../../src/log/connection/NatsConnectionNats.ts";
import * as HistoryIds from "../../src/log/append/HistoryIds.ts";
import { subjectOf } from "../../src/log/Subject.ts";
import type { Writer } from "../../src/log/append/IdSearchNats.ts";
import * as GroupCommit from "../../src/log/append/GroupCommitNats.ts";
import { event, events, fresh } from "../contract/EventLogContract.ts";
import { withWall } from "../support/wallClock.ts";

const refusal = (code: number, err_code: number, description: string) =>
  JSON.stringify({ error: { code, err_code, description } });
const inFlight = refusal(400, 10164, "wrong last sequence");
const known = refusal(400, 10201, "atomic publish contains duplicate message id");
const ack = (seq: number) => JSON.stringify({ stream: "S", seq });

/** An answer, or why there is none. */
type Reply = string | NoAnswer | (() => string);
const noAnswer = (why: NoAnswer["why"], reason: string): NoAnswer => ({ _tag: "NoAnswer", why, reason });

/** A server that gives these answers, one after another and the last for ever, and holds these messages. */
const server = (says: ReadonlyArray<Reply>, held: ReadonlyArray<StoredMessage> = []) => {
  let asked = 0;
  let opened = 0;
  const waiting = new Map<string, Parameters<Link["replies"]["open"]>[0]>();
  const replies: Link["replies"] = {
    open: (one) => {
      const reply = `_INBOX.${opened++}`;
      waiting.set(reply, one);
      return { reply, close: () => waiting.delete(reply) };
    },
  };
  const expected: Array<string> = [];
  const answer = (reply: string, headers: Uint8Array) => {
    const one = waiting.get(reply);
    const said = /Nats-Expected-Last-Subject-Sequence: (\d+)/.exec(Buffer.from(headers).toString("latin1"));
    if (said?.[1] !== undefined) expected.push(said[1]);
    const begins = Buffer.from(headers).includes("Nats-Batch-Sequence: 1\r\n");
    const next = begins ? "" : (says[Math.min(asked++, says.length - 1)] ?? "");
    if (typeof next === "object") return one?.onNoAnswer(next);
    const text = typeof next === "string" ? next : next();
    one?.onMessage({ data: Buffer.from(text), string: () => text } as unknown as Msg);
  };
  const nc = {
    publish: (_subject: string, _payload: unknown, options: { readonly reply?: string; readonly headers: MsgHdrs }) => {
      const { headers, reply } = options;
      if (reply !== undefined) queueMicrotask(() => answer(reply, (headers as MsgHdrsImpl).encode()));
    },
  };
  const facts = {
    name: "S",
    created: 0,
    replicas: 3,
    firstSequence: 0,
    lastSequence: 0,
    messages: 0,
    bytes: 0,
    firstAt: 0,
    duplicateWindowMillis: 600_000,
    clockSkewMillis: 0,
    learntAt: 0,
  };
  const writer: Writer = {
    publisher: {
      nc: nc as unknown as Client,
      link: {
        connected: true,
        refused: undefined,
        lostAt: undefined,
        onLost: () => () => undefined,
        doubt: () => undefined,
        replies,
        route: (subject) => subject,
        writes: (subject) => subject,
      },
      timeoutMillis: 2_500,
    },
    read: {
      pages: (subject, from) => {
        let done = false;
        return Effect.sync(() => {
          if (done) return [];
          done = true;
          return held.filter((one) => one.subject === subject && (!("after" in from) || one.sequence > from.after));
        });
      },
      last: (subject) => Effect.succeed(held.findLast((one) => one.subject === subject)),
      ends: (subjects) =>
        Effect.succeed(
          new Map(
            held.filter(({ subject }) => subjects.includes(subject)).map((message) => [message.subject, message]),
          ),
        ),
      countBehind: () => Effect.succeed(0),
      next: () => Effect.succeed(undefined),
      at: (sequence) => Effect.succeed(held.find((one) => one.sequence === sequence)),
      wrote: () => undefined,
    },
    remembered: HistoryIds.make(),
    facts: () => facts,
    learn: Effect.succeed(facts),
  };
  return { writer, asked: () => asked, expected };
};

const run = (writer: Writer, append: Append) =>
  Effect.gen(function* () {
    const groups = yield* GroupCommit.make(writer);
    const appending = yield* Effect.forkChild(groups.write(() => checkAll([append], 1e6)));
    // Real promises and a clock of ours take turns.
    for (let turn = 0; turn < 200 && appending.pollUnsafe() === undefined; turn++) {
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)));
      yield* TestClock.adjust("1 second");
    }
    return yield* Fiber.join(appending);
  });

const append = (count = 1): Append => ({ history: fresh(), events: events(count), expected: 0 });

describe("an append", () => {
  it.effect("tries again when the same history is in flight at the three, and is no conflict", () =>
    Effect.gen(function* () {
      const { asked, writer } = server([inFlight, inFlight, ack(7)]);
      assert.deepEqual(yield* run(writer, append()), [{ sequence: 7, duplicate: false }]);
      assert.strictEqual(asked(), 3);
    }),
  );

  it.effect("takes no answer for success that names no place in the stream", () =>
    Effect.gen(function* () {
      for (const said of ["{}", "null", '{"stream":"S"}', '{"stream":"S","seq":0}', '{"stream":"S","seq":"7"}'])
        for (const count of [1, 2])
          assert.strictEqual((yield* Effect.flip(run(server([said]).writer, append(count))))._tag, "LogUnavailable");
    }),
  );

  it.effect("finds its own event when that was what was in flight", () =>
    Effect.gen(function* () {
      const one = append();
      const [mine = event()] = one.events;
      const stored = {
        sequence: 9,
        recordedAt: 1,
        subject: subjectOf(one.history),
        headers: headersOf(mine, one.history),
        body: bodyOf(mine),
      };
      const { writer } = server([inFlight], [stored]);
      assert.deepEqual(yield* run(writer, one), [{ sequence: 9, duplicate: true }]);
      const other = server([inFlight], [{ ...stored, body: new Uint8Array() }]);
      assert.strictEqual((yield* Effect.flip(run(other.writer, one)))._tag, "AppendRefused");
    }),
  );

  it.effect(
    "is written where another event has the place at which it is remembered, since the stream was rolled back",
    () =>
      Effect.gen(function* () {
        for (const id of [fromContent("of an import"), "made by its caller"]) {
          const history = fresh();
          const subject = subjectOf(history);
          const other = event();
          const stored = {
            sequence: 9,
            recordedAt: 1,
            subject,
            headers: headersOf(other, history),
            body: bodyOf(other),
          };
          const { writer } = server([ack(10)], [stored]);
          const ids = new Map([[id, 9]]);
          const whole = { since: Number.NEGATIVE_INFINITY, after: 0, covers: undefined };
          writer.remembered.keep(subject, { ...whole, upTo: 9, ids });
          const written = yield* run(writer, { history, events: [event(id)], expected: "any" });
          assert.deepEqual(written, [{ sequence: 10, duplicate: false }]);
        }
      }),
  );

  it.effect(
    "goes behind the end of a history that is remembered, and not again where its id is among those there",
    () =>
      Effect.gen(function* () {
        const [there, other] = [event(fromContent("there")), event(fromContent("new"))];
        const history = fresh();
        const subject = subjectOf(history);
        const headersThere = headersOf(there, history);
        const stored = { sequence: 9, recordedAt: 1, subject, headers: headersThere, body: bodyOf(there) };
        const { asked, expected, writer } = server([ack(12)], [stored]);
        const whole = { since: Number.NEGATIVE_INFINITY, after: 0, covers: undefined, upTo: 11 };
        writer.remembered.keep(subject, { ...whole, ids: new Map([[there.id, 9]]) });
        const write = (one: typeof there) => run(writer, { history, events: [one], expected: "any" });
        assert.deepEqual(yield* write(there), [{ sequence: 9, duplicate: true }]);
        assert.strictEqual(asked(), 0);
        assert.deepEqual(yield* write(other), [{ sequence: 12, duplicate: false }]);
        assert.deepEqual(expected, ["11"]);
      }),
  );

  it.effect("is unavailable, and no conflict, when something is in flight for ever", () =>
    Effect.gen(function* () {
      const { asked, writer } = server([inFlight]);
      const error = yield* Effect.flip(run(writer, append()));
      assert.strictEqual(error._tag, "LogUnavailable");
      assert.isAtLeast(asked(), 5);
    }),
  );

  it.effect("doubts that an id is known for a while, then refuses it", () =>
    Effect.gen(function* () {
      const later = server([known, known, ack(3)]);
      assert.deepEqual(yield* run(later.writer, append(3)), [{ sequence: 3, duplicate: false }]);
      const never = server([known]);
      assert.strictEqual((yield* Effect.flip(run(never.writer, append(3))))._tag, "AppendRefused");
    }),
  );

  const passing: ReadonlyArray<readonly [string, Reply]> = [
    ["nobody leads the stream", noAnswer("nobody", "nobody serves the stream")],
    ["no answer comes", noAnswer("silent", "no answer in time")],
    ["the server has too much to do", refusal(429, 10210, "too many inflight")],
    ["the cluster has no leader", refusal(503, 10008, "JetStream system temporarily unavailable")],
    ["the id is being written at this moment", refusal(409, 10158, "duplicate message id is in process")],
  ];
  for (const [title, reply] of passing) {
    it.effect(`tries again when ${title}, and gives up after 15 s`, () =>
      Effect.gen(function* () {
        const brief = server([reply, reply, ack(5)]);
        assert.deepEqual(yield* run(brief.writer, append()), [{ sequence: 5, duplicate: false }]);
        const lasting = server([reply]);
        assert.strictEqual((yield* Effect.flip(run(lasting.writer, append())))._tag, "LogUnavailable");
        assert.isAtMost(lasting.asked(), 60);
      }),
    );
  }

  it.effect("gives up after 15 s also when the wall clock is set back meanwhile", () =>
    Effect.gen(function* () {
      let wall = 1e12;
      const lasting = server([noAnswer("nobody", "nobody serves the stream")]);
      const error = yield* Effect.flip(run(lasting.writer, append()).pipe(withWall(() => (wall -= 1_000))));
      assert.strictEqual(error._tag, "LogUnavailable");
      assert.isAtMost(lasting.asked(), 60);
    }),
  );

  it.effect("has not waited too long because the wall clock was set forward", () =>
    Effect.gen(function* () {
      let wall = 1e12;
      const changed = () => {
        wall += 3_600_000;
        return ack(5);
      };
      const groups = yield* GroupCommit.make(server([changed, ack(6)]).writer).pipe(withWall(() => wall));
      // The second one waits for the first: they are of one history, and expect something each.
      const first = append();
      const second = { ...first, events: [event()], expected: 5 };
      const written = yield* Effect.forEach([first, second], (one) => groups.write(() => checkAll([one], 1e6)), {
        concurrency: "unbounded",
      });
      assert.deepEqual(
        written.flat().map(({ sequence }) => sequence),
        [5, 6],
      );
    }),
  );

  it.effect("gives up at once, with a hint, when there is no room", () =>
    Effect.gen(function* () {
      for (const reply of [
        refusal(503, 10047, "insufficient storage resources available"),
        refusal(503, 10077, "maximum bytes exceeded"),
      ]) {
        const { asked, writer } = server([reply]);
        const error = yield* Effect.flip(run(writer, append()));
        assert.strictEqual(error._tag, "LogUnavailable");
        assert.isNotEmpty("hint" in error ? error.hint : "");
        assert.strictEqual(asked(), 1);
      }
    }),
  );

  it.effect("is refused when it is larger than the stream takes", () =>
    Effect.gen(function* () {
      const { writer } = server([refusal(400, 10054, "message size exceeds maximum allowed")]);
      assert.strictEqual((yield* Effect.flip(run(writer, append())))._tag, "AppendRefused");
    }),
  );

  it.effect("survives an answer that is not JSON", () =>
    Effect.gen(function* () {
      const { writer } = server(["<html>"]);
      assert.strictEqual((yield* Effect.flip(run(writer, append())))._tag, "LogUnavailable");
    }),
  );
});
