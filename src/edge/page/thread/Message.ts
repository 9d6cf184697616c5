/**
 * One message of a thread: who, when, the words, and the calls it asked for.
 *
 * Room: edge.
 */
import { shownText } from "../../../domain/thread/MessageKind.ts";
import type { MessageRow, PartRow, ToolCallRow } from "../../../query/Query.ts";
import type { CallHead, ThreadKey } from "../../../query/screens/ThreadScreen.ts";
import { atClock, bytes, count, line, moment } from "../html/Format.ts";
import { type Child, type Html, html } from "../html/Html.ts";
import { markdown, plain } from "../html/Markdown.ts";
import { foldedCall, wholeCall } from "./Call.ts";

/** Of one text on the screen; the entry has all of it. */
const mostShown = 24_000;

/** Settings for making a message. */
export interface Making {
  readonly key: ThreadKey;
  /** The call of a part, each once; undefined where it is not on this page. */
  readonly callOf: (callId: string | null) => CallHead | ToolCallRow | undefined;
  /** True on a page that needs no server: everything is in it, and nothing leads out of it. */
  readonly isAlone: boolean;
  /** True when what answers this call is shown at the call. */
  readonly isUnderCall: (callId: string | null) => boolean;
}

export const whoOf = ({ author, isSidechain, kind, model, role, tool }: MessageRow): string => {
  const side = isSidechain === 1 ? " · side chain" : "";
  const named = author !== null && author !== role ? author : undefined;
  switch (kind) {
    case "prompt":
      return (named ?? "You") + side;
    case "command":
      return `Command${side}`;
    case "task":
      return `Task${named === undefined ? "" : ` from ${named}`}${side}`;
    case "answer":
      return (named ?? model ?? "Model") + side;
    case "tool_result":
      return `Result${tool === null ? "" : ` of ${tool}`}`;
    case "instructions":
      return "Instructions";
    default:
      return named ?? "Notice";
  }
};

/** A call that has its result is shown with it. */
export const callHtml = (key: ThreadKey, call: CallHead | ToolCallRow): Html =>
  "result" in call ? wholeCall(call) : foldedCall(key, call);

const upTo = (text: string, { isAlone }: Making): string => (isAlone ? text : text.slice(0, mostShown));

const shownWords = (text: string, sequence: number, how: Making): Html => {
  const words = upTo(text.trim(), how);
  const rest = text.trim().length - words.length;
  return html`<div class="words">
    ${markdown(words)}${rest > 0 && html`<p class="quiet">… and ${count(rest)} characters more: <a href="/event/${sequence}?text=1">the whole entry, as text</a></p>`}
  </div>`;
};

const size = ({ contentBytes: known }: PartRow): string => (known > 0 ? ` · ${bytes(known)}` : "");

const thought = (part: PartRow, how: Making): Html => {
  const words = part.text ?? "";
  if (words.trim() === "") return html`<p class="quiet small">Thinking, not shown by its provider${size(part)}</p>`;
  return html`<details class="thought">
    <summary>Thinking <span class="given">${line(words, 110)}</span></summary>
    <div class="words">${plain(upTo(words, how))}</div>
  </details>`;
};

/** A picture of the store itself; one of elsewhere is a word, so that no server hears that it was looked at. */
const picture = (part: PartRow, message: MessageRow, { isAlone }: Making): Html => {
  const words = html`Picture${size(part)}${part.refersTo !== null && html` · <code>${line(part.refersTo, 120)}</code>`}`;
  const isElsewhere = part.refersTo !== null && !part.refersTo.startsWith("data:");
  if (isAlone || isElsewhere) return html`<p class="quiet">${words}</p>`;
  const place = message.parts.filter(({ type }) => type === "image").indexOf(part);
  const address = `/event/${message.sequence}/picture?n=${place}`;
  return html`<figure class="picture">
    <a href="${address}"><img src="${address}" alt="Picture ${place + 1} of this message" loading="lazy" /></a>
    <figcaption class="quiet small">${words}</figcaption>
  </figure>`;
};

const partHtml = (part: PartRow, message: MessageRow, how: Making): Child => {
  switch (part.type) {
    case "text":
      return (part.text ?? "").trim() === ""
        ? null
        : shownWords(shownText(message.kind, part.text ?? ""), message.sequence, how);
    case "thinking":
      return thought(part, how);
    case "tool_use": {
      const call = how.callOf(part.refersTo);
      return call === undefined ? null : callHtml(how.key, call);
    }
    case "tool_result": {
      if (how.isUnderCall(part.refersTo)) return null;
      const words = part.text ?? "";
      return html`<details class="fold">
        <summary>Result without a call <span class="given">${line(words, 100)}</span></summary>
        <div><pre class="short" tabindex="0" role="region" aria-label="Result">${upTo(words, how)}</pre></div>
      </details>`;
    }
    case "image":
      return picture(part, message, how);
    case "file":
      return html`<p class="quiet">
        File ${part.refersTo !== null && html`<code>${part.refersTo}</code>`}${size(part)}
      </p>`;
    default:
      return html`<p class="quiet">
        ${part.type}${part.refersTo !== null && ` ${line(part.refersTo, 120)}`}${size(part)}
      </p>`;
  }
};

const classes: Readonly<Record<string, string>> = {
  prompt: "prompt",
  task: "task",
  command: "command-message",
  instructions: "instructions",
  notice: "notice-message",
};

/** Undefined where all of it is shown elsewhere. */
export const messageHtml = (message: MessageRow, how: Making, isAgain: boolean): Html | undefined => {
  const parts = message.parts.map((part) => partHtml(part, message, how)).filter((part) => part !== null);
  if (parts.length === 0) return undefined;
  const isHarness = message.isMeta === 1 && message.kind !== "answer";
  const className = isHarness ? "notice-message" : (classes[message.kind] ?? "");
  const inside =
    isHarness || message.kind === "instructions"
      ? html`<details class="fold">
          <summary>${line(message.text ?? message.kind, 110)}</summary>
          <div>${parts}</div>
        </details>`
      : parts;
  const at = message.occurredAt ?? message.assumedAt;
  return html`<section
    class="message ${className}${isAgain && " again"}"
    id="m${message.sequence}"
    data-item
    tabindex="-1"
    aria-label="${whoOf(message)}${at !== null && `, ${moment(at)}`}"
  >
    <header>
      <span class="who">${isHarness ? "Program" : whoOf(message)}</span
      >${message.occurredAt !== null && atClock(message.occurredAt)}${message.stopReason !== null && /max_tokens|length|refusal/.test(message.stopReason) && html`<span class="warn">stopped: ${message.stopReason}</span>`}<span
        class="push"
        ><a href="#m${message.sequence}">#${message.sequence}</a
        >${!how.isAlone && html`<a href="/event/${message.sequence}">entry</a>`}</span
      >
    </header>
    ${inside}
  </section>`;
};
