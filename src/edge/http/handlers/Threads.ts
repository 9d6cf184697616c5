/**
 * Threads over HTTP: said in, read, listed, and what is done to one as a whole.
 *
 * Room: edge.
 */
import { Effect, Schedule, Stream } from "effect";
import { HttpServerRequest, HttpServerResponse } from "effect/http";
import { HttpApiBuilder } from "effect/http-api";
import { readMessage, type ReadThread, readThread } from "../../../client/ReadThread.ts";
import { EventLog } from "../../../log/EventLog.ts";
import type { ChatMessage } from "../../../publish/thread/ChatMessage.ts";
import { Publisher, type Published } from "../../../publish/Publisher.ts";
import * as Thread from "../../../publish/thread/ThreadPublisher.ts";
import { type ThreadView, ThreadViews } from "../../../publish/thread/ThreadViews.ts";
import { Query } from "../../../query/Query.ts";
import type { ThreadConditions } from "../../../query/ThreadFilter.ts";
import { RecentlyUsed } from "../../../snapshot/RecentlyUsed.ts";
import { Api } from "../api/Api.ts";
import type { Saying } from "../api/ThreadsApi.ts";
import { Principal } from "../Guard.ts";
import { refused } from "../Problem.ts";
import { outcomeOf, publishedAs, split } from "./About.ts";
import { answer, etagOf, given, isKnown, json, notModified, orNotThere, reading } from "./Answer.ts";
import { isEarlier, messagePage, messageLines } from "./Messages.ts";

/** Threads of a tenant whose texts are at hand, so that a conversation that comes again each turn is not read again. */
const mostThreads = 256;
const known = new WeakMap<object, RecentlyUsed<Thread.ThreadPublisher>>();

const threadOf = Effect.fnUntraced(function* (id: string) {
  const publisher = yield* Publisher;
  const held = known.get(publisher) ?? new RecentlyUsed<Thread.ThreadPublisher>(mostThreads);
  known.set(publisher, held);
  const there = held.use(id);
  if (there !== undefined) return there;
  const made = yield* Thread.thread(id);
  held.put(id, made, 1);
  return made;
});

const threadAnswer = (text: string, headers: Readonly<Record<string, string>>) =>
  HttpServerResponse.text(text, {
    contentType: "application/json",
    headers: { "cache-control": "no-cache", ...headers },
  });

/**
 * The answer of a state, kept as long as the state is: a thread that is read again and again is written, and looked through
 * for secrets, once. (A window of 64 messages costs 0.2 ms to write, more than everything else that a warm read does.)
 */
const kept = new WeakMap<object, HttpServerResponse.HttpServerResponse>();

const answerOf = (view: ThreadView): HttpServerResponse.HttpServerResponse => {
  if (view.waiting > 0 || !view.isCurrent) return threadAnswer(JSON.stringify(readThread(view)), {});
  const there = kept.get(view.state);
  if (there !== undefined) return there;
  const made = threadAnswer(JSON.stringify(readThread(view)), { etag: etagOf(view.state.lastSequence) });
  kept.set(view.state, made);
  return made;
};

/** So many of the newest messages, whole; from the window where they stand there. */
const lastOf = Effect.fnUntraced(function* (view: ThreadView, last: number, deleted: boolean) {
  const whole = readThread(view);
  const total = whole.messages.length + whole.omitted;
  const inWindow = last <= whole.messages.length ? whole.messages.slice(whole.messages.length - last) : undefined;
  if (inWindow !== undefined && !inWindow.some(({ isCut }) => isCut)) {
    return { ...whole, messages: inWindow, omitted: total - last } satisfies ReadThread;
  }
  const views = yield* ThreadViews;
  const read = yield* Stream.runCollect(Stream.takeRight(views.messages(whole.id, { deleted }), last));
  return { ...whole, messages: read.map(readMessage), omitted: Math.max(0, total - read.length) } satisfies ReadThread;
});

