import { assert, describe, it } from "@effect/vitest";
import { Result } from "effect";
import type { RecordedEvent } from "../../src/domain/Event.ts";
import { factsOf } from "../../src/domain/Interpret.ts";
import { hookAgents, hookFormat } from "../../src/domain/interpret/hooks/hookEvent.ts";
import { sdkFormats } from "../../src/edge/sdk/Formats.ts";
import { interpreters } from "../../src/domain/interpret/interpreters.ts";
import { formats } from "../../src/edge/import/Entry.ts";
import { recordedEvent } from "./recordedEvent.ts";

const told = (event: RecordedEvent, carry = {}) =>
  Result.getOrThrowWith(factsOf(event, carry), ({ reason }) => new Error(reason));
const entry = (data: Record<string, unknown>) => recordedEvent("thread.entry_recorded", data);

describe("from events to facts", () => {
  it("lets the format's interpreter speak for a foreign entry, and tells it where the entry stands", () => {
    const message = { role: "user", content: "hi" };
    const [fact] = told(entry({ format: "openai-chat", place: "element", entry: message })).facts;
    assert.deepInclude(fact, { _tag: "MessageSaid", messageId: "0190a000-0000-7000-8000-000000000001", role: "user" });
    const [frame] = told(entry({ format: "openai-chat", place: "frame", entry: message })).facts;
    assert.strictEqual(frame?._tag, "Noted");
  });

  it("hands an interpreter what it remembered, and back what it remembers now", () => {
    const turn = told(entry({ format: "codex", entry: { type: "turn_context", payload: { model: "gpt-5" } } }));
    const said = { type: "response_item", payload: { type: "message", role: "assistant", content: [] } };
    assert.deepInclude(told(entry({ format: "codex", entry: said }), turn.carry).facts[0], { model: "gpt-5" });
  });

  it("keeps what nobody can read as not understood: unknown formats, lines that are no JSON, entries elsewhere", () => {
    const what = (data: Record<string, unknown>) => told(entry(data)).facts;
    assert.deepStrictEqual(what({ format: "martian", entry: 1 }), [{ _tag: "NotUnderstood", what: "format martian" }]);
    assert.deepStrictEqual(what({ format: "codex", text: "half a li" }), [
      { _tag: "NotUnderstood", what: "a line that is not JSON" },
    ]);
    assert.deepStrictEqual(what({ format: "codex", base64: "/w==" }), [
      { _tag: "NotUnderstood", what: "a line that is not JSON, nor UTF-8" },
    ]);
    assert.deepStrictEqual(what({ format: "codex", blob: { sha256: "0", bytes: 1 } }), [
      { _tag: "NotUnderstood", what: "an entry in the object store" },
    ]);
    assert.deepStrictEqual(told(recordedEvent("thread.from_the_future", {})).facts, [
      {
        _tag: "NotUnderstood",
        what: "event type thread.from_the_future",
        at: recordedEvent("thread.renamed", {}).occurredAt,
      },
    ]);
  });

  it("takes an entry that is the value null for an entry", () => {
    assert.deepStrictEqual(told(entry({ format: "codex", entry: null }), { agent: "codex" }).facts, [
      { _tag: "NotUnderstood", what: "codex line that is no object" },
    ]);
  });

  it("refuses what breaks the schema of our own event", () => {
    assert.isTrue(Result.isFailure(factsOf(entry({ entry: {} }))));
  });

  it("has an interpreter for every format that is imported, that an SDK writes or a hook, under the name it gives itself", () => {
    assert.isAbove(formats.length, 19);
    const others = [...sdkFormats, ...hookAgents.map(hookFormat)];
    assert.deepStrictEqual([...interpreters.keys()].toSorted(), [...formats, ...others].toSorted());
    for (const [name, { format }] of interpreters) assert.strictEqual(name, format);
  });
});
