import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { diff, isEqual, type Json, patched } from "../../../src/edge/sdk/JsonPatch.ts";
import { added, kept, none, toArray } from "../../../src/edge/sdk/Listed.ts";
import { interpreters } from "../../../src/domain/interpret/interpreters.ts";

const message = (id: string, content: string) => ({
  lc: 1,
  type: "constructor",
  id: ["langchain_core", "messages", "AIMessage"],
  kwargs: {
    id,
    content,
    usage_metadata: { input_tokens: 5, output_tokens: 2 },
    response_metadata: { model_name: "m" },
  },
});

describe("a patch", () => {
  it.prop(
    "leads from any value to any other, and is nothing for the same",
    { one: Schema.Json, other: Schema.Json },
    ({ one, other }) => {
      for (const [from, to] of [
        [one, other],
        [one, [one, other]],
        [[one], [one, other, one]],
        [
          { a: one, b: [one] },
          { b: [one, other], c: other },
        ],
      ] as ReadonlyArray<readonly [Json, Json]>) {
        const patch = diff(from, to);
        if (patch === undefined) assert.isTrue(isEqual(from, to));
        else assert.isTrue(isEqual(patched(from, JSON.parse(JSON.stringify(patch)) as typeof patch), to));
        assert.isUndefined(diff(from, structuredClone(from)));
      }
    },
  );

  it("of a state that grows holds what is new, with messages whole", () => {
    const messages = Array.from({ length: 50 }, (_, at) => message(`m${at}`, `text ${at}`));
    const patch = diff({ messages, turns: 1 }, { messages: [...messages, message("m50", "new")], turns: 2 });
    assert.deepStrictEqual(patch, { o: { messages: { k: 50, a: [message("m50", "new")] }, turns: { v: 2 } } });
    const changed = diff([message("m0", "a")], [message("m0", "b")]);
    assert.deepStrictEqual(changed, { k: 0, a: [message("m0", "b")] });
    const context = { threadId: "t", eventId: "e", occurredAt: 0, place: "line" } as const;
    const entry = { checkpoint: {}, metadata: {}, channels: { messages: patch ?? {} } } as unknown as Json;
    const facts = interpreters.get("langgraph")?.interpret(entry, context, {}).facts ?? [];
    assert.deepStrictEqual(
      facts.map((fact) => [fact._tag, "model" in fact ? fact.model : undefined]),
      [
        ["MessageSaid", "m"],
        ["TokensUsed", "m"],
      ],
    );
  });
});

describe("a list that states share", () => {
  it("is for each state what it was, whoever adds to it afterwards", () => {
    const two = added(added(none, 1), 2);
    const [three, other] = [added(two, 3), added(two, 4)];
    const cut = added(kept(three, 1), 9);
    assert.deepStrictEqual([two, three, other, cut, none].map(toArray), [[1, 2], [1, 2, 3], [1, 2, 4], [1, 9], []]);
  });
});
