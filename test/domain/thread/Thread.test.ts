import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { createHash } from "node:crypto";
import { headOf, jsonBytes, shortId } from "../../../src/domain/Truncate.ts";
import type { MessageSaid, TokensUsed } from "../../../src/domain/Fact.ts";
import { thread } from "../../../src/domain/History.ts";
import * as Thread from "../../../src/domain/thread/Thread.ts";
import { partsOf } from "../../../src/domain/thread/ThreadMessage.ts";
import * as Window from "../../../src/domain/thread/ThreadWindow.ts";
import { recordedEvent } from "../recordedEvent.ts";
import { recorded, say, sayNew, type Step, Steps } from "../../snapshot/ThreadWorld.ts";

const empty = Thread.empty(thread("t"));
const foldSteps = (steps: ReadonlyArray<Step>) => Thread.fold(empty, recorded(steps));
const decode = Schema.decodeUnknownSync(Thread.ThreadState);
const encode = Schema.encodeSync(Thread.ThreadState);
const stored = (state: Thread.ThreadState): Thread.ThreadState => decode(JSON.parse(JSON.stringify(encode(state))));
const many = { arbitrary: { runs: 60 } };

const [anEvent] = recorded([say("a")]);
const eventAt = (sequence: number) => {
  if (anEvent === undefined) throw new Error("the world has an event");
  return { ...anEvent, sequence };
};
const piece = (segment: string, text: string, more: Partial<MessageSaid> = {}): MessageSaid => ({
  _tag: "MessageSaid",
  messageId: "m",
  segment,
  role: "assistant",
  parts: [{ type: "text", text }],
  ...more,
});

