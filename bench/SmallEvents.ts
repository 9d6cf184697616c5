/** A stream of many small events in many threads: about 170 bytes each, as tool servers and tasks write them. */
import { Effect } from "effect";
import { fromContent } from "../src/domain/EventId.ts";
import type { NewEvent } from "../src/domain/Event.ts";
import { thread } from "../src/domain/History.ts";
import type { EventLog } from "../src/log/EventLog.ts";
import { maxEventsPerAppend } from "../src/log/EventLog.ts";

export const smallEvent = (n: number): NewEvent => ({
  id: fromContent(`small ${n}`),
  type: "thread.message_appended",
  schemaVersion: 2,
  source: "bench",
  occurredAt: 1_700_000_000_000 + n,
  body: JSON.stringify({
    messageId: `m${n}`,
    role: n % 2 === 0 ? "user" : "assistant",
    parts: [{ type: "text", text: `message number ${n} of a stream, with some words like forecast ${n % 977}` }],
  }),
});

/** Appends events `from` to `from + count`, spread evenly over the threads. */
export const appendSmall = Effect.fnUntraced(function* (
  log: EventLog["Service"],
  options: { readonly from?: number; readonly count: number; readonly threads: number },
) {
  const { count, threads, from = 0 } = options;
  /** Where a thread of this stream ends: whoever says it is not asked to look for its ids. */
  const reached = new Map<number, number>();
  for (let at = from; at < from + count; at += maxEventsPerAppend) {
    const size = Math.min(maxEventsPerAppend, from + count - at);
    const histories = Map.groupBy(
      Array.from({ length: size }, (_, index) => at + index),
      (n) => n % threads,
    );
    const names = [...histories.keys()];
    const appended = yield* log.appendAll(
      [...histories].map(([name, numbers]) => ({
        history: thread(`small-${name}`),
        events: numbers.map(smallEvent),
        expected: reached.get(name) ?? (from === 0 ? 0 : "any"),
      })),
    );
    for (const [index, { sequence }] of appended.entries()) reached.set(names[index] ?? 0, sequence);
  }
});
