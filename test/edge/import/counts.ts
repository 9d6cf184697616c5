/**
 * What the log holds, counted from its events through the interpreters, by the rules of `Fact.ts` and apart from any
 * projection: messages with words by role, calls by key, results by key, tokens by key. What a second witness tells counts
 * in threads where nobody tells it first-hand.
 */
import { Effect, Result } from "effect";
import type { RecordedEvent } from "../../../src/domain/Event.ts";
import type { Fact } from "../../../src/domain/Fact.ts";
import { factsOf } from "../../../src/domain/Interpret.ts";
import { type Carry, noCarry } from "../../../src/domain/interpret/Interpreter.ts";
import type { Counts } from "./LineFixtures.ts";
import { events } from "./World.ts";

/** The facts of each of these events' threads, in order. */
export const factsIn = (given: ReadonlyArray<RecordedEvent>): ReadonlyMap<string, ReadonlyArray<Fact>> => {
  const carries = new Map<string, Carry>();
  const told = new Map<string, Array<Fact>>();
  for (const event of given) {
    if (event.history.kind !== "thread") continue;
    const { id } = event.history;
    const { carry, facts } = Result.getOrThrow(factsOf(event, carries.get(id) ?? noCarry));
    if (carry !== undefined) carries.set(id, carry);
    const own = told.get(id);
    if (own === undefined) told.set(id, [...facts]);
    else own.push(...facts);
  }
  return told;
};

/** The facts of each thread of the log, in order. */
export const factsByThread = Effect.map(events, factsIn);

const firstHand = <F extends Fact & { readonly secondHand?: boolean | undefined }>(facts: ReadonlyArray<F>) => {
  const own = facts.filter(({ secondHand }) => secondHand !== true);
  return own.length > 0 ? own : facts;
};

const only = <Tag extends Fact["_tag"]>(facts: ReadonlyArray<Fact>, tag: Tag) =>
  facts.filter((fact): fact is Extract<Fact, { readonly _tag: Tag }> => fact._tag === tag);

/** The counts of one thread's facts. */
export const countsOf = (facts: ReadonlyArray<Fact>): Counts => {
  const roles = new Map<string, string>();
  const segments = new Map<string, number>();
  for (const { messageId, parts, role, segment } of firstHand(only(facts, "MessageSaid"))) {
    roles.set(messageId, role);
    segments.set(`${messageId} ${segment}`, parts.length);
  }
  const messages: Record<string, number> = {};
  for (const [id, role] of roles) {
    const hasWords = [...segments].some(([key, parts]) => key.startsWith(`${id} `) && parts > 0);
    if (hasWords) messages[role] = (messages[role] ?? 0) + 1;
  }
  const usages = new Map(firstHand(only(facts, "TokensUsed")).map(({ usage, usageKey }) => [usageKey, usage]));
  const sum = (kind: "input" | "output") =>
    [...usages.values()].reduce((total, usage) => total + (usage[kind] ?? 0), 0);
  return {
    messages,
    calls: new Set(firstHand(only(facts, "ToolWasCalled")).map(({ callKey }) => callKey)).size,
    results: new Set(firstHand(only(facts, "ToolHasReturned")).map(({ callKey }) => callKey)).size,
    input: sum("input"),
    output: sum("output"),
  };
};

/** What a thread is described as, the last word on each field. */
export const describedAs = (facts: ReadonlyArray<Fact>): Record<string, unknown> =>
  Object.assign({}, ...only(facts, "ThreadDescribed"));
