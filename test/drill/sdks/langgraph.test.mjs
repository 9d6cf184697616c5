/** LangGraph's own validation suite over our checkpointer, beside memory's, and a graph that two processes run. */
import { HumanMessage, AIMessage } from "@langchain/core/messages";
import { Annotation, END, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { MemorySaver } from "@langchain/langgraph-checkpoint";
import { deltaChannelHistoryTests, validate } from "@langchain/langgraph-checkpoint-validation";
import { RecollectSaver } from "recollect/langgraph";
import { connect } from "./connect.mjs";

let recollect;
const ours = {
  checkpointerName: "recollect",
  createCheckpointer: async () => new RecollectSaver((recollect ??= await connect()), { graph: crypto.randomUUID() }),
};
validate(ours);
deltaChannelHistoryTests(ours);
// Its name is how the suite knows that it keeps no channel deltas.
validate({ checkpointerName: "MemorySaver", createCheckpointer: () => new MemorySaver() });

describe("a graph", () => {
  const graphOn = (checkpointer) =>
    new StateGraph(
      Annotation.Root({
        ...MessagesAnnotation.spec,
        turns: Annotation({ reducer: (a, b) => a + b, default: () => 0 }),
      }),
    )
      .addNode("model", ({ messages }) => ({ turns: 1, messages: [new AIMessage(`heard ${messages.length}`)] }))
      .addEdge(START, "model")
      .addEdge("model", END)
      .compile({ checkpointer });

  it("goes on in another process, can be taken up earlier, and its messages are a thread's, once", async () => {
    const [one, two] = [await connect(), await connect()];
    const config = { configurable: { thread_id: crypto.randomUUID() } };
    const say = (saver, text) => graphOn(saver).invoke({ messages: [new HumanMessage(text)] }, config);
    await say(new RecollectSaver(one), "one");
    await say(new RecollectSaver(two), "two");
    const last = await say(new RecollectSaver(one), "three");
    expect(last.messages.map(({ content }) => content)).toEqual([
      "one",
      "heard 1",
      "two",
      "heard 3",
      "three",
      "heard 5",
    ]);
    expect(last.turns).toBe(3);
    const states = [];
    for await (const state of graphOn(new RecollectSaver(two)).getStateHistory(config)) states.push(state);
    expect(states.length).toBe(9);
    const earlier = states.find(({ values }) => values.messages.length === 2);
    const again = await graphOn(new RecollectSaver(two)).invoke(
      { messages: [new HumanMessage("instead")] },
      earlier.config,
    );
    expect(again.messages.map(({ content }) => content)).toEqual(["one", "heard 1", "instead", "heard 3"]);
    const view = await one.thread(config.configurable.thread_id).read();
    expect(view.messages.map(({ text }) => text)).toEqual([
      "one",
      "heard 1",
      "two",
      "heard 3",
      "three",
      "heard 5",
      "instead",
      "heard 3",
    ]);
    const events = await one.history({ thread: config.configurable.thread_id }).read();
    const bytes = (from, to) => events.slice(from, to).reduce((sum, { data }) => sum + JSON.stringify(data).length, 0);
    expect(events.length).toBeGreaterThan(12);
    expect(bytes(-3)).toBeLessThan(2 * bytes(0, 3) + 4_000);
  });

  it("loses no write of two processes that run one thread at once", async () => {
    const savers = [new RecollectSaver(await connect()), new RecollectSaver(await connect())];
    const config = { configurable: { thread_id: crypto.randomUUID(), checkpoint_ns: "" } };
    const checkpoints = savers.flatMap((saver, of) =>
      Array.from({ length: 10 }, async (_, at) => {
        const id = `${of}${at}`.padStart(8, "0");
        const checkpoint = {
          v: 4,
          id,
          ts: "",
          channel_values: { a: [of, at] },
          channel_versions: { a: 1 },
          versions_seen: {},
        };
        const put = await saver.put(config, checkpoint, { source: "loop", step: at, parents: {} }, { a: 1 });
        await saver.putWrites(
          put,
          [
            ["a", at],
            ["__error__", of],
          ],
          `task ${of}`,
        );
      }),
    );
    await Promise.all(checkpoints);
    for (const saver of savers) {
      const found = [];
      for await (const tuple of saver.list(config))
        found.push([tuple.checkpoint.channel_values.a, tuple.pendingWrites.length]);
      expect(found.length).toBe(20);
      expect(found.every(([, writes]) => writes === 2)).toBe(true);
    }
  });
});
