/**
 * A stretch of a thread in order: messages with their calls, compactions, sub-agents where they began, and folded what
 * an edit left behind, what was copied, and side chains.
 *
 * Room: edge.
 */
import type { CompactionRow, MessageRow, ToolCallRow } from "../../../query/Query.ts";
import type { CallHead, Relative, ThreadKey } from "../../../query/screens/ThreadScreen.ts";
import { atClock, count, counted, threadPath } from "../html/Format.ts";
import { type Html, Html as Markup, html } from "../html/Html.ts";
import { markdown } from "../html/Markdown.ts";
import { titleOf } from "../overview/ThreadList.ts";
import { partOf } from "./Call.ts";
import { callHtml, type Making, messageHtml, whoOf } from "./Message.ts";

export interface Stretch {
  readonly key: ThreadKey;
  readonly messages: ReadonlyArray<MessageRow>;
  readonly calls: ReadonlyArray<CallHead | ToolCallRow>;
  readonly compactions: ReadonlyArray<CompactionRow>;
  /** Sub-agents that began in it. */
  readonly subAgents: ReadonlyArray<Relative>;
  /** Calls that stand elsewhere in the thread. */
  readonly knownCalls: ReadonlySet<string>;
  /** True for a page that needs no server. */
  readonly isAlone?: boolean;
}

/** Reason that a message stands aside, in words that follow its number. */
const aside = (
  { copiedFrom, isAbandoned, isCopied, isSidechain }: MessageRow,
  isSubAgents: boolean,
): string | undefined => {
  if (isCopied === 1) return `copied from ${copiedFrom ?? "another thread"}`;
  if (isAbandoned === 1) return "that an edit or a rewind left behind";
  return isSidechain === 1 && !isSubAgents ? "of a sub-agent in this transcript" : undefined;
};

const makingOf = ({
  calls,
  isAlone = false,
  key,
  knownCalls,
}: Stretch): { readonly how: Making; readonly told: Set<CallHead> } => {
  // Some agents use a call id again in one thread: the nth use is the nth call.
  const byId = Map.groupBy(calls, ({ toolCallId }) => toolCallId);
  const told = new Set<CallHead>();
  const how: Making = {
    key,
    isAlone,
    callOf: (callId) => {
      const call = callId === null ? undefined : byId.get(callId)?.find((one) => !told.has(one));
      if (call !== undefined) told.add(call);
      return call;
    },
    isUnderCall: (callId) => callId !== null && (byId.has(callId) || knownCalls.has(callId)),
  };
  return { how, told };
};

interface Piece {
  readonly sequence: number;
  readonly html: Html;
  readonly aside?: string | undefined;
}

const compaction = ({ occurredAt, sequence, summary, tokensBefore, trigger }: CompactionRow): Piece => ({
  sequence,
  html: html`<section class="cut" id="m${sequence}" data-item tabindex="-1">
    <strong>Compacted here</strong> ${atClock(occurredAt)} ${trigger !== null && html`· ${trigger}`}
    ${tokensBefore !== null && html`· ${count(tokensBefore)} tokens before`}
    ${
      summary !== null &&
      html`<details class="fold">
        <summary>What the model was told in place of what was said</summary>
        <div class="words">${markdown(summary.slice(0, 60_000))}</div>
      </details>`
    }
  </section>`,
});

const subAgent = (relative: Relative, tenant: string): Html =>
  html`<details class="fold sub" data-part="${partOf({ threadId: relative.threadId, tenant }, "turns", {})}">
    <summary><strong>Sub-agent</strong> <span class="given">${titleOf(relative)}</span></summary>
    <div>
      <p><a href="${threadPath(relative.threadId, tenant)}">Open its thread</a></p>
    </div>
  </details>`;

/** Sub-agents stand before the first message that came after they began. */
const withSubAgents = (
  pieces: ReadonlyArray<Piece & { readonly at: number | null }>,
  stretch: Stretch,
): ReadonlyArray<Piece> => {
  const waiting = [...stretch.subAgents];
  const placed: Array<Piece> = [];
  for (const piece of pieces) {
    while (waiting[0] !== undefined && piece.at !== null && (waiting[0].openedAt ?? 0) < piece.at) {
      const one = waiting.shift();
      if (one !== undefined) placed.push({ sequence: piece.sequence, html: subAgent(one, stretch.key.tenant) });
    }
    placed.push(piece);
  }
  const last = pieces.at(-1)?.sequence ?? 0;
  return [...placed, ...waiting.map((one) => ({ sequence: last, html: subAgent(one, stretch.key.tenant) }))];
};

/** Neighbours that stand aside for one reason are one fold. */
const folded = (pieces: ReadonlyArray<Piece>): Html => {
  const parts: Array<Html> = [];
  for (let at = 0; at < pieces.length;) {
    const why = pieces[at]?.aside;
    let end = at + 1;
    if (why !== undefined) while (pieces[end]?.aside === why) end += 1;
    const inside = Markup.joined(pieces.slice(at, end).map((piece) => piece.html));
    parts.push(
      why === undefined
        ? inside
        : html`<details class="fold left">
            <summary>${counted(end - at, "message")} ${why}</summary>
            <div>${inside}</div>
          </details>`,
    );
    at = end;
  }
  return Markup.joined(parts);
};

/** All of a stretch. */
export const turns = (stretch: Stretch): Html => {
  const { how, told } = makingOf(stretch);
  let speaker: string | undefined;
  // A sub-agent's own thread has nothing else, and is not folded.
  const isSubAgents = stretch.messages.every(({ isSidechain }) => isSidechain === 1);
  const said = stretch.messages.flatMap((message) => {
    const who = message.kind === "answer" ? `${whoOf(message)} ${aside(message, isSubAgents) ?? ""}` : undefined;
    const made = messageHtml(message, how, who !== undefined && who === speaker);
    // A call's answer is shown at the call, so it does not part an agent's words.
    if (made !== undefined) speaker = who;
    const at = message.occurredAt;
    return made === undefined
      ? []
      : [{ sequence: message.sequence, html: made, aside: aside(message, isSubAgents), at }];
  });
  const alone = stretch.calls
    .filter((call) => !told.has(call))
    .map((call) => ({
      sequence: call.sequence,
      at: call.startedAt,
      html: html`<section class="message" id="m${call.sequence}" data-item tabindex="-1">
        ${callHtml(stretch.key, call)}
      </section>`,
    }));
  const cuts = stretch.compactions.map((one) => ({ ...compaction(one), at: one.occurredAt }));
  const pieces = [...said, ...alone, ...cuts].toSorted((left, right) => left.sequence - right.sequence);
  return folded(withSubAgents(pieces, stretch));
};
