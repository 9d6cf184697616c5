import { assert, layer } from "@effect/vitest";
import { Effect, Layer, Result } from "effect";
import { createHash } from "node:crypto";
import { type Fact } from "../../src/domain/Fact.ts";
import { factsOf } from "../../src/domain/Interpret.ts";
import * as History from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import { Publisher } from "../../src/publish/Publisher.ts";
import { startSession, task } from "../../src/publish/TaskPublisher.ts";
import { builtIn, StoragePolicy } from "../../src/publish/storing/StoragePolicy.ts";
import { thread } from "../../src/publish/thread/ThreadPublisher.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { LogSwitch } from "./SwitchableLog.ts";
import * as World from "./World.ts";

const world = Layer.provideMerge(World.natsLog, NatsServer.layer());

/** A publisher with patience for a busy machine: these tests are about the log being there. */
const withPublisher = <A, E, R>(effect: Effect.Effect<A, E, R | Publisher>) =>
  Effect.gen(function* () {
    const folder = yield* World.temporaryFolder;
    return yield* effect.pipe(
      Effect.provide(
        World.publisher({ folder, to: new LogSwitch(), patienceMillis: 10_000, actor: "tester", source: "test/1.0" }),
      ),
    );
  });

const factsIn = Effect.fnUntraced(function* (history: History.History) {
  const events = yield* World.eventsOf(history);
  return events.flatMap((event): ReadonlyArray<Fact> => Result.getOrThrow(factsOf(event)).facts);
});

