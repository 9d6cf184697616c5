import { assert, layer } from "@effect/vitest";
import { Effect, Layer } from "effect";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { IllegalTransition, InvalidEvent, Recollect, RecollectClosed } from "recollect";
import * as History from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as SpoolDrainer from "../../src/publish/drain/SpoolDrainer.ts";
import * as NatsServer from "../support/NatsServer.ts";
import * as World from "../publish/World.ts";
import * as Proxy from "../log/proxy.ts";

const world = Layer.provideMerge(World.natsLog, NatsServer.layer());
const root = new URL("../../", import.meta.url).pathname;

const connect = (data: string, url: string) =>
  Effect.acquireRelease(
    Effect.promise(() =>
      Recollect.connect({
        data,
        url,
        client: { name: "a program", version: "1" },
        actor: "alice",
        patienceMillis: 10_000,
      }),
    ),
    (recollect) => Effect.promise(() => recollect.close()),
  );

layer(world, { excludeTestServices: true })("Recollect", (it) => {
  it.effect("the example of ten lines records its conversation", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      const before = yield* EventLog.use((log) => Effect.map(log.info, ({ lastSequence }) => lastSequence));
      const env = { ...process.env, RECOLLECT_NATS_URL: url, RECOLLECT_DATA: data };
      const child = spawn(process.execPath, ["examples/publish.ts"], { cwd: root, env, stdio: "inherit" });
      const [code] = yield* Effect.promise(() => once(child, "close"));
      assert.strictEqual(code, 0);
      const log = yield* EventLog;
      // On a machine that is busy beyond our patience the words are still in the spool.
      const isThere = Effect.map(log.info, ({ lastSequence }) => lastSequence >= before + 4);
      yield* World.until(isThere).pipe(Effect.provide(SpoolDrainer.layer({ file: `${data}/spool.db`, url })));
      const first = yield* log.at(before + 1);
      assert.isTrue(first !== undefined && "history" in first);
      if (first === undefined || !("history" in first)) return;
      const events = yield* World.eventsOf(first.history);
      assert.deepStrictEqual(
        events.map(({ type, source }) => [type, source]),
        ["message_appended", "tool_called", "tool_returned", "message_appended"].map((type) => [
          `thread.${type}`,
          "weather-agent",
        ]),
      );
      const region = /#region publish\n([\s\S]*?)\n\/\/ #endregion/.exec(
        readFileSync(`${root}examples/publish.ts`, "utf8"),
      )?.[1];
      assert.isAtMost(region?.split("\n").length ?? 99, 10);
    }),
  );

  it.effect("records threads, tasks and sessions, and tells at the flush what became of them", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      const recollect = yield* connect(data, url);
      const ids = yield* Effect.promise(async () => {
        const thread = recollect.thread();
        await thread.open({ title: "A title" });
        for (const text of ["1", "2", "3"]) void thread.say({ role: "user", text });
        const call = await thread.toolCalled({ name: "t", arguments: { a: 1 } });
        await call.failed(new RangeError("too far"));
        const fork = await thread.fork();
        await fork.say({ role: "user", text: "on we go" });
        await thread.rename("Another");
        await thread.tag({ add: ["x"] });
        await thread.archive();
        const task = recollect.task();
        await task.submitted({ agentType: "coder" }, { threadId: thread.id });
        await task.started({ worker: "w" });
        await recollect.task(task.id).completed({ ok: true });
        const session = await recollect.session({ transport: "stdio" });
        await session.ended("exit", { exitCode: 0 });
        await recollect.publish({ type: "thread.renamed", id: "by hand", data: { title: "x" } });
        return { thread: thread.id, fork: fork.id, task: task.id, session: session.id };
      });
      const flushed = yield* Effect.promise(() => recollect.flush());
      assert.deepStrictEqual(flushed, { appended: 17, spooled: 0, held: 0, refused: 0, failures: [] });
      const types = (history: History.History) =>
        Effect.map(World.eventsOf(history), (events) =>
          events.map(({ type, actor, source }) => `${type} ${actor} ${source}`),
        );
      const by = "alice a program/1";
      assert.strictEqual((yield* types(History.thread(ids.thread))).length, 9);
      assert.deepStrictEqual(yield* types(History.thread(ids.fork)), [
        `thread.forked ${by}`,
        `thread.message_appended ${by}`,
      ]);
      assert.deepStrictEqual(
        yield* types(History.task(ids.task)),
        ["submitted", "started", "completed"].map((type) => `task.${type} ${by}`),
      );
      assert.deepStrictEqual(yield* types(History.session(ids.session)), [
        `session.started ${by}`,
        `session.ended ${by}`,
      ]);
    }),
  );

  it.effect("a deleted or expired thread reads as nothing until it is restored, and whole for those who ask", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      const recollect = yield* connect(data, url);
      yield* Effect.promise(async () => {
        const thread = recollect.thread();
        await thread.say({ role: "user", text: "kept" });
        const listed = async (options = {}) => {
          const texts: Array<string> = [];
          for await (const { text } of thread.messages(options)) texts.push(text);
          return texts;
        };
        await thread.delete("private", { occurredAt: 5_000 });
        assert.isUndefined(await thread.read());
        assert.isUndefined(await thread.read({ whole: true }));
        assert.deepStrictEqual(await listed(), []);
        const hidden = await thread.read({ deleted: true, whole: true });
        assert.deepInclude(hidden, { deletedAt: 5_000, expiresAt: undefined });
        assert.lengthOf(hidden?.messages ?? [], 1);
        assert.deepStrictEqual(await listed({ deleted: true }), ["kept"]);
        await thread.restore();
        assert.deepInclude(await thread.read(), { deletedAt: undefined });
        assert.deepStrictEqual(await listed(), ["kept"]);
        await thread.expire(Date.now() + 3_600_000);
        assert.deepStrictEqual(await listed(), ["kept"]);
        await thread.expire(Date.now() - 1);
        assert.isUndefined(await thread.read());
        assert.deepStrictEqual(await listed(), []);
        const refused = await thread.expire(Number.NaN).catch((error: unknown) => error);
        assert.instanceOf(refused, InvalidEvent);
      });
    }),
  );

  it.effect("rejects with what went wrong, and a call that nobody awaits crashes nothing", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      const recollect = yield* connect(data, url);
      yield* Effect.promise(async () => {
        const thread = recollect.thread();
        const refused = await thread.say({ role: 7 as never, text: "x" }).catch((error: unknown) => error);
        assert.instanceOf(refused, InvalidEvent);
        assert.match(refused.message, /role/);
        const task = recollect.task();
        await task.submitted({ agentType: "coder" });
        const illegal = await task.completed().catch((error: unknown) => error);
        assert.instanceOf(illegal, IllegalTransition);
        void thread.rename(undefined as never);
        const { failures } = await recollect.flush();
        assert.deepStrictEqual(
          failures.map(({ name }) => name),
          ["InvalidEvent", "IllegalTransition", "InvalidEvent"],
        );
      });
    }),
  );

  it.effect("begins with the server away, and what it spooled reaches the log through the daemon's drainer", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      yield* server.stop;
      yield* Effect.promise(async () => {
        const recollect = await Recollect.connect({ data, url: server.url });
        const said = await recollect.thread("offline").say({ role: "user", text: "anybody?" });
        assert.strictEqual(said._tag, "Spooled");
        assert.deepInclude(await recollect.waiting(), { mode: "spooling", spooled: 1 });
        await recollect.close();
      });
      yield* server.start;
      const there = Effect.map(World.eventsOf(History.thread("offline")), ({ length }) => length === 1);
      yield* World.until(there).pipe(Effect.provide(SpoolDrainer.layer({ file: `${data}/spool.db`, url: server.url })));
    }),
  );

  it.effect("connects later when the server comes later, and goes on after it was killed", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      yield* server.stop;
      const recollect = yield* Effect.promise(() =>
        Recollect.connect({ data, url: server.url, patienceMillis: 2_000 }),
      );
      const thread = recollect.thread("comes later");
      assert.strictEqual((yield* Effect.promise(() => thread.say({ role: "user", text: "0" })))._tag, "Spooled");
      yield* server.start;
      const direct = Effect.promise(() => recollect.waiting()).pipe(Effect.map(({ mode }) => mode === "direct"));
      yield* World.until(direct);
      assert.strictEqual((yield* Effect.promise(() => thread.say({ role: "user", text: "1" })))._tag, "Appended");
      yield* server.kill9;
      yield* Effect.promise(() => thread.say({ role: "user", text: "2" }));
      yield* World.until(direct);
      yield* Effect.promise(() => recollect.close());
      const events = yield* World.eventsOf(History.thread("comes later"));
      const texts = events.map((event) => (World.dataOf(event)["parts"] as ReadonlyArray<{ text: string }>)[0]?.text);
      assert.deepStrictEqual(texts, ["0", "1", "2"]);
    }),
  );

  it.effect("has one socket for everything that hangs on it, and refuses in words once it is closed", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      const proxy = yield* Proxy.proxy(url);
      yield* Effect.promise(async () => {
        const recollect = await Recollect.connect({ data, url: proxy.url, patienceMillis: 10_000 });
        await recollect.connected();
        const session = await recollect.sessions.register();
        await recollect.thread("one socket").say({ role: "user", text: "hello" });
        await recollect.thread("one socket").read();
        const { taskId } = await recollect.tasks.submit({ agentType: "a" });
        recollect.tasks.work({ agentTypes: ["a"], run: async () => "done" });
        assert.strictEqual((await recollect.tasks.result(taskId)).status, "completed");
        await recollect.inbox.send({ from: "a", to: "b", body: 1 });
        await recollect.config.set({ "limits.a": { per: [], limit: 1, windowMillis: 60_000 } });
        await recollect.limits.take({});
        await recollect.files.read(new URL("../../LICENSE", import.meta.url).pathname);
        await recollect.responses.reuse({ kind: "tool", name: "t", request: 1 }, async () => 1);
        for await (const seen of recollect.watch({ thread: "one socket" })) if (seen._tag === "CaughtUp") break;
        await session.end("done");
        assert.strictEqual(proxy.connections(), 1);
        await recollect.close();
        await recollect.close();
        for (const call of [() => recollect.inbox.waiting("b"), () => recollect.config.get("snapshots.ttlMillis")]) {
          const refused = await call().catch((error: unknown) => error);
          assert.instanceOf(refused, RecollectClosed);
          assert.strictEqual((refused as Error).message, "This Recollect was closed.");
        }
      });
    }),
  );
});
