import { assert, describe, it } from "@effect/vitest";
import { Effect, Schema } from "effect";
import { chatParts } from "../../../src/edge/import/formats/ChatFormats.ts";
import { LineSplitter } from "../../../src/edge/import/cut/CutLines.ts";
import { IdTable } from "../../../src/edge/import/IdTable.ts";
import { compact, JsonOutline, outlineOf, valuesOf } from "../../../src/edge/import/formats/JsonOutline.ts";
import { boundedId, lineFileName, nthName, stemOf, subAgentOf } from "../../../src/edge/import/ThreadIds.ts";
import { millisOf, timeOf } from "../../../src/domain/EntryTimes.ts";
import { fromContent } from "../../../src/domain/EventId.ts";
import { claude, events, exportedBytes, folderOf, importAll, threads, world } from "./World.ts";

const Value = Schema.Union([Schema.String, Schema.Finite, Schema.Boolean, Schema.Null]);
const Nested = Schema.Struct({
  'a"\\b': Value,
  messages: Schema.Array(Schema.Union([Value, Schema.Array(Value)])),
  é: Schema.Record(Schema.String, Value),
});
const Cuts = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 400 })));

/** A value as JSON gives it back: there is no -0 in it. */
const asJson = <A>(value: A): A => JSON.parse(JSON.stringify(value)) as A;

/** The pieces of some bytes, cut at these places. */
const piecesOf = (bytes: Buffer, cuts: ReadonlyArray<number>): ReadonlyArray<Buffer> => {
  const places = [...new Set([0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length])].toSorted(
    (a, b) => a - b,
  );
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
};

describe("the outline of a JSON text", () => {
  it.prop("finds every element and member, wherever the text is cut into pieces", [Nested, Cuts], ([any, cuts]) => {
    const value = asJson(any);
    const bytes = Buffer.from(JSON.stringify(value, undefined, 1), "utf8");
    const outline = new JsonOutline(chatParts);
    for (const piece of piecesOf(bytes, cuts)) outline.push(piece);
    outline.end();
    assert.isUndefined(outline.problem);
    const [root] = outline.roots;
    const read = (part: { readonly start: number; readonly end: number }): unknown =>
      JSON.parse(bytes.toString("utf8", part.start, part.end));
    assert.deepStrictEqual(read(root ?? { start: 0, end: 0 }), value);
    assert.deepStrictEqual(Object.fromEntries((root?.parts ?? []).map((part) => [part.key, read(part)])), { ...value });
    assert.deepStrictEqual(root?.parts?.find(({ key }) => key === "messages")?.parts?.map(read), [...value.messages]);
  });

  it.prop("without white space is the same JSON", [Nested], ([value]) => {
    const bytes = Buffer.from(JSON.stringify(value, undefined, "\t"), "utf8");
    assert.strictEqual(compact(bytes).toString("utf8"), JSON.stringify(value));
  });

  it("ends at a bound of its parts, because a long list of numbers has as many as take all memory", () => {
    const text = Buffer.from(`{"messages":[${"0,".repeat(500)}0]}`);
    const outline = new JsonOutline(chatParts, 400);
    outline.push(text);
    assert.deepStrictEqual([outline.isFull, outline.roots[0]?.parts?.[0]?.parts?.length], [true, 399]);
    assert.match(outline.problem ?? "", /too many values/);
    const whole = new JsonOutline(chatParts, 503);
    whole.push(text);
    whole.end();
    assert.deepStrictEqual([whole.isFull, whole.problem], [false, undefined]);
  });

  it("names what is wrong, and when it only ends too early", () => {
    const problem = (text: string): readonly [string | undefined, boolean] => {
      const outline = outlineOf(Buffer.from(text), chatParts);
      return [outline.problem, outline.isOpen];
    };
    assert.deepStrictEqual(problem('{"a":[1}'), ["its brackets do not match", true]);
    assert.deepStrictEqual(problem('{"a":"x\n"}'), ["a control character stands in a string", true]);
    assert.deepStrictEqual(problem('{"a":[1,2'), ["it ends in the middle", true]);
    assert.deepStrictEqual(problem("STDIN: {}"), ["it begins with no object or array", false]);
    assert.strictEqual(valuesOf(Buffer.from('{"a":1} {"b":2}[3]')).roots.length, 3);
  });
});

