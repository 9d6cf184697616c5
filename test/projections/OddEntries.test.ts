/** Entries of transcripts as they are now and then, in the read models. */
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import type { LogEntry } from "../../src/domain/Event.ts";
import { session, task, thread } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Projector from "../../src/projection/Projector.ts";
import { briefOf } from "../../src/query/brief/HandOver.ts";
import { Query as QueryService } from "../../src/query/Query.ts";
import * as Query from "../../src/query/QuerySqlite.ts";
import { event, stubLog } from "../projection/StubLog.ts";
import { temporaryFolder } from "../projection/World.ts";

/** The read models of some events, none of which is refused. */
const readModelsOf = Effect.fnUntraced(function* (...entries: ReadonlyArray<LogEntry>) {
  const path = join(yield* temporaryFolder, "recollect.db");
  const projector = yield* Projector.make({ path, projections: readModels }).pipe(
    Effect.provideService(EventLog, stubLog(entries).service),
  );
  yield* projector.awaitSequence(entries.length);
  const query = yield* Query.make({ path });
  assert.deepStrictEqual((yield* query.select("SELECT projection, reason FROM v_dead_letters")).rows, []);
  return query;
});

const entry = (sequence: number, format: string, said: unknown) =>
  event(sequence, "thread.entry_recorded", { format, entry: said }, { in: thread("t") });

