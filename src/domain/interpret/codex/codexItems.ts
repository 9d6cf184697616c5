/**
 * The items of a Codex rollout: what the model and its tools said (`response_item`).
 *
 * Room: domain.
 *
 * A result does not say whether its tool failed. How it ended comes, in this order, from Codex's own item of the same
 * call id (`item_completed`, or the older `exec_command_end` and its kin), which precedes the result and is kept in the
 * carry until then; from the head that Codex writes before a command's output; from the words of a refused call.
 */
import { headOf } from "../../Truncate.ts";
import type { Fact } from "../../Fact.ts";
import { isNotice } from "../../thread/MessageKind.ts";
import { arrayAt, isObject, type JsonObject, type JsonValue, numberAt, objectAt, stringAt } from "../../Json.ts";
import { type Failure, threadKey, toolCalled, toolReturned } from "../calls.ts";
import { idAt, jsonText, nameOf, noted, notUnderstood, parsed, serverOf, thought } from "../facts.ts";
import type { Carry, EntryContext, Interpretation } from "../Interpreter.ts";
import { memo, pairsAt, withList } from "../memory.ts";
import { nameMessage } from "./codexLineage.ts";
import { partsOf, thinkingText, wordsOf } from "../parts.ts";
import { pathOf } from "../paths.ts";

const format = "codex";

/** Prompts that a rollback can go back to. */
const mostPrompts = 20;

/** Longest failure message that waits, in bytes of JSON. */
const messageBytes = 200;

const itemTypes: ReadonlySet<string> = new Set([
  "message",
  "reasoning",
  "function_call",
  "function_call_output",
  "custom_tool_call",
  "custom_tool_call_output",
  "local_shell_call",
  "local_shell_call_output",
  "tool_search_call",
  "tool_search_output",
  "tool_search_call_output",
  "web_search_call",
  "image_generation_call",
  "mcp_tool_call_output",
  "compaction",
  "compaction_summary",
  "ghost_snapshot",
  "other",
]);

export const isResponseItem = (type: string): boolean => itemTypes.has(type);

/** Rust's `Duration` as JSON. */
export const millisOf = (duration: JsonValue | undefined): number | undefined => {
  const secs = numberAt(duration, "secs");
  return secs === undefined ? undefined : secs * 1000 + (numberAt(duration, "nanos") ?? 0) / 1e6;
};

/** The reason in an error that is a string, an object with a message, or neither. */
const messageOf = (error: JsonValue | undefined): string =>
  typeof error === "string" ? error : (stringAt(error, "message") ?? jsonText(error));

/** Failure of a call by Codex's own item: undefined when it is no tool's item. */
const failureOfItem = (item: JsonObject): Failure | undefined => {
  const exitCode = numberAt(item, "exit_code");
  if (exitCode !== undefined && exitCode !== 0) return { type: "exit_code", message: `exit code ${exitCode}` };
  const result = item["result"];
  const refused = isObject(result)
    ? (result["Err"] ??
      (result["is_error"] === true || result["isError"] === true ? wordsOf(result["content"]).join("\n") : undefined))
    : undefined;
  const error = item["error"] ?? refused;
  if (error !== undefined && error !== null) return { type: "tool_error", message: messageOf(error) };
  const status = stringAt(item, "status");
  if (status === "failed" || status === "declined") return { type: status, message: status };
  return item["success"] === false ? { type: "failed", message: stringAt(item, "stderr") ?? "failed" } : undefined;
};

/** Remembers how a call ended, when an event says so, until its result comes. */
export const callEnded = (event: JsonObject, carry: Carry): Carry => {
  const item = objectAt(event, "item");
  const type = nameOf(event["type"]);
  const ends = item === undefined ? type.endsWith("_end") : type === "item_completed";
  const told = item ?? event;
  const callId = item === undefined ? idAt(event, "call_id") : idAt(item, "id");
  const says = ["status", "exit_code", "success", "result", "error"].some((key) => told[key] !== undefined);
  if (!ends || callId === undefined || !says) return carry;
  const failure = failureOfItem(told);
  const ending = jsonText({
    ...(failure === undefined ? {} : { type: failure.type, message: headOf(failure.message, messageBytes) }),
    millis: millisOf(told["duration"]) ?? null,
  });
  const others = pairsAt(carry, "endings").filter(([id]) => id !== memo(callId));
  return withList(carry, "endings", [...others, [memo(callId), ending] as const]);
};

interface Ending {
  readonly failure: Failure | undefined;
  readonly durationMillis: number | undefined;
}

const takeEnding = (carry: Carry, callId: string): { readonly ending: Ending | undefined; readonly carry: Carry } => {
  const pairs = pairsAt(carry, "endings");
  const found = pairs.find(([id]) => id === memo(callId));
  if (found === undefined) return { ending: undefined, carry };
  const told = parsed(found[1]);
  const type = stringAt(told, "type");
  return {
    ending: {
      failure: type === undefined ? undefined : { type, message: stringAt(told, "message") ?? type },
      durationMillis: numberAt(told, "millis"),
    },
    carry: withList(
      carry,
      "endings",
      pairs.filter((pair) => pair !== found),
    ),
  };
};

const exited = (code: number | undefined): Failure | undefined =>
  code === undefined || code === 0 ? undefined : { type: "exit_code", message: `exit code ${code}` };

