/**
 * The log of Codex's terminal interface (2025): every key, redraw and event of a session, one a line.
 *
 * Room: domain.
 *
 * Choices: what a person typed is there as key events only, so it is no message (a `user_input` operation is);
 * deltas tell `agent_message` and `agent_reasoning` again and are notices.
 */
import type { Fact } from "../../Fact.ts";
import { flagAt, isObject, type JsonObject, type JsonValue, numberAt, objectAt, stringAt } from "../../Json.ts";
import { type Failure, threadKey, toolCalled, toolReturned } from "../calls.ts";
import { millisOf } from "./codexItems.ts";
import { describe } from "../describe.ts";
import { idAt, nameOf, noted, notUnderstood, thought } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { partsOf } from "../parts.ts";
import { codexUsage, tokensInside } from "../tokens.ts";

const format = "codex-tui";

const directions: ReadonlySet<string> = new Set(["meta", "to_tui", "from_tui"]);

/** Name, server and arguments of a call by the kind of event that begins it. */
const begun = (
  message: JsonObject,
  type: string,
): { readonly name: string; readonly server?: string | undefined; readonly arguments: JsonValue } | undefined => {
  switch (type) {
    case "exec_command_begin":
      return { name: "exec_command", arguments: { command: message["command"] ?? null, cwd: message["cwd"] ?? null } };
    case "patch_apply_begin":
      return { name: "apply_patch", arguments: { changes: message["changes"] ?? null } };
    case "mcp_tool_call_begin": {
      const invocation = objectAt(message, "invocation") ?? message;
      return {
        name: stringAt(invocation, "tool") ?? "",
        server: stringAt(invocation, "server"),
        arguments: invocation["arguments"] ?? null,
      };
    }
    default:
      return undefined;
  }
};

/** End of a call: its result, and the reason of a failure. */
const ended = (
  message: JsonObject,
  type: string,
): { readonly result: JsonValue; readonly failure: Failure | undefined } | undefined => {
  const output = `${stringAt(message, "stdout") ?? ""}${stringAt(message, "stderr") ?? ""}`;
  if (type === "exec_command_end") {
    const code = numberAt(message, "exit_code");
    return {
      result: output,
      failure:
        code === 0 || code === undefined
          ? undefined
          : { type: "exit_code", message: output === "" ? `exit code ${code}` : output },
    };
  }
  if (type === "patch_apply_end") {
    return { result: output, failure: flagAt(message, "success") ? undefined : { type: "failed", message: output } };
  }
  if (type === "mcp_tool_call_end") {
    const refused = stringAt(objectAt(message, "result"), "Err");
    return {
      result: message["result"] ?? null,
      failure: refused === undefined ? undefined : { type: "tool_error", message: refused },
    };
  }
  return undefined;
};

const codexEvent = (message: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const type = nameOf(message["type"]);
  const callId = idAt(message, "call_id") ?? context.eventId;
  const callKey = threadKey(context.threadId, callId);
  const call = begun(message, type);
  if (call !== undefined) return { facts: [toolCalled({ ...call, callKey, callId })] };
  const end = ended(message, type);
  if (end !== undefined)
    return { facts: [toolReturned({ ...end, callKey, callId, durationMillis: millisOf(message["duration"]) })] };
  if (type === "agent_reasoning") return { facts: [thought(stringAt(message, "text") ?? "")] };
  const model = stringAt(objectAt(carry, "described"), "model");
  if (type === "agent_message") {
    const parts = [{ type: "text", text: stringAt(message, "message") ?? "" }] as const;
    return {
      facts: [{ _tag: "MessageSaid", messageId: context.eventId, segment: "", role: "assistant", parts, model }],
    };
  }
  if (type === "session_configured") {
    const facts: Array<Fact> = [];
    const after = describe(facts, carry, {
      model: stringAt(message, "model"),
      session: stringAt(message, "session_id"),
    });
    return { facts: [...facts, noted(type)], carry: after };
  }
  const usage = type === "token_count" ? tokensInside(message, codexUsage) : undefined;
  if (usage === undefined) return { facts: [noted(type, type === "error" ? stringAt(message, "message") : undefined)] };
  return {
    facts: [
      {
        _tag: "TokensUsed",
        usageKey: `${context.threadId} ${context.eventId}`,
        providerMessageId: context.eventId,
        model,
        usage,
      },
    ],
  };
};

const sessionStart = (line: JsonObject, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const after = describe(facts, carry, {
    client: { name: format },
    model: stringAt(line, "model"),
    provider: stringAt(line, "model_provider_id"),
    cwd: stringAt(line, "cwd"),
  });
  return { facts: [...facts, noted("session_start")], carry: after };
};

export const codexTui: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry) || !directions.has(stringAt(entry, "dir") ?? "")) {
      return { facts: [notUnderstood(format, "line without a direction")] };
    }
    const kind = nameOf(entry["kind"]);
    if (kind === "session_start") return sessionStart(entry, carry);
    const payload = objectAt(entry, "payload");
    const message = objectAt(payload, "msg");
    if (kind === "codex_event" && message !== undefined) return codexEvent(message, context, carry);
    if (kind === "op" && stringAt(payload, "type") === "user_input") {
      return {
        facts: [
          {
            _tag: "MessageSaid",
            messageId: context.eventId,
            segment: "",
            role: "user",
            parts: partsOf(payload?.["items"]),
          },
        ],
      };
    }
    return { facts: [noted(kind)] };
  },
};
