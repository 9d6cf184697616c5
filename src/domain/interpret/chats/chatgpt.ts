/**
 * ChatGPT's data export: conversations as trees of nodes (`mapping`), a node a message.
 *
 * Room: domain.
 *
 * Choices: a message is known by its node's id, and its parent by `parent`, so that branches of an edited prompt are both
 * there. A message of the model to a recipient (`python`, `browser`) is a call; the message of role tool that follows is its
 * result. Messages that the page hides are words of the program. The export counts no tokens.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { arrayAt, flagAt, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";
import { answerOldest, openCalls, threadKey, toolCalled, toolReturned, toolUse } from "../calls.ts";
import { describe } from "../describe.ts";
import { idAt, noted, parsed, sizeOf } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { imageAt } from "../parts.ts";
import { documentInterpreter } from "../documents.ts";

const format = "chatgpt";

const pieceOf = (piece: JsonValue): ReadonlyArray<Part> => {
  if (typeof piece === "string") return piece === "" ? [] : [{ type: "text", text: piece }];
  const type = stringAt(piece, "content_type") ?? "";
  if (type === "image_asset_pointer") return [imageAt(stringAt(piece, "asset_pointer"))];
  const text = stringAt(piece, "text");
  return text === undefined
    ? [{ type: "other", kind: type === "" ? "piece without a type" : type }]
    : [{ type: "text", text }];
};

const thoughtsOf = (content: JsonObject): ReadonlyArray<Part> =>
  arrayAt(content, "thoughts").flatMap((thought): ReadonlyArray<Part> => {
    const text = [stringAt(thought, "summary"), stringAt(thought, "content")].filter((one) => one).join(": ");
    return text === "" ? [] : [{ type: "thinking", text }];
  });

const partsOf = (content: JsonObject | undefined): ReadonlyArray<Part> => {
  if (content === undefined) return [];
  if (content["content_type"] === "thoughts") return thoughtsOf(content);
  const parts = arrayAt(content, "parts").flatMap(pieceOf);
  const text = stringAt(content, "text") ?? stringAt(content, "result") ?? stringAt(content, "content") ?? "";
  return parts.length > 0 || text === "" ? parts : [{ type: "text", text }];
};

const textOf = (parts: ReadonlyArray<Part>): string =>
  parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n");

interface Said {
  readonly parts: ReadonlyArray<Part>;
  readonly facts: ReadonlyArray<Fact>;
  readonly carry: Carry;
}

const asked = (
  messageId: string,
  to: string,
  parts: ReadonlyArray<Part>,
  { threadId }: EntryContext,
  carry: Carry,
): Said => {
  const text = textOf(parts);
  const about = { callId: messageId, name: to, arguments: parsed(text) ?? text };
  return {
    parts: [toolUse(about)],
    facts: [toolCalled({ ...about, callKey: threadKey(threadId, messageId), messageId })],
    carry: openCalls(carry, [{ callId: messageId, mark: "" }]),
  };
};

const answered = (parts: ReadonlyArray<Part>, { threadId }: EntryContext, carry: Carry): Said => {
  const { callId, carry: after } = answerOldest(carry);
  if (callId === undefined) return { parts, facts: [], carry };
  const text = textOf(parts);
  return {
    parts: [{ type: "tool_result", callId, text, isError: false, bytes: sizeOf(text) }],
    facts: [toolReturned({ callKey: threadKey(threadId, callId), callId, result: text })],
    carry: after,
  };
};

const message = (node: JsonObject, said: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const messageId = idAt(node, "id") ?? idAt(said, "id") ?? context.eventId;
  const role = stringAt(objectAt(said, "author"), "role") ?? "";
  const metadata = objectAt(said, "metadata");
  const model = stringAt(metadata, "model_slug");
  const facts: Array<Fact> = [];
  const described = role === "assistant" ? describe(facts, carry, { model }) : carry;
  const parts = partsOf(objectAt(said, "content"));
  if (parts.length === 0) return { facts: [...facts, noted(`message of ${role} without words`)], carry: described };
  const to = stringAt(said, "recipient") ?? "all";
  const read =
    role === "assistant" && to !== "all"
      ? asked(messageId, to, parts, context, described)
      : role === "tool"
        ? answered(parts, context, described)
        : { parts, facts: [], carry: described };
  facts.push({
    _tag: "MessageSaid",
    messageId,
    segment: "",
    role,
    parts: read.parts,
    author: stringAt(objectAt(said, "author"), "name"),
    parentMessageId: stringAt(node, "parent"),
    model: role === "assistant" ? model : undefined,
    stopReason: stringAt(objectAt(metadata, "finish_details"), "type"),
    isMeta: flagAt(metadata, "is_visually_hidden_from_conversation") ? true : undefined,
  });
  return { facts: [...facts, ...read.facts], carry: read.carry };
};

export const chatgpt: Interpreter = documentInterpreter({
  format,
  described: (frame) => ({
    client: { name: "chatgpt" },
    title: stringAt(frame, "title"),
    model: stringAt(frame, "default_model_slug"),
  }),
  element: (entry, context, carry) => {
    const said = objectAt(entry, "message");
    if (said !== undefined) return message(entry, said, context, carry);
    return "children" in entry ? { facts: [noted("node without a message")] } : undefined;
  },
});
