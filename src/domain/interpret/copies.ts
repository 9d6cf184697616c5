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
        return from === undefined ? fact : { ...fact, copyOf: from, twin: undefined };
      case "ToolWasCalled":
      case "ToolHasReturned":
        return { ...fact, callKey: keyHere(fact.callKey), copyOf: keyThere(fact.callKey), twin: undefined };
      case "TokensUsed":
        return { ...fact, usageKey: keyHere(fact.usageKey), copyOf: keyThere(fact.usageKey), twin: undefined };
      default:
        return fact;
    }
  });

/**
 * Facts of a line whose id and time are the same in every file that a program copied it into: counted in one of the
 * threads. Calls and counts with keys that are the same everywhere need none of it.
 */
export const twins = (facts: ReadonlyArray<Fact>, name: string | undefined): ReadonlyArray<Fact> => {
  if (name === undefined) return facts;
  const twin = { name, isOriginal: false };
  return facts.map((fact) => {
    if (fact._tag === "MessageSaid" || fact._tag === "TokensUsed") return { ...fact, twin };
    if (fact._tag !== "ToolWasCalled" && fact._tag !== "ToolHasReturned") return fact;
    return { ...fact, twin: { ...twin, name: `${name} ${fact.callId}` } };
  });
};

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
