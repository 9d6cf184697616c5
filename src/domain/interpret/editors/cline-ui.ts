/**
 * A task as Cline, Roo Code and Kilo Code show it (`ui_messages.json`): times, tokens and the words it began with.
 *
 * Room: domain.
 *
 * Its words stand in the conversation with the provider too, so each is a notice; a request (`api_req_started`)
 * counts its tokens, once by its time, since it is written again when its answer has come.
 */
import { cutText } from "../../secret/CutText.ts";
import type { Fact } from "../../Fact.ts";
import { amountAt, countAt, isObject, type JsonObject, numberAt, stringAt } from "../../Json.ts";
import { describe } from "../describe.ts";
import { noted, notUnderstood, parsed } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";

const format = "cline-ui";
/** Longest title, in UTF-16 units: the first words of a task. */
const titleLength = 120;

const requested = (said: JsonObject, context: EntryContext): ReadonlyArray<Fact> => {
  const about = parsed(stringAt(said, "text") ?? "");
  const usage = {
    input: countAt(about, "tokensIn") ?? null,
    output: countAt(about, "tokensOut") ?? null,
    cacheRead: countAt(about, "cacheReads") ?? null,
    cacheWrite: countAt(about, "cacheWrites") ?? null,
  };
  if (Object.values(usage).every((count) => count === null)) return [noted("api_req_started")];
  const id = `request ${String(numberAt(said, "ts") ?? context.eventId)}`;
  const costUsd = amountAt(about, "cost");
  return [{ _tag: "TokensUsed", usageKey: `${context.threadId} ${id}`, providerMessageId: id, usage, costUsd }];
};

const shown = (said: JsonObject, kind: string, context: EntryContext, carry: Carry): Interpretation => {
  if (kind === "api_req_started" || kind === "deleted_api_reqs") return { facts: requested(said, context) };
  const text = stringAt(said, "text") ?? "";
  const isTask = (kind === "task" || kind === "text") && carry["begun"] !== true && text !== "";
  if (!isTask) return { facts: [noted(`${stringAt(said, "type") ?? "say"} ${kind}`)] };
  const facts: Array<Fact> = [];
  const after = describe(facts, carry, { title: cutText(text.trim().replaceAll(/\s+/g, " "), titleLength) });
  return { facts: [...facts, noted("task", text)], carry: { ...after, begun: true } };
};

export const clineUi: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    const kind = stringAt(entry, "say") ?? stringAt(entry, "ask");
    if (!isObject(entry) || kind === undefined) return { facts: [notUnderstood(format, "message that says nothing")] };
    return shown(entry, kind, context, carry);
  },
};
