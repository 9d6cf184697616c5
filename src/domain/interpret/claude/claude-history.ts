/**
 * Claude Code's `history.jsonl`: every prompt that was typed, with its project and, since 2.0, its session.
 *
 * Room: domain.
 *
 * A second witness: a prompt counts only where the session's own transcript is not there any more. A pasted text stands
 * in the prompt as `[Pasted text #1]`, and is put behind it.
 */
import type { Part } from "../../thread/Content.ts";
import type { Fact } from "../../Fact.ts";
import { isTypedCommand } from "../../thread/MessageKind.ts";
import { isObject, type JsonObject, objectAt, stringAt } from "../../Json.ts";
import { describe } from "../describe.ts";
import { notUnderstood } from "../facts.ts";
import type { Interpreter } from "../Interpreter.ts";

const format = "claude-history";

const pasted = (line: JsonObject): ReadonlyArray<Part> =>
  Object.values(objectAt(line, "pastedContents") ?? {}).flatMap((paste): ReadonlyArray<Part> => {
    const text = stringAt(paste, "content");
    return text === undefined || text === "" ? [] : [{ type: "text", text }];
  });

export const claudeHistory: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    const text = stringAt(entry, "display");
    if (!isObject(entry) || text === undefined) return { facts: [notUnderstood(format, "line without a prompt")] };
    const facts: Array<Fact> = [];
    const after = describe(facts, carry, {
      client: { name: "claude-code" },
      cwd: stringAt(entry, "project"),
      session: stringAt(entry, "sessionId"),
    });
    facts.push({
      _tag: "MessageSaid",
      messageId: context.eventId,
      segment: "",
      role: "user",
      kind: isTypedCommand(text) ? "command" : undefined,
      parts: [{ type: "text", text }, ...pasted(entry)],
      secondHand: true,
    });
    return { facts, carry: after };
  },
};
