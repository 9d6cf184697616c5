/**
 * The screen of one thread: what it is, its outline, a page of it, and the ways on.
 *
 * Room: edge.
 */
import { quoted, resumeOf } from "../../../query/brief/Resume.ts";
import type { ThreadRow } from "../../../query/Query.ts";
import type { ThreadTokens } from "../../../query/screens/Overview.ts";
import type { Relative, ThreadKey } from "../../../query/screens/ThreadScreen.ts";
import { atMoment, count, counted, folderName, money, moment, short, threadPath } from "../html/Format.ts";
import { type Child, type Html, html } from "../html/Html.ts";
import { titleOf } from "../overview/ThreadList.ts";
import { partOf } from "./Call.ts";
import { outline, type OutlineData } from "./Outline.ts";

export interface ThreadPage {
  readonly key: ThreadKey;
  readonly thread: ThreadRow;
  readonly tokens: ThreadTokens | undefined;
  /** Its own messages without a reported cost by the price list, US dollars. */
  readonly estimatedUsd: number | null;
  readonly outline: OutlineData;
  readonly children: ReadonlyArray<Relative>;
  readonly body: Html;
  /** The first and the last sequence that the page covers; 0 for the beginning. */
  readonly from: number;
  readonly to: number;
  /** True when there is more on either side. */
  readonly before: boolean;
  readonly after: boolean;
  /** Up to which sequence the thread is shown, where that is not its end. */
  readonly upTo?: number | undefined;
  /** Last sequence of the thread. */
  readonly reach: number;
  readonly hit?: number | undefined;
}

const command = (what: string, text: string): Html =>
  html`<p class="small quiet">${what}</p>
    <div class="command">
      <code tabindex="0">${text}</code><button type="button" data-copy="${text}">Copy</button>
    </div>`;

const doings = ({ key, thread }: ThreadPage): Html => {
  const again = resumeOf(thread)?.command;
  const markdown = partOf(key, "markdown", {});
  return html`<details class="doings">
    <summary>Resume, hand over, copy</summary>
    <div>
      ${again !== undefined && command("Go on in the program it was held with", again)}
      ${command("Hand it over to another agent, as a brief", `recollect hand-over ${quoted(thread.threadId)} > handover.md`)}
      ${command("Give back the transcript as it came", `recollect export ${quoted(thread.threadId)} > transcript.jsonl`)}
      <p>
        <button type="button" data-copy="" data-from="${markdown}" data-name="Copy as Markdown">
          Copy as Markdown
        </button>
        <a href="${markdown}">Markdown</a>
      </p>
    </div>
  </details>`;
};

const relatives = ({ children, key, thread }: ThreadPage): Child => {
  const forks = children.filter(({ relation }) => relation === "fork");
  const parent = thread.parentThreadId;
  if (forks.length === 0 && parent === null) return null;
  return html`<p class="facts">
    ${parent !== null && html`<span>${thread.parentRelation === "fork" ? "Forked from" : "Works for"} <a href="${threadPath(parent, key.tenant)}">its parent</a>${thread.parentRelation === "fork" && html` (<a href="${partOf(key, "beside", { other: parent })}">side by side</a>)`}</span>`}
    ${forks.map((fork) => html`<span>Fork: <a href="${threadPath(fork.threadId, key.tenant)}">${titleOf(fork)}</a> (<a href="${partOf(key, "beside", { other: fork.threadId })}">side by side</a>)</span>`)}
  </p>`;
};

