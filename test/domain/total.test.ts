import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { jsonBytes } from "../../src/domain/Truncate.ts";
import { type Carry, noCarry } from "../../src/domain/interpret/Interpreter.ts";
import { interpreters } from "../../src/domain/interpret/interpreters.ts";
import { isObject, type JsonValue } from "../../src/domain/Json.ts";
import { sets } from "../support/RawCounts.ts";
import { type Cut, dataRoot, entriesOf } from "./realEntries.ts";

const places = ["line", "joined", "frame", "element"] as const;
const carryBytes = 8 * 1024;

/** Words that the formats look for, so that an invented entry comes further than the first question. */
const words = [
  "type",
  "role",
  "message",
  "content",
  "payload",
  "item",
  "tool_calls",
  "id",
  "usage",
  "text",
  "data",
  "name",
  "arguments",
  "msg",
  "state",
  "output",
];
const Word = Schema.Literals([
  ...words,
  "assistant",
  "user",
  "tool",
  "tool_use",
  "tool_result",
  "response_item",
  "function_call",
  "item.completed",
  "gemini",
]);
const leaves = Schema.Union([Schema.Json, Word]);
const Entry = Schema.Record(
  Word,
  Schema.Union([
    leaves,
    Schema.Array(leaves),
    Schema.Record(Word, Schema.Union([leaves, Schema.Record(Word, leaves)])),
  ]),
);

/** Interprets an entry and holds the facts to what every reader relies on. */
const checked = (format: string, entry: JsonValue, place: (typeof places)[number], carry: Carry): Carry => {
  const interpreter = interpreters.get(format);
  if (interpreter === undefined) throw new Error(`no interpreter for ${format}`);
  const context = { threadId: "t", eventId: "e", occurredAt: 0, place };
  const told = interpreter.interpret(entry, context, carry);
  assert.isAbove(told.facts.length, 0, "an entry says something, at least that it is known");
  for (const fact of told.facts) {
    if (fact._tag === "MessageSaid")
      assert.isTrue(
        fact.messageId !== "" &&
          typeof fact.role === "string" &&
          fact.parts.every(({ type }) => typeof type === "string"),
      );
    if (fact._tag === "ToolWasCalled") assert.doesNotThrow(() => JSON.parse(fact.arguments));
    if (fact._tag === "ToolHasReturned")
      assert.isTrue(Number.isSafeInteger(fact.resultBytes) && (fact.durationMillis ?? 0) >= 0);
    if (fact._tag === "TokensUsed")
      for (const count of Object.values(fact.usage))
        assert.isTrue(typeof count !== "number" || (Number.isSafeInteger(count) && count >= 0));
  }
  assert.isAtMost(jsonBytes(told.carry ?? noCarry), carryBytes);
  assert.deepStrictEqual(interpreter.interpret(entry, context, carry), told, "the same entry says the same again");
  return told.carry ?? carry;
};

/** Every place in a value, as the way to it. */
const waysIn = (value: JsonValue, way: ReadonlyArray<string> = []): ReadonlyArray<ReadonlyArray<string>> =>
  typeof value === "object" && value !== null
    ? [way, ...Object.entries(value).flatMap(([key, inner]) => waysIn(inner as JsonValue, [...way, key]))]
    : [way];

/** The value with another one at a place, or without it. */
const changed = (value: JsonValue, [key, ...way]: ReadonlyArray<string>, other: JsonValue | undefined): JsonValue => {
  if (key === undefined) return other ?? null;
  if (Array.isArray(value))
    return (value as ReadonlyArray<JsonValue>).map((inner, index) =>
      String(index) === key ? changed(inner, way, other) : inner,
    );
  if (!isObject(value)) return value;
  const { [key]: inner, ...rest } = value;
  if (way.length === 0 && other === undefined) return rest;
  return { ...rest, [key]: changed(inner ?? null, way, other) };
};

