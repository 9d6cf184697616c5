/**
 * A tool call: one line while it is folded, what it was given and answered when it is opened.
 *
 * Room: edge.
 */
import type { ToolCallRow } from "../../../query/Query.ts";
import type { CallHead, ThreadKey } from "../../../query/screens/ThreadScreen.ts";
import { unified } from "../html/Diff.ts";
import { bytes, duration, line } from "../html/Format.ts";
import { code, languageOf } from "../html/Highlight.ts";
import { type Child, type Html, html } from "../html/Html.ts";

type Given = Readonly<Record<string, unknown>>;

/** Arguments as an object; undefined where they are cut or something else. */
const parsed = (text: string | null): Given | undefined => {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Given) : undefined;
  } catch {
    return undefined;
  }
};

/** Arguments that say most in one line, in this order; else the first text. */
const telling = [
  "command",
  "cmd",
  "pattern",
  "file_path",
  "filePath",
  "path",
  "query",
  "url",
  "description",
  "prompt",
  "skill",
  "name",
];

/** One argument in a line; of cut JSON its first text. */
export const gist = (text: string | null): string => {
  const given = parsed(text);
  if (given === undefined) {
    const begun = /"(?:command|cmd|file_path|path|pattern|query|url|prompt)"\s*:\s*"((?:[^"\\]|\\.)*)/.exec(
      text ?? "",
    )?.[1];
    return line((begun ?? text ?? "").replaceAll("\\n", " ").replaceAll('\\"', '"'), 160);
  }
  const value = telling.map((name) => given[name]).find((one) => typeof one === "string" && one !== "");
  const words = Array.isArray(given["command"]) ? given["command"].join(" ") : value;
  if (typeof words === "string") return line(words, 160);
  return line(
    Object.entries(given)
      .map(([name, one]) => `${name} ${typeof one === "string" ? one : JSON.stringify(one)}`)
      .join(", "),
    160,
  );
};

const query = ({ tenant }: ThreadKey, values: Readonly<Record<string, string>>): string =>
  new URLSearchParams({ ...values, ...(tenant === "default" ? {} : { tenant }) }).toString();

export const partOf = (key: ThreadKey, name: string, values: Readonly<Record<string, string>>): string => {
  const asked = query(key, values);
  const path = `/thread/${encodeURIComponent(key.threadId)}${name === "" ? "" : `/${name}`}`;
  return asked === "" ? path : `${path}?${asked}`;
};

const state = ({ durationMillis, errorType, outcome, resultBytes }: CallHead): Html => {
  const about = [
    ...(durationMillis === null ? [] : [duration(durationMillis)]),
    ...(resultBytes === null || resultBytes === 0 ? [] : [bytes(resultBytes)]),
  ].join(" · ");
  if (outcome === "error")
    return html`<span class="state bad">✕ ${errorType ?? "failed"}${about !== "" && ` · ${about}`}</span>`;
  if (outcome === "unknown") return html`<span class="state warn">no result</span>`;
  return html`<span class="state">${about === "" ? "ok" : about}</span>`;
};

/** The id of a call's fold, under which its answer replaces it. */
export const callId = ({ callKey }: Pick<CallHead, "callKey">): string => `c-${encodeURIComponent(callKey)}`;

const summary = (call: CallHead): Html =>
  html`<summary>
    <span class="tool"
      >${call.server !== null && html`<span class="quiet">${call.server} / </span>`}${call.toolName}</span
    >
    <code class="given">${gist(call.arguments)}</code> ${state(call)}
  </summary>`;

/** A call in a fold, whose content is asked for when it is opened. */
export const foldedCall = (key: ThreadKey, call: CallHead): Html =>
  html`<details class="call" id="${callId(call)}" data-part="${partOf(key, "call", { key: call.callKey })}">
    ${summary(call)}
    <div>
      <p>
        <a href="${partOf(key, "call", { key: call.callKey, page: "1" })}">What it was given, and what it answered</a>
      </p>
    </div>
  </details>`;

/** The same for a page that stands alone: all of it is in the fold. */
export const wholeCall = (call: ToolCallRow): Html =>
  html`<details class="call">
    ${summary(call)}
    <div>${given(call, undefined)}${answered(call, undefined)}</div>
  </details>`;

