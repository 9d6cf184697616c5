/**
 * `read_thread`: a part of one conversation: its end, around a place, one turn, before or after a place.
 *
 * Room: edge.
 */
import { Effect, Option } from "effect";
import type { Query, ThreadRow } from "../../../query/Query.ts";
import { ThreadViews } from "../../../publish/thread/ThreadViews.ts";
import { readMessage } from "../../../client/ReadThread.ts";
import type { JsonObject, JsonValue } from "../../../domain/Json.ts";
import { clip, fitting, sizeOf } from "../../../query/brief/Budget.ts";
import { Desk } from "../Desk.ts";
import { flag, threadId, threadOf, whole } from "../Parameters.ts";
import { known, minute, titleOf } from "../../../query/brief/Plain.ts";
import { Refused } from "../Refusal.ts";
import { rowsOf } from "../Rows.ts";
import { tool } from "../Tool.ts";
import { joined, type Piece, pieces } from "../Turns.ts";

/** Messages, and calls, looked at for one answer. */
const window = 400;

const conversation = "thread_id = :thread AND tenant = :tenant AND is_abandoned = 0 AND is_copied = 0";

interface Bounds {
  /** Only behind this sequence. */
  readonly after: number;
  /** Only up to this one. */
  readonly upTo: number;
}

const place = Effect.fnUntraced(function* (
  condition: string,
  thread: ThreadRow,
  more: Readonly<Record<string, number>>,
) {
  const [found] = yield* rowsOf(`SELECT sequence FROM v_messages WHERE ${conversation} AND ${condition}`, {
    thread: thread.threadId,
    tenant: thread.tenant,
    ...more,
  });
  return found === undefined ? undefined : Number(found[0]);
});

/** Start of the window before a place: so many messages, and no more calls, for some threads have nothing but calls. */
const windowBefore = Effect.fnUntraced(function* (thread: ThreadRow, upTo: number, most: number) {
  const skip = most - 1;
  const message = yield* place("sequence <= :upTo ORDER BY sequence DESC LIMIT 1 OFFSET :skip", thread, { upTo, skip });
  const [call] = yield* rowsOf(
    `SELECT sequence FROM v_tool_calls WHERE thread_id = :thread AND tenant = :tenant AND sequence <= :upTo
     ORDER BY sequence DESC LIMIT 1 OFFSET :skip`,
    { thread: thread.threadId, tenant: thread.tenant, upTo, skip },
  );
  return Math.max(0, (message ?? 0) - 1, Number(call?.[0] ?? 0) - 1);
});

/** A turn: what a person asked, and everything up to what he asked next. */
const turnAt = Effect.fnUntraced(function* (thread: ThreadRow, turn: number) {
  const order = turn > 0 ? "ASC" : "DESC";
  const skip = turn > 0 ? turn - 1 : -turn - 1;
  const isPrompt = "kind IN ('prompt', 'task')";
  const first = yield* place(`${isPrompt} ORDER BY sequence ${order} LIMIT 1 OFFSET :skip`, thread, { skip });
  if (first === undefined)
    return yield* new Refused({
      message: `The thread has ${thread.prompts} turns.`,
      hint: "turn counts from 1, or with -1 from the last.",
    });
  const next = yield* place(`${isPrompt} AND sequence > :first ORDER BY sequence LIMIT 1`, thread, { first });
  return { after: first - 1, upTo: next === undefined ? Number.MAX_SAFE_INTEGER : next - 1 };
});

const read = Effect.fnUntraced(function* (query: Query["Service"], thread: ThreadRow, bounds: Bounds, isFull: boolean) {
  const filter = { threadId: thread.threadId, tenant: thread.tenant, after: bounds.after, limit: window };
  const [messages, calls, compactions] = yield* Effect.all([
    query.messages(filter),
    query.toolCalls(filter),
    query.compactions(filter),
  ]);
  // Whatever stands behind the last of a full page is for the next one.
  const ends = [messages, calls, compactions].flatMap((rows) =>
    rows.length < window ? [] : [rows.at(-1)?.sequence ?? 0],
  );
  const last = Math.min(bounds.upTo, ...ends);
  const within = <A extends { readonly sequence: number }>(rows: ReadonlyArray<A>) =>
    rows.filter(({ sequence }) => sequence <= last);
  const all = pieces({ messages: within(messages), calls: within(calls), compactions: within(compactions), isFull });
  return { all, isCut: last < bounds.upTo };
});

