/**
 * A whole thread as Markdown, page by page, so that its length does not matter.
 *
 * Room: edge.
 */
import { Effect, Option, Stream } from "effect";
import { maxPage, type MessageRow, Query, type ThreadRow } from "../../../query/Query.ts";
import * as Ask from "../../../query/screens/ThreadScreen.ts";
import { moment } from "../html/Format.ts";
import { visible } from "../html/VisibleText.ts";
import { titleOf } from "../overview/ThreadList.ts";

const speakers: Readonly<Record<string, string>> = { prompt: "You", task: "Task", command: "Command" };

/** A fence that is longer than any in the text. */
const fenced = (text: string): string => {
  const longest = Math.max(2, ...[...text.matchAll(/`{3,}/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}\n${text.trimEnd()}\n${fence}`;
};

const said = (message: MessageRow, calls: ReadonlyMap<string, Ask.CallHead>): string => {
  const parts = message.parts.flatMap((part): ReadonlyArray<string> => {
    if (part.type === "text") return (part.text ?? "").trim() === "" ? [] : [(part.text ?? "").trim()];
    if (part.type !== "tool_use") return [];
    const call = calls.get(part.refersTo ?? "");
    return call === undefined
      ? []
      : [`**${call.toolName}** (${call.outcome})\n\n${fenced((call.arguments ?? "").slice(0, 1200))}`];
  });
  if (parts.length === 0) return "";
  const who = speakers[message.kind] ?? message.author ?? message.model ?? message.role;
  const at = message.occurredAt === null ? "" : ` · ${moment(message.occurredAt)}`;
  return `## ${who}${at}\n\n${parts.join("\n\n")}\n\n`;
};

/** Without what an edit left behind, what was copied, thoughts, and what tools answered. */
export const asMarkdown = Effect.fnUntraced(function* (key: Ask.ThreadKey, thread: ThreadRow) {
  const context = yield* Effect.context<Query | Ask.Asks>();
  const head = `# ${titleOf(thread)}\n\nThread ${thread.threadId}\n\n`;
  const pages = Stream.paginate(0, (after) =>
    Effect.gen(function* () {
      const store = yield* Query;
      const messages = yield* store.messages({ ...key, after, limit: maxPage / 2 });
      const last = messages.at(-1)?.sequence;
      if (last === undefined) return [[], Option.none<number>()] as const;
      const calls = yield* Ask.calls(key, after, last);
      const byId = new Map(calls.map((call) => [call.toolCallId, call]));
      const texts = messages
        .filter((one) => one.isAbandoned === 0 && one.isCopied === 0)
        .map((message) => said(message, byId));
      return [texts, messages.length < maxPage / 2 ? Option.none<number>() : Option.some(last)] as const;
    }).pipe(Effect.provideContext(context)),
  );
  return Stream.concat(Stream.make(head), pages).pipe(Stream.map(visible), Stream.encodeText);
});
