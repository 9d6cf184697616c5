/**
 * A conversation for reading: messages and tool calls in the order in which they came.
 *
 * Room: edge.
 *
 * What a person reads is cut where it is long; `--json` and `recollect export` have all of it.
 */
import type { CompactionRow, MessageRow, PartRow, ToolCallRow } from "../../query/Query.ts";
import * as Output from "./Output.ts";

/** What a tool answered, and what a model thought, is shown up to here: a screen has 40 lines. */
const mostLines = 12;
const mostCharacters = 2_000;
const mostArguments = 300;

const indent = (text: string): string =>
  text
    .split("\n")
    .map((line) => (line === "" ? "" : `  ${line}`))
    .join("\n");

/** The beginning of a long text, and how much follows. */
const head = (text: string): string => {
  const lines = text.trimEnd().split("\n");
  const shown = lines.slice(0, mostLines).join("\n").slice(0, mostCharacters);
  const rest = text.trimEnd().length - shown.length;
  return rest <= 0 ? shown : `${shown} … (${Output.count(rest)} more characters)`;
};

const callText = (call: ToolCallRow): string => {
  const server = call.server === null ? "" : ` of ${call.server}`;
  const about = [
    call.outcome === "unknown" ? "no result" : call.outcome,
    ...(call.durationMs === null ? [] : [Output.duration(call.durationMs)]),
    ...(call.resultBytes === null ? [] : [Output.bytes(call.resultBytes)]),
  ].join(", ");
  const lines = [`→ ${call.toolName}${server}  (${about})`];
  if (call.arguments !== null) lines.push(indent(Output.clip(call.arguments, mostArguments)));
  if (call.errorMessage !== null) lines.push(indent(`error: ${Output.clip(call.errorMessage, mostArguments)}`));
  return lines.join("\n");
};

/** A call that stands in no message, with what it answered: nothing else would show it. */
const aloneText = (call: ToolCallRow): string =>
  call.result === null || call.result === "" || call.errorMessage !== null
    ? callText(call)
    : `${callText(call)}\n${indent(`← ${head(call.result)}`)}`;

/** A time that nobody said is not shown. */
const timeOf = (millis: number | null): ReadonlyArray<string> => (millis === null ? [] : [Output.moment(millis)]);

const partText = (part: PartRow, callOf: (callId: string | null) => ToolCallRow | undefined): string => {
  const size = part.bytes > 0 ? ` (${Output.bytes(part.bytes)})` : "";
  const refers = part.refersTo === null ? "" : ` ${Output.clip(part.refersTo, 100)}`;
  const words = part.text ?? "";
  switch (part.type) {
    case "text":
      return words.trimEnd();
    case "tool_use": {
      const call = callOf(part.refersTo);
      return call === undefined ? `→ call${refers}` : callText(call);
    }
    case "thinking":
      return words === "" ? `[thinking${size}]` : `[thinking] ${head(words)}`;
    case "tool_result":
      return words === "" ? `← result${size}` : `← ${head(words)}`;
    default:
      return `[${part.type}${refers}${size}]`;
  }
};

const messageText = (message: MessageRow, callOf: (callId: string | null) => ToolCallRow | undefined): string => {
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
  const heading = [...timeOf(message.occurredAt), speaker, ...remarks].join("  ");
  const parts = message.parts.map((part) => partText(part, callOf)).filter((text) => text !== "");
  return [heading, ...parts.map(indent)].join("\n");
};

/** Where a model no longer knew what had been said, and what it was told instead. */
const compactionText = ({ occurredAt, summary, tokensBefore, trigger }: CompactionRow): string => {
  const about = [trigger, tokensBefore === null ? null : `${Output.count(tokensBefore)} tokens before`];
  const known = about.filter((text) => text !== null).join(", ");
  const heading = [...timeOf(occurredAt), `── compacted${known === "" ? "" : ` (${known})`} ──`].join("  ");
  return summary === null ? heading : `${heading}\n${indent(head(summary))}`;
};

/** Each message, with the calls it asked for, and each call that no message asked for, where it stands. */
export const transcript = (
  messages: ReadonlyArray<MessageRow>,
  calls: ReadonlyArray<ToolCallRow>,
  compactions: ReadonlyArray<CompactionRow> = [],
): ReadonlyArray<string> => {
  // Some agents use a call id again in one thread: the nth use is the nth call.
  const byId = Map.groupBy(calls, ({ toolCallId }) => toolCallId);
  const told = new Set<ToolCallRow>();
  const callOf = (callId: string | null) => {
    const call = callId === null ? undefined : byId.get(callId)?.find((one) => !told.has(one));
    if (call !== undefined) told.add(call);
    return call;
  };
  const pieces = messages.map((message) => ({ sequence: message.sequence, text: messageText(message, callOf) }));
  const alone = calls.flatMap((call) =>
    told.has(call)
      ? []
      : [
          {
            sequence: call.sequence,
            text: [...timeOf(call.startedAt), `tool call\n${indent(aloneText(call))}`].join("  "),
          },
        ],
  );
  const cuts = compactions.map((one) => ({ sequence: one.sequence, text: compactionText(one) }));
  return [...pieces, ...alone, ...cuts]
    .toSorted((left, right) => left.sequence - right.sequence)
    .map(({ text }) => text);
};
