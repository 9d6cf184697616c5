/** The A2A SDK's request handler over our task store, beside its own in memory. */
import { AgentEvent, DefaultRequestHandler, InMemoryTaskStore, ServerCallContext } from "@a2a-js/sdk/server";
import { taskStore } from "recollect/a2a";
import { connect } from "./connect.mjs";

const message = (messageId, text, more = {}) => ({
  messageId,
  contextId: "",
  taskId: "",
  role: 1,
  metadata: undefined,
  extensions: [],
  referenceTaskIds: [],
  parts: [{ content: { $case: "text", value: text }, metadata: undefined, filename: "", mediaType: "" }],
  ...more,
});
const task = (id, contextId, state, more = {}) => ({
  id,
  contextId,
  artifacts: [],
  history: [],
  metadata: undefined,
  status: { state, message: undefined, timestamp: new Date(1_796_000_000_000 + state * 1_000).toISOString() },
  ...more,
});
const user = (userName) => ({ userName, isAuthenticated: true });
/** The store in memory gives bytes for a buffer. */
const plain = (value) => JSON.parse(JSON.stringify(structuredClone(value ?? null)));

describe("a task store", () => {
  it("answers what the one in memory answers, to every call", async () => {
    const recollect = await connect();
    const stores = [taskStore(recollect), new InMemoryTaskStore()];
    const context = new ServerCallContext({ user: user(crypto.randomUUID()) });
    const other = new ServerCallContext({ user: user("other"), tenant: "t" });
    const seen = [[], []];
    for (const [at, store] of stores.entries()) {
      const say = (value) => seen[at].push(plain(value));
      say(await store.load("none", context));
      const raw = {
        content: { $case: "raw", value: Buffer.from([0, 255]) },
        metadata: { a: 1 },
        filename: "f",
        mediaType: "m",
      };
      let one = task("t1", "c1", 1, { history: [message("m1", "one?")] });
      await store.save(one, context);
      for (let step = 0; step < 5; step++) {
        one = {
          ...one,
          status: { ...one.status, state: 2 },
          artifacts: [
            {
              artifactId: "a",
              name: "n",
              description: "",
              parts: Array.from({ length: step + 1 }, () => raw),
              metadata: undefined,
              extensions: [],
            },
          ],
        };
        await store.save(one, context);
        await store.save(one, context);
      }
      one = {
        ...one,
        history: [...one.history, message("m2", "done", { role: 2 })],
        status: { ...one.status, state: 3 },
      };
      await store.save(one, context);
      for (let nth = 2; nth < 8; nth++) await store.save(task(`t${nth}`, `c${nth % 2}`, (nth % 5) + 1), context);
      say(await store.load("t1", context));
      say(await store.load("t1", other));
      const params = { tenant: "", contextId: "", status: 0, pageToken: "", statusTimestampAfter: undefined };
      for (const more of [
        {},
        { contextId: "c1" },
        { status: 2 },
        { includeArtifacts: true },
        { statusTimestampAfter: task("", "", 2).status.timestamp },
      ])
        say(await store.list({ ...params, ...more }, context));
      let pageToken = "";
      do {
        const page = await store.list({ ...params, pageSize: 3, pageToken }, context);
        ({ nextPageToken: pageToken } = page);
        say([page.tasks.map(({ id }) => id), page.totalSize, pageToken === ""]);
      } while (pageToken !== "");
      const loaded = await store.load("t1", context);
      expect(Buffer.from(loaded.artifacts[0].parts[4].content.value)).toEqual(Buffer.from([0, 255]));
      one.id = "changed after it was saved";
      say((await store.load("t1", context)).id);
    }
    expect(seen[0]).toEqual(seen[1]);
  });

  it("serves the SDK's request handler, and another server goes on", async () => {
    const [one, two] = [await connect(), await connect()];
    const executor = {
      execute: async ({ contextId, taskId, task: known, userMessage }, bus) => {
        const said = (state, more = {}) => ({ ...task(taskId, contextId, state), ...more });
        if (known === undefined) bus.publish(AgentEvent.task(said(1, { history: [userMessage] })));
        const answer = message(crypto.randomUUID(), "heard", { role: 2, taskId, contextId });
        bus.publish(
          AgentEvent.statusUpdate({
            taskId,
            contextId,
            status: { state: known === undefined ? 6 : 3, message: answer, timestamp: new Date().toISOString() },
            metadata: undefined,
          }),
        );
        bus.finished();
      },
      cancelTask: async () => undefined,
    };
    const card = {
      name: "n",
      description: "",
      version: "1",
      skills: [],
      capabilities: {},
      defaultInputModes: [],
      defaultOutputModes: [],
      supportedInterfaces: [],
    };
    const context = new ServerCallContext({ user: user("ana") });
    const send = (recollect, sent) =>
      new DefaultRequestHandler(card, taskStore(recollect), executor).sendMessage(
        { tenant: "", message: sent, configuration: undefined, metadata: undefined },
        context,
      );
    const taskOf = (answer) => answer.task ?? answer.payload?.value ?? answer;
    const first = taskOf(await send(one, message("u1", "one?")));
    expect(first.status.state).toBe(6);
    const second = taskOf(await send(two, message("u2", "two?", { taskId: first.id, contextId: first.contextId })));
    expect(second.status.state).toBe(3);
    const kept = await taskStore(one).load(first.id, context);
    expect(plain(kept.history.map(({ messageId }) => messageId)).slice(0, 1)).toEqual(["u1"]);
    const thread = `a2a//ana/${first.contextId}`;
    const texts = (await one.thread(thread).read()).messages.map(({ text }) => text);
    expect(texts.toSorted()).toEqual(["heard", "heard", "one?", "two?"]);
    expect((await one.tasks.show(`a2a//ana/${first.id}`)).status).toBe("completed");
  });
});
