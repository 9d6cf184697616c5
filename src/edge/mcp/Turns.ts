/**
 * A conversation in pieces for a model: what was said, with the calls that were asked for and what they answered.
 *
 * Room: edge.
 */
import type { JsonObject } from "../../domain/Json.ts";
import type { CompactionRow, MessageRow, PartRow, ToolCallRow } from "../../query/Query.ts";
import { clip } from "../../query/brief/Budget.ts";
import { known, minute } from "../../query/brief/Plain.ts";

/** Most characters of what is said, of arguments, of what a tool answered, and of a thought. */
const lengths = { said: 3_000, arguments: 600, result: 1_200, thought: 400 };

/** Extent of long texts: their beginnings, or all. */
export interface Shown {
  readonly isFull: boolean;
}

export interface Piece {
  readonly sequence: number;
  readonly json: JsonObject;
}

const cut = (text: string | null, length: number, { isFull }: Shown): string | undefined =>
  text === null || text === "" ? undefined : isFull ? text : clip(text.trim(), length);

const callOf = (call: ToolCallRow, how: Shown): JsonObject =>
  known({
    tool: call.server === null ? call.toolName : `${call.server}/${call.toolName}`,
    arguments: cut(call.arguments, lengths.arguments, how),
    outcome: call.outcome,
    took_ms: call.durationMillis === null ? undefined : Math.round(call.durationMillis),
    error: call.outcome === "error" ? cut(call.errorMessage ?? call.result, lengths.result, how) : undefined,
    result: call.outcome === "error" ? undefined : cut(call.result, lengths.result, how),
  });

const partOf = (part: PartRow, how: Shown): string | undefined => {
  if (part.type === "text") return cut(part.text, lengths.said, how);
  const about = part.refersTo === null ? "" : ` ${clip(part.refersTo, 200)}`;
  if (part.type === "thinking") {
    const thought = cut(part.text, lengths.thought, how);
    return thought === undefined ? undefined : `[thinking] ${thought}`;
  }
  if (part.type === "tool_result")
    return part.text === null ? undefined : `[result${about}] ${cut(part.text, lengths.result, how) ?? ""}`;
  return `[${part.type}${about}, ${part.contentBytes} bytes]`;
};

const messageOf = (
  message: MessageRow,
  callsOf: (id: string | null) => ToolCallRow | undefined,
  how: Shown & { readonly isUnderCall: (id: string | null) => boolean },
) => {
  const calls: Array<JsonObject> = [];
  const texts: Array<string> = [];
  let isToldElsewhere = false;
  for (const part of message.parts) {
    if (part.type === "tool_use") {
      const call = callsOf(part.refersTo);
      if (call !== undefined) calls.push(callOf(call, how));
    } else if (part.type === "tool_result" && how.isUnderCall(part.refersTo)) {
      isToldElsewhere = true;
    } else {
      const text = partOf(part, how);
      if (text !== undefined) texts.push(text);
    }
  }
  if (texts.length === 0 && calls.length === 0 && isToldElsewhere) return undefined;
  return known({
    place: message.sequence,
    at: minute(message.occurredAt),
    by: message.role === "user" && message.kind !== "prompt" ? message.kind.replaceAll("_", " ") : message.role,
    author: message.author === message.role ? undefined : message.author,
    text: texts.length === 0 ? undefined : texts.join("\n"),
    calls: calls.length === 0 ? undefined : calls,
    side_chain: message.isSidechain === 1 ? true : undefined,
  }) as JsonObject;
};

/** Each message with its calls, each call that no message asked for, and each compaction, in order. */
export const pieces = (options: {
  readonly messages: ReadonlyArray<MessageRow>;
  readonly calls: ReadonlyArray<ToolCallRow>;
  readonly compactions: ReadonlyArray<CompactionRow>;
  readonly isFull: boolean;
}): ReadonlyArray<Piece> => {
  const { calls, compactions, isFull, messages } = options;
  // Some agents use a call id again in one thread: the nth use is the nth call.
  const byId = Map.groupBy(calls, ({ toolCallId }) => toolCallId);
  const told = new Set<ToolCallRow>();
  const take = (id: string | null) => {
    const call = id === null ? undefined : byId.get(id)?.find((one) => !told.has(one));
    if (call !== undefined) told.add(call);
    return call;
  };
  const isUnderCall = (id: string | null) =>
    id !== null && byId.get(id)?.some(({ result }) => result !== null && result !== "") === true;
  const said = messages
    .filter(({ isAbandoned, isCopied }) => isAbandoned === 0 && isCopied === 0)
    .flatMap((message): ReadonlyArray<Piece> => {
      const json = messageOf(message, take, { isFull, isUnderCall });
      return json === undefined ? [] : [{ sequence: message.sequence, json }];
    });
  const alone = calls.flatMap((call): ReadonlyArray<Piece> =>
    told.has(call)
      ? []
      : [
          {
            sequence: call.sequence,
            json: known({
              place: call.sequence,
              at: minute(call.startedAt),
              call: callOf(call, { isFull }),
            }) as JsonObject,
          },
        ],
  );
  const cuts = compactions.map(({ occurredAt, sequence, summary }): Piece => ({
    sequence,
    json: known({
      place: sequence,
      at: minute(occurredAt),
      compacted: cut(summary, lengths.said, { isFull }) ?? "what was said so far was replaced for the model",
    }) as JsonObject,
  }));
  return [...said, ...alone, ...cuts].toSorted((left, right) => left.sequence - right.sequence);
};

/**
 * The pieces of the read models, then what is known behind them. The read models go on between the two readings, so what
 * was behind them may meanwhile be in both: it is told once, as they have it.
 */
export const joined = (read: ReadonlyArray<Piece>, behind: ReadonlyArray<Piece>): ReadonlyArray<Piece> => {
  const last = read.at(-1)?.sequence ?? 0;
  return [...read, ...behind.filter(({ sequence }) => sequence > last)];
};
