/**
 * A small world of thread events for the tests of fold, snapshot and reader: every kind of event, told twice, cut short,
 * broken, unknown, far too large.
 */
import { Effect, Schema, Stream } from "effect";
import type { NewEvent, RecordedEvent } from "../../src/domain/Event.ts";
import { fromContent } from "../../src/domain/EventId.ts";
import { type History, type Sequence, thread } from "../../src/domain/History.ts";
import * as Thread from "../../src/domain/thread/Thread.ts";
import { EventLog } from "../../src/log/EventLog.ts";

const Id = Schema.Literals(["a", "b", "c", "d/é 😀"]);
/** Characters of one to six bytes as JSON. */
const Text = Schema.Struct({
  char: Schema.Literals(["a", "é", "😀", "\u0001", '"']),
  length: Schema.Literals([0, 1, 3, 900, 9_000, 70_000]),
});

export const Step = Schema.Union([
  Schema.Struct({
    step: Schema.Literal("say"),
    id: Id,
    text: Text,
    calls: Schema.Array(Id).check(Schema.isMaxLength(3)),
  }),
  Schema.Struct({ step: Schema.Literal("sayNew"), text: Text }),
  Schema.Struct({ step: Schema.Literal("call"), id: Id, text: Text }),
  Schema.Struct({ step: Schema.Literal("return"), id: Id, isError: Schema.Boolean }),
  Schema.Struct({ step: Schema.Literal("open"), title: Text, at: Schema.Literals([-1, 0, 7]) }),
  Schema.Struct({ step: Schema.Literal("tag"), add: Schema.Array(Id), remove: Schema.Array(Id) }),
  Schema.Struct({ step: Schema.Literal("archive") }),
  Schema.Struct({ step: Schema.Literal("broken") }),
  Schema.Struct({ step: Schema.Literal("unknown") }),
  Schema.Struct({ step: Schema.Literal("nested") }),
]);
export type Step = typeof Step.Type;

export const Steps = Schema.Array(Step).check(Schema.isMaxLength(24));

const textOf = ({ char, length }: typeof Text.Type) => char.repeat(length);

/** An array in an array, ever deeper: JSON.parse reads it, JSON.stringify does not write it. */
const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;

type Draft = { readonly type: string; readonly body: string; readonly schemaVersion?: number; readonly at?: number };

const draft = (step: Step, index: number): Draft => {
  const event = (type: string, data: unknown): Draft => ({
    type,
    // Numbers that JSON can be read with and not written with.
    body: JSON.stringify(data).replaceAll('"odd numbers"', "[-0,1e999]"),
  });
  const message = (messageId: string, parts: ReadonlyArray<unknown>): Draft => ({
    ...event("thread.message_appended", { messageId, role: "assistant", model: `model-${index}`, parts }),
    schemaVersion: 2,
  });
  switch (step.step) {
    case "say":
      return message(`m-${step.id}`, [
        { type: "text", text: textOf(step.text) },
        ...step.calls.map((callId) => ({
          type: "tool_use",
          callId,
          name: "grep",
          arguments: { at: "odd numbers", in: textOf(step.text) },
        })),
        ...step.calls.slice(1).map((callId) => ({ type: "tool_result", callId, text: textOf(step.text) })),
      ]);
    case "sayNew":
      return message(`new-${index}`, [{ type: "thinking", text: textOf(step.text), signature: "proof" }]);
    case "call":
      return event("thread.tool_called", {
        callId: step.id,
        name: textOf(step.text),
        arguments: { text: textOf(step.text) },
      });
    case "return":
      return event("thread.tool_returned", {
        callId: step.id,
        outcome: step.isError ? "error" : "ok",
        result: `${index}`,
        ...(step.isError ? { error: { type: "Timeout", message: "e".repeat(3_000) } } : {}),
      });
    case "open":
      return {
        ...event("thread.opened", { title: textOf(step.title), client: { name: textOf(step.title) } }),
        at: step.at,
      };
    case "tag":
      return event("thread.tagged", { add: [...step.add, `t${index}`], remove: step.remove });
    case "archive":
      return event("thread.archived", {});
    case "broken":
      return event("thread.renamed", { title: index });
    case "unknown":
      return event("thread.from_the_future", { index });
    case "nested":
      return { type: "thread.tool_called", body: `{"callId":"deep","name":"x","arguments":${deep}}` };
  }
};

/** The event of a step, as a publisher would write it. Index and salt make its id. */
export const newEvent = (step: Step, index: number, salt = ""): NewEvent => {
  const { type, body, schemaVersion = 1, at } = draft(step, index);
  return {
    id: fromContent("world", salt, `${index}`, type, body),
    type,
    schemaVersion,
    source: "test",
    occurredAt: 1_700_000_000_000 + (at ?? index) * 1_000,
    body,
  };
};

/** The same as the log would give it back, with gaps between sequences as in a shared stream. */
export const recorded = (steps: ReadonlyArray<Step>, history: History = thread("t")): ReadonlyArray<RecordedEvent> =>
  steps.map((step, index) => {
    const event = newEvent(step, index);
    return {
      ...event,
      body: Buffer.from(typeof event.body === "string" ? event.body : "", "utf8"),
      sequence: 5 + index * 3,
      recordedAt: event.occurredAt + 5,
      history,
    };
  });

export const say = (id: "a" | "b" | "c", length: 0 | 1 | 3 | 900 | 9_000 | 70_000 = 3): Step => ({
  step: "say",
  id,
  text: { char: "a", length },
  calls: [],
});

export const sayNew = (length: 0 | 1 | 3 | 900 | 9_000 | 70_000 = 3): Step => ({
  step: "sayNew",
  text: { char: "a", length },
});

/** Appends the steps as events of a thread, each followed by one of somebody else; gives the sequences they got. */
export const append = Effect.fnUntraced(function* (history: History, steps: ReadonlyArray<Step>, salt = history.id) {
  const log = yield* EventLog;
  const sequences: Array<Sequence> = [];
  for (const [index, step] of steps.entries()) {
    const event = newEvent(step, index, salt);
    // What is larger than an event may be is for the object store, not for this world.
    if (Buffer.byteLength(event.body) > 500_000) continue;
    sequences.push((yield* log.append({ history, events: [event], expected: "any" })).sequence);
    if (index % 3 === 0) {
      const other = { ...newEvent(sayNew(), index, `${salt} other`) };
      yield* log.append({ history: thread(`other than ${salt}`.slice(0, 60)), events: [other], expected: "any" });
    }
  }
  return sequences;
});

/** The truth: a fold of everything there is, from the first event on. */
export const wholeFold = Effect.fnUntraced(function* (history: History, upTo = Infinity) {
  const events = yield* Stream.runCollect((yield* EventLog).read({ history }));
  return Thread.fold(
    Thread.empty(history),
    events.filter(({ sequence }) => sequence <= upTo),
  );
});
