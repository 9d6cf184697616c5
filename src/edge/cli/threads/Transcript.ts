/**
 * A conversation for reading: messages and tool calls in the order in which they came.
 *
 * Room: edge.
 *
 * The text for a person is cut where it is long; `--json` and `recollect export` have all of it.
 */
import { shownText } from "../../../domain/thread/MessageKind.ts";
import type { CompactionRow, MessageRow, PartRow, ToolCallRow } from "../../../query/Query.ts";
import * as Output from "../Output.ts";

/** Most lines of a tool's answer and of a model's thoughts: a screen has 40. */
const mostLines = 12;
const mostCharacters = 2_000;
const mostArguments = 300;

const indent = (text: string): string =>
  text
    .split("\n")
    .map((line) => (line === "" ? "" : `  ${line}`))
    .join("\n");

/** An answer behind its arrow, its further lines below the first. */
const answered = (text: string): string => `← ${indent(text).trimStart()}`;

/** Extent of long texts: their beginnings, or all of them. */
export interface Shown {
  readonly isFull: boolean;
  readonly moment: (millis: number) => string;
}

/** The beginning of a long text, and how much follows. */
const head = (text: string, { isFull }: Pick<Shown, "isFull">): string => {
  if (isFull) return text.trimEnd();
  const lines = text.trimEnd().split("\n");
  const shown = lines.slice(0, mostLines).join("\n").slice(0, mostCharacters);
  const rest = text.trimEnd().length - shown.length;
  return rest <= 0 ? shown : `${shown} … (${Output.count(rest)} more characters)`;
};

const callText = (call: ToolCallRow, how: Shown): string => {
  const server = call.server === null ? "" : ` of ${call.server}`;
  const about = [
    call.outcome === "unknown" ? "no result" : call.outcome,
    ...(call.durationMillis === null ? [] : [Output.duration(call.durationMillis)]),
    ...(call.resultBytes === null ? [] : [Output.bytes(call.resultBytes)]),
  ].join(", ");
  const lines = [`→ ${call.toolName}${server}  (${about})`];
  if (call.arguments !== null)
    lines.push(indent(how.isFull ? call.arguments : Output.clip(call.arguments, mostArguments)));
  if (call.errorMessage !== null)
    lines.push(indent(`error: ${how.isFull ? call.errorMessage : Output.clip(call.errorMessage, mostArguments)}`));
  else if (call.result !== null && call.result !== "") lines.push(indent(answered(head(call.result, how))));
  return lines.join("\n");
};

/** Time for a line; an unknown one is not shown. */
const timeOf = (millis: number | null, { moment }: Shown): ReadonlyArray<string> =>
  millis === null ? [] : [moment(millis)];

/** Settings for making a piece. */
interface Making extends Shown {
  readonly callOf: (callId: string | null) => ToolCallRow | undefined;
  /** True when what this call answered is shown under it. */
  readonly isUnderCall: (callId: string | null) => boolean;
}

const partText = (part: PartRow, { kind }: MessageRow, how: Making): string => {
  const size = part.contentBytes > 0 ? ` (${Output.bytes(part.contentBytes)})` : "";
  const refers = part.refersTo === null ? "" : ` ${Output.clip(part.refersTo, 100)}`;
  const words = part.text ?? "";
  switch (part.type) {
    case "text":
      return shownText(kind, words)
        .replace(/^(?:[^\S\n]*\n)+/, "")
        .trimEnd();
    case "tool_use": {
      const call = how.callOf(part.refersTo);
      return call === undefined ? `→ call${refers}` : callText(call, how);
    }
    case "thinking":
      return words === "" ? `[thinking${size}]` : `[thinking] ${head(words, how)}`;
    case "tool_result":
      if (how.isUnderCall(part.refersTo)) return "";
      return words === "" ? `← result${size}` : answered(head(words, how));
    default:
      return `[${part.type}${refers}${size}]`;
  }
};

/** Empty where all of it is shown elsewhere. */
const messageText = (message: MessageRow, how: Making): string => {
  const who =
    message.author === null || message.author === message.role ? message.role : `${message.role} (${message.author})`;
  const remarks = [
    message.model,
    message.isSidechain === 1 ? "side chain" : null,
    message.isAbandoned === 1 ? "abandoned" : null,
    message.isCopied === 1 ? "copied" : null,
  ].filter((text) => text !== null);
  // A tool's answer has the role of a person in some formats.
  const speaker = message.role === "user" && message.kind !== "prompt" ? message.kind.replace("_", " ") : who;
  const heading = [...timeOf(message.occurredAt, how), speaker, ...remarks].join("  ");
  const parts = message.parts.map((part) => partText(part, message, how)).filter((text) => text !== "");
  if (
    parts.length === 0 &&
    message.parts.some(({ refersTo, type }) => type === "tool_result" && how.isUnderCall(refersTo))
  )
    return "";
  return [heading, ...parts.map(indent)].join("\n");
};

/** Text of a compaction: the place where a model lost what had been said, and the summary in its place. */
const compactionText = ({ occurredAt, summary, tokensBefore, trigger }: CompactionRow, how: Shown): string => {
  const about = [trigger, tokensBefore === null ? null : `${Output.count(tokensBefore)} tokens before`];
  const known = about.filter((text) => text !== null).join(", ");
  const heading = [...timeOf(occurredAt, how), `── compacted${known === "" ? "" : ` (${known})`} ──`].join("  ");
  return summary === null ? heading : `${heading}\n${indent(head(summary, how))}`;
};

/** One message, call or compaction, and where it stands. */
export interface Piece {
  readonly sequence: number;
  readonly text: string;
}

/** Each message, with the calls it asked for and what they answered, and each call that no message asked for. */
export const transcript = (
  messages: ReadonlyArray<MessageRow>,
  calls: ReadonlyArray<ToolCallRow>,
  options: {
    readonly compactions?: ReadonlyArray<CompactionRow>;
    readonly isFull?: boolean;
    /** Time for a person; default: in UTC. */
    readonly moment?: (millis: number) => string;
  } = {},
): ReadonlyArray<Piece> => {
  // Some agents use a call id again in one thread: the nth use is the nth call.
  const byId = Map.groupBy(calls, ({ toolCallId }) => toolCallId);
  const told = new Set<ToolCallRow>();
  const how: Making = {
    isFull: options.isFull ?? false,
    moment: options.moment ?? Output.moment,
    callOf: (callId) => {
      const call = callId === null ? undefined : byId.get(callId)?.find((one) => !told.has(one));
      if (call !== undefined) told.add(call);
      return call;
    },
    isUnderCall: (callId) =>
      callId !== null && byId.get(callId)?.some(({ result }) => result !== null && result !== "") === true,
  };
  const pieces = messages.flatMap((message) => {
    const text = messageText(message, how);
    return text === "" ? [] : [{ sequence: message.sequence, text }];
  });
  const alone = calls.flatMap((call) =>
    told.has(call)
      ? []
      : [
          {
            sequence: call.sequence,
            text: [...timeOf(call.startedAt, how), `tool call\n${indent(callText(call, how))}`].join("  "),
          },
        ],
  );
  const cuts = (options.compactions ?? []).map((one) => ({ sequence: one.sequence, text: compactionText(one, how) }));
  return [...pieces, ...alone, ...cuts].toSorted((left, right) => left.sequence - right.sequence);
};
