import { describe, it } from "@effect/vitest";
import { assert } from "vitest";
import { type AuditPolicy, levelOf } from "../../../src/domain/audit/AuditPolicy.ts";
import { AuditLevels } from "../../../src/publish/storing/AuditLevels.ts";
import { builtIn } from "../../../src/publish/storing/StoragePolicy.ts";

const under = (audit: AuditPolicy) => ({ ...builtIn().now(), audit });

const called = { callId: "c", name: "read_file", server: "files", arguments: { path: "/tmp/a" } };
const returned = {
  callId: "c",
  outcome: "error",
  result: "the words",
  error: { type: "tool", message: "the words" },
  durationMillis: 3,
};

/** What is recorded of a call and its answer under a policy. */
const recorded = (audit: AuditPolicy, agent = "claude") => {
  const levels = new AuditLevels();
  const policy = under(audit);
  return {
    call: levels.audited(policy, "thread.tool_called", called, agent) as Record<string, unknown> | undefined,
    answer: levels.audited(policy, "thread.tool_returned", returned, "files") as Record<string, unknown> | undefined,
  };
};

describe("the audit policy", () => {
  it("decides by the first rule that fits tool, server and agent; without one everything is recorded", () => {
    const policy: AuditPolicy = [
      { tool: "read_*", agent: "claude", level: "Metadata" },
      { tool: "read_*", level: "Request" },
      { server: "vault", level: "None" },
      { tool: "*_secret*", level: "None" },
    ];
    const asked = (tool?: string, server?: string, agent?: string) => levelOf(policy, { tool, server, agent });
    assert.strictEqual(asked("read_file", "files", "claude"), "Metadata");
    assert.strictEqual(asked("read_file", "files", "codex"), "Request");
    assert.strictEqual(asked("read_file"), "Request");
    assert.strictEqual(asked("list", "vault"), "None");
    assert.strictEqual(asked("get_secret_value"), "None");
    assert.strictEqual(asked("write_file", "files", "claude"), "RequestResponse");
    assert.strictEqual(levelOf([{ level: "None" }], { tool: undefined, server: undefined, agent: undefined }), "None");
  });

  it("keeps of a call and its answer what the level says, and the event says the level", () => {
    assert.deepStrictEqual(recorded([]), { call: called, answer: returned });
    assert.deepStrictEqual(recorded([{ level: "RequestResponse" }]), { call: called, answer: returned });
    const request = recorded([{ server: "files", level: "Request" }]);
    assert.deepStrictEqual(request.call, { ...called, auditLevel: "Request" });
    const less = { callId: "c", outcome: "error", durationMillis: 3, resultBytes: 9, error: { type: "tool" } };
    assert.deepStrictEqual(request.answer, { ...less, auditLevel: "Request" });
    const metadata = recorded([{ tool: "read_file", level: "Metadata" }]);
    assert.deepStrictEqual(metadata.call, { callId: "c", name: "read_file", server: "files", auditLevel: "Metadata" });
    assert.deepStrictEqual(metadata.answer, { ...less, auditLevel: "Metadata" });
    assert.deepStrictEqual(recorded([{ agent: "claude", level: "None" }]), { call: undefined, answer: undefined });
  });

  it("keeps the answer to a call that it has not seen as metadata, when any rule keeps less than everything", () => {
    const answer = (audit: AuditPolicy) =>
      new AuditLevels().audited(under(audit), "thread.tool_returned", returned, "x");
    assert.strictEqual((answer([{ tool: "other", level: "None" }]) as { auditLevel: string }).auditLevel, "Metadata");
    assert.strictEqual(answer([{ tool: "other", level: "RequestResponse" }]), returned);
  });

  it("holds for calls and answers inside of messages, which still name them", () => {
    const parts = [
      { type: "text", text: "words" },
      { type: "tool_use", callId: "c", name: "read_file", arguments: { path: "/tmp/a" } },
      { type: "tool_result", callId: "c", text: "the words" },
    ];
    const levels = new AuditLevels();
    const policy = under([{ tool: "read_file", level: "Metadata" }]);
    assert.deepStrictEqual(levels.audited(policy, "thread.message_appended", { parts }, undefined), {
      parts: [
        { type: "text", text: "words" },
        { type: "tool_use", callId: "c", name: "read_file" },
        { type: "tool_result", callId: "c", text: "", bytes: 9 },
      ],
    });
  });
});
