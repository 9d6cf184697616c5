import { assert, describe, it } from "@effect/vitest";
import { Result, type Schema } from "effect";
import { eventTypes, type RecordedEvent } from "../../src/domain/Event.ts";
import type { Fact } from "../../src/domain/Fact.ts";
import type { History } from "../../src/domain/History.ts";
import { factsOf } from "../../src/domain/Interpret.ts";
import { recordedEvent } from "./recordedEvent.ts";

/** Facts without the keys that say nothing, and without the time, which is that of the event. */
const said = (event: RecordedEvent): ReadonlyArray<Partial<Fact>> =>
  Result.getOrThrowWith(factsOf(event), ({ reason }) => new Error(reason)).facts.map(
    (fact) => JSON.parse(JSON.stringify({ ...fact, at: undefined })) as Partial<Fact>,
  );
const thread = (type: string, data: unknown, more: Partial<RecordedEvent> = {}) =>
  said(recordedEvent(type, data, more));
const history = (kind: History["kind"], id = "x"): History => ({ tenant: "default", kind, id });
const task = (type: string, data: unknown) => said(recordedEvent(type, data, { history: history("task") }))[0];

describe("the facts of our own events", () => {
  it("say a whole message, its calls, its results and its usage", () => {
    const facts = thread(
      "thread.message_appended",
      {
        messageId: "m",
        role: "assistant",
        model: "opus",
        providerMessageId: "msg_1",
        requestId: "req_1",
        files: ["/a.ts"],
        images: ["https://x/y.png"],
        parts: [
          { type: "text", text: "look" },
          { type: "tool_use", callId: "c", name: "ls", server: "fs", arguments: { dir: "." } },
          { type: "tool_result", callId: "c", text: "é", isError: true },
        ],
        usage: { input: 1, output: 2 },
      },
      { schemaVersion: 2, actor: "alice" },
    );
    assert.deepStrictEqual(
      facts.map(({ _tag }) => _tag),
      ["MessageSaid", "ToolWasCalled", "ToolHasReturned", "TokensUsed"],
    );
    assert.deepInclude(facts[0], { messageId: "m", segment: "", author: "alice", model: "opus" });
    assert.deepInclude(facts[1], {
      callKey: "t c",
      name: "ls",
      server: "fs",
      arguments: '{"dir":"."}',
      messageId: "m",
    });
    assert.deepInclude(facts[2], { callKey: "t c", outcome: "error", errorMessage: "é", resultBytes: 2 });
    assert.deepInclude(facts[3], {
      usageKey: "t msg_1 req_1",
      providerMessageId: "msg_1",
      usage: { input: 1, output: 2 },
    });
  });

  it("keep a message's files and images as parts", () => {
    const [fact] = thread(
      "thread.message_appended",
      { messageId: "m", role: "user", parts: [], files: ["/a"], images: ["u"] },
      { schemaVersion: 2 },
    );
    assert.deepInclude(fact, {
      parts: [
        { type: "file", path: "/a" },
        { type: "image", url: "u" },
      ],
    });
  });

  it("join a call to its answer by thread and call id, and count the whole result", () => {
    assert.deepInclude(thread("thread.tool_called", { callId: "c", name: "ls" })[0], {
      callKey: "t c",
      arguments: "null",
    });
    assert.deepInclude(
      thread("thread.tool_returned", { callId: "c", outcome: "ok", result: "é", durationMillis: 1.5 })[0],
      { callKey: "t c", resultBytes: 2, durationMillis: 1.5 },
    );
    assert.deepInclude(thread("thread.tool_returned", { callId: "c", outcome: "ok", result: { a: 1 } })[0], {
      resultBytes: 7,
    });
    assert.deepInclude(thread("thread.tool_returned", { callId: "c", outcome: "ok" })[0], { resultBytes: 0 });
    const blob = { sha256: "0", bytes: 300_000 };
    assert.deepInclude(
      thread("thread.tool_returned", { callId: "c", outcome: "ok", result: "head", resultBlob: blob })[0],
      { resultBytes: 300_000 },
    );
    const failed = { callId: "c", outcome: "error", error: { type: "Timeout", message: "late" } };
    assert.deepInclude(thread("thread.tool_returned", failed)[0], {
      outcome: "error",
      errorType: "Timeout",
      errorMessage: "late",
    });
  });

  it("describe a thread by what was said of it, and by nothing else", () => {
    assert.deepStrictEqual(thread("thread.opened", { title: "T", tags: ["a"], cwd: null }, { session: "s" }), [
      { _tag: "ThreadDescribed", title: "T", session: "s", tagsAdded: ["a"] },
    ]);
    assert.deepStrictEqual(thread("thread.renamed", { title: "N" }), [{ _tag: "ThreadDescribed", title: "N" }]);
    assert.deepStrictEqual(thread("thread.tagged", { add: ["a"], remove: ["b"] }), [
      { _tag: "ThreadDescribed", tagsAdded: ["a"], tagsRemoved: ["b"] },
    ]);
    assert.deepStrictEqual(thread("thread.forked", { fromThreadId: "p" }), [
      { _tag: "ThreadDescribed", parentThreadId: "p", relation: "fork" },
    ]);
    assert.deepStrictEqual(thread("thread.archived", {}), [{ _tag: "ThreadDescribed", archived: true }]);
    assert.deepStrictEqual(thread("thread.deleted", { reason: "old" }), [
      { _tag: "VisibilityChanged", isDeleted: true },
    ]);
    assert.deepStrictEqual(thread("thread.expires", { at: 7 }), [{ _tag: "VisibilityChanged", expiresAt: 7 }]);
    assert.deepStrictEqual(thread("thread.restored", {}), [
      { _tag: "VisibilityChanged", isDeleted: false, expiresAt: 0 },
    ]);
  });

  it("move a task, and let progress leave its status alone", () => {
    const status = (type: string, data: unknown = {}) =>
      (task(type, data) as { readonly status?: string } | undefined)?.status;
    assert.strictEqual(status("task.submitted", { request: { agentType: "a" } }), "pending");
    assert.strictEqual(status("task.claimed"), "starting");
    assert.strictEqual(status("task.claimed", { begun: true }), "running");
    assert.strictEqual(status("task.released", { reason: "lapsed" }), "pending");
    assert.strictEqual(status("task.started"), "running");
    assert.isUndefined(status("task.progressed", { progress: 1, total: 2 }));
    assert.strictEqual(status("task.input_requested"), "input_required");
    assert.strictEqual(status("task.resumed"), "running");
    assert.strictEqual(status("task.completed", { output: { ok: 1 } }), "completed");
    assert.strictEqual(status("task.failed", { error: { type: "Boom" } }), "failed");
    assert.strictEqual(status("task.timed_out", { afterMillis: 5 }), "timeout");
    assert.strictEqual(status("task.cancelled", { reason: "enough" }), "cancelled");
    assert.deepInclude(task("task.completed", { output: { ok: 1 } }), { output: '{"ok":1}' });
    assert.deepInclude(task("task.cancelled", { reason: "enough" }), { errorMessage: "enough" });
  });

  it("tell a session's beginning and end", () => {
    const at = { history: history("session") };
    assert.deepInclude(thread("session.started", { transport: "stdio", command: ["node"] }, at)[0], {
      _tag: "SessionSeen",
      moment: "started",
      transport: "stdio",
    });
    assert.deepInclude(thread("session.ended", { reason: "exit", exitCode: 3 }, at)[0], {
      moment: "ended",
      reason: "exit",
      exitCode: 3,
    });
  });

  it("keep what an imported file says of itself as a notice", () => {
    assert.deepStrictEqual(thread("source.described", { format: "tau2" }, { history: history("source") }), [
      { _tag: "Noted", kind: "source" },
    ]);
  });

  for (const [name, { data, kind, version }] of Object.entries(eventTypes)) {
    it.prop(
      `are there for every ${name}`,
      { value: data as Schema.Codec<unknown> },
      ({ value }) => {
        const event = recordedEvent(name, JSON.parse(JSON.stringify(value)), {
          schemaVersion: version,
          history: history(kind),
        });
        assert.isAbove(said(event).length, 0);
      },
      { arbitrary: { runs: 25 } },
    );
  }
});
