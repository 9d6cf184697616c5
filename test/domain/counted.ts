/**
 * What facts come to when they are counted: messages by role, calls, outcomes, tokens. The rules are those of `Fact.ts`.
 */
import { fromContent } from "../../src/domain/EventId.ts";
import type { Fact } from "../../src/domain/Fact.ts";
import { type Carry, noCarry } from "../../src/domain/interpret/Interpreter.ts";
import { interpreters } from "../../src/domain/interpret/interpreters.ts";
import { type Tokens, tokensOf } from "../../src/domain/Tokens.ts";
import type { Cut } from "./realEntries.ts";

export interface Told {
  readonly cut: Cut;
  readonly facts: ReadonlyArray<Fact>;
  /** What was remembered after the entry. */
  readonly carry: Carry;
}

/** Interprets entries in order; every thread has its own carry. */
export const interpretAll = (cuts: ReadonlyArray<Cut>): ReadonlyArray<Told> => {
  const carries = new Map<string, Carry>();
  const times = new Map<string, number>();
  return cuts.map((cut) => {
    const interpreter = interpreters.get(cut.format);
    if (interpreter === undefined) throw new Error(`no interpreter for ${cut.format}`);
    const content = `${cut.format} ${cut.thread} ${cut.raw}`;
    const time = (times.get(content) ?? 0) + 1;
    times.set(content, time);
    const context = {
      threadId: cut.thread,
      eventId: fromContent(content, String(time)),
      occurredAt: 0,
      place: cut.place,
    };
    const { facts, carry } = interpreter.interpret(cut.entry, context, carries.get(cut.thread) ?? noCarry);
    if (carry !== undefined) carries.set(cut.thread, carry);
    return { cut, facts, carry: carries.get(cut.thread) ?? noCarry };
  });
};

const kinds = ["uncached", "visible", "cacheRead", "cacheWrite", "reasoning"] as const;

/** Of two tellings of one usage the larger number of each kind. */
const larger = (known: Tokens | undefined, told: Tokens): Tokens => {
  if (known === undefined) return told;
  const most = (kind: (typeof kinds)[number]) =>
    known[kind] === null && told[kind] === null ? null : Math.max(known[kind] ?? 0, told[kind] ?? 0);
  return Object.fromEntries(kinds.map((kind) => [kind, most(kind)])) as unknown as Tokens;
};

/** Threads where somebody tells something of this kind first-hand: there the second witness is not counted. */
const firstHand = (told: ReadonlyArray<Told>, tags: ReadonlyArray<Fact["_tag"]>): ReadonlySet<string> =>
  new Set(
    told
      .filter(({ facts }) =>
        facts.some((fact) => tags.includes(fact._tag) && !("secondHand" in fact && fact.secondHand === true)),
      )
      .map(({ cut }) => cut.thread),
  );

export const countFacts = (told: ReadonlyArray<Told>) => {
  const messages = new Map<string, string>();
  const calls = new Set<string>();
  const results = new Map<string, "ok" | "error">();
  const usages = new Map<string, Tokens>();
  const witnessed = {
    MessageSaid: firstHand(told, ["MessageSaid"]),
    ToolWasCalled: firstHand(told, ["ToolWasCalled", "ToolHasReturned"]),
    ToolHasReturned: firstHand(told, ["ToolWasCalled", "ToolHasReturned"]),
    TokensUsed: firstHand(told, ["TokensUsed"]),
  };
  const notUnderstood: Array<string> = [];
  for (const { cut, facts } of told) {
    for (const fact of facts) {
      if ("secondHand" in fact && fact.secondHand === true && witnessed[fact._tag].has(cut.thread)) continue;
      if (fact._tag === "MessageSaid") messages.set(`${cut.thread}\u0000${fact.messageId}`, fact.role);
      if (fact._tag === "ToolWasCalled") calls.add(fact.callKey);
      if (fact._tag === "ToolHasReturned" && !results.has(fact.callKey)) results.set(fact.callKey, fact.outcome);
      if (fact._tag === "TokensUsed")
        usages.set(fact.usageKey, larger(usages.get(fact.usageKey), tokensOf(fact.usage)));
      if (fact._tag === "NotUnderstood") notUnderstood.push(fact.what);
    }
  }
  const byRole: Record<string, number> = {};
  for (const role of messages.values()) byRole[role] = (byRole[role] ?? 0) + 1;
  const outcomes = { ok: 0, error: 0, unknown: 0 };
  for (const key of calls) outcomes[results.get(key) ?? "unknown"]++;
  const tokens = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, reasoning: 0 };
  for (const usage of usages.values()) {
    const { cacheRead, cacheWrite, reasoning, uncached, visible } = usage;
    tokens.input += (uncached ?? 0) + (cacheRead ?? 0) + (cacheWrite ?? 0);
    tokens.output += (visible ?? 0) + (reasoning ?? 0);
    tokens.cacheRead += cacheRead ?? 0;
    tokens.cacheWrite += cacheWrite ?? 0;
    tokens.reasoning += reasoning ?? 0;
  }
  const orphanResults = [...results.keys()].filter((key) => !calls.has(key)).length;
  return { messages: byRole, toolCallOccurrences: calls.size, orphanResults, outcomes, tokens, notUnderstood };
};