it.prop(
  "lines are the same however the file is cut into chunks",
  [Schema.Array(Schema.String), Cuts],
  ([texts, cuts]) => {
    const bytes = Buffer.from(texts.join("\n"), "utf8");
    const splitter = new LineSplitter();
    const lines = [...piecesOf(bytes, cuts).flatMap((piece) => splitter.push(piece)), ...splitter.end()];
    const wanted = bytes.toString("utf8").split("\n");
    if (wanted.at(-1) === "") wanted.pop();
    assert.deepStrictEqual(
      lines.map((line) => line.bytes?.toString("utf8")),
      wanted,
    );
    assert.deepStrictEqual(
      lines.map(({ number }) => number),
      wanted.map((_, index) => index + 1),
    );
  },
);

it("a line above the bound is given up, not kept, and the next one is whole", () => {
  const splitter = new LineSplitter(10);
  const lines = [...splitter.push(Buffer.from("12345678")), ...splitter.push(Buffer.from("90123\nok\n"))];
  assert.deepStrictEqual(
    lines.map(({ bytes, number }) => [number, bytes?.toString()]),
    [
      [1, undefined],
      [2, "ok"],
    ],
  );
});

it("the table of ids holds what a map holds", () => {
  const table = new IdTable();
  const map = new Map<string, number>();
  for (let n = 0; n < 20_000; n++) {
    const id = n % 3 === 0 ? `any text ${n % 5000}` : fromContent(String(n % 7000));
    map.set(id, (map.get(id) ?? 0) + 1);
    assert.strictEqual(table.increment(id), map.get(id));
  }
  assert.strictEqual(table.size, map.size);
  for (const [id, value] of map) assert.strictEqual(table.get(id), value);
  assert.strictEqual(table.get("not there"), 0);
});

/** Lines as they may stand in a file: JSON, text, anything but a newline. */
const AnyLine = Schema.String.check(Schema.isMaxLength(60));
const bytesOf = (text: string): Buffer => Buffer.from(text.toWellFormed().replaceAll("\n", "␤"), "utf8");

