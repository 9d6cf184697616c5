/**
 * Parameters that several tools take, and values as a model reads them.
 *
 * Room: edge.
 */
import { Clock, Effect, Schema } from "effect";
import { momentHint, momentOf } from "../cli/ParseTime.ts";
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