export const read = Effect.fnUntraced(function* (request: {
  readonly params: { readonly id: string };
  readonly query: {
    readonly last?: number | undefined;
    readonly atLeast?: number | undefined;
    readonly deleted?: "true" | "false" | undefined;
  };
  readonly headers: { readonly "if-none-match"?: string | undefined };
}) {
  const { headers, params, query } = request;
  const deleted = query.deleted === "true";
  const views = yield* ThreadViews;
  const found = yield* views.get(params.id, { atLeast: query.atLeast, deleted });
  const view = yield* orNotThere(found, `thread ${params.id}`);
  const isSettled = view.waiting === 0 && view.isCurrent;
  const etag = etagOf(view.state.lastSequence);
  if (isSettled && query.last === undefined && isKnown(headers["if-none-match"], etag)) return notModified(etag);
  if (query.last === undefined) return answerOf(view);
  return threadAnswer(JSON.stringify(yield* lastOf(view, query.last, deleted)), isSettled ? { etag } : {});
});

/** Longest wait for the projector to have what this client appended, and how often it is looked meanwhile. */
const currentMillis = 1_000;
const lookMillis = 20;

/** True when the lists have all that the log has. */
export const isCurrent = Effect.gen(function* () {
  const { lastSequence } = yield* EventLog.use(({ info }) => info);
  return (yield* Query.use(({ checkpoint }) => checkpoint)) >= lastSequence;
}).pipe(
  Effect.catchTag("LogUnavailable", () => Effect.succeed(false)),
  Effect.repeat({ until: (current: boolean) => current, schedule: Schedule.spaced(lookMillis) }),
  Effect.timeoutOrElse({ duration: currentMillis, orElse: () => Effect.succeed(false) }),
);

/** Filters as they stand in an address. */
interface ThreadFilterQuery extends Omit<ThreadConditions, "hasError" | "isMain"> {
  readonly hasError?: "true" | "false" | undefined;
  readonly main?: "true" | "false" | undefined;
}

const conditionsOf = <Asked extends ThreadFilterQuery>({ hasError, main, ...rest }: Asked) => ({
  ...rest,
  hasError: hasError === "true",
  isMain: main === "true",
});

const list = Effect.fnUntraced(function* (
  query: {
    readonly limit?: number | undefined;
    readonly cursor?: string | undefined;
    readonly prefix?: string | undefined;
    readonly tag?: string | undefined;
    readonly asOf?: string | undefined;
  } & ThreadFilterQuery,
) {
  const { tenant } = yield* Principal;
  const current = query.asOf === undefined && (yield* isCurrent);
  const { histories, next } = yield* Query.use((reads) =>
    reads.histories({ kind: "thread", tenant, ...conditionsOf(query) }),
  );
  const threads = histories.map(({ firstSequence, id, lastSequence, listedAt, tags, title }) => ({
    id,
    title,
    tags,
    listedAt,
    firstSequence,
    lastSequence,
  }));
  return json({ threads, ...given({ next }), isCurrent: current });
});

export const say = Effect.fnUntraced(function* (id: string, payload: typeof Saying.Type) {
  const { about, data } = yield* split(payload);
  return publishedAs(yield* (yield* threadOf(id)).say({ ...data, ...about }));
});

const missing = (detail: string) => refused({ status: 400, code: "schema", detail });

/** Applies a PATCH: each part is an event of its own, and the answer is the last one's. */
const describe = Effect.fnUntraced(function* (
  id: string,
  payload: Parameters<typeof split>[0] & {
    readonly title?: string | undefined;
    readonly addTags?: ReadonlyArray<string> | undefined;
    readonly removeTags?: ReadonlyArray<string> | undefined;
  },
) {
  const { about, data } = yield* split(payload);
  const { addTags, removeTags, title, ...opened } = data;
  const thread = yield* threadOf(id);
  const hasFields = Object.values(opened).some((value) => value !== undefined);
  const moves: ReadonlyArray<(last: Thread.Context) => Effect.Effect<Published, unknown>> = [
    ...(hasFields ? [(last: Thread.Context) => thread.open({ ...opened, title, ...last })] : []),
    ...(!hasFields && title !== undefined ? [(last: Thread.Context) => thread.rename(title, last)] : []),
    ...(addTags === undefined && removeTags === undefined
      ? []
      : [(last: Thread.Context) => thread.tag(given({ add: addTags, remove: removeTags }), last)]),
  ];
  // An id names one event: it is that of the first.
  const { id: _, ...further } = about;
  let published: Published | undefined;
  for (const [at, move] of moves.entries()) published = yield* move(at === 0 ? about : further);
  return publishedAs(published ?? (yield* missing("This request changes nothing.")));
});

