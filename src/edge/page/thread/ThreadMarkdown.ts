/**
 * A whole thread as Markdown, page by page, so that its length does not matter.
 *
 * Room: edge.
 */
import { Effect, Option, Stream } from "effect";
import { shownText } from "../../../domain/thread/MessageKind.ts";
import { fenced } from "../../../query/brief/BriefText.ts";
import { maxPage, type MessageRow, Query, type ThreadRow, type ToolCallRow } from "../../../query/Query.ts";
import * as Ask from "../../../query/screens/ThreadScreen.ts";
import { moment } from "../html/Format.ts";
import { literal, quotation } from "../html/MarkdownText.ts";
import { visible } from "../html/VisibleText.ts";
import { titleOf } from "../overview/ThreadList.ts";

const speakers: Readonly<Record<string, string>> = { prompt: "You", task: "Task", command: "Command" };

/** Most characters of arguments where results are left out. */
const mostArguments = 1200;

const callMarkdown = (call: Ask.CallHead | ToolCallRow): string => {
  const head = `**${literal(call.toolName)}** (${call.outcome})`;
  const given = call.arguments ?? "";
  if (!("result" in call)) return `${head}\n\n${fenced(visible(given.slice(0, mostArguments)))}`;
  const answered = [call.errorMessage ?? "", call.result ?? ""].filter((text) => text !== "").join("\n\n");
  return [head, fenced(visible(given)), ...(answered === "" ? [] : ["Answered:", fenced(visible(answered))])].join(
    "\n\n",
  );
};

type CallOf = (callId: string | null) => Ask.CallHead | ToolCallRow | undefined;

/** A message with the calls it asked for: with all of them where they have results, else with their beginnings. */
export const messageMarkdown = (message: MessageRow, callOf: CallOf): string => {
  const parts = message.parts.flatMap((part): ReadonlyArray<string> => {
    if (part.type === "text")
      return (part.text ?? "").trim() === "" ? [] : [quotation(shownText(message.kind, part.text ?? ""))];
    if (part.type !== "tool_use") return [];
    const call = callOf(part.refersTo);
    return call === undefined ? [] : [callMarkdown(call)];
  });
  if (parts.length === 0) return "";
  const who = literal(speakers[message.kind] ?? message.author ?? message.model ?? message.role);
  const at = message.occurredAt === null ? "" : ` · ${moment(message.occurredAt)}`;
  return `## ${who}${at}\n\n${parts.join("\n\n")}\n\n`;
};

/** A call that no message asked for. */
export const aloneMarkdown = (call: Ask.CallHead | ToolCallRow): string => `## Call\n\n${callMarkdown(call)}\n\n`;

export const headMarkdown = (thread: ThreadRow): string =>
  `# ${literal(titleOf(thread))}\n\nThread ${literal(thread.threadId)}\n\n`;

/** A part of a thread in order, its messages with the calls they asked for and the calls that none asked for. */
const partMarkdown = (
  messages: ReadonlyArray<MessageRow>,
  calls: ReadonlyArray<Ask.CallHead>,
): ReadonlyArray<string> => {
  // Some agents use a call id again in one thread: the nth use is the nth call.
  const byId = Map.groupBy(calls, ({ toolCallId }) => toolCallId);
  const told = new Set<Ask.CallHead>();
  const callOf: CallOf = (callId) => {
    const call = byId.get(callId ?? "")?.find((one) => !told.has(one));
    if (call !== undefined) told.add(call);
    return call;
  };
  const said = messages.map((message) => ({
    sequence: message.sequence,
    text: messageMarkdown(message, callOf),
    isAside: message.isAbandoned === 1 || message.isCopied === 1,
  }));
  const alone = calls
    .filter((call) => !told.has(call))
    .map((call) => ({ sequence: call.sequence, text: aloneMarkdown(call), isAside: false }));
  return [...said, ...alone]
    .toSorted((left, right) => left.sequence - right.sequence)
    .flatMap(({ isAside, text }) => (isAside ? [] : [text]));
};

const noEnd = Number.MAX_SAFE_INTEGER;

/** Without what an edit left behind, what was copied, thoughts, and what tools answered. */
export const asMarkdown = Effect.fnUntraced(function* (key: Ask.ThreadKey, thread: ThreadRow) {
  const context = yield* Effect.context<Query | Ask.Asks>();
  const pages = Stream.paginate(0, (after) =>
    Effect.gen(function* () {
      const store = yield* Query;
      const messages = yield* store.messages({ ...key, after, limit: maxPage / 2 });
      const end = messages.length < maxPage / 2 ? noEnd : (messages.at(-1)?.sequence ?? noEnd);
      const calls = yield* Ask.calls(key, after, end);
      // Of the last event of a full answer calls may be missing.
      const lastCall = calls.length < Ask.mostCalls ? noEnd : (calls.at(-1)?.sequence ?? noEnd) - 1;
      const to = Math.max(after + 1, Math.min(end, lastCall));
      const within = <A extends { readonly sequence: number }>(rows: ReadonlyArray<A>) =>
        rows.filter(({ sequence }) => sequence <= to);
      return [
        partMarkdown(within(messages), within(calls)),
        to === noEnd ? Option.none<number>() : Option.some(to),
      ] as const;
    }).pipe(Effect.provideContext(context)),
  );
  return Stream.concat(Stream.make(headMarkdown(thread)), pages).pipe(Stream.encodeText);
});
