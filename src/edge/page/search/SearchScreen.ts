/**
 * Search: as one types, with kinds and filters; each hit leads to its place.
 *
 * Room: edge.
 */
import { type HitKind, hitKinds, type SearchAnswer, type SearchHit } from "../../../query/search/Search.ts";
import { counted, folderName, since, threadPath } from "../html/Format.ts";
import { type Child, type Html, html, separated } from "../html/Html.ts";
import { titleOf } from "../overview/ThreadList.ts";

/** A search, as it stands in the address. */
export interface Search {
  readonly text: string;
  readonly by: "words" | "contains" | "regex";
  readonly kinds: ReadonlyArray<HitKind>;
  readonly project: string;
  readonly agent: string;
  readonly model: string;
  readonly tool: string;
  readonly file: string;
  readonly since: string;
  readonly until: string;
  readonly hasError: boolean;
}

const kindNames: Readonly<Record<HitKind, string>> = {
  said: "said",
  thinking: "thoughts",
  arguments: "given to tools",
  result: "answered by tools",
  file: "file names",
  title: "titles",
  summary: "summaries",
};

const hitNames: Readonly<Record<HitKind, string>> = {
  said: "said",
  thinking: "thought",
  arguments: "given to",
  result: "answered by",
  file: "file",
  title: "title",
  summary: "summary",
};

/** Marks are text of their own, so each piece is escaped by itself. */
const snippet = ({ marks, snippet: text }: SearchHit): Html => {
  const parts: Array<Child> = [];
  let at = 0;
  for (const [from, to] of marks) {
    if (from < at) continue;
    parts.push(text.slice(at, from), html`<mark>${text.slice(from, to)}</mark>`);
    at = to;
  }
  return html`${parts}${text.slice(at)}`;
};

const hitRow = (hit: SearchHit, to: (sequence: number) => string, now: number): Html => {
  const what =
    hit.kind === "arguments" || hit.kind === "result"
      ? `${hitNames[hit.kind]} ${hit.toolName ?? "a tool"}`
      : hit.kind === "said"
        ? hit.role === "user"
          ? "you"
          : (hit.role ?? "said")
        : hitNames[hit.kind];
  return html`<li class="hit" data-item>
    <a href="${to(hit.sequence)}">${snippet(hit)}</a>
    <span class="about"><span>${what}</span>${hit.at !== null && since(hit.at, now)}</span>
  </li>`;
};

/** The place of a hit: the page around it, and the message itself marked by its fragment. */
const placeIn = (threadId: string, tenant: string) => {
  const path = threadPath(threadId, tenant);
  return (sequence: number): string => `${path}${path.includes("?") ? "&" : "?"}at=${sequence}#m${sequence}`;
};

/** Most threads of an answer. */
export const mostThreads = 30;

export const results = (answer: SearchAnswer | undefined, now: number): Html => {
  if (answer === undefined)
    return html`<p class="empty" data-said="">
      Words stand anywhere in one text, in any order; <code>"a phrase"</code> in quotes; <code>begin*</code> for a
      beginning.
    </p>`;
  const found = answer.threads.length;
  const said =
    found === 0
      ? "Nothing found."
      : `${counted(answer.ranked, "hit")} in ${counted(found, "thread")}${found === mostThreads ? " or more" : ""}`;
  return html`<p class="quiet" data-said="${said}">
      ${said}${answer.isCut && ", the best of the newest; older ones were not ranked"}
    </p>
    <ol class="rows">
      ${answer.threads.map(({ count, hits, thread }) => {
        const to = placeIn(thread.threadId, thread.tenant);
        const more = count - hits.length;
        return html`<li>
          <a class="title" href="${threadPath(thread.threadId, thread.tenant)}">${titleOf(thread)}</a>
          <p class="about">
            ${separated([thread.cwd !== null && html`<span title="${thread.cwd}">${folderName(thread.cwd)}</span>`, html`<span>${thread.client ?? thread.tool}</span>`, html`<span>${thread.model}</span>`], " ")}<span
              class="push"
              >${since(thread.lastActivityAt, now)}</span
            >
          </p>
          <ul class="hits">
            ${hits.map((hit) => hitRow(hit, to, now))}
          </ul>
          ${more > 0 && html`<p class="small quiet">${counted(more, "more hit")} in this thread</p>`}
        </li>`;
      })}
    </ol>`;
};

const option = (value: string, label: string, chosen: string): Html =>
  html`<option value="${value}" ${value === chosen && html` selected`}>${label}</option>`;

const field = (name: string, label: string, value: string, placeholder = ""): Html =>
  html`<label
    >${label}<input
      name="${name}"
      value="${value}"
      placeholder="${placeholder}"
      size="12"
      autocomplete="off"
      spellcheck="false"
  /></label>`;

export const searchScreen = (search: Search, answer: SearchAnswer | undefined, now: number): Html =>
  html`<h1 class="seen">Search</h1>
    <form data-live action="/search" role="search" aria-label="Search">
      <div class="find">
        <input
          type="search"
          name="q"
          value="${search.text}"
          aria-label="What was said, done or answered"
          placeholder="Find what was said, done or answered"
          autocomplete="off"
          spellcheck="false"
          ${search.text === "" && html` autofocus`}
        /><button>Search</button>
      </div>
      <div class="filters">
        <label
          >Find<select name="by">
            ${option("words", "words", search.by)}${option("contains", "these characters", search.by)}${option("regex", "regular expression", search.by)}
          </select></label
        >
        ${field("project", "Project", search.project)}${field("agent", "Agent", search.agent)}${field("model", "Model", search.model)}${field("tool", "Tool", search.tool)}${field("file", "File", search.file)}
        <label>From<input type="date" name="since" value="${search.since}" /></label
        ><label>To<input type="date" name="until" value="${search.until}" /></label>
        <fieldset>
          <legend>Only</legend>
          ${hitKinds.map((kind) => html`<label class="check"><input type="checkbox" name="kind" value="${kind}" ${search.kinds.includes(kind) && html` checked`} />${kindNames[kind]}</label>`)}<label
            class="check"
            ><input type="checkbox" name="failed" value="1" ${search.hasError && html` checked`} />failed calls</label
          >
        </fieldset>
      </div>
    </form>
    <div id="results">${results(answer, now)}</div>`;
