/**
 * Who&When: failure logs of multi-agent systems, an object around its `history`.
 *
 * Room: domain.
 *
 * Choices: `human` and `user` are the role user, `system` is system, every other speaker is an agent: the role is
 * assistant and the speaker's own name (`name`, else the role as written) is the author.
 */
import type { Fact } from "../Fact.ts";
import { isObject, stringAt } from "../Json.ts";
import { describe } from "./describe.ts";
import { noted, notUnderstood } from "./facts.ts";
import type { Interpreter } from "./Interpreter.ts";
import { partsOf } from "./parts.ts";

const format = "who-and-when";

const roleOf = (written: string): string =>
  written === "human" || written === "user" ? "user" : written === "system" ? "system" : "assistant";

export const whoAndWhen: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "entry that is no object")] };
    const written = stringAt(entry, "role");
    if (written !== undefined && context.place !== "frame") {
      return {
        facts: [
          {
            _tag: "MessageSaid",
            messageId: context.eventId,
            segment: "",
            role: roleOf(written),
            parts: partsOf(entry["content"]),
            author: stringAt(entry, "name") ?? written,
          },
        ],
      };
    }
    if (context.place === "element") return { facts: [notUnderstood(format, "message without a role")] };
    const facts: Array<Fact> = [];
    const after = describe(facts, carry, { title: stringAt(entry, "question") });
    facts.push(noted("question"));
    return { facts, carry: after };
  },
};
