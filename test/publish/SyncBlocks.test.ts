import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import * as History from "../../src/domain/History.ts";
import type { ChatMessage } from "../../src/publish/thread/ChatMessage.ts";
import { thread } from "../../src/publish/thread/ThreadPublisher.ts";
import { folded } from "../projection/World.ts";
import { assistant, dataIn, user, withLog } from "./SyncWorld.ts";
import * as World from "./World.ts";

const base64 = (name: string, times = 1) => Buffer.from(name.repeat(times)).toString("base64");

/** Bytes as each of the chat APIs writes them into a block. */
const blocksWith = (data: string): ReadonlyArray<Record<string, unknown>> => [
  { type: "image_url", image_url: { url: `data:image/png;base64,${data}` } },
  { type: "input_image", image_url: `data:image/png;charset=utf-8;base64,${data}` },
  { type: "image", source: { type: "base64", media_type: "image/png", data } },
  { type: "image", mimeType: "image/png", data },
  { type: "file", file: { filename: "a.pdf", file_data: `data:application/pdf;base64,${data}` } },
  { type: "input_file", filename: "a.pdf", file_data: `data:application/pdf;base64,${data}` },
  { type: "document", title: "a.pdf", source: { type: "base64", media_type: "application/pdf", data } },
  { type: "input_audio", input_audio: { format: "wav", data } },
  { type: "audio", mimeType: "audio/wav", data },
];

const said = (block: unknown): ChatMessage => ({ role: "user", content: [block] });

describe("what is handed over with a conversation", () => {
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

  it.live("is kept with its bytes, whichever API's block holds them; other bytes in its place are something new", () =>
    Effect.gen(function* () {
      for (const [at, block] of blocksWith(base64("one")).entries()) {
        const id = `bytes ${at}`;
        const talk = yield* thread(id);
        yield* talk.sync([said(block)]);
        const other = yield* talk.sync([said(blocksWith(base64("two"))[at])]);
        assert.deepStrictEqual([other.appended.length, other.resent?.change], [1, "edited"]);
        assert.deepStrictEqual(
          (yield* dataIn(id)).map(({ parts }) =>
            (parts as ReadonlyArray<Record<string, unknown>>).map(({ data }) => data),
          ),
          [[base64("one")], [base64("two")]],
        );
      }
    }).pipe(withLog()),
  );

  it.live("is known again by the next process, also when it is larger than an event", () =>
    Effect.gen(function* () {
      const big = "x".repeat(300_000);
      const call = {
        id: "c",
        type: "function",
        function: { name: "write", arguments: JSON.stringify({ z: big, a: 1 }) },
      };
      const list: ReadonlyArray<ChatMessage> = [
        ...blocksWith(base64("large", 200_000)).map(said),
        said({ type: "from tomorrow", big }),
        { role: "assistant", content: null, tool_calls: [call] },
        { role: "tool", tool_call_id: "c", content: big },
      ];
      yield* (yield* thread("large")).sync(list);
      const { appended, known } = yield* (yield* thread("large")).sync(list);
      assert.deepStrictEqual([appended.length, known], [0, list.length]);
      for (const { body } of yield* World.eventsOf(History.thread("large"))) assert.isBelow(body.byteLength, 40_000);
    }).pipe(withLog()),
  );

  it.live(
    "may be said in the blocks of Anthropic's Messages: calls, results with what they show, signed thoughts",
    () =>
      Effect.gen(function* () {
        const talk = yield* thread("anthropic");
        const picture = { type: "image", source: { type: "base64", media_type: "image/png", data: base64("map") } };
        const call = { type: "tool_use", id: "t1", name: "forecast", input: { city: "Ghent" } };
        const thought = { type: "thinking", thinking: "I look.", signature: "proof" };
        const result = { type: "tool_result", tool_use_id: "t1", content: [{ type: "text", text: "sunny" }, picture] };
        const list: ReadonlyArray<ChatMessage> = [
          user("Weather?"),
          { role: "assistant", content: [thought, { type: "text", text: "Let me look." }, call] },
          { role: "user", content: [result] },
        ];
        yield* talk.sync(list);
        assert.lengthOf((yield* talk.sync([...list, assistant("It is sunny.")])).appended, 1);
        const [, asked, answered] = yield* dataIn("anthropic");
        assert.deepInclude(asked?.["parts"], { type: "thinking", text: "I look.", signature: "proof" });
        assert.deepInclude(answered?.["parts"], { type: "image", mediaType: "image/png", data: base64("map") });
        const { rows } = yield* folded(yield* World.eventsOf(History.thread("anthropic")));
        assert.deepStrictEqual(rows("SELECT tool_name, outcome FROM v_tool_calls"), [
          { tool_name: "forecast", outcome: "ok" },
        ]);
      }).pipe(withLog()),
  );

  it.live("is kept as it came when nobody knows what it is, and is another when it says something else", () =>
    Effect.gen(function* () {
      const talk = yield* thread("unknown");
      const blocks = [
        { type: "video", of: "a cat" },
        { type: "video", of: "a dog" },
        7,
        { type: "document", source: { type: "text", data: "Words." } },
      ];
      for (const block of blocks) assert.lengthOf((yield* talk.sync([said(block)])).appended, 1);
      const values = (yield* dataIn("unknown")).map(
        ({ parts }) => (parts as ReadonlyArray<Record<string, unknown>>)[0]?.["value"],
      );
      assert.deepStrictEqual(values, blocks);
    }).pipe(withLog()),
  );

  it.live("is refused with its place when it is no message, and nothing of the list is appended", () =>
    Effect.gen(function* () {
      const talk = yield* thread("refused");
      const circle: Array<unknown> = [];
      circle.push(circle);
      for (const wrong of [null, "text", { role: "user", content: 7 }, { role: "user", content: circle }]) {
        const error = yield* Effect.flip(talk.sync([user("first"), wrong as unknown as ChatMessage]));
        assert.strictEqual(error._tag, "InvalidEvent");
        assert.match(error.message, /^Message 1 of the list is none: /);
      }
      assert.lengthOf(yield* dataIn("refused"), 0);
    }).pipe(withLog()),
  );
});
