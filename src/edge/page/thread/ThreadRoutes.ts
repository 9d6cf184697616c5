/**
 * Routes of one thread: its screen, stretches of it, single calls, and what is new.
 *
 * Room: edge.
 */
import { Effect, Layer } from "effect";
import { HttpRouter, HttpServerResponse } from "effect/http";
import { Query } from "../../../query/Query.ts";
import { estimateOf, tokensOf } from "../../../query/screens/Overview.ts";
import * as Ask from "../../../query/screens/ThreadScreen.ts";
import { asked, given, number } from "../Asked.ts";
import { part, shown, text, trouble } from "../Shown.ts";
import { growing } from "../Growing.ts";
import { guarded } from "../Guarded.ts";
import { tenantFor } from "../Viewer.ts";
import { html } from "../html/Html.ts";
import { titleOf } from "../overview/ThreadList.ts";
import { callId, callText, foldedCall, openedCall, partOf } from "./Call.ts";
import { fileVersions } from "./FileVersions.ts";
import { asMarkdown } from "./ThreadMarkdown.ts";
import { earlier, later, threadScreen } from "./ThreadScreen.ts";
import { turns } from "./Turns.ts";

/** Messages of a page. */
const perPage = 200;
const noEnd = Number.MAX_SAFE_INTEGER;

const keyOf = Effect.gen(function* () {
  const { query, viewer } = yield* asked;
  const { id = "" } = yield* HttpRouter.params;
  return { threadId: id, tenant: tenantFor(viewer, given(query, "tenant")) } satisfies Ask.ThreadKey;
});

/** A page as sequences: behind `after`, up to `to`, which is before the next message. */
interface Bounds {
  readonly after: number;
  readonly to: number;
  readonly isLast: boolean;
}

/** The page with no more calls than one answer has: at its end, or from its beginning on where it goes forward. */
const withinCalls = Effect.fnUntraced(function* (key: Ask.ThreadKey, bounds: Bounds, isForward: boolean) {
  const { after, to } = bounds;
  const beyond = yield* Ask.callBeyond(key, isForward ? { after } : { after, before: to + 1 });
  if (beyond === undefined || beyond > to) return bounds;
  return isForward ? { after, to: Math.max(after + 1, beyond - 1), isLast: false } : { ...bounds, after: beyond };
});

/** Bounds of a page: before or after a sequence, around one, or at the end. */
const boundsOf = Effect.fnUntraced(function* (key: Ask.ThreadKey, query: URLSearchParams, end: number) {
  const before = number(query, "before");
  const after = number(query, "after");
  const at = number(query, "at");
  const start = Effect.fnUntraced(function* (from: number, most: number) {
    return Math.max(0, (yield* Ask.pageBefore(key, from, most)) - 1);
  });
  if (before !== undefined)
    return yield* withinCalls(
      key,
      { after: yield* start(before, perPage), to: Math.min(before - 1, end), isLast: false },
      false,
    );
  if (after === undefined && at === undefined)
    return yield* withinCalls(key, { after: yield* start(end + 1, perPage), to: end, isLast: true }, false);
  const around = Effect.fnUntraced(function* (place: number) {
    const first = yield* start(place + 1, perPage / 2);
    return (yield* Ask.callBeyond(key, { after: first, before: place + 1, most: Ask.mostCalls / 2 })) ?? first;
  });
  const from = after ?? (yield* around(at ?? 0));
  const found = yield* Effect.flatMap(Query, ({ messages }) =>
    messages({ ...key, after: from, upToSequence: end, limit: perPage }),
  );
  const next = yield* Ask.nextAfter(key, found.at(-1)?.sequence ?? from, end);
  const bounds = { after: from, to: next === undefined ? end : next - 1, isLast: next === undefined };
  return yield* withinCalls(key, bounds, true);
});

