/**
 * Threads as rows: what was asked, where, with what, and what it cost with all that it gave away.
 *
 * Room: edge.
 */
import type { ListedThread } from "../../../query/screens/Overview.ts";
import { count, counted, folderName, line, money, short, shortId, since, threadPath } from "../html/Format.ts";
import { type Child, type Html, html, separated } from "../html/Html.ts";

/** Title that a person knows the thread by. */
export const titleOf = (thread: {
  readonly title: string | null;
  readonly opening: string | null;
  readonly threadId: string;
}): string =>
  line((thread.title ?? thread.opening ?? "").replaceAll(/(^|\s)#+\s/g, " "), 140) ||
  `Thread ${shortId(thread.threadId)}`;

const tokensText = (tokens: ListedThread["tokens"]): Child => {
  if (tokens === undefined) return null;
  const own = tokens.inputTokens + tokens.outputTokens;
  const given = tokens.delegatedInputTokens + tokens.delegatedOutputTokens;
  if (own + given === 0) return null;
  const delegated = given === 0 ? "" : ` + ${short(given)} delegated`;
  const whole = `${count(tokens.inputTokens)} in, ${count(tokens.outputTokens)} out; delegated ${count(tokens.delegatedInputTokens)} in, ${count(tokens.delegatedOutputTokens)} out`;
  return html`<span title="${whole}">${short(own)}${delegated} tokens</span>`;
};

const row = (thread: ListedThread, now: number): Child => {
  const { tokens } = thread;
  const path = threadPath(thread.threadId, thread.tenant);
  const project =
    thread.cwd === null
      ? null
      : html`<a href="/threads?project=${encodeURIComponent(thread.cwd)}" title="${thread.cwd}"
          >${folderName(thread.cwd)}</a
        >`;
  const subs = tokens?.delegatedThreads ?? 0;
  return html`<li data-item>
    <a class="title" href="${path}">${titleOf(thread)}</a>
    <p class="about">
      ${separated(
        [
          project,
          thread.client ?? thread.tool,
          thread.model,
          html`<span>${counted(thread.prompts, "prompt")}</span>`,
          thread.toolCalls > 0 && html`<span>${counted(thread.toolCalls, "call")}</span>`,
          tokensText(tokens),
          tokens?.costUsd != null && html`<span>${money(tokens.costUsd)}</span>`,
          thread.deadLetters > 0 && html`<span class="bad">${counted(thread.deadLetters, "refused event")}</span>`,
        ].map((item) => (typeof item === "string" ? html`<span>${item}</span>` : item)),
        " ",
      )}<span class="push">${since(thread.lastActivityAt, now)}</span>
    </p>
    ${
      subs > 0 &&
      html`<details
        class="subs"
        data-part="/thread/${encodeURIComponent(thread.threadId)}/subagents?tenant=${encodeURIComponent(thread.tenant)}"
      >
        <summary>${counted(subs, "sub-agent")}</summary>
        <div><p class="quiet">…</p></div>
      </details>`
    }
  </li>`;
};

export const threadRows = (threads: ReadonlyArray<ListedThread>, now: number): Html =>
  html`<ul class="rows">
    ${threads.map((thread) => row(thread, now))}
  </ul>`;