const facts = ({ estimatedUsd, thread, tokens }: ThreadPage): Html => {
  const given = (tokens?.delegatedInputTokens ?? 0) + (tokens?.delegatedOutputTokens ?? 0);
  return html`<p class="facts">
    ${thread.cwd !== null && html`<a href="/threads?project=${encodeURIComponent(thread.cwd)}" title="${thread.cwd}">${folderName(thread.cwd)}</a>`}
    ${thread.branch !== null && html`<span>branch ${thread.branch}</span>`}
    <span
      >${thread.client ?? thread.tool ?? "a publisher"}${thread.clientVersion !== null && ` ${thread.clientVersion}`}</span
    >
    ${thread.model !== null && html`<span>${thread.model}</span>`}
    <span
      >${atMoment(thread.openedAt)}${thread.lastActivityAt !== null && thread.lastActivityAt !== thread.openedAt && html` to ${atMoment(thread.lastActivityAt)}`}</span
    >
    <span
      >${counted(thread.prompts, "prompt")}, ${counted(thread.answers, "answer")},
      ${counted(thread.toolCalls, "call")}</span
    >
    ${tokens !== undefined && tokens.inputTokens + tokens.outputTokens + given > 0 && html`<span title="own tokens in and out, and those of its sub-agents">${short(tokens.inputTokens)} in, ${short(tokens.outputTokens)} out${given > 0 && ` + ${short(given)} by ${tokens.delegatedThreads === 0 ? "side chains" : counted(tokens.delegatedThreads, "sub-agent")}`}</span>`}
    ${tokens?.costUsd != null && html`<span>${money(tokens.costUsd)} reported</span>`}
    ${estimatedUsd !== null && html`<span title="Its own messages without a reported cost, by the price list">${money(estimatedUsd)} estimated</span>`}
    ${thread.deadLetters > 0 && html`<a class="bad" href="/pipeline#dead">${counted(thread.deadLetters, "event")} refused</a>`}
  </p>`;
};

const slider = ({ key, reach, thread, upTo }: ThreadPage): Html =>
  html`<form class="slider small" action="${partOf(key, "", {})}">
      ${key.tenant !== "default" && html`<input type="hidden" name="tenant" value="${key.tenant}" />`}
      <label for="upto" class="quiet">As it was at</label
      ><input
        type="range"
        id="upto"
        name="upto"
        min="${thread.firstSequence}"
        max="${reach}"
        value="${upTo ?? reach}"
        data-atonce
        aria-valuetext="event ${upTo ?? reach}"
      /><output class="quiet">${upTo === undefined ? "its end" : `event ${count(upTo)}`}</output
      ><noscript><button>Show</button></noscript>
    </form>
    ${upTo !== undefined && html`<p class="notice">Shown as it was after event ${count(upTo)}. <a href="${partOf(key, "", {})}">To its end</a></p>`}`;

/** The link to an earlier stretch, which the script puts in its place. */
export const earlier = (key: ThreadKey, before: number, upTo: number | undefined): Html => {
  const more = { before: String(before), ...(upTo === undefined ? {} : { upto: String(upTo) }) };
  return html`<p class="pages" data-place>
    <a
      class="button"
      data-key="before"
      data-more="before"
      data-page="${partOf(key, "", more)}"
      href="${partOf(key, "", more)}"
      >200 earlier</a
    >
  </p>`;
};

export const later = (key: ThreadKey, after: number, upTo: number | undefined): Html => {
  const more = { after: String(after), ...(upTo === undefined ? {} : { upto: String(upTo) }) };
  return html`<p class="pages" data-place>
    <a
      class="button"
      data-key="after"
      data-more="after"
      data-page="${partOf(key, "", more)}"
      href="${partOf(key, "", more)}"
      >200 later</a
    >
  </p>`;
};

export const threadScreen = (page: ThreadPage): Html => {
  const { after, before, body, from, hit, key, reach, thread, to, upTo } = page;
  const grows = !after && upTo === undefined && thread.deletedAt === null;
  return html`<h1>${titleOf(thread)}</h1>
${facts(page)}${relatives(page)}${doings(page)}
<div class="thread">${outline(key, page.outline, { from, to })}
<article aria-label="Conversation">${slider(page)}
${before && earlier(key, from, upTo)}
<div${grows && html` data-grows="${partOf(key, "live", {})}" data-after="${to}"`}>${body}</div>
${after ? later(key, to, upTo) : html`<p class="quiet small" id="end" ${hit === undefined && from > 0 && html` data-ask="end"`}>${reach > 0 && `Last event ${count(reach)}, ${thread.lastActivityAt === null ? "no time said" : moment(thread.lastActivityAt)}`}${grows && html`<span class="seen">. New messages appear here.</span>`}</p>`}
</article></div>`;
};
