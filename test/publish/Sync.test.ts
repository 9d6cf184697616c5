import { assert, describe, it } from "@effect/vitest";
import { Effect, Layer, Schema } from "effect";
import type { Part } from "../../src/domain/Content.ts";
import * as History from "../../src/domain/History.ts";
import { textOf } from "../../src/domain/Repeats.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import type { ChatMessage } from "../../src/publish/ChatMessage.ts";
import * as Publisher from "../../src/publish/Publisher.ts";
import { thread } from "../../src/publish/ThreadPublisher.ts";
import { folded } from "../projection/World.ts";
import { LogSwitch } from "./SwitchableLog.ts";
import * as World from "./World.ts";

const withLog =
  (to = new LogSwitch()) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const folder = yield* World.temporaryFolder;
      const publisher = World.publisher({ folder, to, patienceMillis: 10_000 });
      return yield* Effect.scoped(effect).pipe(
        Effect.provide(publisher.pipe(Layer.provideMerge(EventLogMemory.layer))),
      );
    });

const user = (content: string): ChatMessage => ({ role: "user", content });
const assistant = (content: string): ChatMessage => ({ role: "assistant", content });

/** What the thread says, message by message. */
const wordsIn = (id: string) =>
  Effect.map(World.eventsOf(History.thread(id)), (events) =>
    events.map((event) => textOf(World.dataOf(event)["parts"] as ReadonlyArray<Part>)),
  );

const resentIn = (id: string) =>
  Effect.map(World.eventsOf(History.thread(id)), (events) => events.map((event) => World.dataOf(event)["resent"]));

