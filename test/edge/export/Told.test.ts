import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import type { EventData, EventTypeName } from "../../../src/domain/Event.ts";
import { fromContent } from "../../../src/domain/EventId.ts";
import { thread } from "../../../src/domain/History.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import { claudeLines, exported, folderOf, importAll, threads, withLog, world } from "../import/World.ts";

const publish = Effect.fnUntraced(function* <Name extends EventTypeName>(
  id: string,
  type: Name,
  data: EventData<Name>,
) {
  const log = yield* EventLog;
  const { lastSequence } = yield* log.info;
  yield* log.append({
    history: thread(id),
    expected: "any",
    events: [
      {
        id: fromContent(id, String(lastSequence)),
        type,
        schemaVersion: type === "thread.message_appended" ? 2 : 1,
        occurredAt: Date.UTC(2026, 0, 1) + lastSequence * 1000,
        source: "test",
        body: JSON.stringify(data),
      },
    ],
  });
});

/** A thread of our own publishers: said, thought, shown, called, answered, called without a message. */
const conversation = Effect.gen(function* () {
  const log = yield* EventLog;
  const long = yield* log.putBlob(Buffer.from("the whole of a long answer"));
  const say = (messageId: string, role: string, parts: EventData<"thread.message_appended">["parts"], model?: string) =>
    publish("t", "thread.message_appended", { messageId, role, parts, model: model ?? null });
  yield* publish("t", "thread.opened", { title: "A test" });
  yield* say("m0", "system", [{ type: "text", text: "be brief" }]);
  yield* say("m1", "user", [
    { type: "text", text: "what is in this picture?" },
    { type: "image", url: "https://example.org/cat.png" },
    { type: "file", path: "notes.md" },
  ]);
  yield* say(
    "m2",
    "assistant",
    [
      { type: "thinking", text: "hm" },
      { type: "tool_use", callId: "c1", name: "look", arguments: { at: 1 } },
    ],
    "m-1",
  );
  yield* publish("t", "thread.tool_returned", { callId: "c1", outcome: "ok", result: { seen: "cat" } });
  yield* publish("t", "thread.tool_called", { callId: "c2", name: "count", arguments: [1, 2] });
  yield* publish("t", "thread.tool_returned", {
    callId: "c2",
    outcome: "error",
    error: { type: "boom", message: "it broke" },
  });
  yield* say("m3", "assistant", [{ type: "text", text: "the whole", blob: long }], "m-1");
});

const call = (id: string, name: string, args: unknown) => ({
  id,
  type: "function",
  function: { name, arguments: JSON.stringify(args) },
});