/** Everything of a page, as markup. */
const stretch = Effect.fnUntraced(function* (
  key: Ask.ThreadKey,
  { after, to }: Pick<Bounds, "after" | "to">,
  children: ReadonlyArray<Ask.Relative>,
) {
  const query = yield* Query;
  const filter = { ...key, after, upToSequence: to, limit: perPage * 2 };
  const messages = yield* query.messages(filter);
  const calls = yield* Ask.calls(key, after, to);
  const compactions = yield* query.compactions(filter);
  const here = new Set(calls.map((call) => call.toolCallId));
  const elsewhere = messages.flatMap(({ parts }) =>
    parts.flatMap(({ refersTo, type }) =>
      type === "tool_result" && refersTo !== null && !here.has(refersTo) ? [refersTo] : [],
    ),
  );
  const knownCalls = elsewhere.length === 0 ? new Set<string>() : yield* Ask.knownCalls(key, elsewhere);
  const times = messages.flatMap(({ occurredAt }) => (occurredAt === null ? [] : [occurredAt]));
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const subAgents = children.filter(
    ({ openedAt, relation }) =>
      relation !== "fork" && openedAt !== null && openedAt >= first && openedAt <= last + 60_000,
  );
  return turns({ key, messages, calls, compactions, knownCalls, subAgents });
});

const missing = Effect.fnUntraced(function* (key: Ask.ThreadKey) {
  const { wishes } = yield* asked;
  return trouble(
    wishes,
    {
      title: "No such thread",
      message: `There is no thread ${key.threadId} in tenant ${key.tenant}.`,
      hint: html`<a href="/threads">All threads</a>, or search above.`,
    },
    404,
  );
});

const screen = Effect.gen(function* () {
  const { isPart, query, wishes } = yield* asked;
  const key = yield* keyOf;
  const store = yield* Query;
  const thread = yield* store.thread(key);
  if (thread === undefined) return yield* missing(key);
  const reach = yield* Ask.reach(key);
  const upTo = number(query, "upto");
  const isWhole = upTo === undefined || upTo >= reach;
  const end = isWhole ? reach : upTo;
  const bounds = yield* boundsOf(key, query, end);
  const children = yield* Ask.children(key);
  const body = yield* stretch(key, bounds, children);
  const shownUpTo = isWhole ? undefined : upTo;
  const isBefore = bounds.after > 0 && (yield* Ask.isAnything(key, bounds.after));
  if (isPart) {
    const wantsBefore = number(query, "before") !== undefined;
    return part(
      html`${wantsBefore && isBefore && earlier(key, bounds.after + 1, shownUpTo)}${body}${!wantsBefore && !bounds.isLast && later(key, bounds.to, shownUpTo)}`,
    );
  }
  const page = threadScreen({
    key,
    thread,
    tokens: yield* tokensOf(key),
    estimatedUsd: yield* estimateOf(key),
    outline: yield* Ask.outline(key),
    children,
    body,
    from: isBefore ? bounds.after + 1 : 0,
    to: bounds.to,
    before: isBefore,
    after: !bounds.isLast,
    upTo: shownUpTo,
    reach,
    hit: number(query, "at"),
  });
  const ways = [
    ["Copy or read as Markdown", partOf(key, "markdown", {})],
    ["Beginning of this thread", partOf(key, "", { after: "0" })],
    ["End of this thread", partOf(key, "", {})],
  ] as const;
  return shown({ title: titleOf(thread), at: "/threads", body: page, wishes, ways });
});

/** The end of a thread inside another screen: a sub-agent in its parent. */
const inside = Effect.gen(function* () {
  const { query } = yield* asked;
  const key = yield* keyOf;
  const end = yield* Ask.reach(key);
  const bounds = yield* boundsOf(key, query, end);
  const body = yield* stretch(key, bounds, []);
  return part(
    html`<p class="small">
        <a href="${partOf(key, "", {})}">Open its own screen</a
        >${bounds.after > 0 && html` <span class="quiet">(the last ${perPage} messages are here)</span>`}
      </p>
      ${body}`,
  );
});

