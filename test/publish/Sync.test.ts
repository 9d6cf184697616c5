import { assert, describe, it } from "@effect/vitest";
import { Effect, Schema } from "effect";
import * as History from "../../src/domain/History.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import type { ChatMessage } from "../../src/publish/thread/ChatMessage.ts";
import * as Publisher from "../../src/publish/Publisher.ts";
import { thread } from "../../src/publish/thread/ThreadPublisher.ts";
import { folded } from "../projection/World.ts";
import { LogSwitch } from "./SwitchableLog.ts";
import { assistant, resentIn, turns, user, withLog, wordsIn } from "./SyncWorld.ts";
import * as World from "./World.ts";

describe("a conversation handed over whole each time", () => {
  it.live("costs only what is new, in this process and in the next one", () =>
    Effect.gen(function* () {
      const talk = yield* thread("grows");
      for (let count = 1; count <= 20; count++) {
        const { appended, known, resent } = yield* talk.sync(turns(count));
        assert.deepStrictEqual([appended.length, known, resent], [1, count - 1, undefined]);
      }
      assert.lengthOf((yield* talk.sync(turns(20))).appended, 0);
      const next = yield* thread("grows");
      assert.lengthOf((yield* next.sync(turns(20))).appended, 0);
      assert.lengthOf((yield* next.sync(turns(23))).appended, 3);
      // The first process learns what the second one wrote.
      assert.lengthOf((yield* talk.sync(turns(24))).appended, 1);
      assert.deepStrictEqual(
        yield* wordsIn("grows"),
        turns(24).map(({ content }) => content),
      );
    }).pipe(withLog()),
  );

  it.live("says again what is really said again, however short", () =>
    Effect.gen(function* () {
      const talk = yield* thread("yes");
      const list = [user("ready?"), assistant("yes"), user("go"), assistant("yes"), user("go"), assistant("yes")];
      for (let count = 1; count <= list.length; count++) yield* talk.sync(list.slice(0, count));
      assert.lengthOf((yield* (yield* thread("yes")).sync(list)).appended, 0);
      assert.deepStrictEqual(yield* wordsIn("yes"), ["ready?", "yes", "go", "yes", "go", "yes"]);
    }).pipe(withLog()),
  );

  it.live("knows what others put into the thread: what was said, streamed, and asked of tools", () =>
    Effect.gen(function* () {
      const talk = yield* thread("mixed");
      yield* talk.sync([user("Weather in Ghent?")]);
      const answer = yield* talk.answer({ role: "assistant" });
      yield* answer.delta({ type: "thinking", text: "I should look." });
      yield* answer.delta("Let me look.");
      yield* answer.delta({ type: "tool_use", callId: "c1", name: "forecast", text: '{"city":"Ghent","days":1}' });
      yield* answer.complete();
      const { appended, known } = yield* talk.sync([
        user("Weather in Ghent?"),
        {
          role: "assistant",
          content: "Let me look.",
          tool_calls: [
            { id: "c1", type: "function", function: { name: "forecast", arguments: '{"days":1,"city":"Ghent"}' } },
          ],
        },
        { role: "tool", tool_call_id: "c1", content: "rain" },
        assistant("It rains."),
      ]);
      assert.deepStrictEqual([appended.length, known], [2, 2]);
      const { rows } = yield* folded(yield* World.eventsOf(History.thread("mixed")));
      assert.deepStrictEqual(rows("SELECT tool_name, outcome FROM v_tool_calls"), [
        { tool_name: "forecast", outcome: "ok" },
      ]);
      assert.lengthOf(rows("SELECT * FROM v_messages"), 4);
    }).pipe(withLog()),
  );

  it.live("that slides a window over it is truncated, and nothing is said twice", () =>
    Effect.gen(function* () {
      const talk = yield* thread("window");
      const system: ChatMessage = { role: "system", content: "Be brief." };
      yield* talk.sync([system, ...turns(10)]);
      for (let count = 11; count <= 20; count++) {
        const { appended, resent } = yield* talk.sync([system, ...turns(count).slice(count - 7)]);
        assert.lengthOf(appended, 1);
        assert.deepStrictEqual(resent, { change: "truncated", omitted: count - 7 });
      }
      assert.deepStrictEqual(yield* wordsIn("window"), ["Be brief.", ...turns(20).map(({ content }) => content)]);
    }).pipe(withLog()),
  );

  it.live("that was compacted says so once, keeps the summary, and goes on, also in the next process", () =>
    Effect.gen(function* () {
      const talk = yield* thread("compacted");
      yield* talk.sync(turns(20));
      const compacted = [user("Summary: nineteen turns of small talk."), ...turns(20).slice(16), user("And now?")];
      const { appended, resent } = yield* talk.sync(compacted);
      assert.deepStrictEqual([appended.length, resent], [2, { change: "compacted", omitted: 16 }]);
      assert.lengthOf((yield* talk.sync([...compacted, assistant("Now this.")])).appended, 1);
      const next = yield* (yield* thread("compacted")).sync([...compacted, assistant("Now this."), user("Ok")]);
      assert.lengthOf(next.appended, 1);
      assert.lengthOf(yield* World.eventsOf(History.thread("compacted")), 24);
      assert.deepStrictEqual((yield* resentIn("compacted")).slice(20, 22), [resent, undefined]);
    }).pipe(withLog()),
  );

  it.live("that was edited, or taken up again at an earlier place, appends what is new and says so", () =>
    Effect.gen(function* () {
      const talk = yield* thread("edited");
      yield* talk.sync(turns(6));
      const edited = turns(6).with(2, user("Question two, said better?"));
      const first = yield* talk.sync(edited);
      assert.deepStrictEqual([first.appended.length, first.resent], [1, { change: "edited", omitted: 1 }]);
      const again = yield* talk.sync([...turns(2), user("Something else?")]);
      assert.deepStrictEqual([again.appended.length, again.resent?.change], [1, "edited"]);
      assert.lengthOf(yield* World.eventsOf(History.thread("edited")), 8);
    }).pipe(withLog()),
  );

  it.live("that takes another way says a short word again, and does not take it for the one of the old way", () =>
    Effect.gen(function* () {
      const talk = yield* thread("another way");
      yield* talk.sync([user("A?"), assistant("B."), user("yes"), assistant("C.")]);
      const { appended } = yield* talk.sync([user("A?"), assistant("B."), user("no"), assistant("D."), user("yes")]);
      assert.lengthOf(appended, 3);
    }).pipe(withLog()),
  );

  it.live("that comes back to what it was appends nothing, however short", () =>
    Effect.gen(function* () {
      const talk = yield* thread("back");
      for (const word of ["go?", "stop?", "wait?"]) yield* talk.sync([user(word)]);
      assert.lengthOf((yield* talk.sync([user("stop?")])).appended, 0);
    }).pipe(withLog()),
  );

  it.live("that was shortened says so in its first new event, also when that comes later", () =>
    Effect.gen(function* () {
      const talk = yield* thread("shortened");
      yield* talk.sync(turns(6));
      const shortened = yield* talk.sync(turns(4));
      assert.deepStrictEqual([shortened.appended.length, shortened.resent], [0, { change: "edited", omitted: 2 }]);
      yield* talk.sync(turns(4));
      yield* talk.sync([...turns(4), user("Something else?")]);
      yield* talk.sync([...turns(4), user("Something else?"), assistant("This.")]);
      assert.deepStrictEqual((yield* resentIn("shortened")).slice(6), [shortened.resent, undefined]);
    }).pipe(withLog()),
  );

  it.live("whose prompt is another each turn says nothing twice, however short, and that it was edited", () =>
    Effect.gen(function* () {
      const talk = yield* thread("prompt");
      const lists = [1, 3, 5, 7].map((count) => [
        { role: "system", content: `It is turn ${count}.` },
        ...turns(count).map(({ role }, index) => ({ role, content: `${index}` })),
      ]);
      for (const [at, list] of lists.entries()) {
        const { appended, resent } = yield* talk.sync(list);
        assert.lengthOf(appended, at === 0 ? 2 : 3);
        assert.deepStrictEqual(resent, at === 0 ? undefined : { change: "edited", omitted: 1 });
      }
      assert.lengthOf((yield* (yield* thread("prompt")).sync(lists[3] ?? [])).appended, 0);
      const spoken = (yield* wordsIn("prompt")).filter((text) => !text.startsWith("It is"));
      assert.deepStrictEqual(spoken, ["0", "1", "2", "3", "4", "5", "6"]);
    }).pipe(withLog()),
  );

  it.live("of ten thousand messages appends nothing when it comes again, in this process and in the next one", () =>
    Effect.gen(function* () {
      const talk = yield* thread("long");
      yield* talk.sync(turns(10_000));
      assert.lengthOf((yield* talk.sync(turns(10_000))).appended, 0);
      const next = yield* thread("long");
      assert.lengthOf((yield* next.sync(turns(10_000))).appended, 0);
      assert.lengthOf((yield* next.sync(turns(10_001))).appended, 1);
      assert.lengthOf(yield* World.eventsOf(History.thread("long")), 10_001);
    }).pipe(withLog()),
  );

  it.live("with the log away is kept, and is one event each when the log has it already", () =>
    Effect.gen(function* () {
      const folder = yield* World.temporaryFolder;
      const to = new LogSwitch();
      yield* Effect.gen(function* () {
        yield* (yield* thread("away")).sync(turns(5));
        to.position = "away";
        yield* Publisher.Publisher.use(({ publish }) =>
          publish({ history: History.thread("other"), type: "thread.renamed", data: { title: "x" } }),
        );
        // A process that never saw the thread cannot ask for it now.
        const cold = yield* (yield* thread("away")).sync(turns(7));
        assert.isTrue(cold.appended.every(({ _tag }) => _tag === "Spooled"));
        to.position = "there";
        yield* World.drained;
        assert.deepStrictEqual(
          yield* wordsIn("away"),
          turns(7).map(({ content }) => content),
        );
      }).pipe(Effect.provide(World.publisher({ folder, to, patienceMillis: 10_000 })));
    }).pipe(Effect.provide(EventLogMemory.layer)),
  );

  it.live.prop(
    "however it is windowed and grown, ends as the conversation that was held, each message once",
    {
      steps: Schema.Array(
        Schema.Struct({ grow: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 })), window: Schema.Boolean }),
      ),
    },
    ({ steps }) =>
      Effect.gen(function* () {
        const talk = yield* thread("property");
        let count = 2;
        for (const { grow, window } of steps) {
          count += grow;
          yield* talk.sync(window ? turns(count).slice(-(grow + 3)) : turns(count));
        }
        yield* talk.sync(turns(count));
        assert.deepStrictEqual(
          (yield* wordsIn("property")).toSorted(),
          turns(count)
            .map(({ content }) => content)
            .toSorted(),
        );
      }).pipe(withLog()),
    { arbitrary: { runs: 20 } },
  );
});