describe("a thread of our own publishers", () => {
  it.live("is told as chat-completions: calls that no message carries included, large texts whole", () =>
    Effect.gen(function* () {
      yield* conversation;
      const text = yield* exported("t");
      assert.deepStrictEqual(JSON.parse(text), {
        id: "t",
        messages: [
          { role: "system", content: "be brief" },
          {
            role: "user",
            content: [
              { type: "text", text: "what is in this picture?\n[file: notes.md]" },
              { type: "image_url", image_url: { url: "https://example.org/cat.png" } },
            ],
          },
          { role: "assistant", content: null, tool_calls: [call("c1", "look", { at: 1 })] },
          { role: "tool", tool_call_id: "c1", content: '{"seen":"cat"}' },
          { role: "assistant", content: null, tool_calls: [call("c2", "count", [1, 2])] },
          { role: "tool", tool_call_id: "c2", content: "it broke" },
          { role: "assistant", content: "the whole of a long answer" },
        ],
      });
      assert.strictEqual(yield* exported("t", "openai-chat"), text);
    }).pipe(Effect.provide(world)),
  );

  it.live("is told as a Claude Code transcript that our own importer reads, with the same ids every time", () =>
    Effect.gen(function* () {
      yield* conversation;
      const text = yield* exported("t", "claude-code");
      assert.strictEqual(yield* exported("t", "claude-code"), text);
      const folder = yield* folderOf({ "t.jsonl": text });
      const report = yield* importAll(folder, { tenant: "again" });
      assert.deepInclude(report, { threads: 1, toolCalls: 2, unknown: 0, refused: [] });
      // The system's words are a notice there.
      assert.strictEqual(report.messages, 6);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("is told as a Codex rollout that our own importer reads", () =>
    Effect.gen(function* () {
      yield* conversation;
      const folder = yield* folderOf({ "t.jsonl": yield* exported("t", "codex") });
      const report = yield* importAll(folder, { tenant: "again" });
      assert.deepInclude(report, { threads: 1, toolCalls: 2, messages: 3, unknown: 0, refused: [] });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

describe("a thread told as an ATIF trajectory", () => {
  it.live("has each answer of a tool at the step that asked, and is read by our own importer", () =>
    Effect.gen(function* () {
      yield* conversation;
      const text = yield* exported("t", "atif");
      const { final_metrics: sums, schema_version: version, session_id: session, steps } = JSON.parse(text);
      assert.deepStrictEqual([version, session, sums.total_steps], ["ATIF-v1.7", "t", 5]);
      assert.deepStrictEqual(
        steps.map((step: Readonly<Record<string, unknown>>) => [step["step_id"], step["source"], step["message"]]),
        [
          [1, "system", "be brief"],
          [2, "user", "what is in this picture?\n[image: https://example.org/cat.png]\n[file: notes.md]"],
          [3, "agent", ""],
          [4, "agent", ""],
          [5, "agent", "the whole of a long answer"],
        ],
      );
      assert.deepStrictEqual(steps[2].observation, {
        results: [{ source_call_id: "c1", content: '{"seen":"cat"}' }],
      });
      const report = yield* importAll(yield* folderOf({ "t.json": text }), { tenant: "again" });
      assert.deepInclude(report, { threads: 1, toolCalls: 2, unknown: 0, refused: [] });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

describe("a thread that cannot be exported", () => {
  it.live("because it is not there says so", () =>
    Effect.gen(function* () {
      for (const id of ["nobody", "", "x".repeat(300)]) {
        const error = yield* Effect.flip(exported(id));
        assert.deepInclude(error, { _tag: "CannotExport", message: `There is no thread ${id}.` });
      }
    }).pipe(Effect.provide(world)),
  );

  it.live("in a format it did not come in, and that nobody tells, names those that are possible", () =>
    Effect.gen(function* () {
      yield* importAll(yield* folderOf({ "a.jsonl": claudeLines("s", 0, 2) }));
      const error = yield* Effect.flip(exported("s", "tau2"));
      assert.deepInclude(error, { _tag: "CannotExport" });
      assert.include(JSON.stringify(error), "claude-code");
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("because a large entry is gone is damaged, and not short", () =>
    Effect.gen(function* () {
      yield* importAll(
        yield* folderOf({ "a.jsonl": claudeLines("s", 0, 1).replace("}\n", `,"pad":"${"x".repeat(2_000_000)}"}\n`) }),
      );
      const broken = withLog(() => ({ getBlob: () => Effect.succeed(undefined) }));
      const error = yield* Effect.flip(exported("s").pipe(broken));
      assert.deepInclude(error, { _tag: "LogDamaged", sequence: 1 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

it.live("a thread in two formats goes out in the one that tells more, or in the one that is asked for", () =>
  Effect.gen(function* () {
    const exec = '{"type":"thread.started","thread_id":"x1"}\n{"type":"turn.started"}\n';
    const rollout = '{"timestamp":"2026-01-01T00:00:00Z","type":"session_meta","payload":{"id":"x1"}}\n';
    yield* importAll(yield* folderOf({ "a-exec.jsonl": exec, "b-rollout.jsonl": rollout }));
    assert.deepStrictEqual(yield* threads, ["x1"]);
    assert.strictEqual(yield* exported("x1"), rollout);
    assert.strictEqual(yield* exported("x1", "codex-exec"), exec);
  }).pipe(Effect.scoped, Effect.provide(world)),
);

it.live("an entry whose body another writer arranged comes out as it stands there", () =>
  Effect.gen(function* () {
    const log = yield* EventLog;
    const body = ' { "entry" : {"z": 1.0, "a":[1,  2]} , "format":"claude-code" }';
    yield* log.append({
      history: thread("s"),
      expected: 0,
      events: [
        { id: fromContent("x"), type: "thread.entry_recorded", schemaVersion: 1, occurredAt: 0, source: "test", body },
      ],
    });
    assert.strictEqual(yield* exported("s"), '{"z": 1.0, "a":[1,  2]}\n');
  }).pipe(Effect.provide(world)),
);
