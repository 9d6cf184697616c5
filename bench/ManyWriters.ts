/** Many writers at once, each with a thread of its own whose events it appends one after another, awaiting each. */
import { Effect } from "effect";
import type { NewEvent } from "../src/domain/Event.ts";
import type { History } from "../src/domain/History.ts";
import type { EventLog } from "../src/log/EventLog.ts";
import { perSecond } from "./Harness.ts";
import { conversations, eventOf } from "./Workload.ts";

export interface Written {
  readonly history: History;
  readonly events: ReadonlyArray<NewEvent>;
}

/** Events are made beforehand on both sides: such a row is about waiting for the disk. */
export const madeThreads = (options: { readonly name: string; readonly writers: number; readonly turns: number }) => {
  const { name, turns, writers } = options;
  return Effect.forEach(conversations({ name, count: writers, turns }), ({ history, spoken }) =>
    Effect.map(
      Effect.forEach(spoken, (said) => eventOf(history, said)),
      (events): Written => ({ history, events }),
    ),
  );
};

const utf8 = new TextDecoder();

/** The bodies of a thread's events as texts, for a peer that takes texts. */
export const textsOf = ({ events }: Written): ReadonlyArray<string> =>
  events.map(({ body }) => (typeof body === "string" ? body : utf8.decode(body)));

/** Events per second of all writers together; `write` is one writer's work on its thread. */
export const together = <E, R>(
  threads: ReadonlyArray<Written>,
  write: (thread: Written) => Effect.Effect<unknown, E, R>,
) =>
  perSecond(
    threads.reduce((sum, { events }) => sum + events.length, 0),
    Effect.forEach(threads, write, { concurrency: "unbounded", discard: true }),
  );

/** One of our writers. */
export const appendInto =
  (log: EventLog["Service"]) =>
  ({ events, history }: Written) =>
    Effect.gen(function* () {
      let expected = 0;
      for (const event of events) expected = (yield* log.append({ history, events: [event], expected })).sequence;
    });
