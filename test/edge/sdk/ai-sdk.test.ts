import { assert, layer } from "@effect/vitest";
import { Effect } from "effect";
import { randomUUID } from "node:crypto";
import { chatStore, resumableStreams } from "../../../src/edge/sdk/ai-sdk.ts";
import * as NatsServer from "../../support/NatsServer.ts";
import { client, rejected } from "./SdkWorld.ts";

const message = (id: string, role: string, text: string, more = {}) => ({
  id,
  role,
  parts: [{ type: "text", text }],
  ...more,
});

layer(NatsServer.layer({ stream: true }), { excludeTestServices: true })("the AI SDK's stores", (it) => {
  it.effect("a chat: what is saved is loaded, written when it is new or changed, and is a thread with its tokens", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* client, yield* client];
      const chatId = randomUUID();
      yield* Effect.promise(async () => {
        const chats = chatStore(one);
        assert.deepStrictEqual(await chats.load(chatId), []);
        const question = message("q1", "user", "Rain?");
        const tool = { type: "tool-forecast", toolCallId: "c1", input: { city: "Ghent" } };
        const asking = {
          id: "a1",
          role: "assistant",
          parts: [{ type: "step-start" }, { ...tool, state: "input-available" }],
        };
        const totalUsage = { inputTokens: 10, outputTokens: 3, inputTokenDetails: { cacheReadTokens: 4 } };
        const answer = {
          ...asking,
          metadata: { model: "m", totalUsage },
          parts: [
            { type: "step-start" },
            { ...tool, state: "output-available", output: { rain: true } },
            { type: "text", text: "Yes." },
          ],
        };
        await chats.save({ chatId, messages: [question, asking] });
        await chats.save({ chatId, messages: [question, answer] });
        await chats.save({ chatId, messages: [question, answer] });
        const entries = async () =>
          (await one.history({ thread: chatId }).read()).filter(({ type }) => type === "thread.entry_recorded");
        assert.lengthOf(await entries(), 3);
        assert.deepStrictEqual(await chatStore(two).load(chatId), [question, answer] as Array<object>);
        const again = message("a2", "assistant", "No.");
        await chats.save({ chatId, messages: [question, again] });
        assert.deepStrictEqual(await chatStore(two).load(chatId), [question, again]);
        const view = await one.thread(chatId).read();
        assert.deepStrictEqual(
          view?.messages.map(({ model, text }) => [model, text]),
          [
            [undefined, "Rain?"],
            ["m", '{"rain":true}\nYes.'],
            [undefined, "No."],
          ],
        );
        const image = {
          id: "i1",
          role: "user",
          parts: [{ type: "file", mediaType: "image/png", url: `data:image/png;base64,${"A".repeat(900_000)}` }],
        };
        await chats.save({ chatId, messages: [question, again, image] });
        await chats.save({ chatId, messages: [question, again, image] });
        assert.lengthOf(await entries(), 5);
        assert.deepStrictEqual((await chatStore(two).load(chatId)).at(-1), image);
        assert.isNull(await chats.activeStream(chatId));
        await chats.setActiveStream(chatId, "s1");
        assert.strictEqual(await chatStore(two).activeStream(chatId), "s1");
      });
    }),
  );

  it.effect("a chat: of two that loaded it and save at once, both keep what they added", () =>
    Effect.gen(function* () {
      const [one, two] = [chatStore(yield* client), chatStore(yield* client)];
      const chatId = randomUUID();
      yield* Effect.promise(async () => {
        await one.save({ chatId, messages: [message("1", "user", "1"), message("2", "assistant", "2")] });
        const [mine, theirs] = [await one.load(chatId), await two.load(chatId)];
        await Promise.all([
          one.save({ chatId, messages: [...mine, message("3", "user", "mine")] }),
          two.save({ chatId, messages: [...theirs.slice(0, 1), message("4", "assistant", "instead of 2")] }),
        ]);
        const ids = (await one.load(chatId)).map(({ id }) => id);
        assert.deepStrictEqual(ids.toSorted(), ["1", "3", "4"], "what one of them took away is away");
        assert.deepStrictEqual(
          (await two.load(chatId)).map(({ id }) => id),
          ids,
        );
      });
    }),
  );

  it.effect("resumable streams: keys count and end as Redis's do, and channels reach other processes", () =>
    Effect.gen(function* () {
      const [one, two] = [resumableStreams(yield* client), resumableStreams(yield* client)];
      yield* Effect.promise(async () => {
        const key = randomUUID();
        assert.isNull(await one.publisher.get(key));
        const counts = await Promise.all([one, two, one, two].map(({ publisher }) => publisher.incr(key)));
        assert.deepStrictEqual(counts.toSorted(), [1, 2, 3, 4]);
        await one.publisher.set(key, "DONE", { EX: 60 });
        assert.strictEqual(await two.publisher.get(key), "DONE");
        assert.match(String(await rejected(two.publisher.incr(key))), /ERR value is not an integer or out of range/);
        await one.publisher.set(key, "1", { EX: -1 });
        assert.isNull(await two.publisher.get(key));
        assert.strictEqual(await two.publisher.incr(key), 1);
        const heard: Array<string> = [];
        let resolve = (): void => undefined;
        const last = new Promise<void>((done) => (resolve = done));
        await two.subscriber.subscribe(`chunk:${key}`, (text) => {
          heard.push(text);
          if (text === "last") resolve();
        });
        const long = "€\u{1F327}".repeat(150_000);
        await one.publisher.publish(`chunk:${key}`, long);
        await one.publisher.publish(`chunk:${key}`, "");
        await one.publisher.publish(`chunk:${key}`, "last");
        await last;
        assert.strictEqual(heard.slice(0, -1).join(""), long);
        assert.isTrue(heard.every((text) => text.isWellFormed()));
        await two.subscriber.unsubscribe(`chunk:${key}`);
        await two.subscriber.unsubscribe("never");
      });
    }),
  );
});