describe("the read models", () => {
  it.live("take roles that are names of every object", () =>
    Effect.gen(function* () {
      const messages = JSON.stringify([
        { role: "constructor", content: "x" },
        { role: "__proto__", content: "y" },
      ]);
      const query = yield* readModelsOf(
        entry(1, "otel", {
          name: "chat",
          traceId: "0123",
          spanId: "1",
          attributes: { "gen_ai.operation.name": "chat", "gen_ai.input.messages": messages },
        }),
      );
      const said = yield* query.messages({ threadId: "t" });
      assert.deepStrictEqual(
        said.map(({ role, text }) => [role, text]),
        [
          ["constructor", "x"],
          ["__proto__", "y"],
        ],
      );
    }),
  );

  it.live("take times that are fractions, or none", () =>
    Effect.gen(function* () {
      const part = (id: string, time: object) => ({
        id,
        messageID: "m",
        sessionID: "t",
        type: "tool",
        tool: "bash",
        callID: id,
        state: { status: "completed", input: {}, output: "x", time },
      });
      const k = { in: task("k") };
      const s = { in: session("s") };
      const query = yield* readModelsOf(
        entry(1, "opencode", part("a", { start: 1_600_000_000_000.5, end: 1_600_000_000_100.5 })),
        entry(2, "opencode", part("b", { start: -1e300, end: -5 })),
        event(3, "task.submitted", { request: { agentType: "a" }, queue: { notBefore: 1.5, startBy: 1e300 } }, k),
        event(4, "task.released", { reason: "failed", pauseMillis: 0.5 }, k),
        event(5, "session.started", { leaseMillis: 10.5 }, s),
        event(6, "session.calls_refused", { tool: "t", limit: "l", count: 1, firstAt: 1.5, lastAt: 1e300 }, s),
        event(7, "thread.response_reused", { key: "k", kind: "tool", name: "n", answeredAt: 1.5 }, { in: thread("t") }),
      );
      const calls = yield* query.toolCalls({ threadId: "t" });
      assert.deepStrictEqual(
        calls.map(({ durationMillis, startedAt }) => [startedAt, durationMillis]),
        [
          [1_600_000_000_000, 100],
          [null, null],
        ],
      );
      assert.deepInclude((yield* query.task("k"))?.task, { status: "pending", startBy: 8_640_000_000_000_000 });
      assert.strictEqual((yield* query.sessions({}))[0]?.leaseMillis, 10);
    }),
  );

  it.live("show a tool's image by its size, and not by its bytes", () =>
    Effect.gen(function* () {
      const data = "iVBORw0KGgo".repeat(100);
      const image = { type: "image", source: { type: "base64", media_type: "image/png", data } };
      const query = yield* readModelsOf(
        entry(1, "claude-code", {
          type: "user",
          uuid: "u",
          sessionId: "t",
          message: { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: [image] }] },
        }),
        event(
          2,
          "thread.tool_returned",
          { callId: "c", outcome: "ok", result: { content: [image] } },
          { in: thread("t") },
        ),
      );
      const { rows } = yield* query.select("SELECT text FROM tool_results r WHERE text IS NOT NULL");
      assert.lengthOf(rows, 2);
      for (const [text] of rows) {
        assert.notInclude(String(text), data.slice(0, 64));
        assert.include(String(text), `[${data.length} characters]`);
      }
    }),
  );

  it.live("keep a person's prompt beside what OpenCode adds to it", () =>
    Effect.gen(function* () {
      const message = (id: string) => ({ id, sessionID: "t", role: "user", time: { created: 1_600_000_000_000 } });
      const part = (id: string, messageID: string, more: object) => ({
        id,
        messageID,
        sessionID: "t",
        type: "text",
        ...more,
      });
      const query = yield* readModelsOf(
        entry(1, "opencode", message("m1")),
        entry(2, "opencode", part("p1", "m1", { text: "fix this bug" })),
        entry(3, "opencode", part("p2", "m1", { text: "Called the Read tool", synthetic: true })),
        entry(4, "opencode", message("m2")),
        entry(5, "opencode", part("p3", "m2", { text: "Continue", synthetic: true })),
        entry(6, "opencode", message("m3")),
        entry(7, "opencode", part("p4", "m3", { text: "Called the Read tool", synthetic: true })),
        entry(8, "opencode", part("p5", "m3", { text: "and this" })),
      );
      const said = yield* query.messages({ threadId: "t" });
      assert.deepStrictEqual(
        said.map(({ isMeta, kind }) => [kind, isMeta]),
        [
          ["prompt", 0],
          ["notice", 1],
          ["prompt", 0],
        ],
      );
    }),
  );

  it.live("tell typed commands of Claude's history from prompts", () =>
    Effect.gen(function* () {
      const typed = ["/clear", "fix it", "!ls", "/home/me/a.ts is wrong"];
      const query = yield* readModelsOf(
        ...typed.map((display, at) => entry(at + 1, "claude-history", { display, timestamp: 1_600_000_000_000 + at })),
      );
      const said = yield* query.messages({ threadId: "t" });
      assert.deepStrictEqual(
        said.map(({ kind }) => kind),
        ["command", "prompt", "command", "prompt"],
      );
    }),
  );

  it.live("keep the tree across lines of a newer version", () =>
    Effect.gen(function* () {
      const claude = (uuid: string, parentUuid: string | null, more: object) => ({
        uuid,
        parentUuid,
        sessionId: "t",
        ...more,
      });
      const query = yield* readModelsOf(
        entry(1, "claude-code", claude("a", null, { type: "user", message: { role: "user", content: "one" } })),
        entry(2, "claude-code", claude("b", "a", { type: "of-a-newer-version" })),
        entry(3, "claude-code", claude("c", "b", { type: "user", message: { role: "user", content: "two" } })),
        entry(4, "pi", { type: "message", id: "d", parentId: null, message: { role: "user", content: "three" } }),
      );
      const said = yield* query.messages({ threadId: "t" });
      assert.deepStrictEqual(
        said.slice(0, 2).map(({ parentMessageId }) => parentMessageId),
        [null, "a"],
      );
      const ofPi = yield* readModelsOf(
        entry(1, "pi", { type: "message", id: "a", parentId: null, message: { role: "user", content: "one" } }),
        entry(2, "pi", { type: "of-a-newer-version", id: "b", parentId: "a" }),
        entry(3, "pi", { type: "message", id: "c", parentId: "b", message: { role: "user", content: "two" } }),
      );
      assert.deepStrictEqual(
        (yield* ofPi.messages({ threadId: "t" })).map(({ parentMessageId }) => parentMessageId),
        [null, "a"],
      );
    }),
  );

  it.live("keep the order of the messages of one event", () =>
    Effect.gen(function* () {
      const requests = ["r9", "r1", "r5"].map((requestId) => ({
        requestId,
        message: { text: `asked ${requestId}` },
        response: [{ value: `answered ${requestId}` }],
      }));
      const query = yield* readModelsOf(entry(1, "vscode-chat", { kind: 0, v: { sessionId: "t", requests } }));
      const said = yield* query.messages({ threadId: "t" });
      assert.deepStrictEqual(
        said.map(({ messageId }) => messageId),
        ["r9", "r9 answer", "r1", "r1 answer", "r5", "r5 answer"],
      );
      const found = yield* query.thread({ threadId: "t" });
      const { brief } = yield* briefOf({ thread: found ?? assert.fail(), tokens: 6_000 }).pipe(
        Effect.provideService(QueryService, query),
      );
      assert.match(JSON.stringify(brief["asked_first"]), /asked r9/);
      assert.match(JSON.stringify(brief["asked_then"]), /asked r1.*asked r5/);
      assert.match(JSON.stringify(brief["answered_last"]), /answered r5/);
    }),
  );
});