export const threads = HttpApiBuilder.group(Api, "threads", (handlers) =>
  handlers.handleAll({
    list: ({ query }) => reading(list(query)),
    read: (request) => answer(read(request)),
    messages: ({ params, query }) =>
      reading(
        Effect.gen(function* () {
          const { headers } = yield* HttpServerRequest.HttpServerRequest;
          const wantsLines = (headers["accept"] ?? "").includes("application/x-ndjson");
          return yield* wantsLines && !isEarlier(query)
            ? messageLines(params.id, query)
            : messagePage(params.id, query);
        }),
      ),
    say: ({ params, payload }) => answer(say(params.id, payload)),
    sync: ({ params, payload }) =>
      answer(
        Effect.gen(function* () {
          const { about, data } = yield* split(payload);
          const thread = yield* threadOf(params.id);
          const synced = yield* thread.sync(data.messages as unknown as ReadonlyArray<ChatMessage>, about);
          return json({ ...synced, appended: synced.appended.map(outcomeOf) });
        }),
      ),
    observe: ({ params, payload }) =>
      answer(
        Effect.gen(function* () {
          const { about, data } = yield* split(payload);
          const thread = yield* threadOf(params.id);
          return publishedAs(yield* thread.observe(data.message as unknown as ChatMessage, about));
        }),
      ),
    callTool: ({ params, payload }) =>
      answer(
        Effect.gen(function* () {
          const { about, data } = yield* split(payload);
          const { asked, callId } = yield* (yield* threadOf(params.id)).toolCalled({ ...data, ...about });
          return publishedAs(asked, { callId });
        }),
      ),
    endTool: ({ params, payload }) =>
      answer(
        Effect.gen(function* () {
          const { about, data } = yield* split(payload);
          const publisher = yield* Publisher;
          const history = { tenant: publisher.tenant, kind: "thread", id: params.id } as const;
          const ended = { ...data, callId: params.callId };
          return publishedAs(
            yield* publisher.publish({ ...about, history, type: "thread.tool_returned", data: ended }),
          );
        }),
      ),
    describe: ({ params, payload }) => answer(describe(params.id, payload)),
    fork: ({ params, payload }) =>
      answer(
        Effect.gen(function* () {
          const { about, data } = yield* split(payload);
          const { threadId, ...published } = yield* (yield* threadOf(params.id)).fork({ ...data, ...about });
          return publishedAs(published, { threadId });
        }),
      ),
    move: ({ params, payload }) =>
      answer(
        Effect.gen(function* () {
          const { about, data } = yield* split(payload);
          const thread = yield* threadOf(params.id);
          switch (params.verb) {
            case "archive":
              return publishedAs(yield* thread.archive(data.reason, about));
            case "delete":
              return publishedAs(yield* thread.delete(data.reason, about));
            case "restore":
              return publishedAs(yield* thread.restore(about));
            case "expire":
              return publishedAs(yield* thread.expire(data.at ?? (yield* missing("This verb needs `at`.")), about));
          }
        }),
      ),
  }),
);

const listed = (text: string | undefined) => text?.split(",").map((one) => one.trim());

export const search = HttpApiBuilder.group(Api, "search", (handlers) =>
  handlers.handle("search", ({ query }) =>
    reading(
      Effect.gen(function* () {
        const { tenant } = yield* Principal;
        const { asOf: _asOf, kinds, q, thread, ...rest } = conditionsOf(query);
        const filter = { ...rest, text: q, tenant, threadId: thread, kinds: listed(kinds) };
        const found = yield* Query.use((reads) =>
          reads.search(given(filter) as unknown as Parameters<Query["Service"]["search"]>[0]),
        );
        return json(found);
      }),
    ),
  ),
);
