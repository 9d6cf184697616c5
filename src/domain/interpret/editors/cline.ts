/**
 * Cline, Roo Code and Kilo Code: the conversation with the provider, in Anthropic's messages, one file of a task's folder.
 *
 * Room: domain.
 *
 * The folder a task works in stands in the details of its environment, which the program adds to what a person says.
 * Usage, times and the task's words are in the file beside it (`cline-ui`).
 */
import type { Fact } from "../../Fact.ts";
import { isObject, objectAt, stringAt } from "../../Json.ts";
import { anthropicMessages } from "../claude/anthropic-messages.ts";
import { describe } from "../describe.ts";
import { notUnderstood } from "../facts.ts";
import type { Interpreter } from "../Interpreter.ts";
import { wordsOf } from "../parts.ts";

const format = "cline";

const folder = /# Current (?:Working|Workspace) Directory \(([^)\n]{1,1000})\)/;

export const cline: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry) || typeof entry["role"] !== "string")
      return { facts: [notUnderstood(format, "message without a role")] };
    const facts: Array<Fact> = [];
    const model = stringAt(objectAt(entry, "modelInfo"), "modelId");
    const cwd =
      entry["role"] === "user"
        ? wordsOf(entry["content"])
            .map((text) => folder.exec(text)?.[1])
            .find(Boolean)
        : undefined;
    const described = describe(facts, carry, { client: { name: format }, cwd, model });
    const { id: _id, ...said } = entry;
    const told = anthropicMessages.interpret(model === undefined ? said : { ...said, model }, context, described);
    return { facts: [...facts, ...told.facts], carry: told.carry ?? described };
  },
};