/** End of a call by its output alone. Only the head that Codex writes is read, never what the tool printed. */
const endingOfOutput = (output: JsonValue | undefined): Ending => {
  if (isObject(output)) {
    const failed = output["success"] === false;
    return {
      failure: failed ? { type: "failed", message: wordsOf(output["content"]).join("\n") } : undefined,
      durationMillis: undefined,
    };
  }
  if (typeof output !== "string") return { failure: undefined, durationMillis: undefined };
  if (output.startsWith("unsupported call: "))
    return { failure: { type: "unsupported_call", message: output }, durationMillis: undefined };
  // 2025: the output is JSON in a string, with the exit code beside the text.
  const metadata = output.startsWith("{") ? objectAt(parsed(output), "metadata") : undefined;
  if (metadata !== undefined) {
    const seconds = numberAt(metadata, "duration_seconds");
    return {
      failure: exited(numberAt(metadata, "exit_code")),
      durationMillis: seconds === undefined ? undefined : seconds * 1000,
    };
  }
  const head = output.slice(0, Math.max(0, output.indexOf("\nOutput:")));
  const code = /^(?:Process exited with code|Exit code:) (-?\d+)$/m.exec(head)?.[1];
  const seconds = /^Wall time: ([\d.]+) seconds$/m.exec(head)?.[1];
  return {
    failure: exited(code === undefined ? undefined : Number(code)),
    durationMillis: seconds === undefined || Number.isNaN(Number(seconds)) ? undefined : Number(seconds) * 1000,
  };
};

const returned = (item: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const callId = idAt(item, "call_id") ?? idAt(item, "id") ?? "";
  const output = item["output"] ?? item["tools"] ?? item["result"];
  const told = takeEnding(carry, callId);
  const written = endingOfOutput(output);
  return {
    facts: [
      toolReturned({
        callKey: threadKey(context.threadId, callId),
        callId,
        result: output,
        failure: told.ending === undefined ? written.failure : told.ending.failure,
        durationMillis: told.ending?.durationMillis ?? written.durationMillis,
      }),
    ],
    carry: told.carry,
  };
};

/** Name and arguments of a call of each type. The provider runs the last two itself: their item holds the result. */
const calls: Readonly<
  Record<string, { readonly name?: string; readonly arguments: string; readonly answered?: true }>
> = {
  function_call: { arguments: "arguments" },
  custom_tool_call: { arguments: "input" },
  local_shell_call: { name: "local_shell", arguments: "action" },
  tool_search_call: { name: "tool_search", arguments: "arguments" },
  web_search_call: { name: "web_search", arguments: "action", answered: true },
  image_generation_call: { name: "image_generation", arguments: "revised_prompt", answered: true },
};

const called = (item: JsonObject, type: string, context: EntryContext): ReadonlyArray<Fact> => {
  const { name: fixed, arguments: key, answered } = calls[type] ?? { arguments: "arguments" };
  const callId = idAt(item, "call_id") ?? idAt(item, "id") ?? context.eventId;
  const callKey = threadKey(context.threadId, callId);
  const name = stringAt(item, "name") ?? fixed ?? "";
  const namespace = stringAt(item, "namespace");
  const server = (namespace === undefined ? undefined : serverOf(namespace)) ?? serverOf(name);
  const facts: Array<Fact> = [toolCalled({ callKey, callId, name, server, arguments: item[key] })];
  const status = stringAt(item, "status");
  if (answered === true && (status === "completed" || status === "failed")) {
    facts.push(
      toolReturned({
        callKey,
        callId,
        result: item["result"],
        failure: status === "failed" ? { type: "failed", message: "failed" } : undefined,
      }),
    );
  }
  return facts;
};

const message = (
  item: JsonObject,
  carry: Carry,
  at: number,
  told: { readonly model: string | undefined; readonly provider: string | undefined },
): Interpretation => {
  const role = stringAt(item, "role") ?? "";
  const assistant = role === "assistant";
  const words = wordsOf(item["content"]);
  // Codex puts the environment and the project's instructions there.
  const isMeta = role === "developer" || (role === "user" && words.length > 0 && words.every(isNotice));
  const isPrompt = role === "user" && !isMeta;
  const named = nameMessage(item, carry, { at, isPrompt });
  const messageId = idAt(item, "id") ?? named.messageId;
  const prompts = arrayAt(named.carry, "prompts");
  return {
    facts: [
      {
        _tag: "MessageSaid",
        messageId,
        segment: "",
        role,
        // A sub-agent's prompt was said by its parent.
        kind: isPrompt && carry["subAgent"] === true ? "task" : undefined,
        parts: partsOf(item["content"]),
        model: assistant ? told.model : undefined,
        provider: assistant ? told.provider : undefined,
        path: pathOf(carry),
        isMeta,
      },
    ],
    carry: isPrompt ? withList(named.carry, "prompts", [...prompts, memo(messageId)].slice(-mostPrompts)) : named.carry,
  };
};

/** One item: a message, a thought, a call or a result. */
export const responseItem = (
  item: JsonObject,
  context: EntryContext,
  carry: Carry,
  told: { readonly model: string | undefined; readonly provider: string | undefined },
): Interpretation => {
  const type = nameOf(item["type"]);
  if (type === "message") return message(item, carry, context.occurredAt, told);
  if (type === "reasoning") return { facts: [thought(thinkingText(item))] };
  if (type.endsWith("_output")) return returned(item, context, carry);
  if (Object.hasOwn(calls, type)) return { facts: called(item, type, context) };
  return {
    facts: [isResponseItem(type) ? noted(`response_item ${type}`) : notUnderstood(format, `response_item ${type}`)],
  };
};