/** Part of a thread that this machine knows behind the read models. */
const newer = Effect.fnUntraced(function* (id: string, behind: number) {
  const desk = yield* Desk;
  if (desk.isEarlier === true) return [];
  const writing = yield* Effect.option(desk.writing);
  if (Option.isNone(writing)) return [];
  const view = yield* Effect.option(
    Effect.provideContext(
      ThreadViews.use((views) => views.get(id)),
      writing.value,
    ),
  );
  if (Option.isNone(view) || view.value === undefined) return [];
  return view.value.state.window.messages
    .filter(({ sequence }) => sequence > behind)
    .map((message): Piece => {
      const { author, occurredAt, role, text } = readMessage(message);
      const said = clip(text, 3_000);
      return {
        sequence: message.sequence,
        json: known({
          place: message.sequence,
          at: minute(occurredAt),
          by: role,
          author,
          text: said,
          note: "just written",
        }) as JsonObject,
      };
    });
});

/** The pieces that fit, from the first, which is cut where it does not. */
const fittingPieces = (head: JsonObject, candidates: ReadonlyArray<Piece>, tokens: number): ReadonlyArray<Piece> =>
  fitting(
    head,
    candidates.map(({ json }) => json),
    tokens,
  ).flatMap((json, at) => {
    const piece = candidates[at];
    return piece === undefined ? [] : [{ ...piece, json: json as JsonObject }];
  });

/** The pieces around a place that fit: the place itself first, then one before and one behind in turn. */
const aroundPlace = (head: JsonObject, all: ReadonlyArray<Piece>, at: number, tokens: number) => {
  const middle = Math.max(
    0,
    all.findLastIndex(({ sequence }) => sequence <= at),
  );
  const order: Array<number> = [];
  for (let step = 0; step < all.length; step++) {
    if (step === 0) order.push(middle);
    else {
      if (middle + step < all.length) order.push(middle + step);
      if (middle - step >= 0) order.push(middle - step);
    }
  }
  const fits = fittingPieces(
    head,
    order.flatMap((index) => all[index] ?? []),
    tokens,
  );
  const taken = order.slice(0, fits.length);
  // Next to each other, or something between would be left out without a word.
  let from = middle;
  let to = middle;
  while (taken.includes(from - 1)) from--;
  while (taken.includes(to + 1)) to++;
  return all.slice(from, to + 1).map((piece, step) => fits[taken.indexOf(from + step)] ?? piece);
};

/** One message whole, from a character on. */
const wholeText = (piece: Piece, from: number, tokens: number, head: JsonObject): JsonObject => {
  const text = Object.entries(piece.json)
    .map(([key, value]) =>
      key === "text" ? String(value) : `[${key}] ${typeof value === "string" ? value : JSON.stringify(value)}`,
    )
    .join("\n");
  let length = Math.min(text.length - from, tokens * 4);
  const room = tokens - sizeOf(head) - 80;
  while (length > 200 && sizeOf(text.slice(from, from + length)) > room) length = Math.floor(length * 0.85);
  const end = from + Math.max(0, length);
  const isMore = end < text.length;
  return {
    ...head,
    place: piece.sequence,
    text: text.slice(from, end).toWellFormed(),
    total: text.length,
    truncated: isMore,
    ...(isMore ? { next: { around: piece.sequence, full: true, from_character: end } } : {}),
  };
};

