/**
 * `recollect thread ID`: one conversation, readable, and behind it what waits in the spool; with `--at`, as it was then.
 *
 * Room: edge.
 */
import { Effect, Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { thread } from "../../../domain/History.ts";
import { maxPage, type MessageFilter, type MessageRow, Query, type ThreadRow } from "../../../query/Query.ts";
import { BadRequest, NotFound } from "../Failure.ts";
import { given, json, readModels, tenant, threadArgument } from "../Flags.ts";
import { momentOf } from "../ParseTime.ts";
import * as Output from "../Output.ts";
import { paged } from "../Pager.ts";
import { timeZone } from "../ask/AskFlags.ts";
import { momentInZone } from "../ask/ZonedTime.ts";
import { momentIn } from "../ask/Figure.ts";
import { asJson, showSpooled, spooledFor } from "../spool/Spooled.ts";
import { bold, color, type Screen, screenOf, wrapped } from "../Screen.ts";
import { lastThreadId, noThread, wholeThread } from "./ThreadIds.ts";
import { type Piece, transcript } from "./Transcript.ts";

const sequence = /^\d{1,11}$/;

/** `--at`: a sequence (a whole number) or a time. */
export const readAt = (at: Option.Option<string>, now: number) => {
  if (Option.isNone(at)) return {};
  if (sequence.test(at.value)) return { upToSequence: Number(at.value) };
  return given("upToTime", Option.fromUndefinedOr(momentInZone(at.value, now, undefined)));
};

/** All pages of a question. A page holds whole sequences, so the next one begins after the last of it. */
export const everything = Effect.fnUntraced(function* <A extends { readonly sequence: number }, E>(
  filter: MessageFilter,
  ask: (page: MessageFilter) => Effect.Effect<ReadonlyArray<A>, E>,
) {
  const rows: Array<A> = [];
  for (let after = 0; ;) {
    const page = yield* ask({ ...filter, after, limit: maxPage });
    for (const row of page) rows.push(row);
    const last = page.at(-1);
    if (last === undefined || page.length < maxPage) return rows;
    after = last.sequence;
  }
});

export const at = Flag.String("at").pipe(
  Flag.filter(
    (text) => sequence.test(text) || momentOf(text, 0) !== undefined,
    () => "it is neither a sequence nor a time. Write 1234, 2026-11-01T10:00Z or 2h.",
  ),
  Flag.withMetavar("SEQUENCE|TIME"),
  Flag.withDescription("As it was after that event of the stream, or at that time"),
  Flag.optional,
);

/** Says what of a conversation is not shown. */
const leftOut = Effect.fnUntraced(function* (all: ReadonlyArray<MessageRow>, shown: ReadonlyArray<MessageRow>) {
  if (all.length === shown.length) return;
  const copied = all.filter(({ isCopied }) => isCopied === 1);
  const abandoned = all.length - shown.length - copied.length;
  const from = copied[0]?.copiedFrom ?? "another thread";
  const about = [
    ...(abandoned > 0 ? [`${Output.counted(abandoned, "message")} that an edit or a rewind left`] : []),
    ...(copied.length > 0 ? [`${Output.counted(copied.length, "message")} copied from ${from}`] : []),
  ];
  yield* Output.line(`Not shown: ${about.join(", ")}. With --all they are.`);
});

/** Messages that a terminal opens at: as many as a person looks at. */
const newest = 20;
/** Before and after a place. */
const beside = 6;

/** Around a place, else at a terminal the newest, else everything. */
const showPieces = Effect.fnUntraced(function* (
  pieces: ReadonlyArray<Piece>,
  how: { readonly around: number | undefined; readonly isAll: boolean; readonly screen: Screen },
) {
  const { around, isAll, screen } = how;
  const place = around === undefined ? -1 : pieces.findLastIndex((piece) => piece.sequence <= around);
  const isWhole = around === undefined && (isAll || !screen.isTerminal);
  const from = isWhole ? 0 : Math.max(0, around === undefined ? pieces.length - newest : place - beside);
  const to = around === undefined ? pieces.length : Math.min(pieces.length, Math.max(0, place) + beside + 1);
  if (from > 0) yield* Output.line(`\n${Output.counted(from, "turn")} before; --all shows them.`);
  for (const [index, { text }] of pieces.slice(from, to).entries()) {
    const [heading = "", ...rest] = wrapped(Output.shown(text), screen).split("\n");
    const mark = from + index === place ? "▶ " : "";
    yield* Output.styled(`\n${[bold(`${mark}${heading}`, screen), ...rest].join("\n")}`);
  }
  if (to < pieces.length)
    yield* Output.line(`\n${Output.counted(pieces.length - to, "turn")} behind; --all shows them.`);
});

/** A place of the thread, as `recollect search` gives it. */
const assertHas = ({ firstSequence, lastSequence, threadId }: ThreadRow, place: number) =>
  place >= firstSequence && place <= lastSequence
    ? Effect.void
    : new NotFound({
        message: `${place} is no place of thread ${threadId}: it goes from ${firstSequence} to ${lastSequence}.`,
        hint: "recollect search WORDS gives places.",
      });

export const threadCommand = Command.make(
  "thread",
  {
    thread: Argument.optional(threadArgument),
    last: Flag.Boolean("last").pipe(Flag.withDefault(false), Flag.withDescription("The thread that was last active")),
    around: Flag.Int("around").pipe(
      Flag.withMetavar("PLACE"),
      Flag.withDescription("What stands around a place that recollect search gives"),
      Flag.optional,
    ),
    full: Flag.Boolean("full").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Arguments, results and thoughts whole, however long"),
    ),
    color,
    tz: timeZone,
    at,
    all: Flag.Boolean("all").pipe(
      Flag.withDefault(false),
      Flag.withDescription(
        "From the beginning, also at a terminal; and what was abandoned by an edit or a rewind, or copied from another thread",
      ),
    ),
    deleted: Flag.Boolean("deleted").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Also when it is deleted or expired"),
    ),
    tenant,
    json,
  },
  Effect.fn("cli.thread")(
    function* (input) {
      const query = yield* Query;
      if (Option.isSome(input.thread) === input.last)
        return yield* new BadRequest({
          message: input.last ? "A thread and --last are two threads." : "<thread> is missing.",
          hint: "Give an id or its beginning, or --last. recollect threads lists them.",
        });
      const key = Option.isSome(input.thread)
        ? yield* wholeThread(input.thread.value, input.tenant)
        : { threadId: yield* lastThreadId(input.tenant), tenant: input.tenant };
      const { threadId } = key;
      const found = yield* query.thread(key);
      // As it was then, nothing waited.
      const spooled = Option.isSome(input.at) ? [] : yield* spooledFor(thread(threadId, key.tenant));
      if (found === undefined && spooled.length > 0) {
        if (input.json) {
          const nothing = { thread: null, messages: [], toolCalls: [] };
          return yield* Output.json({ ...nothing, spooled: spooled.map(asJson) });
        }
        yield* Output.line(`Nothing of it is in the log yet.  [${threadId}]`);
        return yield* showSpooled(spooled);
      }
      if (found === undefined) return yield* noThread(threadId);
      if (Option.isSome(input.around)) yield* assertHas(found, input.around.value);
      const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis);
      const isHidden = found.deletedAt !== null || (found.expiresAt !== null && found.expiresAt <= now);
      if (isHidden && !input.deleted) {
        return yield* new NotFound({
          message: `Thread ${threadId} is ${found.deletedAt === null ? "expired" : "deleted"}.`,
          hint: "Show it with --deleted.",
        });
      }
      const filter = { ...key, ...readAt(input.at, now) };
      const messages = yield* everything(filter, query.messages);
      const toolCalls = yield* everything(filter, query.toolCalls);
      const compactions = yield* everything(filter, query.compactions);
      if (input.json)
        return yield* Output.json({ thread: found, messages, toolCalls, compactions, spooled: spooled.map(asJson) });
      const asItWas = Option.match(input.at, { onNone: () => "", onSome: (then) => `, as it was at ${then}` });
      const screen = screenOf(input.color);
      const title = Output.clip(found.title ?? found.opening ?? "(nothing said)", 100);
      yield* Output.line(wrapped(`${title}  [${found.threadId}]`, screen));
      const prompts = messages.filter(({ kind }) => kind === "prompt" || kind === "task").length;
      const answers = messages.filter(({ kind }) => kind === "answer").length;
      const counts = `${Output.counted(prompts, "prompt")}, ${Output.counted(answers, "answer")}, ${Output.counted(toolCalls.length, "tool call")}${asItWas}`;
      yield* Output.line(wrapped(`${counts}; from ${found.source ?? found.client ?? "a publisher"}`, screen));
      const shown = input.all ? messages : messages.filter((one) => one.isAbandoned === 0 && one.isCopied === 0);
      yield* leftOut(messages, shown);
      const hidden = new Set(messages.filter((one) => !shown.includes(one)).map(({ messageId }) => messageId));
      const calls = toolCalls.filter(({ messageId }) => messageId === null || !hidden.has(messageId));
      const moment = momentIn(Option.getOrUndefined(input.tz));
      const pieces = transcript(shown, calls, { compactions, isFull: input.full, moment });
      yield* showPieces(pieces, { around: Option.getOrUndefined(input.around), isAll: input.all, screen });
      yield* showSpooled(spooled);
    },
    readModels,
    paged,
  ),
).pipe(
  Command.withDescription("Show one conversation"),
  Command.withExamples([
    { command: "recollect thread ID", description: "What was said and which tools were called" },
    { command: "recollect thread --last --full", description: "The last one, with all that tools answered" },
    { command: "recollect thread ID --at 2026-11-01T10:00Z --json", description: "As it was then, as JSON" },
  ]),
);
