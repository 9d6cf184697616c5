/**
 * Rejection of a promise: always an `Error` with `message` (a sentence), `code`, `hint` and `cause`.
 *
 * Room: client.
 *
 * Expected failures stay what they are (`NotAccepted`, `InvalidEvent`, …), so `instanceof` tells them; `code` is their
 * tag. Everything else is a `RecollectError`.
 */
import { deniedIn, LogUnavailable } from "../log/EventLog.ts";
import { asCalled } from "../machine/CalledAs.ts";

export class RecollectError extends Error {
  override readonly name = "RecollectError";
  /** `Unexpected`: a fault of ours. */
  readonly code = "Unexpected";
  readonly hint = "This is a fault of Recollect: the cause says where.";
}

const define = (error: Error, name: string, value: unknown): void => {
  if (name in error) return;
  Object.defineProperty(error, name, { value, enumerable: false, configurable: true });
};

const sentenceOf = (error: Error & { readonly _tag: string }): string => {
  const fields = Object.entries(error).filter(([name]) => name !== "_tag");
  return `${error._tag}: ${JSON.stringify(Object.fromEntries(fields))}`;
};

const isTagged = (error: unknown): error is Error & { readonly _tag: string } =>
  error instanceof Error && "_tag" in error && typeof error._tag === "string";

/** A hint that names a command names it as it is called from the program's working folder. */
const nameCommand = (error: Error): void => {
  const hint: unknown = "hint" in error ? error.hint : undefined;
  if (typeof hint !== "string" || !hint.includes("recollect ")) return;
  Object.defineProperty(error, "hint", { value: asCalled(hint), enumerable: true, configurable: true, writable: true });
};

/** Any cause of a rejection as an error with all that was promised. */
export const errorOf = (given: unknown): Error => {
  if (given instanceof RecollectError) return given;
  // A log that refuses a read is there: the program lacks a right.
  const cause = (given instanceof LogUnavailable ? deniedIn(given) : undefined) ?? given;
  if (isTagged(cause)) {
    if (cause.message === "") Object.defineProperty(cause, "message", { value: sentenceOf(cause), configurable: true });
    define(cause, "code", cause._tag);
    define(cause, "hint", "");
    nameCommand(cause);
    define(cause, "cause", undefined);
    return cause;
  }
  const words = cause instanceof Error ? cause.message || cause.name : String(cause);
  return new RecollectError(words, { cause });
};