describe("export after import", () => {
  it.effect.prop(
    "gives back arbitrary lines, byte for byte, in order",
    [Schema.Array(Schema.Union([AnyLine, Nested]))],
    ([content]) =>
      Effect.gen(function* () {
        const lines = content.map((each) =>
          typeof each === "string" ? bytesOf(each) : Buffer.from(JSON.stringify(each)),
        );
        const kept = lines.filter((line) => !/^[ \t\r]*$/.test(line.toString("latin1")));
        const file = Buffer.concat([
          Buffer.from(`${claude("s", "first")}\n`),
          ...lines.flatMap((line) => [line, Buffer.from("\n")]),
        ]);
        yield* importAll(yield* folderOf({ "a.jsonl": file }));
        const wanted = Buffer.concat([
          Buffer.from(`${claude("s", "first")}\n`),
          ...kept.flatMap((line) => [line, Buffer.from("\n")]),
        ]);
        assert.deepStrictEqual((yield* exportedBytes("s")).toString("latin1"), wanted.toString("latin1"));
      }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.effect.prop(
    "gives back arbitrary messages in arbitrary frames, deep-equal",
    [Nested, Schema.Array(Value)],
    ([frame, words]) =>
      Effect.gen(function* () {
        const messages = [
          { role: "user", content: "hi" },
          ...words.map((content) => ({ role: "assistant", content })),
          ...frame.messages,
        ];
        const chat = { ...frame, history2: [], messages, z: { messages: [] } };
        yield* importAll(yield* folderOf({ "a.json": JSON.stringify(chat, undefined, 3) }));
        const [id = ""] = yield* threads;
        assert.deepStrictEqual(JSON.parse((yield* exportedBytes(id)).toString("utf8")), asJson(chat));
      }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

describe("sessions and times of lines", () => {
  it.live(
    "a line without session belongs to the one before, the first ones to the next; two sessions may alternate",
    () =>
      Effect.gen(function* () {
        const bare = (n: number) => JSON.stringify({ type: "file-history-snapshot", messageId: `m${n}`, snapshot: {} });
        const lines = [bare(0), claude("one", "a"), bare(1), claude("two", "b"), bare(2), claude("one", "c"), bare(3)];
        yield* importAll(yield* folderOf({ "a.jsonl": lines.join("\n") }));
        const at = (indexes: ReadonlyArray<number>) => `${indexes.map((index) => lines[index]).join("\n")}\n`;
        assert.deepStrictEqual((yield* exportedBytes("one")).toString(), at([0, 1, 2, 5, 6]));
        assert.deepStrictEqual((yield* exportedBytes("two")).toString(), at([3, 4]));
      }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("a time is the line's own, else of the line before, else of the first that has one", () =>
    Effect.gen(function* () {
      const timed = (uuid: string, timestamp: string | undefined) => claude("s", uuid, { timestamp });
      const lines = [
        timed("a", undefined),
        timed("b", "2026-03-01T00:00:00Z"),
        timed("c", undefined),
        timed("d", "2026-02-01T00:00:00Z"),
        timed("e", "[trimmed]"),
      ];
      yield* importAll(yield* folderOf({ "a.jsonl": lines.join("\n") }));
      const days = (yield* events).map(({ occurredAt }) => new Date(occurredAt).toISOString().slice(5, 10));
      assert.deepStrictEqual(days, ["03-01", "03-01", "03-01", "02-01", "02-01"]);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("a sub-agent's file is a thread of its own under its session, in both places where it may lie", () =>
    Effect.gen(function* () {
      const line = claude("parent", "x", { isSidechain: true, agentId: "7f" });
      yield* importAll(
        yield* folderOf({
          "p/parent/subagents/agent-7f.jsonl": line,
          "q/agent-8a.jsonl": line,
          "p/parent.jsonl": claude("parent", "y"),
        }),
      );
      assert.deepStrictEqual((yield* threads).toSorted(), ["parent", "parent/agent-7f", "parent/agent-8a"]);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it("times are read with and without zone, as seconds, milliseconds and microseconds", () => {
    const day = Date.UTC(2026, 0, 2);
    for (const value of [
      "2026-01-02T00:00:00Z",
      "2026-01-02T00:00:00",
      "2026-01-02 00:00:00.000000",
      "2026-01-02T01:00:00+01:00",
      day,
      day / 1000,
      day * 1000,
    ]) {
      assert.strictEqual(millisOf(value), day, String(value));
    }
    for (const value of [
      "[trimmed for fixture]",
      "9999-99-99T99:99:99.999Z",
      17,
      -1,
      true,
      null,
      "42",
      Number.MAX_VALUE,
    ])
      assert.isUndefined(millisOf(value), String(value));
    assert.strictEqual(timeOf({ time: { created: day } }), day);
    assert.strictEqual(timeOf({ state: { time: { start: day } } }), day);
  });
});

describe("names of threads", () => {
  it("come from the file's name without folder and ending, or from the folder when that says more", () => {
    assert.strictEqual(stemOf("/a/b/talk.jsonl"), "talk");
    assert.strictEqual(stemOf("/a/1f0c/events.jsonl"), "1f0c");
    assert.strictEqual(stemOf("C:\\logs\\run.traj"), "run");
    assert.strictEqual(subAgentOf("/x/agent-a1.jsonl"), "agent-a1");
    const first = Buffer.from("{}");
    const id = "0b3e3c5e-1111-4222-8333-444455556666";
    assert.strictEqual(lineFileName(`/x/${id}.jsonl`, first), id);
    assert.match(lineFileName("/x/small.jsonl", first), /^small\/[0-9a-f]{8}$/);
  });

  it.prop(
    "are always ones the log takes, and different for different long ids",
    [Schema.String, Schema.String],
    ([one, two]) => {
      const long = (text: string) => boundedId(`${"é".repeat(120)}${text}`);
      for (const id of [boundedId(one), long(one), nthName(long(one), 1000)]) {
        assert.isAtMost(Buffer.byteLength(id), 200);
        assert.isTrue(id.isWellFormed() && id !== "");
      }
      if (one !== two) assert.notStrictEqual(long(one), long(two));
    },
  );
});
