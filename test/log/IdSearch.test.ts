/** From where on a history is read when somebody asks whether ids are in it already. */
import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect } from "effect";
import { checkAll } from "../../src/log/AppendCheck.ts";
import { headersOf, type StoredMessage } from "../../src/log/Envelope.ts";
import type { StreamEnd } from "../../src/log/EventLog.ts";
import * as HistoryIds from "../../src/log/HistoryIds.ts";
import type { From } from "../../src/log/HistoryReadNats.ts";
import { presence, recall, type Writer } from "../../src/log/IdSearchNats.ts";
import { subjectOf } from "../../src/log/Subject.ts";
import { event, fresh, freshId } from "../contract/EventLogContract.ts";

const created = 1_700_000_000_000;
const hour = 3_600_000;

/** A history of a hundred events in a stream of as many, and what is read of it. */
const world = Effect.fnUntraced(function* () {
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
        return Effect.sync(() => {
          const given = page;
          page = [];
          return given;
        });
      },
      last: () => Effect.succeed(held.at(-1)),
    },
    remembered: HistoryIds.make(),
    facts: () => facts,
    learn: Effect.succeed(facts),
  } as unknown as Writer;
  /** Looks for the id of the event at a sequence, or for a new one. */
  const look = Effect.fnUntraced(function* (options: { readonly of?: number; readonly after?: StreamEnd }) {
    const stored = options.of === undefined ? undefined : held[options.of - 1]?.headers["ce-id"];
    const one = event(stored ?? freshId(now - 2 * hour));
    const append = { history, events: [one], expected: "any", after: options.after } as const;
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
});
