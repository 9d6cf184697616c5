/**
 * The events that rows append: messages of conversations, in sizes as agents really have them.
 *
 * Published for OpenHands (433 conversations, 39,870 events): a median event of 1,395 bytes, 190 B to 260 KB, a median
 * conversation of 82 events and 380 KB, 78 % of the bytes in tool results. A log-normal distribution of that median
 * and that mean (4.6 KB) is cut off at both ends. Seeded: every run appends the same texts under new ids.
 */
import { Effect } from "effect";
import type { Part } from "../src/domain/thread/Content.ts";
import type { NewEvent } from "../src/domain/Event.ts";
import { type History, thread } from "../src/domain/History.ts";
import { compose } from "../src/publish/write/NewEvent.ts";
import { writing } from "../test/support/writing.ts";

const medianBytes = 1_395;
const meanBytes = 4_634;
const leastBytes = 190;
const mostBytes = 260_000;
export const eventsPerThread = 82;

/** mulberry32: uniform in [0, 1). */
const seeded = (seed: number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** Box and Muller. */
const normal = (uniform: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());

const sizeOf = (uniform: () => number): number => {
  const deviation = Math.sqrt(2 * Math.log(meanBytes / medianBytes));
  return Math.round(Math.min(mostBytes, Math.max(leastBytes, medianBytes * Math.exp(deviation * normal(uniform)))));
};

/** Words by frequency, as in any language: the nth is said 1/n as often as the first. They compress about as prose does. */
const makeTexts = (uniform: () => number) => {
  const words = Array.from({ length: 4_000 }, () =>
    Array.from({ length: 2 + Math.floor(uniform() * 9) }, () =>
      String.fromCharCode(97 + Math.floor(uniform() ** 1.5 * 26)),
    ).join(""),
  );
  return (bytes: number): string => {
    const said: Array<string> = [];
    for (let length = 0; length < bytes;) {
      const word = words[Math.floor(words.length ** uniform()) - 1] ?? "a";
      said.push(word);
      length += word.length + 1;
    }
    return said.join(" ").slice(0, bytes);
  };
};

/** A message that somebody is about to record. */
export interface Spoken {
  readonly messageId: string;
  readonly role: string;
  readonly parts: ReadonlyArray<Part>;
}

const speech = (text: string, turn: number): Omit<Spoken, "messageId"> => {
  const callId = `call_${Math.floor(turn / 2)}`;
  if (turn === 0) return { role: "user", parts: [{ type: "text", text }] };
  return turn % 2 === 1
    ? {
        role: "assistant",
        parts: [
          { type: "text", text },
          { type: "tool_use", callId, name: "run", arguments: {} },
        ],
      }
    : { role: "tool", parts: [{ type: "tool_result", callId, text }] };
};

/** An endless row of messages; the nth of them is the nth turn of its conversation. */
const speaker = (seed = 1) => {
  const uniform = seeded(seed);
  const text = makeTexts(uniform);
  return (turn: number): Spoken => {
    const messageId = `m${turn}`;
    const frameBytes = JSON.stringify({ messageId, ...speech("", turn) }).length;
    return { messageId, ...speech(text(Math.max(1, sizeOf(uniform) - frameBytes)), turn) };
  };
};

/** The event of a message, as our publishers make it: checked against its Schema, with a new id. */
export const eventOf = (history: History, spoken: Spoken): Effect.Effect<NewEvent> =>
  compose({ history, type: "thread.message_appended", data: spoken }, writing("bench")).pipe(
    Effect.map(({ event }) => event),
    Effect.orDie,
  );

/** A thread of its own for each name, and its first messages. */
export interface Conversation {
  readonly history: History;
  readonly spoken: ReadonlyArray<Spoken>;
}

export const conversations = (options: {
  readonly name: string;
  readonly count: number;
  readonly turns: number;
  readonly seed?: number;
}): ReadonlyArray<Conversation> => {
  const speak = speaker(options.seed);
  return Array.from({ length: options.count }, (_, index) => ({
    history: thread(`${options.name}-${index}`),
    spoken: Array.from({ length: options.turns }, (_turn, turn) => speak(turn)),
  }));
};
