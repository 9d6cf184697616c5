/**
 * Interpreters of documents: a frame that describes the conversation, around elements that are its messages.
 *
 * Room: domain.
 */
import type { Fact } from "../Fact.ts";
import { isObject, type JsonObject, stringAt } from "../Json.ts";
import { describe, type Fields } from "./describe.ts";
import { nameOf, noted, notUnderstood } from "./facts.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "./Interpreter.ts";

/** A format of documents. */
export interface DocumentFormat {
  readonly format: string;
  /** Description of the thread by its frame. */
  readonly described: (frame: JsonObject, context: EntryContext) => Fields;
  /** Facts of an element; undefined for one that is not known. */
  readonly element: (entry: JsonObject, context: EntryContext, carry: Carry) => Interpretation | undefined;
}

export const documentInterpreter = ({ described, element, format }: DocumentFormat): Interpreter => ({
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "entry that is no object")] };
    if (context.place !== "frame")
      return element(entry, context, carry) ?? { facts: [notUnderstood(format, nameOf(entry["type"]))] };
    const facts: Array<Fact> = [];
    const after = describe(facts, carry, described(entry, context));
    return { facts: [...facts, noted("conversation")], carry: after };
  },
});

/** The facts of an element that has a text at `key`: a role, a sender. */
export const withText =
  (key: string, read: (entry: JsonObject, text: string, context: EntryContext, carry: Carry) => Interpretation) =>
  (entry: JsonObject, context: EntryContext, carry: Carry): Interpretation | undefined => {
    const text = stringAt(entry, key);
    return text === undefined ? undefined : read(entry, text, context, carry);
  };
