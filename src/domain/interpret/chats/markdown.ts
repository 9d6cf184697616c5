/**
 * Conversations that a program keeps as a text for people: Aider's chat history, and SpecStory's.
 *
 * Room: domain.
 *
 * An entry is a piece of the text, as a string: for Aider a run of lines of one kind (`#### ` what a person typed, `> `
 * what the program said, anything else the model's answer), for SpecStory a heading or what one of both said. The text
 * is put together again from the pieces. A time stands at most in the heading.
 */
import { millisOf } from "../../EntryTimes.ts";
import type { Fact } from "../../Fact.ts";
import { describe } from "../describe.ts";
import { noted, notUnderstood } from "../facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";

const said = (role: string, text: string, { eventId }: EntryContext, model?: string): Fact => ({
  _tag: "MessageSaid",
  messageId: eventId,
  segment: "",
  role,
  parts: [{ type: "text", text }],
  model,
});

const without = (text: string, mark: RegExp): string =>
  text
    .split("\n")
    .map((line) => line.replace(mark, ""))
    .join("\n")
    .trim();

/** `1.2k` is 1,200: Aider rounds what it shows, so its counts are about right. */
const countOf = (shown: string): number =>
  Math.round(Number.parseFloat(shown.replaceAll(",", "")) * (/k$/i.test(shown) ? 1000 : /m$/i.test(shown) ? 1e6 : 1));

const tokens =
  /Tokens: ([\d.,]+[kM]?) sent(?:, ([\d.,]+[kM]?) cache write)?(?:, ([\d.,]+[kM]?) cache hit)?, ([\d.,]+[kM]?) received/;

const costOf = (text: string): number | undefined => {
  const shown = /Cost: \$([\d.]+)/.exec(text)?.[1];
  const cost = shown === undefined ? Number.NaN : Number.parseFloat(shown);
  return Number.isFinite(cost) ? cost : undefined;
};

/** Aider's words about itself: its version, the model, the tokens of an answer. */
const program = (text: string, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const version = /Aider v([\w.-]+)/.exec(text)?.[1];
  const model = /(?:Main model|Model): (\S+)/.exec(text)?.[1];
  const after = describe(facts, carry, {
    client: version === undefined ? undefined : { name: "aider", version },
    model,
    cwd: /Git repo: (\S+)/.exec(text)?.[1],
  });
  const [, sent, written, hit, received] = tokens.exec(text) ?? [];
  if (sent !== undefined && received !== undefined)
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${context.threadId} ${context.eventId}`,
      providerMessageId: context.eventId,
      usage: {
        input: countOf(sent),
        output: countOf(received),
        cacheWrite: written === undefined ? null : countOf(written),
        cacheRead: hit === undefined ? null : countOf(hit),
        cacheInInput: true,
      },
      costUsd: costOf(text),
    });
  return { facts: [...facts, noted("aider", without(text, /^> ?/))], carry: after };
};

export const aider: Interpreter = {
  format: "aider",
  interpret: (entry, context, carry) => {
    if (typeof entry !== "string") return { facts: [notUnderstood("aider", "entry that is no text")] };
    const text = entry.trim();
    if (text === "") return { facts: [noted("blank line")] };
    if (text.startsWith("# aider chat started at")) {
      const facts: Array<Fact> = [];
      const after = describe(facts, carry, { client: { name: "aider" } });
      const when = millisOf(/started at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)/.exec(text)?.[1]);
      return { facts: [...facts, noted("chat started", text)].map((fact) => ({ ...fact, at: when })), carry: after };
    }
    if (text.startsWith("#### ")) return { facts: [said("user", without(text, /^#### ?/), context)] };
    if (text.startsWith(">")) return program(text, context, carry);
    return { facts: [said("assistant", text, context)] };
  },
};

const speaker = /^_\*\*(User|Assistant|Agent)(?: \(([^)]*)\))?\*\*_/;

export const specstory: Interpreter = {
  format: "specstory",
  interpret: (entry, context, carry) => {
    if (typeof entry !== "string") return { facts: [notUnderstood("specstory", "entry that is no text")] };
    const text = entry.trim();
    const found = speaker.exec(text);
    if (found !== null) {
      const words = text
        .slice(found[0].length)
        .replace(/\n---\s*$/, "")
        .trim();
      if (words === "") return { facts: [noted("turn without words")] };
      const model = /model ([^\s,)]+)/.exec(found[2] ?? "")?.[1];
      return { facts: [said(found[1] === "User" ? "user" : "assistant", words, context, model)] };
    }
    const facts: Array<Fact> = [];
    const title = /^# (.+?)(?: \(\d{4}-\d\d-\d\d[^)]*\))?\s*$/m.exec(text)?.[1];
    const after = describe(facts, carry, { client: { name: "specstory" }, title });
    const [, day, minute] = /^# .*\((\d{4}-\d\d-\d\d)[ _](\d\d:\d\d)/m.exec(text) ?? [];
    const when = day === undefined ? undefined : millisOf(`${day}T${minute}`);
    return { facts: [...facts, noted("heading", text)].map((fact) => ({ ...fact, at: when })), carry: after };
  },
};
