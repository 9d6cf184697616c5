/**
 * The end of a command that cannot do what it was asked: one sentence, a hint, an exit code. Never a stack trace.
 *
 * Room: edge.
 *
 * | code | meaning |
 * |---|---|
 * | 0 | done |
 * | 1 | something broke that we did not foresee (`--log-level debug` shows where) |
 * | 2 | the command line is wrong |
 * | 3 | `verify` found a difference, or `rebuild` would drop events |
 * | 4 | what was asked for does not exist |
 * | 5 | a thing we need is away or unusable: NATS, the data folder, the database, the output's disk |
 * | 6 | `status` names a condition: something is not well |
 * | 130 | interrupted |
 *
 * `check` alone ends as monitors read it: 0 ok, 1 warning, 2 critical, 3 unknown.
 */
import { Cause, Exit, Schema } from "effect";

export const exitCodes = {
  done: 0,
  broken: 1,
  usage: 2,
  different: 3,
  notFound: 4,
  unavailable: 5,
  notWell: 6,
  interrupted: 130,
} as const;

/** The thing asked for is not there. */
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

/** The answer was printed, and it names a condition. */
export class NotWell extends Schema.TaggedError<NotWell>()("NotWell", { message: Schema.String }) {}

/** The check found faults, which the command has named. `code` as monitors read it: 1, 2 or 3. */
export class Checked extends Schema.TaggedError<Checked>()("Checked", { message: Schema.String, code: Schema.Int }) {}

/** Errors that do not mean that something is away. */
const codeOfTag: Readonly<Record<string, number>> = {
  AccessRefused: exitCodes.usage,
  BadRequest: exitCodes.usage,
  CannotRetry: exitCodes.usage,
  ListenRefused: exitCodes.usage,
  IllegalTransition: exitCodes.usage,
  InvalidEvent: exitCodes.usage,
  InvalidTask: exitCodes.usage,
  ConfigRefused: exitCodes.usage,
  ConfigConflict: exitCodes.usage,
  QueryRefused: exitCodes.usage,
  ParquetRefused: exitCodes.usage,
  InboxRefused: exitCodes.usage,
  ShowHelp: exitCodes.usage,
  UserError: exitCodes.usage,
  Different: exitCodes.different,
  NotWell: exitCodes.notWell,
  NotFound: exitCodes.notFound,
  TaskNotFound: exitCodes.notFound,
  NoSuchAccess: exitCodes.notFound,
  NoSuchVersion: exitCodes.notFound,
  NoSuchMessage: exitCodes.notFound,
  NoReply: exitCodes.notFound,
  CannotExport: exitCodes.notFound,
  NothingToImport: exitCodes.notFound,
};

/** Errors that carry a reason in place of a message: how their sentence begins. */
const beginnings: Readonly<Record<string, string>> = {
  LogUnavailable: "The log cannot be used now",
  LogDamaged: "The log is damaged",
  AppendRefused: "The log does not take this",
  SnapshotUnavailable: "The snapshots cannot be used now",
};

const field = (error: object, name: string): string => {
  const value: unknown = name in error ? Reflect.get(error, name) : undefined;
  return typeof value === "string" ? value : "";
};

const withStop = (text: string): string => (/[.?!…)]$/.test(text) ? text : `${text}.`);

const sentenceOf = (error: object): string => {
  const message = field(error, "message");
  if (message !== "") return message;
  const tag = field(error, "_tag");
  const reason = field(error, "reason");
  if (reason === "") return withStop(tag === "" ? String(error) : tag);
  return withStop(tag in beginnings ? `${beginnings[tag]}: ${reason}` : reason);
};

/** True for the unforeseen: a thrown value, an error without a name. */
export const isDefect = (cause: Cause.Cause<unknown>): boolean => {
  if (Cause.hasInterruptsOnly(cause)) return false;
  const error: unknown = Cause.squash(cause);
  return typeof error !== "object" || error === null || field(error, "_tag") === "";
};

/** Text to print and exit code. `text` is empty where the command has already said it all. */
export const describe = (cause: Cause.Cause<unknown>): { readonly text: string; readonly code: number } => {
  if (Cause.hasInterruptsOnly(cause)) return { text: "", code: exitCodes.interrupted };
  const error: unknown = Cause.squash(cause);
  if (typeof error !== "object" || error === null || isDefect(cause)) {
    const words = typeof error === "object" && error !== null ? sentenceOf(error) : String(error);
    const hint = "This is a defect in recollect. The same command with --log-level debug shows where.";
    return { text: `recollect: ${words}\n  ${hint}`, code: exitCodes.broken };
  }
  const tag = field(error, "_tag");
  if (tag === "ShowHelp") {
    const asked = "errors" in error && Array.isArray(error.errors) && error.errors.length === 0;
    return { text: "", code: asked ? exitCodes.done : exitCodes.usage };
  }
  if (error instanceof Checked) return { text: "", code: error.code };
  const code = codeOfTag[tag] ?? exitCodes.unavailable;
  if (code === exitCodes.different || code === exitCodes.notWell) return { text: "", code };
  const hint = field(error, "hint");
  return { text: `recollect: ${sentenceOf(error)}${hint === "" ? "" : `\n  ${hint}`}`, code };
};

export const codeOf = (exit: Exit.Exit<unknown, unknown>): number =>
  Exit.isSuccess(exit) ? exitCodes.done : describe(exit.cause).code;

/** A check that could not be made is "unknown" to a monitor, whatever stood in its way. */
export const codeOfCheck = (exit: Exit.Exit<unknown, unknown>): number => {
  const isJudged = Exit.isSuccess(exit) || Cause.squash(exit.cause) instanceof Checked;
  const code = codeOf(exit);
  return isJudged || code === exitCodes.done ? code : 3;
};
