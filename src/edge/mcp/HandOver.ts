/**
 * The brief of a thread as an answer to a model.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import type { JsonObject } from "../../domain/Json.ts";
import { sizeOf } from "../../query/brief/Budget.ts";
import { briefOf } from "../../query/brief/HandOver.ts";
import { Query } from "../../query/Query.ts";
import { Desk } from "./Desk.ts";
import { threadNamed } from "./Parameters.ts";

const how = "Read a place: read_thread with thread and around. Go on in a thread of your own: fork.";

export const handOverOf = Effect.fnUntraced(function* (given: {
  readonly thread: string;
  readonly tenant: string;
  readonly tokens: number;
}) {
  const query = yield* (yield* Desk).query;
  const thread = yield* threadNamed(query, given.thread, given.tenant);
  const { brief, isCut, leftOut } = yield* Effect.provideService(
    briefOf({ thread, tokens: given.tokens - 80 - sizeOf(how) }),
    Query,
    query,
  );
  return {
    ...brief,
    how_to_read_on: how,
    total: thread.messages,
    truncated: isCut,
    ...(leftOut.length === 0 ? {} : { left_out: [...leftOut] }),
    ...(isCut ? { next: { max_tokens: Math.min(20_000, given.tokens * 2) } } : {}),
  } satisfies JsonObject;
});
