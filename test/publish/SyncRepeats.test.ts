import { assert, describe, it } from "@effect/vitest";
import { Effect, Schema } from "effect";
import type { Part } from "../../src/domain/thread/Content.ts";
import * as History from "../../src/domain/History.ts";
import { textOf } from "../../src/domain/thread/RepeatedText.ts";
import type { ChatMessage } from "../../src/publish/thread/ChatMessage.ts";
import { thread } from "../../src/publish/thread/ThreadPublisher.ts";
import { folded } from "../projection/World.ts";
import { LogSwitch } from "./SwitchableLog.ts";
import { assistant, user, withLog, wordsIn } from "./SyncWorld.ts";
import * as World from "./World.ts";

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

  it.live(
    "refers to a text that is larger than an event, and gives both back byte by byte, also in the next process",
    () =>
      Effect.gen(function* () {
        const talk = yield* thread("large");
        const large = Array.from(
          { length: 15_000 },
          (_, line) => `line ${line} says ${(line * 7919) % 10_007} and é`,
        ).join("\n");
        const embedding = `=== HISTORY ===\n${large}\n=== END ===\nAnd now?`;
        const list = [user(large), assistant("Fine."), user(embedding), assistant("Now this.")];
        for (let count = 1; count < list.length; count++) yield* talk.sync(list.slice(0, count));
        const [first, , third] = yield* World.eventsOf(History.thread("large"));
        assert.isBelow(third?.body.byteLength ?? Number.POSITIVE_INFINITY, 2_000);
        const next = yield* thread("large");
        for (const one of [talk, next]) {
          assert.strictEqual(textOf((yield* one.original(first?.id ?? "")) ?? []), large);
          assert.strictEqual(textOf((yield* one.original(third?.id ?? "")) ?? []), embedding);
        }
        assert.lengthOf((yield* next.sync(list)).appended, 1);
        yield* next.observe(user(`${embedding} Once more?`));
        const last = (yield* World.eventsOf(History.thread("large"))).at(-1);
        assert.isBelow(last?.body.byteLength ?? Number.POSITIVE_INFINITY, 2_000);
      }).pipe(withLog()),
  );

  it.live("is not said to be gone while the log is away: asking for an original fails then", () => {
    const to = new LogSwitch();
    return Effect.gen(function* () {
      const talk = yield* thread("asked");
      const { eventId } = yield* talk.observe(user("What?"));
      to.position = "away";
      assert.strictEqual((yield* Effect.flip(talk.original(eventId)))._tag, "LogUnavailable");
      to.position = "there";
      assert.strictEqual(textOf((yield* talk.original(eventId)) ?? []), "What?");
      assert.isUndefined(yield* talk.original("nothing"));
    }).pipe(withLog(to));
  });

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