describe("the fold of a thread", () => {
  it.prop(
    "folds some events and then the rest to the same state as all of them, also over storage",
    { steps: Steps, at: Schema.Natural },
    ({ steps, at }) => {
      const events = recorded(steps);
      const cut = events.length === 0 ? 0 : at % (events.length + 1);
      const whole = Thread.fold(empty, events);
      const first = Thread.fold(empty, events.slice(0, cut));
      assert.deepStrictEqual(Thread.fold(first, events.slice(cut)), whole);
      assert.deepStrictEqual(Thread.fold(stored(first), events.slice(cut)), whole);
      assert.deepStrictEqual(stored(whole), whole);
    },
    many,
  );

  it.prop(
    "is not changed by an event that comes again",
    { steps: Steps },
    ({ steps }) => {
      const events = recorded(steps);
      const whole = Thread.fold(empty, events);
      assert.deepStrictEqual(Thread.fold(whole, events), whole);
      assert.deepStrictEqual(
        Thread.fold(
          empty,
          events.flatMap((event) => [event, event]),
        ),
        whole,
      );
    },
    many,
  );

  it.prop(
    "stays below its size whatever is appended, and never throws",
    { steps: Steps },
    ({ steps }) => {
      let state = empty;
      const rounds = steps.length === 0 ? 0 : 8;
      for (let round = 0; round < rounds; round++) {
        const events = recorded(steps).map((event) => ({ ...event, sequence: event.sequence + round * 1_000 }));
        state = Thread.fold(state, events);
      }
      assert.isAtMost(jsonBytes(encode(state)), Thread.maxStateBytes);
      assert.strictEqual(state.counters.events, steps.length * rounds);
      assert.isAtMost(state.window.messages.length, Window.limits.messages);
      for (const { kept, ...rest } of state.window.messages) assert.isAtLeast(kept, jsonBytes(rest));
    },
    { arbitrary: { runs: 25 } },
  );

  it("stays below its size when every attribute is huge", () => {
    const huge = "\u0001".repeat(12_000);
    const rounds = 66;
    const [event] = recorded([say("a")]);
    assert.isDefined(event);
    let state = empty;
    for (let index = 1; index <= rounds; index++) {
      const names = { title: huge, tool: huge, cwd: huge, branch: huge, session: huge, model: huge, provider: huge };
      const opened = {
        ...names,
        parentThreadId: huge,
        tags: [`${index}${huge}`],
        client: { name: huge, version: huge },
      };
      const message = {
        messageId: `${index}${huge}`,
        role: huge,
        author: huge,
        ...names,
        parts: [{ type: "text", text: huge }],
      };
      const call = { callId: `${index}${huge}`, name: huge, server: huge, arguments: huge, messageId: huge };
      const back = { callId: `${index}${huge}`, outcome: "error", error: { type: huge, message: huge } };
      const events: ReadonlyArray<readonly [string, number, unknown]> = [
        ["thread.opened", 1, opened],
        ["thread.message_appended", 2, message],
        ["thread.tool_called", 1, call],
        ["thread.tool_returned", 1, back],
      ];
      for (const [nth, [type, schemaVersion, data]] of events.entries()) {
        const body = Buffer.from(JSON.stringify(data));
        state = Thread.apply(state, {
          ...event,
          type,
          schemaVersion,
          body,
          id: `${index}${huge}`,
          sequence: index * 10 + nth,
        });
      }
    }
    assert.strictEqual(state.counters.refused, 0);
    assert.strictEqual(state.metadata.tagsOmitted, rounds - 64);
    assert.isAtMost(jsonBytes(encode(state)), Thread.maxStateBytes);
    assert.deepStrictEqual(stored(state), state);
  }, 60_000);

  it("counts events and tellings, and marks what it cannot read instead of failing", () => {
    const steps: ReadonlyArray<Step> = [say("a"), say("a"), { step: "broken" }, { step: "unknown" }];
    const { counters, lastRefusal, window } = foldSteps(steps);
    assert.strictEqual(counters.events, 4);
    assert.strictEqual(counters.firstHand.messages, 2);
    assert.strictEqual(window.messages.length, 1);
    assert.strictEqual(counters.notUnderstood, 1);
    assert.strictEqual(counters.refused, 1);
    assert.strictEqual(lastRefusal?.sequence, 11);
  });

  it("takes the earliest and the latest time as opening and last activity, in whatever order events come", () => {
    const { metadata } = foldSteps([
      say("a"),
      { step: "open", title: { char: "a", length: 3 }, at: 7 },
      { step: "open", title: { char: "é", length: 1 }, at: -1 },
    ]);
    assert.strictEqual(metadata.openedAt, 1_699_999_999_000);
    assert.strictEqual(metadata.lastActivityAt, 1_700_000_007_000);
    assert.strictEqual(metadata.title, "é");
    assert.strictEqual(metadata.model, "model-0");
  });

  it("keeps tags as a set in the order they were added", () => {
    const steps: ReadonlyArray<Step> = [
      { step: "tag", add: ["a", "b", "a"], remove: [] },
      { step: "tag", add: ["c"], remove: ["a"] },
    ];
    assert.deepStrictEqual(foldSteps(steps).metadata.tags, ["b", "t0", "c", "t1"]);
  });
});