describe("an interpreter", () => {
  it.prop(
    "gives facts for any JSON and never throws",
    { entry: Schema.Union([Schema.Json, Entry]), place: Schema.Literals(places) },
    ({ entry, place }) => {
      for (const format of interpreters.keys()) checked(format, entry as JsonValue, place, noCarry);
    },
    { arbitrary: { runs: 100 } },
  );

  it("says nothing worse than that it does not understand, for every kind of value", () => {
    const values: ReadonlyArray<JsonValue> = [
      null,
      true,
      0,
      -1.5,
      "",
      "text",
      [],
      [[]],
      {},
      { type: null },
      { role: "" },
      { __proto__: 1 },
      { type: "constructor" },
      { role: "toString", type: "__proto__" },
    ];
    for (const format of interpreters.keys())
      for (const value of values) for (const place of places) checked(format, value, place, noCarry);
  });

  it("holds out against nesting that JSON.stringify cannot follow", () => {
    // The key `toJSON` leads V8 off its iterative path, and the recursive one ends the stack.
    const deep = JSON.parse(`{"toJSON":0,"in":${"[".repeat(50_000)}${"]".repeat(50_000)}}`) as JsonValue;
    assert.throws(() => JSON.stringify(deep), RangeError);
    const context = { threadId: "t", eventId: "e", occurredAt: 0, place: "element" } as const;
    const asks: Readonly<Record<string, JsonValue>> = {
      "openai-chat": {
        role: "assistant",
        content: deep,
        tool_calls: [{ id: "c", custom: { name: "f", input: deep } }],
      },
      "claude-code": {
        type: "assistant",
        uuid: "u",
        message: {
          id: "m",
          role: "assistant",
          content: [
            { type: "tool_use", id: "x", name: "f", input: deep },
            { type: "tool_result", content: deep },
          ],
        },
      },
      codex: { type: "response_item", payload: { type: "function_call_output", call_id: "c", output: deep } },
    };
    for (const [format, entry] of Object.entries(asks)) {
      assert.isAbove(interpreters.get(format)?.interpret(entry, context, noCarry).facts.length ?? 0, 0, format);
    }
  });

  it("remembers at most 8 KiB, however long ids and names are and however many calls wait", () => {
    const long = (index: number) => `${index}${"\u0001é😀".repeat(3_000)}`;
    // A few long ones fill it; of short ones it takes hundreds.
    for (const [id, count] of [[long, 20] as const, [(index: number) => `call_${index}`, 300] as const]) {
      const entries: Readonly<Record<string, (index: number) => JsonValue>> = {
        "openai-chat": (index) => ({
          role: "assistant",
          model: id(index),
          tool_calls: [{ id: id(index), function: { name: "f", arguments: "{}" } }],
        }),
        codex: (index) => ({
          type: "event_msg",
          payload: {
            type: "item_completed",
            item: { type: "X", id: id(index), status: "failed", error: { message: id(index) } },
          },
        }),
        cursor: (index) => ({
          role: "assistant",
          model: id(index),
          message: { content: [{ type: "tool_use", name: "f", id: id(index), input: {} }] },
        }),
        opencode: (index) => ({
          id: id(index),
          sessionID: "s",
          role: "user",
          modelID: id(index),
          providerID: id(index),
        }),
        "claude-code": (index) => ({
          type: "user",
          uuid: "u",
          cwd: id(index),
          gitBranch: id(index),
          version: id(index),
          sessionId: id(index),
          message: { role: "user", content: "x" },
        }),
        inspect: (index) => ({
          events: [
            { event: "tool", id: id(index), working_time: 1 },
            { event: "tool", id: id(index + 1), working_time: 1 },
          ],
          output: { model: id(index) },
        }),
      };
      for (const [format, entry] of Object.entries(entries)) {
        let carry: Carry = noCarry;
        for (let index = 0; index < count; index++) carry = checked(format, entry(index), "line", carry);
        assert.isAbove(Object.keys(carry).length, 0, format);
      }
    }
  });
});

describe.skipIf(dataRoot === undefined)("a real entry that was damaged", () => {
  const byFormat = new Map<string, Array<Cut>>();
  for (const set of dataRoot === undefined ? [] : sets) {
    for (const cut of entriesOf(set, dataRoot ?? "")) {
      // Frames with thousands of places would make every damage a harmless one.
      if (cut.raw.length < 20_000) byFormat.set(cut.format, [...(byFormat.get(cut.format) ?? []), cut].slice(-400));
    }
  }
  it.prop(
    "still gives facts, and never a throw",
    { pick: Schema.Natural, at: Schema.Natural, other: Schema.Union([Schema.Json, Schema.Undefined]) },
    ({ pick, at, other }) => {
      for (const [format, cuts] of byFormat) {
        const cut = cuts[pick % cuts.length];
        if (cut === undefined) continue;
        const ways = waysIn(cut.entry);
        checked(
          format,
          changed(cut.entry, ways[at % ways.length] ?? [], other as JsonValue | undefined),
          cut.place,
          noCarry,
        );
      }
    },
    { arbitrary: { runs: 100 } },
  );
});
