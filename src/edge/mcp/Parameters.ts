/**
 * Parameters that several tools take, and values as a model reads them.
 *
 * Room: edge.
 */
import { Clock, Effect, Schema } from "effect";
import { momentHint, momentOf } from "../cli/ParseTime.ts";
import { known } from "../../query/brief/Plain.ts";
import type { ThreadConditions, ThreadFilterName } from "../../query/ThreadFilter.ts";
import type { Query, ThreadRow } from "../../query/Query.ts";
import { Refused } from "./Refusal.ts";

/** A text of at most so many characters: longer ones are slips. */
export const text = (description: string, length = 1_000) =>
  Schema.String.check(Schema.isMaxLength(length)).annotate({ description });

export const maybeText = (description: string, length = 1_000) => Schema.optionalKey(text(description, length));

export const whole = (description: string, minimum: number, maximum: number) =>
  Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum, maximum })).annotate({ description }));

export const flag = (description: string) => Schema.optionalKey(Schema.Boolean.annotate({ description }));

const time = (description: string) => maybeText(`${description} ${momentHint}`, 40);
export const since = time("Nothing before this time.");
export const until = time("Nothing after this time.");

type Snake<Name extends string> = Name extends `${infer Head}E${infer Rest}` ? `${Head}_e${Rest}` : Name;

/** Filters of lists and searches of threads. */
export const threadFilters = {
  project: maybeText("Only where the working directory is this, below it, or has this name"),
  branch: maybeText("Only on this branch"),
  agent: maybeText("Only of this agent: claude, codex, gemini …"),
  model: maybeText("Only of models with this in their name"),
  role: maybeText("Only with something said as user, assistant, system …"),
  tool: maybeText("Only with calls of this tool"),
  file: maybeText("Only where this file was read or named to a tool"),
  has_error: flag("Only with failed tool calls"),
  main: flag("Without sub-agents"),
  since,
  until,
} satisfies Record<Snake<ThreadFilterName>, Schema.Top>;

/** The conditions that those say. */
export const conditionsOf = Effect.fnUntraced(function* (
  input: Omit<ThreadConditions, "hasError" | "isMain" | "since" | "until"> & {
    readonly has_error?: boolean;
    readonly main?: boolean;
    readonly since?: string;
    readonly until?: string;
  },
) {
  const { agent, branch, file, has_error: hasError, main: isMain, model, project, role, tool } = input;
  const times = { since: yield* moment(input.since), until: yield* moment(input.until) };
  return known({ project, branch, agent, model, role, tool, file, hasError, isMain, ...times });
});

export const threadId = text(
  "Thread id as the other tools give it, or a beginning of it that no other thread has",
  1_000,
);

/** Epoch milliseconds of a time as it is written; undefined where none is. */
export const moment = Effect.fnUntraced(function* (written: string | undefined) {
  if (written === undefined) return undefined;
  const at = momentOf(written, yield* Clock.currentTimeMillis);
  return at ?? (yield* new Refused({ message: `${written} is no time.`, hint: momentHint }));
});

const notFound = (id: string) =>
  new Refused({ message: `There is no thread ${id}.`, hint: "list_threads and search give ids." });

/** The thread of an id or of its beginning; one that is deleted or expired is not there. */
export const threadOf = Effect.fnUntraced(function* (query: Query["Service"], id: string, tenant: string) {
  const ids = yield* query.threadIds({ beginning: id, tenant, limit: 3 });
  if (ids.length > 1) {
    return yield* new Refused({ message: `${id} is the beginning of several threads: ${ids.join(", ")}.` });
  }
  const thread = yield* query.thread({ threadId: ids[0] ?? id, tenant });
  const now = yield* Clock.currentTimeMillis;
  const isHidden = (row: ThreadRow) => row.deletedAt !== null || (row.expiresAt !== null && row.expiresAt <= now);
  return thread === undefined || isHidden(thread) ? undefined : thread;
});

/** The same, for what cannot do without. */
export const threadNamed = (query: Query["Service"], id: string, tenant: string) =>
  Effect.flatMap(threadOf(query, id, tenant), (thread) =>
    thread === undefined ? Effect.fail(notFound(id)) : Effect.succeed(thread),
  );