export const readThread = tool({
  name: "read_thread",
  title: "Read a conversation",
  description: `Reads a part of one conversation, in order: messages, and under each the tool calls it asked for with their results. Say which part: around (a place from a hit), turn (what a person asked and everything up to the next; 1 is the first, -1 the last), tail (the last so many messages; default 20), or before / after a place. Long texts are cut and say how much is missing: full with around gives that one message whole. total counts the thread's messages; previous and next say how to read on.`,
  deed: "read",
  parameters: {
    thread: threadId,
    around: whole("A place: what stands there, and beside it", 1, Number.MAX_SAFE_INTEGER),
    turn: whole("Which turn: 1 is the first, -1 the last", -1_000_000, 1_000_000),
    tail: whole("The last so many messages, 1 to 200", 1, 200),
    before: whole("What stands before this place", 1, Number.MAX_SAFE_INTEGER),
    after: whole("What stands behind this place", 0, Number.MAX_SAFE_INTEGER),
    full: flag("With around: that message alone, with nothing cut"),
    from_character: whole("With full: from this character on", 0, Number.MAX_SAFE_INTEGER),
  },
  handle: Effect.fnUntraced(function* (input, { tokens, who }) {
    const { after, around, before, from_character: from = 0, full = false, tail, turn } = input;
    const said = [around, turn, tail, before, after].filter((one) => one !== undefined).length;
    if (said > 1)
      return yield* new Refused({
        message: "around, turn, tail, before and after are different parts.",
        hint: "Give one.",
      });
    if (full && around === undefined)
      return yield* new Refused({ message: "full is for one message.", hint: "Give around, its place." });
    if (turn === 0)
      return yield* new Refused({ message: "There is no turn 0.", hint: "The first is 1, the last is -1." });
    const query = yield* (yield* Desk).query;
    const thread = yield* threadOf(query, input.thread, who.tenant);
    if (thread === undefined) {
      const waiting = yield* newer(input.thread, 0);
      if (waiting.length === 0)
        return yield* new Refused({
          message: `There is no thread ${input.thread}.`,
          hint: "list_threads and search give ids.",
        });
      const head = { thread: input.thread };
      const shown = fitting(
        head,
        waiting.toReversed().map(({ json }) => json),
        tokens,
      ).toReversed();
      return { ...head, messages: shown, total: waiting.length, truncated: shown.length < waiting.length };
    }
    const head = known({
      thread: thread.threadId,
      title: titleOf(thread),
      agent: thread.tool ?? thread.client,
      folder: thread.cwd,
      branch: thread.branch,
      parent: thread.parentThreadId,
      relation: thread.parentRelation,
    }) as JsonObject;
    const total = thread.messages;
    if (around !== undefined) {
      const bounds = {
        after: yield* windowBefore(thread, around, full ? 1 : window / 4),
        upTo: Number.MAX_SAFE_INTEGER,
      };
      const { all } = yield* read(query, thread, bounds, full);
      const at = all.findLast(({ sequence }) => sequence <= around) ?? all[0];
      if (full && at !== undefined) return wholeText(at, from, tokens, head);
      return framed(head, all, aroundPlace(head, all, around, tokens), {
        total,
        isCutBefore: bounds.after > 0,
        isCutBehind: all.length > 0 && (all.at(-1)?.sequence ?? 0) < thread.lastSequence,
      });
    }
    if (after !== undefined || turn !== undefined) {
      const bounds =
        turn === undefined ? { after: after ?? 0, upTo: Number.MAX_SAFE_INTEGER } : yield* turnAt(thread, turn);
      const { all, isCut } = yield* read(query, thread, bounds, false);
      const shown = fittingPieces(head, all, tokens);
      const isPart = turn !== undefined && shown.length === all.length;
      return framed(head, all, shown, {
        total,
        isCutBefore: false,
        isCutBehind: isCut || (isPart && bounds.upTo < thread.lastSequence),
        ...(turn === undefined ? {} : { turns: thread.prompts }),
      });
    }
    const upTo = before === undefined ? Number.MAX_SAFE_INTEGER : before - 1;
    const start = yield* windowBefore(thread, upTo, window - 1);
    const behind = before === undefined ? yield* newer(thread.threadId, thread.lastSequence) : [];
    const all = joined((yield* read(query, thread, { after: start, upTo }, false)).all, behind);
    const wanted = all.slice(before === undefined ? -(tail ?? 20) : 0);
    const shown = fittingPieces(head, wanted.toReversed(), tokens).toReversed();
    return framed(head, all, shown, {
      total,
      isCutBefore: start > 0 || shown.length < all.length,
      isCutBehind: before !== undefined,
    });
  }),
});

/** The answer, with how to read on in both directions. */
const framed = (
  head: JsonObject,
  all: ReadonlyArray<Piece>,
  shown: ReadonlyArray<Piece>,
  about: {
    readonly total: number;
    readonly isCutBefore: boolean;
    readonly isCutBehind: boolean;
    readonly turns?: number;
  },
): JsonObject => {
  const first = shown[0]?.sequence;
  const last = shown.at(-1)?.sequence;
  const isBefore = first !== undefined && (about.isCutBefore || (all[0]?.sequence ?? first) < first);
  const isBehind = last !== undefined && (about.isCutBehind || (all.at(-1)?.sequence ?? last) > last);
  return {
    ...head,
    messages: shown.map(({ json }): JsonValue => json),
    total: about.total,
    ...(about.turns === undefined ? {} : { turns: about.turns }),
    truncated: isBefore || isBehind,
    ...(isBefore ? { previous: { before: first } } : {}),
    ...(isBehind ? { next: { after: last } } : {}),
  };
};
