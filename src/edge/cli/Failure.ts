/**
 * How a command ends when it cannot do what it was asked: one sentence, what to do, an exit code. Never a stack trace.
 *
 * Room: edge. In: none. Out: main.
 *
 * | code | meaning |
 * |---|---|
 * | 0 | done |
 * | 1 | something broke that we did not foresee (the log level `debug` shows where) |
 * | 2 | the command line is wrong |
 * | 3 | `verify` found a difference |
 * | 4 | what was asked for does not exist |
 * | 5 | a thing we need is away or unusable: NATS, the data folder, the database |
 * | 130 | interrupted |
 */
import { Cause, Exit, Schema } from "effect";

export const exitCodes = {
  done: 0,
  broken: 1,
  usage: 2,
  different: 3,
  notFound: 4,
  unavailable: 5,
  interrupted: 130,
} as const;

/** What was asked for is not there. */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {
  message: Schema.String,
  hint: Schema.optionalKey(Schema.String),
}) {}

/** Flags that do not go together, or a value that cannot be. */
export class BadRequest extends Schema.TaggedError<BadRequest>()("BadRequest", {
  message: Schema.String,
  hint: Schema.optionalKey(Schema.String),
}) {}

/** The check was done, and what should be equal is not. The command has said where. */
export class Different extends Schema.TaggedError<Different>()("Different", { message: Schema.String }) {}

const usage: ReadonlySet<string> = new Set(["BadRequest", "ShowHelp", "QueryRefused", "UserError"]);

const textOf = (error: object): string => {
  const message = "message" in error && typeof error.message === "string" ? error.message : "";
  const reason = "reason" in error && typeof error.reason === "string" ? error.reason : "";
  return message !== "" ? message : reason !== "" ? reason : "_tag" in error ? String(error._tag) : String(error);
};

/** What to print and which code to end with. `text` is empty where the command has already said it all. */
export const describe = (cause: Cause.Cause<unknown>): { readonly text: string; readonly code: number } => {
  if (Cause.hasInterruptsOnly(cause)) return { text: "", code: exitCodes.interrupted };
  const error: unknown = Cause.squash(cause);
  if (typeof error !== "object" || error === null) return { text: String(error), code: exitCodes.broken };
  const tag = "_tag" in error ? String(error._tag) : "";
  if (tag === "ShowHelp") {
    const asked = "errors" in error && Array.isArray(error.errors) && error.errors.length === 0;
    return { text: "", code: asked ? exitCodes.done : exitCodes.usage };
  }
  if (tag === "Different") return { text: "", code: exitCodes.different };
  const hint = "hint" in error && typeof error.hint === "string" ? `\n  ${error.hint}` : "";
  const code =
    tag === "NotFound" || tag === "CannotExport" || tag === "NothingToImport"
      ? exitCodes.notFound
      : usage.has(tag)
        ? exitCodes.usage
        : tag === ""
          ? exitCodes.broken
          : exitCodes.unavailable;
  const prefix = tag === "" ? "this is a defect in recollect: " : "";
  return { text: `recollect: ${prefix}${textOf(error)}${hint}`, code };
};

export const codeOf = (exit: Exit.Exit<unknown, unknown>): number =>
  Exit.isSuccess(exit) ? exitCodes.done : describe(exit.cause).code;
