/**
 * Results of tau2-bench: a simulation around its messages; agent and simulated user are models, and both call tools.
 *
 * Room: domain.
 *
 * The models stand in the file's `info`, not on the messages: messages name their model where the frame has it, and
 * elsewhere the read models take it from what the file says beside its conversations. Both sides spend tokens.
 */
import type { Fact } from "../../Fact.ts";
import { flagAt, type JsonObject, objectAt, stringAt } from "../../Json.ts";
import { chatMessage, counted, framed } from "../chats/chatMessage.ts";
import { describe } from "../describe.ts";
import { noted } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { memo } from "../memory.ts";
import { wordsOf } from "../parts.ts";

const format = "tau2";

const frame = (simulation: JsonObject, _context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const info = objectAt(simulation, "info");
  const agentModel = stringAt(objectAt(info, "agent_info"), "llm");
  const userModel = stringAt(objectAt(info, "user_info"), "llm");
  const described = describe(facts, carry, { title: stringAt(simulation, "task_id"), model: agentModel });
  facts.push(noted("simulation"));
  return { facts, carry: userModel === undefined ? described : { ...described, userModel: memo(userModel) } };
};

const modelOf = (message: JsonObject, carry: Carry): string | undefined =>
  stringAt(objectAt(message, "raw_data"), "model") ??
  (message["role"] === "assistant"
    ? stringAt(objectAt(carry, "described"), "model")
    : message["role"] === "user"
      ? stringAt(carry, "userModel")
      : undefined);

const message = (said: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const model = modelOf(said, carry);
  const failed = said["role"] === "tool" && flagAt(said, "error");
  const told = chatMessage(said, context, carry, {
    model,
    stopReason: stringAt(objectAt(said, "raw_data"), "finish_reason"),
    failure: failed ? { type: "error", message: wordsOf(said["content"]).join("\n") } : undefined,
  });
  return counted(told, said, context, { model, spender: said["role"] === "user" ? "user" : "agent" });
};

/** The models stand once in the file, beside its conversations. */
const source = (head: JsonObject): ReadonlyArray<Fact> => {
  const info = objectAt(head, "info");
  return [
    {
      _tag: "SourceDescribed",
      agentModel: stringAt(objectAt(info, "agent_info"), "llm"),
      userModel: stringAt(objectAt(info, "user_info"), "llm"),
    },
  ];
};

export const tau2: Interpreter = { ...framed(format, { message, frame }), source };
