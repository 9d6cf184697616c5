/**
 * A thread as a document to read: Markdown, or one page of HTML that needs nothing else.
 *
 * Room: edge.
 *
 * Everything said is there, with calls, what they were given and answered. Of what an edit left behind and what was copied
 * from another thread, HTML has folds; Markdown, which has no folds, says how much there is. Thoughts are in HTML alone.
 * Words of others stay words: see `MarkdownText`, `Markdown` and `Html`. Holds the thread in memory.
 */
import type { CompactionRow, MessageRow, ThreadRow, ToolCallRow } from "../../query/Query.ts";
import { atMoment, counted } from "../page/html/Format.ts";
import { type Html, html } from "../page/html/Html.ts";
import { quotation } from "../page/html/MarkdownText.ts";
import { style } from "../page/layout/Style.ts";
import { titleOf } from "../page/overview/ThreadList.ts";
import { aloneMarkdown, headMarkdown, messageMarkdown } from "../page/thread/ThreadMarkdown.ts";
import { turns } from "../page/thread/Turns.ts";
import { shell } from "../report/Shell.ts";

export const documents = ["md", "html"] as const;
export type Document = (typeof documents)[number];

export interface WholeThread {
  readonly thread: ThreadRow;
  readonly messages: ReadonlyArray<MessageRow>;
  readonly calls: ReadonlyArray<ToolCallRow>;
  readonly compactions: ReadonlyArray<CompactionRow>;
}

const markdownOf = function* ({ calls, compactions, messages, thread }: WholeThread): Generator<string> {
  yield headMarkdown(thread);
  // Some agents use a call id again in one thread: the nth use is the nth call.
  const byId = Map.groupBy(calls, ({ toolCallId }) => toolCallId);
  const told = new Set<ToolCallRow>();
  const callOf = (callId: string | null) => {
    const call = callId === null ? undefined : byId.get(callId)?.find((one) => !told.has(one));
    if (call !== undefined) told.add(call);
    return call;
  };
  const said = messages.map((message) => ({
    sequence: message.sequence,
    isAside: message.isAbandoned === 1 || message.isCopied === 1,
    text: messageMarkdown(message, callOf),
  }));
  const alone = calls
    .filter((call) => !told.has(call))
    .map((call) => ({ sequence: call.sequence, isAside: false, text: aloneMarkdown(call) }));
  const cuts = compactions.map(({ sequence, summary }) => ({
    sequence,
    isAside: false,
    text: `## Compacted here\n\n${summary === null ? "" : `${quotation(summary)}\n\n`}`,
  }));
  const pieces = [...said, ...alone, ...cuts].toSorted((left, right) => left.sequence - right.sequence);
  for (const { isAside, text } of pieces) if (!isAside && text !== "") yield text;
  const aside = said.filter(({ isAside }) => isAside).length;
  if (aside > 0)
    yield `---\n\nNot here: ${counted(aside, "message")} that an edit or a rewind left behind, or copied from another thread.\n`;
};

/** Messages that are made to markup at once; what stands at one sequence is never divided. */
const perStretch = 200;

const facts = ({ calls, messages, thread }: WholeThread): Html => {
  const { branch, client, cwd, lastActivityAt, model, openedAt, threadId, tool } = thread;
  return html`<p class="facts">
    <span>${threadId}</span>
    ${cwd !== null && html`<span>${cwd}</span>`} ${branch !== null && html`<span>branch ${branch}</span>`}
    <span>${client ?? tool ?? "a publisher"}</span>
    ${model !== null && html`<span>${model}</span>`}
    <span
      >${atMoment(openedAt)}${lastActivityAt !== null && lastActivityAt !== openedAt && html` to ${atMoment(lastActivityAt)}`}</span
    >
    <span>${counted(messages.length, "message")}, ${counted(calls.length, "call")}</span>
  </p>`;
};

const htmlOf = function* (whole: WholeThread): Generator<string> {
  const { calls, compactions, messages, thread } = whole;
  const title = titleOf(thread);
  const { foot, head } = shell(title, style);
  yield `${head}<main>`;
  yield html`<h1>${title}</h1>
    ${facts(whole)}`.markup;
  const knownCalls = new Set(calls.map(({ toolCallId }) => toolCallId));
  const key = { threadId: thread.threadId, tenant: thread.tenant };
  let from = -1;
  for (let at = 0; at < messages.length || from < 0;) {
    let end = Math.min(at + perStretch, messages.length);
    while (end < messages.length && messages[end]?.sequence === messages[end - 1]?.sequence) end += 1;
    const to = end >= messages.length ? Number.MAX_SAFE_INTEGER : (messages[end - 1]?.sequence ?? 0);
    const here = ({ sequence }: { readonly sequence: number }) => sequence > from && sequence <= to;
    const body = turns({
      key,
      messages: messages.slice(at, end),
      calls: calls.filter(here),
      compactions: compactions.filter(here),
      knownCalls,
      subAgents: [],
      isAlone: true,
    });
    yield html`<div class="thread"><article>${body}</article></div>`.markup;
    [at, from] = [end, to];
  }
  yield `</main>${foot}`;
};

/** The document in pieces, in order. */
export const documentOf = (whole: WholeThread, form: Document): Iterable<string> =>
  form === "md" ? markdownOf(whole) : htmlOf(whole);
