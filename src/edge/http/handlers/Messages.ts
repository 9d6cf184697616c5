/**
 * Every message of a thread over HTTP: page by page, one a line, or as it was at a moment.
 *
 * Room: edge.
 */
import { Clock, Effect, Stream } from "effect";
import { HttpServerResponse } from "effect/http";
import { type ReadMessage, readMessage } from "../../../client/ReadThread.ts";
import { ThreadViews } from "../../../publish/thread/ThreadViews.ts";
import { type MessageRow, Query } from "../../../query/Query.ts";
import { Principal } from "../Guard.ts";
import { refused } from "../Problem.ts";
import { given, json } from "./Answer.ts";

export interface MessageQuery {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
  readonly deleted?: "true" | "false" | undefined;
  readonly atTime?: number | undefined;
  readonly atSequence?: number | undefined;
  readonly asOf?: string | undefined;
}

const usualPage = 100;

const wrongCursor = refused({
  status: 400,
  code: "cursor",
  detail: "This cursor is from elsewhere.",
  hint: "Give the `next` of the page before, or none.",
});

const placeIn = (cursor: string | undefined, form: RegExp) => {
  if (cursor === undefined) return Effect.succeed(0);
  const digits = form.exec(cursor)?.[1];
  return digits === undefined ? Effect.fail(wrongCursor) : Effect.succeed(Number(digits));
};

/** Number of messages before the page: a message keeps its place, whatever is said behind it. */
const offsetOf = (cursor: string | undefined) => placeIn(cursor, /^(\d{1,15})$/);

/** The last sequence before a page of the conversation as it was; in another form, because it is no number of messages. */
const sequenceOf = (cursor: string | undefined) => placeIn(cursor, /^after-(\d{1,15})$/);

/** True for the conversation as it was, which the read models have. */
export const isEarlier = ({ asOf, atSequence, atTime }: MessageQuery): boolean =>
  [asOf, atSequence, atTime].some((one) => one !== undefined);

/** True for a thread that is hidden in the record that is asked: now, or with `asOf` then. */
const isHidden = Effect.fnUntraced(function* (threadId: string, tenant: string) {
  const thread = yield* Query.use((reads) => reads.thread({ threadId, tenant }));
  const now = yield* Clock.currentTimeMillis;
  return thread !== undefined && (thread.deletedAt !== null || (thread.expiresAt ?? now + 1) <= now);
});

const all = (threadId: string, { deleted }: MessageQuery) =>
  Stream.unwrap(
    ThreadViews.useSync((views) => Stream.map(views.messages(threadId, { deleted: deleted === "true" }), readMessage)),
  );

const ofRow = (row: MessageRow): ReadMessage => ({
  messageId: row.messageId,
  role: row.role,
  author: row.author ?? undefined,
  model: row.model ?? undefined,
  text: row.text ?? "",
  parts: row.parts.map(({ text, type }) =>
    type === "text" || type === "thinking"
      ? { type, text: text ?? "" }
      : { type: "other" as const, kind: type, value: text },
  ),
  occurredAt: row.occurredAt ?? row.assumedAt ?? 0,
  stopReason: row.stopReason ?? undefined,
  usage: row.usage ?? undefined,
  isCut: row.parts.some(({ contentBytes, text }) => Buffer.byteLength(text ?? "") < contentBytes),
});

/** The conversation as it was then, by the read models. */
const asItWas = Effect.fnUntraced(function* (threadId: string, query: MessageQuery) {
  const { tenant } = yield* Principal;
  const { atSequence, atTime, limit = usualPage } = query;
  const after = yield* sequenceOf(query.cursor);
  if (query.deleted !== "true" && (yield* isHidden(threadId, tenant))) return json({ messages: [] });
  const filter = { threadId, tenant, ...given({ upToSequence: atSequence, upToTime: atTime }) };
  const reads = yield* Query;
  const rows = yield* reads.messages({ ...filter, after, limit });
  const last = rows.at(-1)?.sequence;
  const isMore =
    last !== undefined &&
    rows.length >= limit &&
    (yield* reads.messages({ ...filter, after: last, limit: 1 })).length > 0;
  return json({ messages: rows.map(ofRow), ...(isMore ? { next: `after-${last}` } : {}) });
});

export const messagePage = Effect.fnUntraced(function* (threadId: string, query: MessageQuery) {
  if (isEarlier(query)) return yield* asItWas(threadId, query);
  const { limit = usualPage } = query;
  const offset = yield* offsetOf(query.cursor);
  const found = yield* Stream.runCollect(all(threadId, query).pipe(Stream.drop(offset), Stream.take(limit + 1)));
  const next = found.length > limit ? String(offset + limit) : undefined;
  return json({ messages: found.slice(0, limit), ...given({ next }) });
});

/** All of them, one a line, as fast as the client takes them. A failure in the middle cuts the connection. */
export const messageLines = Effect.fnUntraced(function* (threadId: string, query: MessageQuery) {
  const context = yield* Effect.context<ThreadViews>();
  const lines = all(threadId, query).pipe(
    Stream.map((message) => `${JSON.stringify(message)}\n`),
    Stream.encodeText,
    Stream.provideContext(context),
  );
  return HttpServerResponse.stream(lines, {
    contentType: "application/x-ndjson",
    headers: { "cache-control": "no-cache" },
  });
});
