/** An entry's id that stands for something else in the log costs nobody's import, and is never a silent duplicate. */
import { assert, describe, it } from "@effect/vitest";
import { Effect, Layer } from "effect";
import type { NewEvent } from "../../../src/domain/Event.ts";
import { AppendRefused, EventLog } from "../../../src/log/EventLog.ts";
import * as EventLogMemory from "../../../src/log/EventLogMemory.ts";
import { claudeLines, events, exported, folderOf, importAll, withLog, world } from "./World.ts";

const files = {
  "a.jsonl": claudeLines("a", 0, 3),
  "b.jsonl": claudeLines("b", 0, 3),
  "c.jsonl": claudeLines("c", 0, 3),
};

/** What an import of the folder would write, learnt in a log of another machine. */
const learnt = (folder: string) =>
  importAll(folder).pipe(Effect.andThen(events), Effect.provide(Layer.fresh(EventLogMemory.layer)));

const decoy = ({ id }: { readonly id: string }): NewEvent => ({
  id,
  type: "thread.renamed",
  source: "mallory",
  schemaVersion: 1,
  occurredAt: 0,
  body: '{"title":"decoy"}',
  actor: undefined,
  session: undefined,
  correlationId: undefined,
  causationId: undefined,
  traceparent: undefined,
});

describe("ids that somebody has taken before", () => {
  it.live("in the thread itself: the entries are kept under their second ids, once for everybody", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf(files);
      const victims = (yield* learnt(folder)).filter(({ history }) => history.id === "b");
      const log = yield* EventLog;
      const [first] = victims;
      if (first === undefined) return assert.fail("nothing was learnt");
      yield* log.append({ history: first.history, events: victims.map(decoy), expected: "any" });
      const report = yield* importAll(folder);
      assert.deepInclude(report, { eventsAppended: 9, duplicates: 0, renamed: 3 });
      assert.strictEqual(yield* exported("b"), files["b.jsonl"]);
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 0, duplicates: 9, renamed: 0 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("anywhere else: the log refuses that thread, and nothing but it is tried again", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf(files);
      const taken = (yield* learnt(folder)).find(({ history }) => history.id === "b")?.id;
      const refusing = withLog((log) => ({
        appendAll: (batch) =>
          batch.some((append) => append.events.some(({ id }) => id === taken))
            ? Effect.fail(new AppendRefused({ reason: "its id is taken" }))
            : log.appendAll(batch),
      }));
      const report = yield* importAll(folder).pipe(refusing);
      assert.deepInclude(report, { eventsAppended: 9, renamed: 3, refused: [] });
      assert.strictEqual(yield* exported("b"), files["b.jsonl"]);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("and what the log refuses for good is reported, with everything else in", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf(files);
      const refusing = withLog((log) => ({
        appendAll: (batch) =>
          batch.some(({ history }) => history.id === "b")
            ? Effect.fail(new AppendRefused({ reason: "never" }))
            : log.appendAll(batch),
      }));
      const report = yield* importAll(folder).pipe(refusing);
      assert.strictEqual(report.eventsAppended, 6);
      assert.lengthOf(report.refused, 1);
      assert.match(report.refused[0]?.reason ?? "", /3 entries are not taken by the log: never/);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("what it refuses once is appended by the next import, also where it took what comes behind it", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "long.jsonl": claudeLines("long", 0, 1200) });
      let batches = 0;
      const refusing = withLog((log) => ({
        appendAll: (batch) => {
          batches++;
          // The first batch under its own ids, and then under their second ones.
          return batches <= 2 ? Effect.fail(new AppendRefused({ reason: "too large" })) : log.appendAll(batch);
        },
      }));
      const first = yield* importAll(folder).pipe(refusing);
      assert.match(first.refused[0]?.reason ?? "", /entries are not taken by the log: too large/);
      assert.isBelow(first.eventsAppended, 1200);
      const second = yield* importAll(folder);
      assert.strictEqual(first.eventsAppended + second.eventsAppended, 1200);
      assert.lengthOf(new Set((yield* exported("long")).split("\n")), 1201);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});