layer(world, { excludeTestServices: true })("Publisher", (it) => {
  it.effect("records a conversation with its tool calls, in order, with who said it", () =>
    Effect.gen(function* () {
      const talk = yield* thread();
      yield* talk.open({ title: "Weather", tool: "agent", client: { name: "cli", version: undefined } });
      const said = yield* talk.say({ role: "user", text: "Will it rain?" });
      const call = yield* talk.toolCalled({ name: "forecast", server: "weather", arguments: { city: "Ghent" } });
      yield* call.returned({ rain: true });
      const lost = yield* talk.toolCalled({ name: "forecast", arguments: {} });
      yield* lost.failed(new TypeError("no city"));
      const answer = yield* talk.say({ role: "assistant", text: "Yes.", model: "m-1", usage: { input: 5, output: 1 } });
      assert.strictEqual(said._tag, "Appended");
      assert.strictEqual(answer._tag, "Appended");

      const history = History.thread(talk.id);
      const events = yield* World.eventsOf(history);
      assert.deepStrictEqual(
        events.map(({ type }) => type),
        [
          "thread.opened",
          "thread.message_appended",
          "thread.tool_called",
          "thread.tool_returned",
          "thread.tool_called",
          "thread.tool_returned",
          "thread.message_appended",
        ],
      );
      assert.isTrue(events.every(({ actor, source }) => actor === "tester" && source === "test/1.0"));
      assert.strictEqual(events[3]?.causationId, events[2]?.id);
      const facts = yield* factsIn(history);
      const returned = facts.filter((fact) => fact._tag === "ToolHasReturned");
      assert.deepStrictEqual(
        returned.map(({ outcome, errorType, errorMessage }) => ({ outcome, errorType, errorMessage })),
        [
          { outcome: "ok", errorType: undefined, errorMessage: undefined },
          { outcome: "error", errorType: "TypeError", errorMessage: "no city" },
        ],
      );
      assert.isTrue(returned.every(({ durationMillis }) => durationMillis !== undefined && durationMillis > 0));
      assert.strictEqual(facts.filter((fact) => fact._tag === "TokensUsed").length, 1);
    }).pipe(withPublisher),
  );

  it.effect("keeps the audit policy's level of a call also where several events are appended at once", () =>
    Effect.gen(function* () {
      const folder = yield* World.temporaryFolder;
      const audit = [
        { tool: "vault", level: "None" },
        { tool: "read_*", level: "Metadata" },
      ] as const;
      const policy = Layer.succeed(StoragePolicy, { now: () => ({ ...builtIn().now(), audit }) });
      const asked = (name: string) => ({
        type: "thread.tool_called" as const,
        data: { callId: name, name, arguments: { path: "/hush" }, request: { parameters: "/hush" } },
      });
      const part = { type: "tool_use", callId: "p", name: "read_part", arguments: "/hush", parameters: "/hush" };
      const said = {
        type: "thread.message_appended" as const,
        data: { messageId: "m", role: "assistant", parts: [part] },
      };
      yield* Effect.gen(function* () {
        const publisher = yield* Publisher;
        const history = History.thread("audited");
        const all = yield* publisher.appendAll({
          history,
          events: [asked("read_file"), asked("vault"), said],
          expected: "any",
        });
        assert.strictEqual(all.withheld, 1);
        assert.lengthOf(all.eventIds, 3);
        const none = yield* publisher.appendAll({ history, events: [asked("vault")], expected: "any" });
        assert.deepInclude(none, { withheld: 1, sequence: 0, duplicate: false });
        const expecting = { ...asked("read_it"), history, expected: all.sequence };
        yield* publisher.publishExpecting(expecting);
        const events = yield* World.eventsOf(history);
        assert.deepStrictEqual(
          events.map(({ type }) => type),
          ["thread.tool_called", "thread.message_appended", "thread.tool_called"],
        );
        for (const event of events) assert.notInclude(JSON.stringify(World.dataOf(event)), "hush");
      }).pipe(
        Effect.provide(Layer.provide(World.publisher({ folder, to: new LogSwitch(), patienceMillis: 10_000 }), policy)),
      );
    }),
  );

  it.effect("renames, tags, forks and archives a thread", () =>
    Effect.gen(function* () {
      const first = yield* thread("a thread/with: odd name 🙂");
      yield* first.rename("New name");
      yield* first.tag({ add: ["x"], remove: undefined });
      const forked = yield* first.fork({ atMessageId: "m1" });
      yield* first.archive("done");
      const facts = yield* factsIn(History.thread(first.id));
      assert.deepStrictEqual(
        facts.map((fact) => (fact._tag === "ThreadDescribed" ? (fact.title ?? fact.tagsAdded ?? fact.archived) : fact)),
        ["New name", ["x"], true],
      );
      const [from] = yield* factsIn(History.thread(forked.threadId));
      assert.strictEqual(from?._tag === "ThreadDescribed" ? from.parentThreadId : undefined, first.id);
    }).pipe(withPublisher),
  );

  it.effect("keeps the order of calls that nobody awaits", () =>
    Effect.gen(function* () {
      const talk = yield* thread();
      const publisher = yield* Publisher;
      for (let index = 0; index < 300; index++) {
        yield* Effect.forkChild(talk.say({ role: "user", text: `${index}` }), { startImmediately: true });
      }
      yield* publisher.flush;
      const events = yield* World.eventsOf(History.thread(talk.id));
      assert.deepStrictEqual(
        events.map((event) => (World.dataOf(event)["parts"] as ReadonlyArray<{ text: string }>)[0]?.text),
        Array.from({ length: 300 }, (_, index) => `${index}`),
      );
    }).pipe(withPublisher),
  );

  it.effect("tells each of many concurrent calls the sequence of its own event", () =>
    Effect.gen(function* () {
      const talk = yield* thread();
      const log = yield* EventLog;
      const published = yield* Effect.all(
        Array.from({ length: 100 }, (_, index) => talk.say({ role: "user", text: `${index}` })),
        { concurrency: "unbounded" },
      );
      for (const one of published) {
        assert.isTrue(one._tag === "Appended");
        if (one._tag !== "Appended") continue;
        const entry = yield* log.at(one.sequence);
        assert.strictEqual(entry !== undefined && "id" in entry ? entry.id : undefined, one.eventId);
      }
    }).pipe(withPublisher),
  );

  it.effect("merges two writers of 1,000 messages on one thread into 2,000, each writer's in its order", () =>
    Effect.gen(function* () {
      const write = (name: string) =>
        Effect.gen(function* () {
          const talk = yield* thread("shared");
          const all = Array.from({ length: 1_000 }, (_, index) => talk.say({ role: name, text: `${index}` }));
          yield* Effect.all(all, { concurrency: 50, discard: true });
        }).pipe(withPublisher);
      yield* Effect.all([write("a"), write("b")], { concurrency: 2 });
      const events = yield* World.eventsOf(History.thread("shared"));
      const said = events.map(
        (event) => World.dataOf(event) as { role: string; parts: ReadonlyArray<{ text: string }> },
      );
      for (const name of ["a", "b"]) {
        const own = said.filter(({ role }) => role === name).map(({ parts }) => Number(parts[0]?.text));
        assert.deepStrictEqual(
          own,
          Array.from({ length: 1_000 }, (_, index) => index),
        );
      }
      assert.strictEqual(said.length, 2_000);
    }),
  );

  it.effect("publishes the same id twice as one event", () =>
    Effect.gen(function* () {
      const talk = yield* thread();
      const id = "01890000-0000-7000-8000-000000000001";
      const first = yield* talk.say({ role: "user", text: "once", id });
      const second = yield* talk.say({ role: "user", text: "once", id });
      assert.deepStrictEqual(second, first);
      assert.strictEqual((yield* World.eventsOf(History.thread(talk.id))).length, 1);
    }).pipe(withPublisher),
  );

  it.effect("refuses what the Schema does not allow, before anything is written", () =>
    Effect.gen(function* () {
      const publisher = yield* Publisher;
      const history = History.thread("refused");
      const bad = [
        publisher.publish({ history, type: "thread.renamed", data: { title: 7 } as never }),
        publisher.publish({ history, type: "thread.renamed", data: { title: 7n } as never }),
        publisher.publish({ history: History.thread(""), type: "thread.renamed", data: { title: "x" } }),
        publisher.publish({ history: History.thread("x".repeat(201)), type: "thread.renamed", data: { title: "x" } }),
        publisher.publish({ history: History.task("t"), type: "thread.renamed", data: { title: "x" } }),
        publisher.publish({ history, type: "thread.renamed", data: { title: "x".repeat(2_000_000) } }),
      ];
      for (const one of bad) assert.strictEqual((yield* Effect.flip(one))._tag, "InvalidEvent");
      assert.strictEqual((yield* World.eventsOf(history)).length, 0);
    }).pipe(withPublisher),
  );

  it.effect("keeps fields that the Schema does not know", () =>
    Effect.gen(function* () {
      const publisher = yield* Publisher;
      const history = History.thread("newer");
      yield* publisher.publish({
        history,
        type: "thread.renamed",
        data: { title: "x", later: 1 } as { title: string },
      });
      const [event] = yield* World.eventsOf(history);
      assert.deepStrictEqual(event && World.dataOf(event), { title: "x", later: 1 });
    }).pipe(withPublisher),
  );

  it.effect("appends on an expected sequence, and tells who comes too late", () =>
    Effect.gen(function* () {
      const publisher = yield* Publisher;
      const history = History.thread("expected");
      const rename = (title: string, expected: number) =>
        publisher.publishExpecting({ history, type: "thread.renamed", data: { title }, expected });
      const first = yield* rename("a", 0);
      const late = yield* Effect.flip(rename("b", 0));
      assert.strictEqual(late._tag, "SequenceConflict");
      assert.deepInclude(first, { _tag: "Appended" });
      if (first._tag !== "Appended") return;
      assert.strictEqual((yield* rename("c", first.sequence))._tag, "Appended");
    }).pipe(withPublisher),
  );

  it.effect("keeps what is too large in the object store, once, and its head in the event", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      const talk = yield* thread();
      // 16,384, where a head ends, is in the middle of a 🙂.
      const text = "🙂ä".repeat(200_000);
      const image = Buffer.alloc(400_000, 7);
      yield* talk.say({
        role: "user",
        text,
        parts: [{ type: "image", mediaType: "image/png", data: image.toString("base64") }],
      });
      const call = yield* talk.toolCalled({ name: "big", arguments: { text } });
      yield* call.returned({ text });
      const [message, called, returned] = yield* World.eventsOf(History.thread(talk.id));
      const parts = (message && World.dataOf(message)["parts"]) as ReadonlyArray<Record<string, unknown>>;
      const blobOf = (value: unknown) => value as { sha256: string; bytes: number };
      const stored = yield* log.getBlob(blobOf(parts[0]?.["blob"]).sha256);
      assert.strictEqual(stored && Buffer.from(stored).toString("utf8"), text);
      const head = String(parts[0]?.["text"]);
      assert.isTrue(head.isWellFormed() && text.startsWith(head) && head.length > 16_000);
      const picture = yield* log.getBlob(createHash("sha256").update(image).digest("hex"));
      assert.deepStrictEqual(picture && Buffer.from(picture), image);
      assert.isUndefined(parts[1]?.["data"]);
      const json = JSON.stringify({ text });
      for (const [event, key] of [
        [called, "argumentsBlob"],
        [returned, "resultBlob"],
      ] as const) {
        const { sha256, bytes } = blobOf(event && World.dataOf(event)[key]);
        assert.strictEqual(bytes, Buffer.byteLength(json));
        const kept = yield* log.getBlob(sha256);
        assert.strictEqual(kept && Buffer.from(kept).toString("utf8"), json);
      }
      const facts = yield* factsIn(History.thread(talk.id));
      const result = facts.find((fact) => fact._tag === "ToolHasReturned");
      assert.strictEqual(result?.resultBytes, Buffer.byteLength(json));
    }).pipe(withPublisher),
  );

  it.effect("keeps a message of many medium parts below the largest event", () =>
    Effect.gen(function* () {
      const talk = yield* thread();
      const parts = Array.from({ length: 40 }, (_, index) => ({
        type: "text" as const,
        text: `${index} `.repeat(30_000),
      }));
      const said = yield* talk.say({ role: "user", parts });
      assert.strictEqual(said._tag, "Appended");
      const [event] = yield* World.eventsOf(History.thread(talk.id));
      assert.isBelow(event?.body.byteLength ?? Number.POSITIVE_INFINITY, 768 * 1024);
    }).pipe(withPublisher),
  );

  it.effect("moves a task through its life, and refuses what its state does not allow", () =>
    Effect.gen(function* () {
      const job = yield* task();
      const submission = yield* job.submitted(
        { agentType: "coder", message: "fix it", model: undefined },
        { threadId: "shared" },
      );
      assert.strictEqual(submission._tag, "Appended");
      const early = yield* Effect.flip(job.completed("too early"));
      assert.deepInclude(early, { _tag: "IllegalTransition", from: "pending", move: "task.completed" });
      yield* job.claimed({ worker: "w1" });
      yield* job.started({ worker: "w1" });
      yield* job.progressed({ progress: 1, total: 2 });
      yield* job.inputRequested("which one?");
      yield* job.resumed("the first");
      const done = yield* job.completed({ patch: "…" });
      const again = yield* job.completed({ patch: "…" });
      assert.strictEqual(again._tag, "Unchanged");
      const other = yield* Effect.flip(job.completed({ patch: "another" }));
      assert.deepInclude(other, { _tag: "IllegalTransition", from: "completed" });
      assert.deepStrictEqual({ ...done, _tag: "", eventId: "" }, { ...again, _tag: "", eventId: "" });
      assert.strictEqual((yield* Effect.flip(job.cancelled()))._tag, "IllegalTransition");
      const facts = yield* factsIn(History.task(job.id));
      assert.deepStrictEqual(
        facts.flatMap((fact) => (fact._tag === "TaskMoved" ? [fact.status] : [])),
        ["pending", "starting", "running", undefined, "input_required", "running", "completed"],
      );
    }).pipe(withPublisher),
  );

  it.effect("lets exactly one of many concurrent movers end a task", () =>
    Effect.gen(function* () {
      const job = yield* task();
      yield* job.submitted({ agentType: "coder" });
      yield* job.started();
      const others = Array.from({ length: 8 }, (_, index) =>
        Effect.gen(function* () {
          const own = yield* task(job.id);
          return yield* index % 2 === 0 ? own.completed(index) : own.failed({ type: "late" });
        }).pipe(withPublisher, Effect.result),
      );
      const results = yield* Effect.all(others, { concurrency: "unbounded" });
      const won = results.filter((one) => Result.isSuccess(one) && one.success._tag === "Appended");
      assert.strictEqual(won.length, 1);
      assert.strictEqual((yield* World.eventsOf(History.task(job.id))).length, 3);
    }).pipe(withPublisher),
  );

  it.effect("records a session from its start to its end", () =>
    Effect.gen(function* () {
      const session = yield* startSession({ client: { name: "c", version: "1" }, transport: "stdio" });
      yield* session.ended({ reason: "exit", exitCode: 0 });
      const facts = yield* factsIn(History.session(session.id));
      assert.deepStrictEqual(
        facts.map((fact) => fact._tag === "SessionSeen" && fact.moment),
        ["started", "ended"],
      );
      const events = yield* World.eventsOf(History.session(session.id));
      assert.isTrue(events.every((event) => event.session === session.id));
    }).pipe(withPublisher),
  );
});
