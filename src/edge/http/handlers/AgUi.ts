/**
 * A thread that is followed, as events of AG-UI 1.0: what a front end for agents draws without knowing us.
 *
 * Room: edge.
 *
 * One answer is one run: RUN_STARTED at its head, RUN_FINISHED or RUN_ERROR at its end. Messages are told whole, an answer that is
 * still being said as far as it is. Calls and results of tools, of our own events and of every agent's transcript, are
 * tool calls; thoughts are reasoning; whatever else an event says is CUSTOM under its type. Only the last event that is made of a
 * stored one has its sequence as id: whoever is cut off in between is told all of it again.
 */
import { Result } from "effect";
import { isMisfit, type LogEntry, type RecordedEvent } from "../../../domain/Event.ts";
import type { Fact, MessageSaid, ToolHasReturned, ToolWasCalled } from "../../../domain/Fact.ts";
import { type Carry, noCarry } from "../../../domain/interpret/Interpreter.ts";
import { factsOfSafely } from "../../../domain/thread/Thread.ts";
import { dataOf } from "../../../log/Envelope.ts";
import type { Seen } from "../../../coordination/watch/Watch.ts";

const protocolVersion = "1.0";
/** Answers under way, and calls that were told, which are remembered: the oldest are forgotten. */
const mostOpen = 100;
const mostCalls = 10_000;

export interface AgUiEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

const roles: Readonly<Record<string, string>> = {
  user: "user",
  human: "user",
  system: "system",
  developer: "developer",
};

/** Words of a message; its calls and results are facts of their own. */
const wordsOf = ({ parts }: MessageSaid, type: "text" | "thinking"): string =>
  parts.flatMap((part) => (part.type === type ? [part.text] : [])).join("");

const forgetOldest = (
  kept: { readonly size: number; keys(): Iterator<string>; delete(key: string): boolean },
  most: number,
) => {
  if (kept.size <= most) return;
  const oldest = kept.keys().next();
  if (oldest.done !== true) kept.delete(oldest.value);
};

export class AgUi {
  readonly #run: { readonly threadId: string; readonly runId: string };
  /** Texts of answers that are still being said, by message. */
  readonly #open = new Map<string, string>();
  readonly #calls = new Set<string>();
  #carry: Carry = noCarry;
  #isOver = false;

  constructor(threadId: string, runId: string) {
    this.#run = { threadId, runId };
  }