const turns = (count: number): ReadonlyArray<ChatMessage> =>
  Array.from({ length: count }, (_, index) =>
    index % 2 === 0 ? user(`Question ${index}?`) : assistant(`Answer ${index}.`),
  );

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

  it.live("keeps an image with its bytes, a speaker's name and what else is known of a message", () =>
    Effect.gen(function* () {
      const talk = yield* thread("image");
      yield* talk.sync([
        {
          role: "user",
          name: "ann",
          model: "m",
          content: [
            { type: "text", text: "What is it?" },
            { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
          ],
        },
      ]);
      const [event] = yield* World.eventsOf(History.thread("image"));
      assert.deepInclude(event && World.dataOf(event), {
        role: "user",
        author: "ann",
        model: "m",
        parts: [
          { type: "text", text: "What is it?" },
          { type: "image", mediaType: "image/png", data: "AAAA" },
        ],
      });
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

const zenHeader = (turn: number) => `=== CONVERSATION HISTORY (CONTINUATION) ===
Thread: 5f2b1e90-0000-4000-8000-000000000001
Tool: chat
Turn ${turn}/50
You are continuing this conversation thread from where it left off.

Previous conversation turns:
`;
const zenFooter = (turn: number) => `
=== END CONVERSATION HISTORY ===

IMPORTANT: You are continuing an existing conversation thread. Build upon the previous exchanges shown above,
reference earlier points, and maintain consistency with what has been discussed.

This is turn ${turn} of the conversation - use the conversation history above to provide a coherent continuation.

=== NEW USER INPUT ===
`;

/** What the program that did it takes of its history: the newest turns that fit. */
const zenBudget = 440_000;

/** Seventeen questions of 111 bytes, each sent with the history as text, which is the history of the next one. */
const zenConversation = () => {
  const asked: Array<{ readonly question: string; readonly sent: string; readonly answer: string }> = [];
  const history: Array<string> = [];
  for (let turn = 1; turn <= 17; turn++) {
    const question =
      `Question ${turn}: how should the cache of page ${turn} be warmed after a restart of node ${turn}?`.padEnd(
        111,
        ".",
      );
    const fitting = history.filter((_, index) => {
      const later = history.slice(index).reduce((sum, text) => sum + text.length, 0);
      return later <= zenBudget;
    });
    const shown = fitting.map(
      (text, index) => `\n--- Turn ${index + 1} (${index % 2 === 0 ? "user" : "assistant"}) ---\n${text}\n`,
    );
    const sent = turn === 1 ? question : `${zenHeader(turn)}${shown.join("")}${zenFooter(turn)}${question}`;
    const answer = `Answer ${turn}: ${`warm it by ${turn}, then look at ${turn * 7}. `.repeat(50)}`;
    asked.push({ question, sent, answer });
    history.push(sent, answer);
  }
  return asked;
};

describe("a history embedded in each new question, again and again", () => {
  it.live(
    "is stored once: 17 questions of 111 bytes are a few kilobytes, and every original comes back byte by byte",
    () =>
      Effect.gen(function* () {
        const asked = zenConversation();
        const received = asked.reduce((sum, { sent }) => sum + Buffer.byteLength(sent), 0);
        assert.isAbove(received, 880_000);
        const talk = yield* thread("zen");
        const client: Array<ChatMessage> = [];
        for (const { sent, answer } of asked) {
          client.push(user(sent));
          yield* talk.sync(client);
          client.push(assistant(answer));
          yield* talk.sync(client);
        }
        const events = yield* World.eventsOf(History.thread("zen"));
        assert.lengthOf(events, 34);
        const sizes = events.map(({ body }) => body.byteLength);
        const stored = sizes.reduce((sum, bytes) => sum + bytes, 0);
        assert.isBelow(stored, 60_000);
        // Whatever a question embeds, it costs its references.
        assert.isBelow(Math.max(...sizes), 2_500);
        const words = yield* wordsIn("zen");
        for (const [index, { question, answer }] of asked.entries()) {
          if (index >= 2) assert.strictEqual(words[2 * index], question);
          assert.strictEqual(words.filter((text) => text.includes(question)).length, 1);
          assert.strictEqual(words.filter((text) => text.includes(answer)).length, 1);
        }
        const next = yield* thread("zen");
        for (const [index, { sent }] of asked.entries()) {
          const id = String(World.dataOf(events[2 * index] ?? assert.fail())["messageId"]);
          const original = yield* next.original(id);
          assert.strictEqual(textOf(original ?? []), sent);
        }
        assert.lengthOf((yield* next.sync(client)).appended, 0);
        const { rows } = yield* folded(events);
        assert.lengthOf(rows("SELECT * FROM v_messages"), 34);
        assert.deepStrictEqual(rows("SELECT count(*) AS dead FROM v_dead_letters"), [{ dead: 0 }]);
      }).pipe(withLog()),
  );

  it.live("leaves a quoted sentence, a short message and a repeated line as they are", () =>
    Effect.gen(function* () {
      const talk = yield* thread("quotes");
      const sentence = "The cache is warmed by the first reader, which is slow, so warm it yourself after a restart. ";
      yield* talk.observe(assistant(sentence.repeat(1)));
      yield* talk.observe(user(`You said: "${sentence}" Why?`));
      const events = yield* World.eventsOf(History.thread("quotes"));
      assert.isTrue(events.every((event) => World.dataOf(event)["normalised"] === undefined));
      assert.strictEqual((yield* wordsIn("quotes"))[1], `You said: "${sentence}" Why?`);
    }).pipe(withLog()),
  );

  it.live("keeps what is said between two repeated stretches, and answers that the thread never had", () =>
    Effect.gen(function* () {
      const talk = yield* thread("between");
      const long = (name: string) =>
        Array.from({ length: 30 }, (_, line) => `${name} line ${line}: ${line * 37}`).join("\n");
      yield* talk.observe(user(long("first")));
      yield* talk.observe(user(long("second")));
      const text = `${long("first")}\nWhat about this?\n${long("second")}\n=== unseen ===\n${long("third")}\nAnd that?`;
      yield* talk.observe(user(text));
      const [, , event] = yield* World.eventsOf(History.thread("between"));
      const data = World.dataOf(event ?? assert.fail());
      const said = textOf(data["parts"] as ReadonlyArray<Part>);
      assert.include(said, "What about this?");
      assert.include(said, long("third"));
      assert.notInclude(said, "first line 3:");
      assert.strictEqual(textOf((yield* talk.original(String(data["messageId"]))) ?? []), text);
    }).pipe(withLog()),
  );

  it.live.prop(
    "whatever a message repeats and wherever, its original comes back",
    {
      texts: Schema.Array(Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 })))),
      words: Schema.Array(Schema.String),
    },
    ({ texts, words }) =>
      Effect.gen(function* () {
        const talk = yield* thread("any");
        const said: Array<string> = [];
        for (const picks of texts) {
          const own = `${words.join("\n")} ${said.length} `.repeat(1 + (picks[0] ?? 0) * 4);
          const text = [own, ...picks.map((pick) => said[pick] ?? "=== x ===\n"), own].join("\n");
          if (text.length > 200_000) break;
          said.push(text);
          yield* talk.observe({ role: "user", text, messageId: `m${said.length}` });
        }
        for (const [index, text] of said.entries()) {
          const original = yield* (yield* thread("any")).original(`m${index + 1}`);
          // A lone surrogate cannot be stored as UTF-8; every other text is as it was.
          assert.strictEqual(textOf(original ?? []), text.isWellFormed() ? text : textOf(original ?? []));
        }
      }).pipe(withLog()),
    { arbitrary: { runs: 20 } },
  );
});
