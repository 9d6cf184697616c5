/**
 * The data export of claude.ai: conversations around their `chat_messages`.
 *
 * Room: domain.
 *
 * A message is known by its `uuid`; its `content` blocks are Anthropic's, older exports have `text` alone. A text that was
 * attached is part of what was said. The export counts no tokens.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { arrayAt, type JsonObject, stringAt } from "../../Json.ts";
import { readBlocks } from "../blocks.ts";
import { threadKey } from "../calls.ts";
import { idAt } from "../facts.ts";
import type { EntryContext, Interpreter } from "../Interpreter.ts";
import { partsOf } from "../parts.ts";
import { documentInterpreter, withText } from "../documents.ts";

const format = "claude-ai";

const attached = (said: JsonObject): ReadonlyArray<Part> => [
  ...arrayAt(said, "attachments").flatMap((one): ReadonlyArray<Part> => {
    const path = stringAt(one, "file_name") ?? "";
    const text = stringAt(one, "extracted_content") ?? "";
    return [{ type: "file", path }, ...(text === "" ? [] : [{ type: "text", text } as const])];
  }),
  ...arrayAt(said, "files").map((one): Part => ({ type: "file", path: stringAt(one, "file_name") ?? "" })),
];

const message = (said: JsonObject, sender: string, context: EntryContext): ReadonlyArray<Fact> => {
  const messageId = idAt(said, "uuid") ?? context.eventId;
  const blocks = readBlocks(said["content"], {
    messageId,
    callKey: (callId, index) => threadKey(context.threadId, callId === "" ? `${messageId} ${index}` : callId),
  });
  const words = blocks.parts.length > 0 ? blocks.parts : partsOf(said["text"]);
  return [
    {
      _tag: "MessageSaid",
      messageId,
      segment: "",
      role: sender === "human" ? "user" : sender,
      parts: [...words, ...attached(said)],
      parentMessageId: stringAt(said, "parent_message_uuid"),
    },
    ...blocks.facts,
  ];
};

export const claudeAi: Interpreter = documentInterpreter({
  format,
  described: (frame) => ({
    client: { name: "claude.ai" },
    title: stringAt(frame, "name"),
    model: stringAt(frame, "model"),
  }),
  element: withText("sender", (entry, sender, context) => ({ facts: message(entry, sender, context) })),
});