/** Most characters of one text that an opened fold shows. */
const mostShown = 60_000;

/** Address of the whole; undefined: here. */
type Whole = string | undefined;

const upTo = (text: string, whole: Whole): string => (whole === undefined ? text : text.slice(0, mostShown));

const cut = (text: string, whole: Whole): Html =>
  whole === undefined || text.length <= mostShown
    ? html``
    : html`<p class="quiet">The first ${mostShown} characters. <a href="${whole}">All of it, as text</a></p>`;

const isLong = (value: unknown): value is string =>
  typeof value === "string" && (value.includes("\n") || value.length > 100);

const edited = (given: Given): Child => {
  const path = String(given["file_path"] ?? given["filePath"] ?? given["path"] ?? "");
  const before = given["old_string"] ?? given["oldText"] ?? given["old_str"];
  const after = given["new_string"] ?? given["newText"] ?? given["new_str"];
  if (typeof before !== "string" || typeof after !== "string") return null;
  return html`<h4>${path === "" ? "Change" : path}</h4>
    ${code(unified(before, after), "diff", "Change")}`;
};

const argument = ([name, value]: [string, unknown], language: string, whole: Whole): Html => {
  if (!isLong(value))
    return html`<h4>${name}</h4>
      ${code(typeof value === "string" ? value : JSON.stringify(value, null, 2), typeof value === "string" ? "" : "json", name)}`;
  return html`<h4>${name}</h4>
    ${code(upTo(value, whole), name === "command" || name === "cmd" ? "sh" : name === "content" ? language : /patch|diff/.test(name) ? "diff" : "", name)}`;
};

const given = (call: ToolCallRow, whole: Whole): Html => {
  const values = parsed(call.arguments);
  if (values === undefined)
    return html`<h4>Given</h4>
      ${code(upTo(call.arguments ?? "", whole), "json", "Given")}${cut(call.arguments ?? "", whole)}`;
  const path = String(values["file_path"] ?? values["path"] ?? "");
  const edit = edited(values);
  const shown = Object.entries(values).filter(
    ([name]) => edit === null || !/^(?:old|new)(?:_str(?:ing)?|Text)$|^file_?[pP]ath$|^path$/.test(name),
  );
  return html`${edit}${shown.map((one) => argument(one, languageOf(path), whole))}`;
};

const answered = (call: ToolCallRow, whole: Whole): Html => {
  if (call.outcome === "unknown")
    return html`<h4>Answered</h4>
      <p class="quiet">No result was recorded.</p>`;
  const text = call.result ?? "";
  const error = call.errorMessage;
  const path = String(parsed(call.arguments)?.["file_path"] ?? "");
  return html`<h4>Answered${call.durationMillis !== null && ` after ${duration(call.durationMillis)}`}</h4>
    ${error !== null && !text.includes(error) && html`<p class="bad">${error}</p>`}
    ${text === "" ? html`<p class="quiet">Nothing.</p>` : code(upTo(text, whole), languageOf(path), "Answer")}${cut(text, whole)}`;
};

/** Content of an opened fold. */
export const openedCall = (key: ThreadKey, call: ToolCallRow): Html => {
  const whole = partOf(key, "call", { key: call.callKey, text: "1" });
  const values = parsed(call.arguments);
  const path = values?.["file_path"] ?? values?.["path"];
  const isRead = typeof path === "string" && /read|view/i.test(call.toolName);
  return html`${given(call, whole)}${answered(call, whole)}
    <p class="small quiet">
      <a href="/event/${call.sequence}">Entry of the call</a
      >${call.resultSequence !== null && html` · <a href="/event/${call.resultSequence}">Entry of the answer</a>`} ·
      <a href="${whole}">As text</a> ·
      <a href="/calls?tool=${encodeURIComponent(call.toolName)}">All calls of ${call.toolName}</a>
      ${isRead && html` · <a href="${partOf(key, "file", { path })}">The file each time it was read</a>`}
    </p>`;
};

/** The call as text that leaves nothing out. */
export const callText = (call: ToolCallRow): string =>
  [`${call.toolName} (${call.outcome})`, call.arguments ?? "", call.errorMessage ?? "", call.result ?? ""]
    .filter((text) => text !== "")
    .join("\n\n");