describe("the window of a thread", () => {
  it("keeps the newest messages and says how many left", () => {
    const state = foldSteps(Array.from({ length: 100 }, () => sayNew()));
    assert.strictEqual(state.window.messages.length, 64);
    assert.strictEqual(state.window.left.messages, 36);
    assert.strictEqual(state.window.messages.at(-1)?.messageId, "new-99");
  });

  it("cuts a message that is too large and gives its true size and its event's sequence", () => {
    const [message] = foldSteps([sayNew(3), sayNew(70_000)]).window.messages.slice(-1);
    const [segment] = message?.segments ?? [];
    assert.strictEqual(segment?.cut, true);
    assert.strictEqual(segment?.sequence, 8);
    assert.isAbove(segment?.bytes ?? 0, 70_000);
    assert.isAtMost(message?.kept ?? 0, Window.limits.oneMessageBytes + 16);
    assert.isAbove(message?.kept ?? 0, Window.limits.oneMessageBytes - 100);
  });

  it("puts a message in segments together, each in its newest telling, and keeps the place of the first", () => {
    const other = piece("", "between", { messageId: "other" });
    const told: ReadonlyArray<MessageSaid> = [
      piece("1", "one"),
      other,
      piece("2", "two"),
      piece("1", "ONE", { stopReason: "end" }),
    ];
    const window = told.reduce(
      (before, fact, index) => Window.said(before, fact, eventAt(index + 1)),
      Window.emptyWindow,
    );
    assert.deepStrictEqual(
      window.messages.map(({ messageId }) => messageId),
      ["m", "other"],
    );
    const [message] = window.messages;
    assert.strictEqual(message?.sequence, 1);
    assert.strictEqual(message?.stopReason, "end");
    assert.deepStrictEqual(partsOf({ segments: message?.segments ?? [] }), [
      { type: "text", text: "ONE" },
      { type: "text", text: "two" },
    ]);
  });

  it("gives a message the tokens that its provider counted, of each kind the larger telling, in one meaning for all providers", () => {
    const tokens = (messageId: string | undefined, usage: TokensUsed["usage"], more: Partial<TokensUsed> = {}) =>
      ({ _tag: "TokensUsed", usageKey: "k", providerMessageId: "p", messageId, usage, ...more }) satisfies TokensUsed;
    const before = Window.said(Window.emptyWindow, piece("", "one"), eventAt(1));
    const told = [
      tokens("m", { input: 5, output: 1, cacheRead: 100 }),
      tokens("m", { input: 5, output: 40, cacheRead: 100, reasoning: 8 }),
      tokens("another", { input: 9_999 }),
      tokens(undefined, { input: 9_999 }),
      tokens("m", { input: 9_999 }, { secondHand: true }),
    ].reduce(Window.used, before);
    const [message] = told.messages;
    assert.deepStrictEqual(message?.usage, { input: 105, output: 40, cacheRead: 100, reasoning: 8 });
    assert.strictEqual(
      (message?.kept ?? 0) - (before.messages[0]?.kept ?? 0),
      jsonBytes({ usage: message?.usage }) - 1,
    );
    const openai = tokens("m", { input: 1_000, cacheRead: 600, cacheInInput: true });
    assert.deepStrictEqual(Window.used(before, openai).messages[0]?.usage, { input: 1_000, cacheRead: 600 });
    const again = Window.said(told, piece("", "one and more"), eventAt(2));
    assert.deepStrictEqual(again.messages[0]?.usage, message?.usage);
  });

  it("bounds a message of ever more segments and counts those without room", () => {
    let window = Window.emptyWindow;
    for (let index = 1; index <= 1_000; index++)
      window = Window.said(window, piece(`${index}`, "x".repeat(100)), eventAt(index));
    const [message] = window.messages;
    assert.strictEqual((message?.segments.length ?? 0) + (message?.omitted ?? 0), 1_000);
    assert.isAtMost(message?.kept ?? 0, Window.limits.oneMessageBytes + 16);
  });

  it("holds what second witnesses say only as long as nobody tells it first-hand, whichever came first", () => {
    const entry = (index: number, format: string, data: unknown) => ({
      ...eventAt(index),
      id: `e${index}`,
      type: "thread.entry_recorded",
      schemaVersion: 1,
      body: Buffer.from(JSON.stringify({ format, entry: data })),
    });
    const second = (index: number) =>
      entry(index, "codex-exec", {
        type: "item.completed",
        item: { id: `item_${index}`, type: "agent_message", text: `second ${index}` },
      });
    const payload = { type: "message", role: "assistant", content: [{ type: "output_text", text: "first" }] };
    const first = entry(5, "codex", { timestamp: "2026-01-01T00:00:00.000Z", type: "response_item", payload });
    const texts = (state: Thread.ThreadState) =>
      state.window.messages.flatMap(partsOf).map((part) => (part.type === "text" ? part.text : part.type));
    const only = Thread.fold(empty, [second(1), second(2)]);
    assert.deepStrictEqual(texts(only), ["second 1", "second 2"]);
    const both = Thread.fold(only, [first, second(6)]);
    assert.deepStrictEqual(texts(both), ["first"]);
    assert.strictEqual(both.counters.secondHand.messages, 3);
    assert.strictEqual(both.counters.firstHand.messages, 1);
  });

  it("joins a call with its answer by key, whichever comes first, and lets the first answer hold", () => {
    const call = { step: "call", id: "a", text: { char: "a", length: 3 } } as const;
    const answered = (isError: boolean) => ({ step: "return", id: "a", isError }) as const;
    for (const steps of [
      [call, answered(false), answered(true)],
      [answered(false), call, answered(true)],
    ]) {
      const { calls } = foldSteps(steps).window;
      assert.strictEqual(calls.length, 1);
      assert.strictEqual(calls[0]?.asked?.name, "aaa");
      assert.strictEqual(calls[0]?.answered?.outcome, "ok");
    }
  });
});

