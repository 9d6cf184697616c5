import { assert, describe, it } from "@effect/vitest";
import { Effect, Exit, Fiber, Layer, Result, Schema, Scope, Stream } from "effect";
import { TestClock } from "effect/testing";
import type { Delta } from "../../src/domain/thread/Draft.ts";
import { partsOf } from "../../src/domain/thread/ThreadMessage.ts";
import * as History from "../../src/domain/History.ts";
import * as Thread from "../../src/domain/thread/Thread.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { mostCheckpoints } from "../../src/publish/thread/AnswerPublisher.ts";
import * as AnswerJournal from "../../src/publish/thread/AnswerJournal.ts";
import { thread } from "../../src/publish/thread/ThreadPublisher.ts";
import { folded } from "../projection/World.ts";
import { hasChunks, recordedAnswers } from "./streamChunks.ts";
import { LogSwitch } from "./SwitchableLog.ts";
import * as World from "./World.ts";

if (!hasChunks) {
  console.warn("SKIPPED: the recorded answers of providers are not there; set RECOLLECT_TEST_DATA to their folder");
}

const journalOf = (folder: string): AnswerJournal.Options => ({ folder: `${folder}/answers`, target: "test" });

/** A publisher on a log in memory, with a journal in a folder of its own; time is the test's. */
const withAnswers =
  (to = new LogSwitch()) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const folder = yield* World.temporaryFolder;
      const publisher = World.publisher({ folder, to, patienceMillis: 60_000_000 });
      const there = Layer.merge(publisher, AnswerJournal.layer(journalOf(folder)));
      return yield* Effect.scoped(effect).pipe(Effect.provide(there.pipe(Layer.provideMerge(EventLogMemory.layer))));
    });

const stopReasons = (events: ReadonlyArray<Parameters<typeof World.dataOf>[0]>) =>
  events.map((event) => World.dataOf(event)["stopReason"]);

const textOf = (deltas: ReadonlyArray<Delta>, type: Delta["type"] = "text") =>
  deltas.flatMap((delta) => (delta.type === type ? [delta.text] : [])).join("");

/** What a thread's only message says, as a reader of the thread sees it. */
const messageOf = (events: ReadonlyArray<Parameters<typeof World.dataOf>[0]>) => {
  const [first] = events;
  if (first === undefined) throw new Error("nothing was said");
  const { messages } = Thread.fold(Thread.empty(first.history), events).window;
  assert.lengthOf(messages, 1);
  return { stopReason: messages[0]?.stopReason, parts: partsOf(messages[0] ?? { segments: [] }) };
};

