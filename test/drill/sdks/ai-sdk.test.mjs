/** The AI SDK over our chats, and `resumable-stream` over our channels. */
import {
  convertToModelMessages,
  createUIMessageStream,
  readUIMessageStream,
  simulateReadableStream,
  streamText,
  validateUIMessages,
} from "ai";
import { MockLanguageModelV4, MockLanguageModelV3, MockLanguageModelV2 } from "ai/test";
import { createResumableStreamContext } from "resumable-stream/generic";
import { chatStore, resumableStreams } from "recollect/ai-sdk";
import { connect } from "./connect.mjs";

const Model = MockLanguageModelV4 ?? MockLanguageModelV3 ?? MockLanguageModelV2;
const model = new Model({
  doStream: async () => ({
    stream: simulateReadableStream({
      chunks: [
        { type: "stream-start", warnings: [] },
        { type: "text-start", id: "1" },
        { type: "text-delta", id: "1", delta: "Yes, " },
        { type: "text-delta", id: "1", delta: "it will." },
        { type: "text-end", id: "1" },
        {
          type: "finish",
          finishReason: { unified: "stop", raw: "stop" },
          usage: {
            inputTokens: { total: 10, noCache: 10, cacheRead: 0, cacheWrite: 0 },
            outputTokens: { total: 3, text: 3, reasoning: 0 },
          },
        },
      ],
    }),
  }),
});

it("keeps a chat as the SDK's own page keeps one in files", async () => {
  const [one, two] = [await connect(), await connect()];
  const chatId = crypto.randomUUID();
  for (const [at, recollect] of [one, two].entries()) {
    const chats = chatStore(recollect);
    const question = { id: `q${at}`, role: "user", parts: [{ type: "text", text: `question ${at}?` }] };
    const messages = await validateUIMessages({ messages: [...(await chats.load(chatId)), question] });
    const result = streamText({ model, messages: await convertToModelMessages(messages) });
    let id = 0;
    const saved = new Promise((resolve, reject) => {
      const stream = result.toUIMessageStream({
        originalMessages: messages,
        generateMessageId: () => `a${at}${id++}`,
        onFinish: ({ messages: all }) => chats.save({ chatId, messages: all }).then(resolve, reject),
        messageMetadata: ({ part }) =>
          part.type === "finish" ? { model: "mock", totalUsage: part.totalUsage } : undefined,
      });
      void (async () => {
        for await (const chunk of stream) void chunk;
      })();
    });
    await saved;
  }
  const loaded = await chatStore(one).load(chatId);
  expect(loaded.map(({ role }) => role)).toEqual(["user", "assistant", "user", "assistant"]);
  await validateUIMessages({ messages: loaded });
  const view = await two.thread(chatId).read();
  expect(view.messages.map(({ text }) => text)).toEqual([
    "question 0?",
    "Yes, it will.",
    "question 1?",
    "Yes, it will.",
  ]);
  void createUIMessageStream;
  void readUIMessageStream;
});

describe("resumable-stream", () => {
  const contextOn = (recollect) =>
    createResumableStreamContext({ waitUntil: null, ...resumableStreams(recollect), keyPrefix: crypto.randomUUID() });
  const text = async (stream) => {
    let all = "";
    for await (const chunk of stream) all += chunk;
    return all;
  };
  /** A stream whose chunks are let go one by one. */
  const held = () => {
    let controller;
    const stream = new ReadableStream({ start: (given) => void (controller = given) });
    return { stream, say: (chunk) => controller.enqueue(chunk), end: () => controller.close() };
  };

  it("resumes a stream of another process, from its beginning or after characters, while it goes on", async () => {
    const keyPrefix = crypto.randomUUID();
    const contexts = [await connect(), await connect(), await connect()].map((recollect) =>
      createResumableStreamContext({ waitUntil: null, ...resumableStreams(recollect), keyPrefix }),
    );
    const [producer, reader, third] = contexts;
    const source = held();
    expect(await producer.hasExistingStream("s")).toBe(null);
    expect(await reader.resumeExistingStream("s")).toBe(undefined);
    const first = text(await producer.resumableStream("s", () => source.stream));
    source.say("one ");
    source.say("zwei € ");
    await new Promise((resolve) => setTimeout(resolve, 100));
    const second = text(
      await reader.resumableStream("s", () => {
        throw new Error("it is there");
      }),
    );
    const later = text(await third.resumeExistingStream("s", 4));
    await new Promise((resolve) => setTimeout(resolve, 100));
    source.say("x".repeat(500_000));
    source.end();
    expect(await first).toBe(`one zwei € ${"x".repeat(500_000)}`);
    expect(await second).toBe(await first);
    expect(await later).toBe((await first).slice(4));
    await vi.waitFor(async () => expect(await reader.hasExistingStream("s")).toBe("DONE"));
    expect(await reader.resumableStream("s", () => held().stream)).toBe(null);
    expect(await third.resumeExistingStream("s")).toBe(null);
  });

  it("lets one of two processes make the stream", async () => {
    const keyPrefix = crypto.randomUUID();
    const contexts = [await connect(), await connect()].map((recollect) =>
      createResumableStreamContext({ waitUntil: null, ...resumableStreams(recollect), keyPrefix }),
    );
    let made = 0;
    const sources = [held(), held()];
    const made_ = [];
    const streams = contexts.map((context, at) =>
      context.resumableStream("s", () => (made++, made_.push(at), sources[at].stream)).catch((error) => error),
    );
    const [one] = await Promise.all(streams);
    void one;
    expect(made).toBe(1);
    sources[made_[0]].end();
    void contextOn;
  });
});
