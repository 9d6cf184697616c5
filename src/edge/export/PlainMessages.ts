/**
 * A thread read into plain messages, from the facts of its events: what a rendering is made of.
 *
 * Room: edge.
 *
 * Every message has its place where it was first said; told again, the newer telling holds. Calls and results that no
 * message carries (an MCP server records only those) become messages of their own. Holds the thread in memory.
 */
import { Effect, Result, Stream } from "effect";
import type { Part, TokenUsage } from "../../domain/thread/Content.ts";
import type { RecordedEvent } from "../../domain/Event.ts";
import type { Fact, MessageSaid, ToolHasReturned, ToolWasCalled } from "../../domain/Fact.ts";
import { factsOf } from "../../domain/Interpret.ts";
import { type Carry, noCarry } from "../../domain/interpret/Interpreter.ts";
import { decodeData } from "../../domain/Upcast.ts";
import * as WholePart from "../../domain/WholePart.ts";
import { EventLog } from "../../log/EventLog.ts";
import { placedOrAsItIs } from "../../log/read/LargeEntry.ts";
import { blobOf } from "./EntryBytes.ts";

export interface PlainMessages {
  readonly id: string;
  readonly role: string;
  readonly occurredAt: number;
  readonly secondHand: boolean;
  /** Parts by segment, in the order in which the segments were told. */
  readonly segments: Map<string, ReadonlyArray<Part>>;
  model: string | undefined;
  stopReason: string | undefined;
  cwd: string | undefined;
  branch: string | undefined;
  usage: TokenUsage | undefined;
}

export const partsOf = (said: PlainMessages): ReadonlyArray<Part> => [...said.segments.values()].flat();

const callIdsOf = (facts: ReadonlyArray<Fact>, type: "tool_use" | "tool_result"): ReadonlySet<string> =>
  new Set(
    facts.flatMap((fact) =>
      fact._tag === "MessageSaid" ? fact.parts.flatMap((part) => (part.type === type ? [part.callId] : [])) : [],
    ),
  );

/** The text of a result that only an event of our own holds; facts know its size. */
const resultOf = Effect.fnUntraced(function* (event: RecordedEvent, fact: ToolHasReturned) {
  const decoded = decodeData(event);
  if (
    Result.isSuccess(decoded) &&
    decoded.success._tag === "Known" &&
    decoded.success.type === "thread.tool_returned"
  ) {
    const { result, resultBlob, error } = decoded.success.data;
    if (resultBlob != null) return Buffer.from(yield* blobOf(event, resultBlob.sha256)).toString("utf8");
    if (result != null) return typeof result === "string" ? result : JSON.stringify(result);
    return error?.message ?? error?.type ?? "";
  }
  return fact.errorMessage ?? "";
});

/** A part with the whole of what its event holds only the head of. */
const wholePart = Effect.fnUntraced(function* (event: RecordedEvent, part: Part) {
  return part.blob == null ? part : WholePart.wholePart(part, yield* blobOf(event, part.blob.sha256));
});

class Conversation {
  readonly messages = new Map<string, PlainMessages>();
  private readonly calls = new Set<string>();
  private readonly results = new Set<string>();

  message(event: RecordedEvent, fact: Pick<MessageSaid, "messageId" | "role" | "secondHand">): PlainMessages {
    const known = this.messages.get(fact.messageId);
    if (known !== undefined) return known;
    const said: PlainMessages = {
      id: fact.messageId,
      role: fact.role,
      occurredAt: event.occurredAt,
      secondHand: fact.secondHand === true,
      segments: new Map(),
      model: undefined,
      stopReason: undefined,
      cwd: undefined,
      branch: undefined,
      usage: undefined,
    };
    this.messages.set(fact.messageId, said);
    return said;
  }

  said(event: RecordedEvent, fact: MessageSaid, parts: ReadonlyArray<Part>): void {
    const said = this.message(event, fact);
    said.segments.set(fact.segment, parts);
    said.model = fact.model ?? said.model;
    said.stopReason = fact.stopReason ?? said.stopReason;
    said.cwd = fact.cwd ?? said.cwd;
    said.branch = fact.branch ?? said.branch;
  }

  /** A call; shown as a message of its own unless a message has it. */
  called(event: RecordedEvent, fact: ToolWasCalled, inMessage: boolean): void {
    if (this.calls.has(fact.callKey)) return;
    this.calls.add(fact.callKey);
    if (inMessage) return;
    const said = this.message(event, { messageId: `call ${event.id}`, role: "assistant", secondHand: fact.secondHand });
    const { callId, name, server } = fact;
    said.segments.set(fact.callKey, [
      { type: "tool_use", callId, name, server: server ?? null, arguments: WholePart.jsonOf(fact.arguments) },
    ]);
  }

  returned(event: RecordedEvent, fact: ToolHasReturned, text: string | undefined): void {
    if (this.results.has(fact.callKey)) return;
    this.results.add(fact.callKey);
    if (text === undefined) return;
    const said = this.message(event, { messageId: `result ${event.id}`, role: "tool", secondHand: fact.secondHand });
    said.segments.set(fact.callKey, [
      { type: "tool_result", callId: fact.callId, text, isError: fact.outcome === "error" },
    ]);
  }
}

const take = Effect.fnUntraced(function* (
  conversation: Conversation,
  event: RecordedEvent,
  facts: ReadonlyArray<Fact>,
) {
  const callsInParts = callIdsOf(facts, "tool_use");
  const resultsInParts = callIdsOf(facts, "tool_result");
  for (const fact of facts) {
    if (fact._tag === "MessageSaid") {
      conversation.said(event, fact, yield* Effect.forEach(fact.parts, (part) => wholePart(event, part)));
    } else if (fact._tag === "ToolWasCalled") {
      conversation.called(event, fact, callsInParts.has(fact.callId));
    } else if (fact._tag === "ToolHasReturned") {
      const text = resultsInParts.has(fact.callId) ? undefined : yield* resultOf(event, fact);
      conversation.returned(event, fact, text);
    } else if (fact._tag === "TokensUsed") {
      const said = conversation.messages.get(fact.messageId ?? "");
      if (said !== undefined) said.usage = fact.usage;
    }
  }
});

/** The messages of a thread in order. A second witness's messages are left out where a first one speaks. */
export const saidIn = Effect.fnUntraced(function* <E, R>(events: Stream.Stream<RecordedEvent, E, R>) {
  const log = yield* EventLog;
  const conversation = new Conversation();
  let carry: Carry = noCarry;
  yield* events.pipe(
    Stream.runForEach(
      Effect.fnUntraced(function* (event: RecordedEvent) {
        const interpreted = factsOf(yield* placedOrAsItIs(log, event), carry);
        // A body that breaks its schema is a dead letter where it is projected; here it has nothing to say.
        if (Result.isFailure(interpreted)) return;
        carry = interpreted.success.carry ?? carry;
        yield* take(conversation, event, interpreted.success.facts);
      }),
    ),
  );
  const all = [...conversation.messages.values()];
  return all.some(({ secondHand }) => !secondHand) ? all.filter(({ secondHand }) => !secondHand) : all;
});