describe("an answer said bit by bit", () => {
  it.effect("is one event when it is quick, and nothing tells it from one that was said whole", () =>
    Effect.gen(function* () {
      const usage = { input: 5, output: 2 };
      const bitwise = yield* thread("bitwise");
      const answer = yield* bitwise.answer({ role: "assistant", model: "m-1", messageId: "a" });
      assert.isTrue(yield* answer.delta({ type: "thinking", text: "Is it " }));
      yield* answer.delta({ type: "thinking", text: "wet?" });
      yield* answer.deltas(Stream.make("Ye", "s, take ", "an umbrella."));
      yield* answer.delta({ type: "tool_use", callId: "c1", name: "umbrella", text: '{"col' });
      yield* answer.delta({ type: "tool_use", callId: "c2", name: "hat", text: "" });
      yield* answer.delta({ type: "tool_use", callId: "c1", text: 'our":"red"}' });
      assert.strictEqual(answer.text(), "Yes, take an umbrella.");
      yield* answer.complete({ usage, stopReason: "tool_use" });
      const whole = yield* thread("whole");
      yield* whole.say({
        role: "assistant",
        model: "m-1",
        messageId: "a",
        parts: [
          { type: "thinking", text: "Is it wet?" },
          { type: "text", text: "Yes, take an umbrella." },
          { type: "tool_use", callId: "c1", name: "umbrella", arguments: { colour: "red" } },
          { type: "tool_use", callId: "c2", name: "hat", arguments: {} },
        ],
        usage,
        stopReason: "tool_use",
      });
      const [said] = yield* World.eventsOf(History.thread("bitwise"));
      const [saidWhole] = yield* World.eventsOf(History.thread("whole"));
      assert.isDefined(said);
      assert.deepStrictEqual(said && World.dataOf(said), saidWhole && World.dataOf(saidWhole));
      assert.lengthOf(yield* World.eventsOf(History.thread("bitwise")), 1);
    }).pipe(withAnswers()),
  );

  it.effect("is at most ten events, however long it takes, and the last one holds all of it", () =>
    Effect.gen(function* () {
      const talk = yield* thread("long");
      const answer = yield* talk.answer({ role: "assistant" });
      let said = "";
      for (let second = 0; second < 40_000; second += second < 30 ? 1 : 20) {
        said += `${second} `;
        yield* answer.delta(`${second} `);
        yield* TestClock.adjust(second < 30 ? 1_000 : 20_000);
      }
      yield* answer.complete({ usage: { output: 5_000 } });
      const events = yield* World.eventsOf(History.thread("long"));
      assert.lengthOf(events, mostCheckpoints + 1);
      assert.isAtMost(events.length, 10);
      assert.deepStrictEqual(stopReasons(events), [...Array(mostCheckpoints).fill("unfinished"), "stop"]);
      assert.deepStrictEqual(messageOf(events), { stopReason: "stop", parts: [{ type: "text", text: said }] });
      const bytes = events.reduce((sum, { body }) => sum + body.byteLength, 0);
      assert.isBelow(bytes, 2.6 * said.length);
    }).pipe(withAnswers()),
  );

  it.effect("is in the log while it is said, up to a third of its time at worst, as unfinished", () =>
    Effect.gen(function* () {
      const talk = yield* thread("half");
      const answer = yield* talk.answer({ role: "assistant" });
      for (let second = 1; second <= 100; second++) {
        yield* answer.delta(".");
        yield* TestClock.adjust(1_000);
        const events = yield* World.eventsOf(History.thread("half"));
        const { parts, stopReason } = messageOf(events);
        assert.strictEqual(stopReason, "unfinished");
        const there = parts[0]?.type === "text" ? parts[0].text.length : 0;
        assert.isAtLeast(there, Math.floor(second / 3));
      }
      yield* answer.abort();
    }).pipe(withAnswers()),
  );

  it.effect("ends with its end, also when a checkpoint is due while the log is slow to take it", () => {
    const to = new LogSwitch();
    return Effect.gen(function* () {
      yield* (yield* thread("before")).say({ role: "user", text: "the log has answered once" });
      const asked = to.asked.length;
      const answer = yield* (yield* thread("slow end")).answer({ role: "assistant" });
      yield* answer.delta("all of it");
      to.position = { slowMillis: 5_000 };
      yield* TestClock.adjust(900);
      const ending = yield* Effect.forkChild(answer.complete());
      while (to.asked.length === asked) yield* Effect.promise(() => new Promise((done) => setImmediate(done)));
      yield* TestClock.adjust(20_000);
      yield* Fiber.join(ending);
      assert.deepStrictEqual(stopReasons(yield* World.eventsOf(History.thread("slow end"))), ["stop"]);
    }).pipe(withAnswers(to));
  });

  it.effect("adds no checkpoint while nothing new was said", () =>
    Effect.gen(function* () {
      const talk = yield* thread("pausing");
      const answer = yield* talk.answer({ role: "assistant" });
      yield* TestClock.adjust("1 hour");
      yield* answer.delta("Wait");
      yield* TestClock.adjust("1 hour");
      yield* answer.complete();
      const events = yield* World.eventsOf(History.thread("pausing"));
      assert.deepStrictEqual(stopReasons(events), ["unfinished", "stop"]);
    }).pipe(withAnswers()),
  );

  it.effect(
    "reads in the read models as unfinished, then as if it had come whole, its tokens and calls counted once",
    () =>
      Effect.gen(function* () {
        const talk = yield* thread("rows");
        const answer = yield* talk.answer({ role: "assistant", model: "m-1" });
        yield* answer.delta("Let me ");
        yield* answer.delta({ type: "tool_use", callId: "c", name: "look", text: '{"in":"the ' });
        yield* TestClock.adjust(1_000);
        const middle = yield* folded(yield* World.eventsOf(History.thread("rows")));
        assert.deepStrictEqual(middle.rows("SELECT text, stop_reason FROM v_messages"), [
          { text: "Let me ", stop_reason: "unfinished" },
        ]);
        assert.lengthOf(middle.rows("SELECT * FROM v_tool_calls"), 0);
        yield* answer.delta({ type: "tool_use", callId: "c", text: 'attic"}' });
        yield* TestClock.adjust(2_000);
        yield* answer.complete({ usage: { input: 7, output: 3 }, stopReason: "tool_use" });
        const events = yield* World.eventsOf(History.thread("rows"));
        assert.lengthOf(events, 3);
        const after = yield* folded(events);
        assert.deepStrictEqual(after.rows("SELECT text, stop_reason FROM v_messages"), [
          { text: "Let me ", stop_reason: "tool_use" },
        ]);
        assert.deepStrictEqual(after.rows("SELECT tool_name, arguments FROM v_tool_calls"), [
          { tool_name: "look", arguments: '{"in":"the attic"}' },
        ]);
        assert.deepStrictEqual(after.rows("SELECT sum(output_tokens) AS tokens FROM v_token_usage"), [{ tokens: 3 }]);
        assert.deepStrictEqual(after.rows("SELECT type FROM v_message_parts ORDER BY ordinal"), [
          { type: "text" },
          { type: "tool_use" },
        ]);
      }).pipe(withAnswers()),
  );

  it.effect("is kept whole when it is aborted, when its scope closes, and when its deltas break off", () =>
    Effect.gen(function* () {
      const talk = yield* thread("aborted");
      const answer = yield* talk.answer({ role: "assistant" });
      yield* answer.delta("as far as ");
      yield* answer.delta("this");
      yield* answer.delta({ type: "tool_use", callId: "c", name: "t", text: '{"a":' });
      const ended = yield* answer.abort("the user pressed escape");
      assert.isFalse(yield* answer.delta("too late"));
      assert.deepStrictEqual(yield* answer.complete(), ended);
      const [event, ...more] = yield* World.eventsOf(History.thread("aborted"));
      assert.lengthOf(more, 0);
      assert.deepInclude(event && World.dataOf(event), {
        stopReason: "aborted",
        metadata: { abortReason: "the user pressed escape" },
        parts: [
          { type: "text", text: "as far as this" },
          { type: "other", kind: "tool_use_unfinished", value: { callId: "c", name: "t", arguments: '{"a":' } },
        ],
      });

      const scope = yield* Scope.make();
      const closing = yield* (yield* thread("closing")).answer({ role: "assistant" }).pipe(Scope.provide(scope));
      yield* closing.delta("until the scope closed");
      yield* Scope.close(scope, Exit.void);
      assert.deepStrictEqual(messageOf(yield* World.eventsOf(History.thread("closing"))), {
        stopReason: "aborted",
        parts: [{ type: "text", text: "until the scope closed" }],
      });

      const broken = yield* (yield* thread("broken")).answer({ role: "assistant" });
      const deltas = Stream.concat(Stream.make("until it ", "broke"), Stream.fail("provider went away"));
      assert.deepStrictEqual(yield* Effect.result(broken.deltas(deltas)), Result.fail("provider went away"));
      assert.deepStrictEqual(messageOf(yield* World.eventsOf(History.thread("broken"))).parts, [
        { type: "text", text: "until it broke" },
      ]);
    }).pipe(withAnswers()),
  );

  it.effect("refuses what no event can hold when it is said, and goes on without it", () =>
    Effect.gen(function* () {
      const talk = yield* thread("refused");
      const unbegun = talk.answer({ model: "m" } as unknown as Parameters<typeof talk.answer>[0]);
      assert.strictEqual((yield* Effect.flip(unbegun))._tag, "InvalidEvent");
      const answer = yield* talk.answer({ role: "assistant" });
      const say = (given: unknown) => answer.delta(given as Delta);
      yield* say("one ");
      for (const wrong of [7, {}, { type: "text" }, { type: "video", text: "x" }, { type: "tool_use", text: "x" }]) {
        assert.strictEqual((yield* Effect.flip(say(wrong)))._tag, "InvalidEvent");
      }
      // Chunks of a provider's stream that carry no words.
      for (const nothing of [undefined, null, ""]) assert.isTrue(yield* say(nothing));
      assert.strictEqual((yield* Effect.flip(answer.complete({ usage: { output: -1 } })))._tag, "InvalidEvent");
      assert.isTrue(yield* say("two"));
      yield* answer.complete();
      assert.deepStrictEqual(messageOf(yield* World.eventsOf(History.thread("refused"))), {
        stopReason: "stop",
        parts: [{ type: "text", text: "one two" }],
      });
    }).pipe(withAnswers()),
  );

  it.effect.prop(
    "aborted at any moment, is exactly what was said until then",
    { pauses: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4_000 }))) },
    ({ pauses }) =>
      Effect.gen(function* () {
        const talk = yield* thread("any moment");
        const answer = yield* talk.answer({ role: "assistant" });
        let said = "";
        for (const [index, pause] of pauses.entries()) {
          said += `${index};`;
          yield* answer.delta(`${index};`);
          yield* TestClock.adjust(pause);
        }
        yield* answer.abort();
        const events = yield* World.eventsOf(History.thread("any moment"));
        assert.isAtMost(events.length, 10);
        assert.deepStrictEqual(messageOf(events), {
          stopReason: "aborted",
          parts: said === "" ? [] : [{ type: "text", text: said }],
        });
      }).pipe(withAnswers()),
    { arbitrary: { runs: 20 } },
  );

  it.live("is on this machine's disk a moment after it was said, whatever the log has", () =>
    Effect.gen(function* () {
      const answer = yield* (yield* thread("disk")).answer({ role: "assistant" });
      for (let said = 5; said <= 500; said += 5) {
        yield* answer.delta("word ");
        if (said % 100 === 0) yield* World.until(Effect.sync(() => answer.kept() === said));
      }
    }).pipe(withAnswers()),
  );
});

describe.skipIf(!hasChunks)("an answer that a real provider sent", () => {
  it.effect("is at most ten events for thousands of deltas, and equals the deltas joined", () =>
    Effect.gen(function* () {
      const answers = [...recordedAnswers()].filter(([, deltas]) => deltas.length > 0);
      const all = answers.flatMap(([, deltas]) => deltas);
      assert.isAbove(all.length, 3_024);
      assert.isAbove(answers.length, 40);
      for (const [name, deltas] of [["all of them", all] as const, ...answers]) {
        const answer = yield* (yield* thread(name)).answer({ role: "assistant" });
        for (const delta of deltas) {
          yield* answer.delta(delta);
          // Twenty a second, as models speak.
          yield* TestClock.adjust(50);
        }
        yield* answer.complete();
        const events = yield* World.eventsOf(History.thread(name));
        assert.isAtMost(events.length, 10);
        const last = events.at(-1);
        const parts = (last === undefined ? [] : World.dataOf(last)["parts"]) as ReadonlyArray<Delta>;
        for (const type of ["text", "thinking"] as const) assert.strictEqual(textOf(parts, type), textOf(deltas, type));
      }
    }).pipe(withAnswers()),
  );
});