  get begin(): AgUiEvent {
    return { type: "RUN_STARTED", ...this.#run, protocolVersion };
  }

  /** The answer ends: what is still being said ends here, and goes on in the thread. Nothing behind a failure. */
  end(): ReadonlyArray<AgUiEvent> {
    return this.#isOver ? [] : [...this.#closeAll(), { type: "RUN_FINISHED", ...this.#run }];
  }

  failed(code: string, message: string): ReadonlyArray<AgUiEvent> {
    this.#isOver = true;
    return [...this.#closeAll(), { type: "RUN_ERROR", code, message }];
  }

  of(seen: Seen): ReadonlyArray<AgUiEvent> {
    switch (seen._tag) {
      case "Event":
        return this.#entry(seen.entry);
      case "CaughtUp":
        return [{ type: "CUSTOM", name: "recollect.caughtUp", value: { sequence: seen.sequence } }];
      case "Slow":
        return [{ type: "CUSTOM", name: "recollect.slow", value: { after: seen.after } }];
    }
  }

  #entry(entry: LogEntry): ReadonlyArray<AgUiEvent> {
    if (isMisfit(entry)) return [];
    const read = factsOfSafely(entry, this.#carry);
    if (Result.isFailure(read)) return [custom(entry)];
    this.#carry = read.success.carry ?? this.#carry;
    const told = read.success.facts.flatMap((fact) => this.#fact(fact));
    const events = told.length > 0 || entry.type === "thread.entry_recorded" ? told : [custom(entry)];
    return events.map((event) => ({ ...event, timestamp: entry.occurredAt }));
  }

  #fact(fact: Fact): ReadonlyArray<AgUiEvent> {
    if ("secondHand" in fact && fact.secondHand === true) return [];
    if (fact._tag === "MessageSaid") return this.#message(fact);
    if (fact._tag === "ToolWasCalled") return this.#called(fact);
    return fact._tag === "ToolHasReturned" ? this.#returned(fact) : [];
  }

  #message(fact: MessageSaid): ReadonlyArray<AgUiEvent> {
    const { author, messageId: id, role, segment, stopReason } = fact;
    const messageId = segment === "" ? id : `${id}/${segment}`;
    const text = wordsOf(fact, "text");
    const before = this.#open.get(messageId);
    const goesOn = before !== undefined && text.startsWith(before);
    const events: Array<AgUiEvent> = before === undefined ? [...reasoning(messageId, wordsOf(fact, "thinking"))] : [];
    if (before !== undefined && !goesOn) events.push(this.#close(messageId));
    const isSaid = text !== "" && role !== "tool";
    if (isSaid && !goesOn) {
      const named = author === undefined ? {} : { name: author };
      events.push({ type: "TEXT_MESSAGE_START", messageId, role: roles[role] ?? "assistant", ...named });
    }
    const delta = goesOn ? text.slice(before.length) : text;
    if (isSaid && delta !== "") events.push({ type: "TEXT_MESSAGE_CONTENT", messageId, delta });
    if (!isSaid) return events;
    this.#open.set(messageId, text);
    if (stopReason !== "unfinished") events.push(this.#close(messageId));
    return this.#open.size > mostOpen ? [...events, this.#close([...this.#open.keys()][0] ?? "")] : events;
  }

  #called({ arguments: args, callId, callKey, messageId, name }: ToolWasCalled): ReadonlyArray<AgUiEvent> {
    if (this.#calls.has(callKey)) return [];
    this.#calls.add(callKey);
    forgetOldest(this.#calls, mostCalls);
    const parent = messageId === undefined ? {} : { parentMessageId: messageId };
    return [
      { type: "TOOL_CALL_START", toolCallId: callId, toolCallName: name, ...parent },
      ...(args === "" ? [] : [{ type: "TOOL_CALL_ARGS", toolCallId: callId, delta: args }]),
      { type: "TOOL_CALL_END", toolCallId: callId },
    ];
  }

  #returned({ callId, callKey, errorMessage, result }: ToolHasReturned): ReadonlyArray<AgUiEvent> {
    const key = `${callKey} returned`;
    if (this.#calls.has(key)) return [];
    this.#calls.add(key);
    forgetOldest(this.#calls, mostCalls);
    const content = result ?? errorMessage ?? "";
    return [{ type: "TOOL_CALL_RESULT", messageId: `${callId}/result`, toolCallId: callId, role: "tool", content }];
  }

  #close(messageId: string): AgUiEvent {
    this.#open.delete(messageId);
    return { type: "TEXT_MESSAGE_END", messageId };
  }

  #closeAll(): ReadonlyArray<AgUiEvent> {
    return [...this.#open.keys()].map((messageId) => this.#close(messageId));
  }
}

const reasoning = (id: string, delta: string): ReadonlyArray<AgUiEvent> => {
  const messageId = `${id}/thought`;
  if (delta === "") return [];
  return [
    { type: "REASONING_START", messageId },
    { type: "REASONING_MESSAGE_START", messageId, role: "reasoning" },
    { type: "REASONING_MESSAGE_CONTENT", messageId, delta },
    { type: "REASONING_MESSAGE_END", messageId },
    { type: "REASONING_END", messageId },
  ];
};

const custom = ({ body, type }: RecordedEvent): AgUiEvent => ({ type: "CUSTOM", name: type, value: dataOf(body) });
