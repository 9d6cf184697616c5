/**
 * Copies that an agent made from another thread: facts that say whose they are.
 *
 * Room: domain.
 *
 * A copy has keys of its own, so that it is a row of its own, and names the key that the same thing has in the thread it
 * came from. The read models count it there once that thread holds it: so the order of imports changes nothing.
 */
import type { Fact } from "../Fact.ts";

interface Origin {
  /** The thread it was copied from; undefined where that is not known, and messages then count here. */
  readonly from: string | undefined;
  /** The key that a call or a count has there. */
  readonly keyThere: (key: string) => string | undefined;
  /** The key that the copy has here. */
  readonly keyHere: (key: string) => string;
}

export const copiedFrom = (facts: ReadonlyArray<Fact>, { from, keyHere, keyThere }: Origin): ReadonlyArray<Fact> =>
  facts.map((fact) => {
    switch (fact._tag) {
      case "MessageSaid":
        return { ...fact, copyOf: from };
      case "ToolWasCalled":
      case "ToolHasReturned":
        return { ...fact, callKey: keyHere(fact.callKey), copyOf: keyThere(fact.callKey) };
      case "TokensUsed":
        return { ...fact, usageKey: keyHere(fact.usageKey), copyOf: keyThere(fact.usageKey) };
      default:
        return fact;
    }
  });

/** Of formats whose keys are the same in every thread: the copy's are its thread's. */
export const copiedKeys = (threadId: string, from: string | undefined): Origin => ({
  from,
  keyHere: (key) => `${threadId} ${key}`,
  keyThere: (key) => key,
});

/** Of formats whose keys begin with their thread. */
export const movedKeys = (threadId: string, from: string): Origin => ({
  from,
  keyHere: (key) => key,
  keyThere: (key) => (key.startsWith(`${threadId} `) ? `${from}${key.slice(threadId.length)}` : undefined),
});
