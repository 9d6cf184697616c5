/**
 * SWE-agent's trajectory: an object around its `history`.
 *
 * Room: domain.
 *
 * Choices: the frame's `trajectory` tells the same words again and is not read; `info.model_stats` is a total of the
 * run and no message's usage. Old files write an action as plain text: that is a message, not a call.
 */
import type { Fact } from "../Fact.ts";
import { flagAt, isObject, objectAt, stringAt } from "../Json.ts";
import { chatMessage } from "./chatMessage.ts";
import { describe } from "./describe.ts";
import { noted, notUnderstood } from "./facts.ts";
import type { Interpreter } from "./Interpreter.ts";

const format = "swe-agent";

export const sweAgent: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "entry that is no object")] };
    const model = stringAt(objectAt(carry, "described"), "model");
    if (typeof entry["role"] === "string" && context.place !== "frame") {
      return chatMessage(entry, context, carry, {
        author: stringAt(entry, "agent"),
        model: entry["role"] === "assistant" ? model : undefined,
        isMeta: flagAt(entry, "is_demo"),
      });
    }
    if (context.place === "element") return { facts: [notUnderstood(format, "message without a role")] };
    const facts: Array<Fact> = [];
    const agent = objectAt(objectAt(entry, "replay_config"), "agent");
    const after = describe(facts, carry, {
      title: stringAt(agent, "name"),
      model: stringAt(objectAt(agent, "model"), "name"),
    });
    facts.push(noted("trajectory"));
    return { facts, carry: after };
  },
};
