/**
 * Letta's agent files (`.af`): agents with their messages, in the shape of chat completions.
 *
 * Room: domain.
 *
 * A message is known by its `id`. Letta speaks by a tool (`send_message`), whose call is a call like any other.
 */
import { objectAt, stringAt } from "../../Json.ts";
import { chatMessage } from "./chatMessage.ts";
import { idAt } from "../facts.ts";
import type { Interpreter } from "../Interpreter.ts";
import { documentInterpreter, withText } from "../documents.ts";

const format = "letta";

export const letta: Interpreter = documentInterpreter({
  format,
  described: (frame) => ({
    client: { name: format },
    title: stringAt(frame, "name"),
    model: stringAt(objectAt(frame, "llm_config"), "model"),
  }),
  element: withText("role", (entry, role, context, carry) =>
    chatMessage({ ...entry, content: entry["content"] ?? entry["text"] ?? null }, context, carry, {
      messageId: idAt(entry, "id") ?? context.eventId,
      model: role === "assistant" ? stringAt(entry, "model") : undefined,
    }),
  ),
});
