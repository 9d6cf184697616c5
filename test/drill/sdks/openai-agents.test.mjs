/** The OpenAI Agents SDK's runner over our session, beside its own in memory, with a model that is scripted. */
import { Agent, MemorySession, Runner, tool, Usage } from "@openai/agents-core";
import { session } from "recollect/openai-agents";
import { z } from "zod";
import { connect } from "./connect.mjs";

/** Calls the tool once, then says how many items it was given. */
const model = {
  getResponse: async ({ input }) => {
    const items = typeof input === "string" ? [input] : input;
    const isAsked = items.at(-1)?.type === "function_call_result";
    const output = isAsked
      ? [
          {
            id: `m${items.length}`,
            type: "message",
            role: "assistant",
            status: "completed",
            content: [{ type: "output_text", text: `heard ${items.length}` }],
          },
        ]
      : [
          {
            id: `f${items.length}`,
            type: "function_call",
            callId: `c${items.length}`,
            name: "forecast",
            status: "completed",
            arguments: "{}",
          },
        ];
    return { usage: new Usage(), output };
  },
  async *getStreamedResponse(request) {
    const { output } = await this.getResponse(request);
    yield {
      type: "response_done",
      response: { id: "r", usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 }, output },
    };
  },
};
const forecast = tool({ name: "forecast", description: "d", parameters: z.object({}), execute: async () => "rain" });
const agent = new Agent({ name: "weather", model, tools: [forecast] });
const runner = new Runner({ tracingDisabled: true });

describe("a run", () => {
  it.each([false, true])("stores what it stores in memory, streamed: %s", async (stream) => {
    const [one, two] = [await connect(), await connect()];
    const id = crypto.randomUUID();
    const memory = new MemorySession({ sessionId: id });
    const said = [];
    for (const [text, at] of [
      ["one?", one],
      ["two?", two],
      ["three?", one],
    ]) {
      for (const kept of [memory, session(at, id)]) {
        const run = await runner.run(agent, text, { session: kept, stream });
        if (stream) for await (const event of run) void event;
        said.push(run.finalOutput);
      }
    }
    const plain = (items) => JSON.parse(JSON.stringify(items));
    expect(said).toEqual(["heard 3", "heard 3", "heard 7", "heard 7", "heard 11", "heard 11"]);
    expect(plain(await session(two, id).getItems())).toEqual(plain(await memory.getItems()));
    const view = await one.thread(id).read();
    expect(view.messages.map(({ text }) => text)).toEqual(["one?", "heard 3", "two?", "heard 7", "three?", "heard 11"]);
  });
});