describe("cutting to a size", () => {
  it.prop(
    "gives a beginning that fits, in whole characters, and nothing shorter by much",
    {
      text: Schema.String,
      bytes: Schema.Natural,
    },
    ({ text, bytes }) => {
      const long = `${text}é😀\u0001"`.repeat(20);
      const room = bytes % 500;
      const head = headOf(long, room);
      assert.isTrue(long.startsWith(head));
      assert.isTrue(head.length === 0 || jsonBytes(head) <= room);
      assert.isTrue(!long.isWellFormed() || head.isWellFormed());
      assert.strictEqual(headOf(long, jsonBytes(long)), long);
    },
  );

  it("never cuts through a character of two code units", () => {
    for (let room = 0; room < 80; room++) {
      const head = headOf("a😀b😀".repeat(10), room);
      assert.isTrue(head.isWellFormed());
      assert.isAtMost(head.length === 0 ? 0 : jsonBytes(head), room);
    }
  });

  it("shortens a huge id to one that is still its own", () => {
    assert.strictEqual(shortId("short"), "short");
    assert.notStrictEqual(shortId(`${"a".repeat(1_000)}b`), shortId(`${"a".repeat(1_000)}c`));
    assert.isAtMost(shortId("\u0001".repeat(10_000)).length, 200);
  });
});

describe("a hidden thread", () => {
  const at = (type: string, data: unknown, sequence: number) => ({
    ...recordedEvent(type, data, { sequence }),
    occurredAt: 1_000 * sequence,
  });

  it("is deleted until it is restored, whatever is said meanwhile, and hidden from its expiry on", () => {
    const deleted = Thread.fold(Thread.empty(thread("t")), [at("thread.deleted", { reason: "test" }, 1)]);
    assert.deepInclude(deleted.metadata, { deletedAt: 1_000 });
    assert.isTrue(Thread.isHidden(deleted.metadata, 0));
    const expiring = Thread.fold(deleted, [
      at("thread.renamed", { title: "still deleted" }, 2),
      at("thread.expires", { at: 50_000 }, 3),
    ]);
    assert.deepInclude(expiring.metadata, { deletedAt: 1_000, expiresAt: 50_000 });
    const restored = Thread.apply(expiring, at("thread.restored", {}, 4)).metadata;
    assert.notProperty(restored, "deletedAt");
    assert.notProperty(restored, "expiresAt");
    assert.isFalse(Thread.isHidden(restored, 50_000));
    assert.isFalse(Thread.isHidden({ ...restored, expiresAt: 50_000 }, 49_999));
    assert.isTrue(Thread.isHidden({ ...restored, expiresAt: 50_000 }, 50_000));
  });
});

describe("the fold version", () => {
  // When this is red and the change of the fold is meant: raise `foldVersion` and write the new digest beside it.
  it("stands for exactly this fold: the same events give the same digest", () => {
    const steps: ReadonlyArray<Step> = [
      { step: "open", title: { char: "é", length: 3 }, at: 0 },
      say("a"),
      { step: "say", id: "b", text: { char: "a", length: 9_000 }, calls: ["a", "b", "c"] },
      { step: "return", id: "a", isError: true },
      { step: "broken" },
      { step: "unknown" },
      sayNew(70_000),
      { step: "tag", add: ["a"], remove: [] },
    ];
    const digest = createHash("sha256")
      .update(JSON.stringify(encode(foldSteps(steps))))
      .digest("hex")
      .slice(0, 16);
    assert.deepStrictEqual({ version: Thread.foldVersion, digest }, { version: 9, digest: "35cbd80acd5365ab" });
  });
});
