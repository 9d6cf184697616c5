/**
 * Prompts that were queued while Claude Code worked: `queue-operation` lines, and what becomes of them.
 *
 * Room: domain.
 *
 * `enqueue` has the words and is where the person said them: the message. Later the same words may come as a `user` line
 * (after `dequeue`) or as an attachment `queued_command` (after `remove`, while the agent goes on): that is the same
 * message, told again under its id. Older versions have the queue only, so it must not wait for either. `popAll` gives
 * the words back to the editor: they were never said to the agent.
 */
import type { Fact } from "../../Fact.ts";
import { isTypedCommand } from "../../thread/MessageKind.ts";
import { type JsonObject, type JsonValue, stringAt } from "../../Json.ts";
import type { Carry, EntryContext, Interpretation } from "../Interpreter.ts";
import { noted } from "../facts.ts";
import { memo, type Pair, pairsAt, withList } from "../memory.ts";
import { partsOf, wordsOf } from "../parts.ts";

/** Beginnings of a remembered id: it waits in the queue, or has left it and its line is to come. */
const waits = "w";
const left = "l";

/** Most prompts that are remembered while they wait: more are not queued in practice. */
const longest = 12;

const textOf = (content: JsonValue | undefined): string => wordsOf(content).join("\n").trim();

const withQueue = (carry: Carry, queue: ReadonlyArray<Pair>): Carry => withList(carry, "queue", queue.slice(-longest));

/** The id of the queued message that these words are, which waits no longer. */
export const takeQueued = (
  carry: Carry,
  content: JsonValue | undefined,
): { readonly messageId: string | undefined; readonly carry: Carry } => {
  const queue = pairsAt(carry, "queue");
  if (queue.length === 0) return { messageId: undefined, carry };
  const words = memo(textOf(content));
  const found = queue.find(([text]) => text === words);
  if (found === undefined) return { messageId: undefined, carry };
  return {
    messageId: found[1].slice(1),
    carry: withQueue(
      carry,
      queue.filter((pair) => pair !== found),
    ),
  };
};

/** The agent has answered: what left the queue before that comes no more. */
export const afterAnswer = (carry: Carry): Carry => {
  const queue = pairsAt(carry, "queue");
  return queue.some(([, id]) => id.startsWith(left))
    ? withQueue(
        carry,
        queue.filter(([, id]) => id.startsWith(waits)),
      )
    : carry;
};

const message = (messageId: string, content: JsonValue | undefined, more: object = {}): Fact => ({
  _tag: "MessageSaid",
  messageId,
  segment: "",
  role: "user",
  // A queue takes commands to the program as they are typed.
  kind: isTypedCommand(textOf(content)) ? "command" : undefined,
  parts: partsOf(content),
  ...more,
});

export const queueOperation = (line: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const operation = stringAt(line, "operation") ?? "";
  const content = line["content"];
  const queue = pairsAt(carry, "queue");
  const note = noted(`queue-operation ${operation}`.trim());
  if (operation === "enqueue") {
    const text = textOf(content);
    if (text === "") return { facts: [note] };
    return {
      facts: [message(context.eventId, content), note],
      carry: withQueue(carry, [...queue, [memo(text), `${waits}${context.eventId}`]]),
    };
  }
  if (operation === "popAll") {
    const withdrawn = queue
      .filter(([, id]) => id.startsWith(waits))
      .map(([, id]): Fact => ({ ...message(id.slice(1), undefined), segment: "withdrawn", kind: "notice" }) as Fact);
    return { facts: [...withdrawn, note], carry: withQueue(carry, []) };
  }
  const first = queue.findIndex(([, id]) => id.startsWith(waits));
  const next = queue[first];
  if (next === undefined) return { facts: [note] };
  return { facts: [note], carry: withQueue(carry, queue.with(first, [next[0], `${left}${next[1].slice(1)}`])) };
};

/** An attachment with the words of a prompt that was given to the agent while it worked. */
export const queuedCommand = (
  attachment: JsonObject,
  messageId: string,
  more: { readonly parentMessageId: string | undefined; readonly path: number | undefined },
): Fact => {
  const prompt = attachment["prompt"];
  const isNotice = stringAt(attachment, "commandMode") === "task-notification";
  return message(messageId, prompt, { ...more, ...(isNotice ? { kind: "notice" } : {}) });
};
