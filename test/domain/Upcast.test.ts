import { assert, describe, it } from "@effect/vitest";
import { Result, Schema } from "effect";
import { eventTypes, isEventTypeName, type RecordedEvent } from "../../src/domain/Event.ts";
import { type History, HistoryKind, thread } from "../../src/domain/History.ts";
import { MessageAppendedV1 } from "../../src/domain/thread/ThreadEvents.ts";
import { decodeData } from "../../src/domain/Upcast.ts";
import { recordedEvent } from "./recordedEvent.ts";

const decoded = (event: RecordedEvent) => Result.getOrThrowWith(decodeData(event), ({ reason }) => new Error(reason));
const reasonOf = (event: RecordedEvent): string =>
  Result.match(decodeData(event), { onSuccess: () => "it was decoded", onFailure: ({ reason }) => reason });
const message = { messageId: "m", role: "user", parts: [] };

describe("reading an event", () => {
  it("decodes the first shape of a message as today's", () => {
    const turn = {
      messageId: "m",
      role: "assistant",
      content: "hello",
      files: ["/a"],
      images: null,
      tool_name: "chat",
      model_provider: "google",
      model_name: "gemini",
      model_metadata: { depth: 1 },
    };
    assert.deepStrictEqual(decoded(recordedEvent("thread.message_appended", turn, { schemaVersion: 1 })), {
      _tag: "Known",
      type: "thread.message_appended",
      data: {
        messageId: "m",
        role: "assistant",
        parts: [{ type: "text", text: "hello" }],
        files: ["/a"],
        images: null,
        tool: "chat",
        provider: "google",
        model: "gemini",
        metadata: { depth: 1 },
      },
    });
  });

  it.prop("decodes whatever the first shape could hold", { turn: MessageAppendedV1 }, ({ turn }) => {
    const plain = JSON.parse(JSON.stringify(turn)) as unknown;
    const read = decoded(recordedEvent("thread.message_appended", plain, { schemaVersion: 1 }));
    assert.isTrue(read._tag === "Known" && read.type === "thread.message_appended" && read.data.role === turn.role);
  });

  it("says where an old shape is broken, instead of reading it as today's", () => {
    assert.match(reasonOf(recordedEvent("thread.message_appended", message, { schemaVersion: 1 })), /content/);
  });

  it("refuses a version that never was", () => {
    assert.strictEqual(
      reasonOf(recordedEvent("thread.message_appended", message, { schemaVersion: 0 })),
      "thread.message_appended has no schema version 0",
    );
  });

  it("reads a newer version while it still fits, and keeps it as unknown when it does not", () => {
    const newer = { schemaVersion: 9 };
    assert.strictEqual(
      decoded(recordedEvent("thread.message_appended", { ...message, mood: "calm" }, newer))._tag,
      "Known",
    );
    assert.deepStrictEqual(decoded(recordedEvent("thread.message_appended", { messageId: 7 }, newer)), {
      _tag: "Unknown",
      what: "thread.message_appended in schema version 9",
    });
  });

  it("keeps an event type of a newer writer as unknown, also one named like a property of every object", () => {
    for (const type of ["thread.from_the_future", "toString", "__proto__", "constructor"]) {
      assert.deepStrictEqual(decoded(recordedEvent(type, {})), { _tag: "Unknown", what: `event type ${type}` });
    }
  });

  it("refuses a type that stands in a history of another kind", () => {
    assert.match(
      reasonOf(recordedEvent("task.started", {})),
      /task\.started event belongs to a task, but stands in a thread/,
    );
  });

  it("refuses bytes that are not UTF-8 and text that is not JSON, and says so", () => {
    for (const body of [Buffer.from([0x22, 0xff, 0x22]), Buffer.from("{"), Buffer.alloc(0)]) {
      assert.match(reasonOf({ ...recordedEvent("thread.renamed", {}), body }), /not JSON in UTF-8/);
    }
  });

  it("names the field that breaks a schema", () => {
    assert.match(reasonOf(recordedEvent("thread.renamed", { title: 7 })), /thread\.renamed.*title/s);
  });

  it("takes null for what is left out, as writers in other languages do", () => {
    assert.strictEqual(
      decoded(recordedEvent("thread.opened", { title: null, client: null, tags: null }))._tag,
      "Known",
    );
  });
});

describe("the catalogue of events", () => {
  it("reads back what it wrote, for every type", () => {
    for (const [name, { data, kind, version }] of Object.entries(eventTypes)) {
      assert.isTrue(isEventTypeName(name));
      assert.isAtLeast(version, 1);
      const prefix = kind === "store" ? "recollect" : kind;
      assert.isTrue(name.startsWith(`${prefix}.`), `${name} stands in a history of kind ${kind}`);
      assert.isTrue(Schema.isSchema(data));
    }
  });

  const kinds: Readonly<Record<string, History>> = Object.fromEntries(
    HistoryKind.literals.map((kind) => [kind, { ...thread("t"), kind } satisfies History]),
  );

  for (const [name, { data, kind, version }] of Object.entries(eventTypes)) {
    it.prop(
      `decodes every ${name} that its schema allows`,
      { value: data as Schema.Codec<unknown> },
      ({ value }) => {
        const plain = JSON.parse(JSON.stringify(value)) as unknown;
        const event = recordedEvent(name, plain, { schemaVersion: version, history: kinds[kind] ?? thread("t") });
        assert.strictEqual(decoded(event)._tag, "Known");
      },
      { arbitrary: { runs: 25 } },
    );
  }
});
