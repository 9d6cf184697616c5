/** A whole conversation is the same whether it is held in memory or read twice because it is too large for that. */
import { assert, describe, it } from "@effect/vitest";
import { Effect, Stream } from "effect";
import type { NewEvent } from "../../src/domain/Event.ts";
import { fromContent } from "../../src/domain/EventId.ts";
import { thread } from "../../src/domain/History.ts";
import { partsOf } from "../../src/domain/thread/ThreadMessage.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import * as Conversation from "../../src/snapshot/Conversation.ts";
import { none } from "../../src/snapshot/HistorySource.ts";
import { newEvent, say } from "./ThreadWorld.ts";

const history = thread("t");

const event = (name: string, type: string, data: unknown): NewEvent => ({
  id: fromContent("conversation", name),
  type,
  schemaVersion: 1,
  source: "test",
  occurredAt: 1_700_000_000_000,
  body: JSON.stringify(data),
});

const entry = (name: string, format: string, data: object) => event(name, "thread.entry_recorded", { format, ...data });

/** Nine megabytes that say nothing, where eight are held. */
const bulk = Array.from({ length: 18 }, (_, index) =>
  event(`bulk ${index}`, "thread.from_the_future", { bulk: "x".repeat(500_000) }),
);

const secondHand = entry("second", "codex-exec", {
  entry: { type: "item.completed", item: { id: "item", type: "agent_message", text: "second-hand" } },
});

const firstHand = entry("first", "codex", {
  entry: {
    timestamp: "2026-01-01T00:00:00.000Z",
    type: "response_item",
    payload: { type: "message", role: "assistant", content: [{ type: "output_text", text: "first-hand" }] },
  },
});

const append = (events: ReadonlyArray<NewEvent>) =>
  EventLog.use((log) => Effect.forEach(events, (one) => log.append({ history, events: [one], expected: "any" })));

/** Model and texts of every message. */
const told = Effect.fnUntraced(function* (log: EventLog["Service"]) {
  const messages = yield* Stream.runCollect(Conversation.messages({ log, source: none, history }));
  return messages.map((message) => [
    message.model ?? "",
    ...partsOf(message).map((part) => (part.type === "text" ? part.text : part.type)),
  ]);
});

/** What these events tell, as a small history and as one that begins with too much to be held. */
const bothWays = (events: Effect.Effect<ReadonlyArray<NewEvent>, unknown, EventLog>) =>
  Effect.forEach([[], bulk], (before) =>
    Effect.gen(function* () {
      yield* append([...before, ...(yield* events)]);
      return yield* told(yield* EventLog);
    }).pipe(Effect.provide(EventLogMemory.layer, { local: true })),
  );

describe("a whole conversation, small or too large to be held", () => {
  it.effect("knows in each entry what the entries before it said", () =>
    Effect.gen(function* () {
      const frame = entry("frame", "anthropic-messages", { place: "frame", entry: { model: "claude" } });
      const answer = entry("answer", "anthropic-messages", {
        place: "element",
        entry: { role: "assistant", content: "hello" },
      });
      for (const messages of yield* bothWays(Effect.succeed([frame, answer])))
        assert.deepStrictEqual(messages, [["claude", "hello"]]);
    }),
  );

  it.effect("tells what second witnesses say only where nobody says it first-hand", () =>
    Effect.gen(function* () {
      for (const messages of yield* bothWays(Effect.succeed([secondHand])))
        assert.deepStrictEqual(messages, [["", "second-hand"]]);
      for (const messages of yield* bothWays(Effect.succeed([secondHand, firstHand])))
        assert.deepStrictEqual(messages, [["", "first-hand"]]);
    }),
  );

  it.effect("gives a message the tokens that were counted for it, also where they are told behind it", () =>
    Effect.gen(function* () {
      const said = (usage: object) => ({
        messageId: "m",
        role: "assistant",
        parts: [{ type: "text", text: "once" }],
        usage,
      });
      const events = [
        event("said", "thread.message_appended", said({ input: 7, output: 1, cacheRead: 20 })),
        event("other", "thread.message_appended", { ...said({ output: 1 }), messageId: "other" }),
        event("more", "thread.message_appended", said({ input: 7, output: 90 })),
      ].map((one) => ({ ...one, schemaVersion: 2 }));
      for (const before of [[], bulk]) {
        const usages = yield* Effect.gen(function* () {
          yield* append([...before, ...events]);
          const log = yield* EventLog;
          const messages = yield* Stream.runCollect(Conversation.messages({ log, source: none, history }));
          return messages.map(({ messageId, usage }) => [messageId, usage]);
        }).pipe(Effect.provide(EventLogMemory.layer, { local: true }));
        assert.deepStrictEqual(usages, [
          ["m", { input: 27, output: 90, cacheRead: 20 }],
          ["other", { output: 1 }],
        ]);
      }
    }),
  );

  it.effect("has entries in their places that lie in the object store", () =>
    Effect.gen(function* () {
      const elsewhere = Effect.gen(function* () {
        const data = { role: "user", content: "from the object store" };
        const blob = yield* (yield* EventLog).putBlob(Buffer.from(JSON.stringify(data)));
        return [entry("elsewhere", "openai-chat", { blob })];
      });
      for (const messages of yield* bothWays(elsewhere))
        assert.deepStrictEqual(messages, [["", "from the object store"]]);
    }),
  );

  it.effect("ends where the history ended when it was asked for, though more is said while it is read", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      yield* append([...bulk, newEvent(say("a"), 0)]);
      let reads = 0;
      const growing = EventLog.of({
        ...log,
        read: (options) =>
          Stream.unwrap(
            Effect.as(reads++ === 0 ? Effect.void : Effect.orDie(append([newEvent(say("b"), 1)])), log.read(options)),
          ).pipe(Stream.provideService(EventLog, log)),
      });
      assert.strictEqual((yield* told(growing)).length, 1);
      assert.strictEqual(reads, 2);
    }).pipe(Effect.provide(EventLogMemory.layer)),
  );
});