const oneCall = Effect.gen(function* () {
  const { query, wishes } = yield* asked;
  const key = yield* keyOf;
  const found = yield* Ask.call(key, query.get("key") ?? "");
  if (found === undefined) return part(html`<p class="bad">There is no such call in this thread.</p>`, 404);
  if (given(query, "text") !== undefined) return text(callText(found));
  if (given(query, "page") === undefined) return part(openedCall(key, found));
  const at = partOf(key, "", { at: String(found.sequence) });
  const body = html`<h1>${found.toolName}</h1>
    <p class="facts"><span>${found.outcome}</span><a href="${at}">Its place in the thread</a></p>
    <div class="call"><div>${openedCall(key, found)}</div></div>`;
  return shown({ title: found.toolName, at: "/threads", body, wishes });
});

const live = Effect.gen(function* () {
  const { query } = yield* asked;
  const key = yield* keyOf;
  return yield* growing(number(query, "after") ?? noEnd, (after) =>
    Effect.gen(function* () {
      const to = yield* Ask.reach(key);
      if (to <= after) return { after, news: [] };
      const answered = yield* Ask.answeredSince(key, after);
      const body = yield* stretch(key, { after, to }, []);
      const swaps = answered.map((call) => ({ event: "swap" as const, id: callId(call), html: foldedCall(key, call) }));
      return { after: to, news: [...swaps, { event: "more" as const, after: to, html: body }] };
    }),
  );
});

const markdown = Effect.gen(function* () {
  const key = yield* keyOf;
  const thread = yield* Effect.flatMap(Query, (store) => store.thread(key));
  if (thread === undefined) return yield* missing(key);
  return HttpServerResponse.stream(yield* asMarkdown(key, thread), {
    contentType: "text/plain; charset=utf-8",
    headers: { "x-content-type-options": "nosniff", "cache-control": "no-store" },
  });
});

/** Two threads beside each other, each from where it went its own way. */
const beside = Effect.gen(function* () {
  const { query, wishes } = yield* asked;
  const key = yield* keyOf;
  const other = { ...key, threadId: given(query, "other") ?? "" };
  const column = Effect.fnUntraced(function* (one: Ask.ThreadKey) {
    const thread = yield* Effect.flatMap(Query, (store) => store.thread(one));
    if (thread === undefined) return html`<p class="empty">There is no thread ${one.threadId}.</p>`;
    const bounds = yield* boundsOf(one, new URLSearchParams(), yield* Ask.reach(one));
    return html`<section>
      <h2><a href="${partOf(one, "", {})}">${titleOf(thread)}</a></h2>
      ${yield* stretch(one, bounds, [])}
    </section>`;
  });
  const body = html`<h1>Side by side</h1>
    <div class="two">${yield* column(key)}${yield* column(other)}</div>`;
  return shown({ title: "Side by side", at: "/threads", body, wishes });
});

/** Versions of a file that the model saw. */
const file = Effect.gen(function* () {
  const { query, wishes } = yield* asked;
  const key = yield* keyOf;
  const path = given(query, "path") ?? "";
  const seen = yield* Ask.seenOf(key, path);
  if (seen.length === 0)
    return trouble(
      wishes,
      {
        title: "Not read here",
        message: `This thread did not read ${path}.`,
        hint: html`<a href="${partOf(key, "", {})}">The thread</a>`,
      },
      404,
    );
  return shown({ title: path, at: "/threads", body: fileVersions(key, path, seen), wishes });
});

export const layer = Layer.mergeAll(
  HttpRouter.add("GET", "/thread/:id/file", guarded(file)),
  HttpRouter.add("GET", "/thread/:id", guarded(screen)),
  HttpRouter.add("GET", "/thread/:id/turns", guarded(inside)),
  HttpRouter.add("GET", "/thread/:id/call", guarded(oneCall)),
  HttpRouter.add("GET", "/thread/:id/live", guarded(live)),
  HttpRouter.add("GET", "/thread/:id/markdown", guarded(markdown)),
  HttpRouter.add("GET", "/thread/:id/beside", guarded(beside)),
);
