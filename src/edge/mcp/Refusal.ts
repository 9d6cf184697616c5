/**
 * Refusals of tools: a sentence, and the remedy.
 *
 * Room: edge.
 */
import { Cause, Schema } from "effect";
import { asCalled } from "../../machine/CalledAs.ts";

/** The question cannot be answered as it was asked. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", {
  message: Schema.String,
  hint: Schema.optionalKey(Schema.String),
}) {}

const field = (error: unknown, name: string): string => {
  const value: unknown = typeof error === "object" && error !== null && name in error ? Reflect.get(error, name) : "";
  return typeof value === "string" ? value : "";
};

/** An error in words; for a defect its message, since a model can do nothing with its place. */
export const inWords = (cause: Cause.Cause<unknown>): string => {
  const error: unknown = Cause.squash(cause);
  const said = field(error, "message") || field(error, "reason") || field(error, "_tag") || String(error);
  const hint = field(error, "hint");
  if (hint === "") return said;
  return `${said}${/[.!?…]$/.test(said) ? "" : "."} ${asCalled(hint)}`;
};
