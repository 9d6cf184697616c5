/** From where on a history is read when somebody asks whether ids are in it already. */
import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect, Fiber, Latch } from "effect";
import { checkAll } from "../../src/log/append/AppendCheck.ts";
import { headersOf, type StoredMessage } from "../../src/log/Envelope.ts";
import type { StreamEnd } from "../../src/log/EventLog.ts";
import * as HistoryIds from "../../src/log/append/HistoryIds.ts";
import type { From } from "../../src/log/read/HistoryReadNats.ts";
import { presence, recall, type Writer } from "../../src/log/append/IdSearchNats.ts";
import { subjectOf } from "../../src/log/Subject.ts";
import { event, fresh, freshId } from "../contract/EventLogContract.ts";

const created = 1_700_000_000_000;
const hour = 3_600_000;

/** A history of a hundred events in a stream of as many, and what is read of it. */
const world = Effect.fnUntraced(function* (
  options: {
    /** Ids that are remembered at most. */
    readonly most?: number;
    /** Waited for before each page. */
    readonly gate?: Effect.Effect<void>;
    /** Written after the first reading. */
    readonly late?: StoredMessage;
  } = {},
) {
  const history = fresh();
  const now = yield* Clock.currentTimeMillis;
  const held = Array.from({ length: 100 }, (_, index): StoredMessage => {
    const mine = event(freshId(now - 2 * hour));
    const subject = subjectOf(history);
    return {
      sequence: index + 1,
      recordedAt: now,
      subject,
      headers: headersOf(mine, history),
      body: Buffer.from("{}"),
    };
  });
  const read: Array<From> = [];
  const facts = {
    name: "S",
    created,
    replicas: 1,
    firstSequence: 1,
    lastSequence: 100,
    messages: 100,
    bytes: 0,
    firstAt: 0,
    duplicateWindowMillis: 120_000,
    clockSkewMillis: 0,
    learntAt: now,
  };
  const writer = {
    read: {
      pages: (_subject: string, from: From) => {
        read.push(from);
        let page: ReadonlyArray<StoredMessage> = held.filter(
          ({ sequence }) => !("after" in from) || sequence > from.after,
        );
        return Effect.andThen(
          options.gate ?? Effect.void,
          Effect.sync(() => {
            const given = page;
            page = [];
            if (given.length === 0 && options.late !== undefined && !held.includes(options.late))
              held.push(options.late);
            return given;
          }),
        );
      },
      last: () => Effect.succeed(held.at(-1)),
    },
    remembered: HistoryIds.make(options.most),
    facts: () => facts,
    learn: Effect.succeed(facts),
  } as unknown as Writer;
  /** Looks for the id of the event at a sequence, or for a new one. */
  const look = Effect.fnUntraced(function* (given: {
    readonly of?: number;
    readonly id?: string;
    readonly after?: StreamEnd;
  }) {
    const stored = given.of === undefined ? given.id : held[given.of - 1]?.headers["ce-id"];
    const one = event(stored ?? freshId(now - 2 * hour));
    const append = { history, events: [one], expected: "any", after: given.after } as const;
    const [checked] = yield* Effect.fromResult(checkAll([append], 1e6));
    if (checked === undefined) return assert.fail();
    const { known } = yield* recall(writer, checked);
    return presence(checked, known.ids);
  });
  return { look, read };
});

const wasRead = (read: ReadonlyArray<From>) => read.map((from) => ("after" in from ? from.after : "since"));

describe("whether ids are in a history", () => {
  it.live("is looked for behind the end that the append names, once", () =>
    Effect.gen(function* () {
      const { look, read } = yield* world();
      assert.deepInclude(yield* look({ of: 95, after: { created, sequence: 90 } }), { all: true, sequence: 95 });
      assert.isTrue((yield* look({ after: { created, sequence: 93 } })).none);
      assert.deepStrictEqual(wasRead(read), [90]);
      // What is remembered does not reach far enough back for this one.
      assert.isTrue((yield* look({ of: 85, after: { created, sequence: 80 } })).all);
      assert.deepStrictEqual(wasRead(read), [90, 80]);
    }),
  );

  it.live(
    "is looked for by their times where the append names no end, one of another stream, or one beyond its end",
    () =>
      Effect.gen(function* () {
        for (const after of [undefined, { created: created - 1, sequence: 90 }, { created, sequence: 101 }]) {
          const { look, read } = yield* world();
          assert.isTrue((yield* look({ of: 3, ...(after === undefined ? {} : { after }) })).all);
          assert.deepStrictEqual(wasRead(read), ["since"]);
        }
      }),
  );

  it.live("is not taken from a part of the history that begins later than the times of the ids", () =>
    Effect.gen(function* () {
      const { look, read } = yield* world();
      yield* look({ after: { created, sequence: 90 } });
      assert.isTrue((yield* look({ of: 3 })).all);
      assert.deepStrictEqual(wasRead(read), [90, "since"]);
    }),
  );

  it.live("is read once for all who ask meanwhile, also when those who asked first have given up", () =>
    Effect.gen(function* () {
      const isOpen = yield* Latch.make(false);
      const { look, read } = yield* world({ gate: isOpen.await });
      const asking = yield* Effect.forEach([3, 4, 5], (of) =>
        Effect.forkChild(look({ of, after: { created, sequence: 0 } }), { startImmediately: true }),
      );
      yield* isOpen.open;
      const found = yield* Effect.forEach(asking, Fiber.join);
      assert.deepStrictEqual(
        found.map(({ sequence }) => sequence),
        [3, 4, 5],
      );
      assert.deepStrictEqual(wasRead(read), [0]);
    }),
  );

  it.live("is remembered of the ids that were looked for where a history has more than are held", () =>
    Effect.gen(function* () {
      const { look, read } = yield* world({ most: 40 });
      const id = "made by its caller";
      for (let times = 0; times < 3; times++) assert.isTrue((yield* look({ id })).none);
      assert.deepStrictEqual(wasRead(read), [0]);
      // Of another one nothing is known.
      assert.deepInclude(yield* look({ of: 50, after: { created, sequence: 0 } }), { all: true, sequence: 50 });
      assert.deepStrictEqual(wasRead(read), [0, 0]);
    }),
  );

  it.live("is not overlooked when it is written between the reading and the question for the end", () =>
    Effect.gen(function* () {
      const mine = event(freshId(created));
      const history = fresh();
      const late: StoredMessage = {
        sequence: 101,
        recordedAt: created,
        subject: subjectOf(history),
        headers: headersOf(mine, history),
        body: Buffer.from("{}"),
      };
      const { look } = yield* world({ late });
      assert.deepInclude(yield* look({ id: mine.id, after: { created, sequence: 100 } }), { all: true, sequence: 101 });
    }),
  );
});
