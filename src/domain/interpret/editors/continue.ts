/**
 * Continue's sessions: a JSON object around its `history`, each element a message with what was added to it.
 *
 * Room: domain.
 *
 * A result stands in the state of its call (`toolCallStates`), not in a message of its own; Continue sends it as one.
 * Usage stands on the message, where a provider gave it.
 */
import type { Fact } from "../../Fact.ts";
import { shortId } from "../../Truncate.ts";
import { arrayAt, countAt, isObject, type JsonObject, objectAt, stringAt } from "../../Json.ts";
import { answerCall, threadKey, toolReturned } from "../calls.ts";
import { chatMessage } from "../chats/chatMessage.ts";
import { idAt } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { wordsOf } from "../parts.ts";
import { documentInterpreter } from "../documents.ts";

const format = "continue";

const message = (item: JsonObject, said: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const { toolCallId, toolCalls, id: _id, ...rest } = said;
  // An element is written again when its calls have been answered: it stays the same message.
  const messageId = idAt(said, "id") ?? context.eventId;
  const model = stringAt(arrayAt(item, "promptLogs")[0] ?? null, "modelTitle");
  const told = chatMessage(
    {
      ...rest,
      ...(toolCalls === undefined ? {} : { tool_calls: toolCalls }),
      ...(toolCallId === undefined ? {} : { tool_call_id: toolCallId }),
    },
    context,
    carry,
    { messageId, model: stringAt(said, "role") === "assistant" ? model : undefined },
  );
  const facts: Array<Fact> = [...told.facts];
  let after = told.carry ?? carry;
  for (const state of arrayAt(item, "toolCallStates")) {
    const status = stringAt(state, "status");
    if (status !== "done" && status !== "errored") continue;
    const callId = idAt(state, "toolCallId") ?? "";
    const found = answerCall(after, callId);
    after = found.carry;
    const key = threadKey(context.threadId, callId);
    const output = arrayAt(state, "output")
      .flatMap((one) => wordsOf(isObject(one) ? one["content"] : one))
      .join("\n");
    const failure = status === "errored" ? { type: "error", message: output } : undefined;
    const callKey = found.mark === undefined ? key : `${key} ${found.mark}`;
    facts.push(toolReturned({ callKey, callId, result: output, failure }));
  }
  const usage = objectAt(said, "usage");
  const input = countAt(usage, "promptTokens");
  const output = countAt(usage, "completionTokens");
  if (input !== undefined || output !== undefined)
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${context.threadId} ${shortId(messageId)}`,
      providerMessageId: messageId,
      messageId,
      model,
      usage: { input: input ?? null, output: output ?? null, cacheInInput: true },
    });
  return { facts, carry: after };
};

export const continueDev: Interpreter = documentInterpreter({
  format,
  described: (frame) => ({
    client: { name: "continue" },
    title: stringAt(frame, "title"),
    cwd: stringAt(frame, "workspaceDirectory"),
    session: stringAt(frame, "sessionId"),
    model: stringAt(frame, "chatModelTitle"),
  }),
  element: (entry, context, carry) => {
    const said = objectAt(entry, "message");
    return said === undefined ? undefined : message(entry, said, context, carry);
  },
});
