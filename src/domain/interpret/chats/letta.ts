/**
 * Letta's agent files (`.af`): agents with their messages, in the shape of chat completions.
 *
 * Room: domain.
 *
 * A message is known by its `id`. Letta speaks by a tool (`send_message`), whose call is a call like any other.
 */
import type { Fact } from "../../Fact.ts";
import { isObject, objectAt, stringAt } from "../../Json.ts";
import { chatMessage } from "./chatMessage.ts";
import { describe } from "../describe.ts";
import { idAt, nameOf, noted, notUnderstood } from "../facts.ts";
import type { Interpreter } from "../Interpreter.ts";

const format = "letta";

export const letta: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "entry that is no object")] };
    if (context.place === "frame") {
      const facts: Array<Fact> = [];
      const after = describe(facts, carry, {
        client: { name: format },
        title: stringAt(entry, "name"),
        model: stringAt(objectAt(entry, "llm_config"), "model"),
      });
      return { facts: [...facts, noted("conversation")], carry: after };
    }
    const role = stringAt(entry, "role");
    if (role === undefined) return { facts: [notUnderstood(format, nameOf(entry["type"]))] };
    const content = entry["content"] ?? entry["text"] ?? null;
    return chatMessage({ ...entry, content }, context, carry, {
      messageId: idAt(entry, "id") ?? context.eventId,
      model: role === "assistant" ? stringAt(entry, "model") : undefined,
    });
  },
};
