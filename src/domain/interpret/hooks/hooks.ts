/**
 * Facts of agents' hooks: told by a second witness, so that a transcript of the same session counts alone.
 *
 * Room: domain.
 *
 * A hook's call, prompt and answer are counted where no transcript tells them; what only hooks tell (a permission that was
 * denied, a notification, a compaction about to begin) are notices either way. Carry keys begin with `hook`, because the
 * transcript's interpreter reads the same thread and shares the carry.
 */
import type { Fact } from "../../Fact.ts";
import { isObject, type JsonObject, type JsonValue, stringAt } from "../../Json.ts";
import { shortId } from "../../Truncate.ts";
import { toolCalled, toolReturned, toolUse } from "../calls.ts";
import { describe } from "../describe.ts";
import { idAt, jsonText, noted, notUnderstood } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";
import { memo, type Pair, pairsAt, withList } from "../memory.ts";
import {
  answerIn,
  callOf,
  cwdOf,
  eventOf,
  type HookAgent,
  hookAgents,
  type HookCall,
  hookFormat,
  momentOf,
  promptIn,
  sessionOf,
} from "./hookEvent.ts";

/** Calls of agents whose hooks say no id: joined to their result by tool and arguments, oldest first. */
const openKey = "hookOpen";
/** The carry is shared with the transcript's interpreter, which may fill two thirds of it. */
const mostOpen = 8;

const signatureOf = ({ arguments: args, name }: HookCall): string => memo(`${name} ${jsonText(args)}`);

/** Key that makes a call one in its tenant: Anthropic's ids are unique in the world, others in their thread. */
const keyOf = (callId: string, { threadId }: EntryContext): string =>
  callId.startsWith("toolu_") ? callId : `${threadId} ${shortId(callId)}`;

const idOfCall = (call: HookCall, context: EntryContext, carry: Carry, isResult: boolean): readonly [string, Carry] => {
  if (call.id !== undefined) return [call.id, carry];
  const open = pairsAt(carry, openKey);
  const signature = signatureOf(call);
  if (!isResult) {
    const opened: Pair = [signature, context.eventId];
    return [context.eventId, withList(carry, openKey, [...open, opened].slice(-mostOpen))];
  }
  const found = open.find(([waiting]) => waiting === signature);
  if (found === undefined) return [context.eventId, carry];
  return [
    found[1],
    withList(
      carry,
      openKey,
      open.filter((pair) => pair !== found),
    ),
  ];
};

const called = (entry: JsonObject, context: EntryContext, carry: Carry, moment: string): Interpretation | undefined => {
  const call = callOf(entry);
  if (call === undefined) return undefined;
  const isResult = moment !== "toolCalled";
  const [callId, after] = idOfCall(call, context, carry, isResult);
  const callKey = keyOf(callId, context);
  const messageId = `hook ${callKey}`;
  const asked = { callKey, callId, name: call.name, arguments: call.arguments, messageId };
  const facts: Array<Fact> = [{ ...toolCalled(asked), secondHand: true }];
  const part = toolUse(asked);
  facts.push({ _tag: "MessageSaid", messageId, segment: "", role: "assistant", parts: [part], secondHand: true });
  if (isResult) {
    const message = call.error ?? (moment === "toolFailed" ? "failed" : undefined);
    const failure = message === undefined ? undefined : { type: "error", message };
    const { durationMillis } = call;
    const result = call.result ?? call.error ?? null;
    facts.push({ ...toolReturned({ callKey, callId, result, failure, durationMillis }), secondHand: true });
  }
  return { facts, carry: after };
};

const said = (role: "user" | "assistant", text: string, messageId: string): Fact => ({
  _tag: "MessageSaid",
  messageId,
  segment: "",
  role,
  parts: [{ type: "text", text }],
  secondHand: true,
});

const told = (entry: JsonObject, event: string, context: EntryContext, carry: Carry): Interpretation => {
  const moment = momentOf(event);
  const notice = (text?: string): Interpretation => ({ facts: [noted(`hook ${event}`, text)] });
  switch (moment) {
    case "toolCalled":
    case "toolReturned":
    case "toolFailed":
      return called(entry, context, carry, moment) ?? notice();
    case "prompted": {
      const prompt = promptIn(entry);
      const id = idAt(entry, "prompt_id") ?? context.eventId;
      return prompt === undefined ? notice() : { facts: [said("user", prompt, `hook ${id}`)] };
    }
    case "answered": {
      const answer = answerIn(entry);
      return answer === undefined ? notice() : { facts: [said("assistant", answer, `hook ${context.eventId}`)] };
    }
    case "compacted":
      return notice(stringAt(entry, "compact_summary"));
    default:
      return notice(stringAt(entry, "message") ?? stringAt(entry, "reason") ?? stringAt(entry, "source"));
  }
};

const interpret = (agent: HookAgent, entry: JsonValue, context: EntryContext, carry: Carry): Interpretation => {
  const format = hookFormat(agent);
  if (!isObject(entry)) return { facts: [notUnderstood(format, "entry that is no object")] };
  const event = eventOf(entry);
  if (event === undefined) return { facts: [notUnderstood(format, "entry without an event")] };
  const facts: Array<Fact> = [];
  const session = sessionOf(entry);
  const described = describe(facts, carry, {
    cwd: cwdOf(entry),
    session,
    model: stringAt(entry, "model"),
    parentThreadId: session !== undefined && context.threadId.startsWith(`${session}/`) ? session : undefined,
    relation: session !== undefined && context.threadId.startsWith(`${session}/`) ? "sub-agent" : undefined,
  });
  const { carry: after = described, facts: own } = told(entry, event, context, described);
  return { facts: [...facts, ...own], carry: after };
};

export const hookInterpreters: ReadonlyArray<Interpreter> = hookAgents.map((agent) => ({
  format: hookFormat(agent),
  isLive: true,
  interpret: (entry, context, carry) => interpret(agent, entry, context, carry),
}));
