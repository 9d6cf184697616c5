import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { createHash } from "node:crypto";
import { thread } from "../../src/domain/History.ts";
import { event } from "../projection/StubLog.ts";
import { folded } from "../projection/World.ts";

const read = (sequence: number, path: string, sha256: string, more: object = {}, threadId = "t1") =>
  event(
    sequence,
    "thread.file_read",
    { path, blob: { sha256, bytes: sha256.length }, ...more },
    { in: thread(threadId) },
  );

describe("files that threads have read", () => {
  it.live("are listed with the version that was seen, and whether it was another one than before", () =>
    Effect.gen(function* () {
      const { rows } = yield* folded([
        read(1, "/a", "one", { modifiedAt: 17.5, fromLine: 3, toLine: 9, callId: "c", machine: "m" }),
        read(2, "/b", "two"),
        read(3, "/a", "one", {}, "t2"),
        read(4, "/a", "three"),
        read(5, "/a", "three"),
        read(6, "/a", "one"),
      ]);
      const found = rows("SELECT path, sha256, is_changed FROM v_files_read WHERE thread_id = 't1' ORDER BY sequence");
      assert.deepStrictEqual(
        found.map((row) => Object.values(row).join(" ")),
        ["/a one 0", "/b two 0", "/a three 1", "/a three 0", "/a one 1"],
      );
      const [first] = rows("SELECT * FROM v_files_read ORDER BY sequence LIMIT 1");
      assert.deepInclude(first, {
        modified_at: 18,
        from_line: 3,
        to_line: 9,
        tool_call_id: "c",
        machine: "m",
        content_bytes: 3,
      });
      const versions = rows("SELECT path, sha256, reads, threads FROM v_file_versions ORDER BY path, sha256");
      assert.deepStrictEqual(
        versions.map((row) => Object.values(row).join(" ")),
        ["/a one 3 2", "/a three 2 1", "/b two 1 1"],
      );
    }),
  );
});

describe("files as transcripts show them", () => {
  it.live("are told with the hash of what was shown, apart from versions of whole files", () =>
    Effect.gen(function* () {
      const shown = (sequence: number, file: object, type = "text") => {
        const content = [{ type: "tool_result", tool_use_id: `toolu_${sequence}`, content: "     1→a" }];
        const entry = {
          type: "user",
          uuid: `u${sequence}`,
          sessionId: "t1",
          message: { role: "user", content },
          toolUseResult: { type, file: { filePath: "/a", ...file } },
        };
        return event(
          sequence,
          "thread.entry_recorded",
          { format: "claude-code", source: { path: "t1.jsonl" }, entry },
          { in: thread("t1") },
        );
      };
      const whole = { startLine: 1, numLines: 2, totalLines: 2 };
      const part = { startLine: 3, numLines: 2, totalLines: 9 };
      const { rows } = yield* folded([
        shown(1, { content: "a\n", ...whole }),
        shown(2, { content: "é", ...part }),
        shown(3, { content: "b\n", ...whole }),
        shown(4, { content: "é", ...part }),
        shown(5, { base64: "AA==" }, "image"),
        read(6, "/a", "one"),
      ]);
      const found = rows(
        "SELECT sequence, is_shown, is_changed, content_bytes AS bytes, from_line, to_line, tool_call_id AS call_id FROM v_files_read ORDER BY sequence",
      );
      assert.deepStrictEqual(
        found.map((row) => Object.values(row).join(" ")),
        ["1 1 0 2   toolu_1", "2 1 0 2 3 4 toolu_2", "3 1 1 2   toolu_3", "4 1 0 2 3 4 toolu_4", "6 0 0 3   "],
      );
      const [first] = rows("SELECT path, sha256 FROM v_files_read ORDER BY sequence LIMIT 1");
      const sha256 = createHash("sha256").update("a\n").digest("hex");
      assert.deepStrictEqual({ ...first }, { path: "/a", sha256 });
      assert.deepStrictEqual(
        rows("SELECT sha256 FROM v_file_versions").map(({ sha256: one }) => one),
        ["one"],
      );
    }),
  );
});

describe("answers that were given again", () => {
  it.live("are countable, and stand beside the tool call that they answered", () =>
    Effect.gen(function* () {
      const reused = { key: "k", kind: "tool", name: "search", savedMillis: 40, bytes: 10, from: "shared" };
      const { rows } = yield* folded([
        event(1, "thread.tool_called", { callId: "c1", name: "search" }),
        event(2, "thread.tool_returned", { callId: "c1", outcome: "ok", result: 1 }),
        event(3, "thread.response_reused", { ...reused, callId: "c1" }),
        event(4, "thread.response_reused", { ...reused, key: "l", savedMillis: 2, from: "process" }),
        event(5, "thread.response_reused", { ...reused, kind: "model", name: "m" }),
      ]);
      const [call] = rows(
        "SELECT c.tool_name, r.came_from FROM v_tool_calls c JOIN v_reused_responses r ON r.call_key = c.call_key",
      );
      assert.deepStrictEqual({ ...call }, { tool_name: "search", came_from: "shared" });
      const stats = rows(
        "SELECT kind, name, reuses, requests, saved_millis, response_bytes AS bytes FROM v_reuse_stats ORDER BY kind DESC",
      );
      assert.deepStrictEqual(
        stats.map((row) => Object.values(row).join(" ")),
        ["tool search 2 2 42 20", "model m 1 1 40 10"],
      );
    }),
  );
});
