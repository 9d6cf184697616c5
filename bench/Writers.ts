/** Many writers at once, each to a thread of its own, and each waiting for its event before it says the next. */
import { Effect } from "effect";
import type { NewEvent } from "../src/domain/Event.ts";
import { type History, thread } from "../src/domain/History.ts";
import type { EventLog } from "../src/log/EventLog.ts";
import { perSecond } from "./Harness.ts";
import { peerDoes } from "./peers/PeerWork.ts";
import { conversations, eventOf } from "./Workload.ts";

export interface Written {
  readonly history: History;
  readonly events: ReadonlyArray<NewEvent>;
}

/**
 * A thread for each writer. The texts are the same in every round, the ids are new; events are made beforehand on both
 * sides, because the rows are about waiting for the disk.
 */
export const writers = (count: number, turns: number) => {
  const texts = conversations({ name: "writers", count, turns });
  return (name: string, most = turns): Effect.Effect<ReadonlyArray<Written>> =>
    Effect.forEach(texts, ({ spoken }, index) => {
      const history = thread(`${name}-${index}`);
      return Effect.map(
        Effect.forEach(spoken.slice(0, most), (said) => eventOf(history, said)),
        (events) => ({ history, events }),
      );
    });
};

const countOf = (threads: ReadonlyArray<Written>) => threads.reduce((sum, { events }) => sum + events.length, 0);

/** Events a second when every writer appends to the log, expecting what it wrote last. */
export const appendAtOnce = (log: EventLog["Service"], threads: ReadonlyArray<Written>) =>
  perSecond(
    countOf(threads),
    Effect.forEach(
      threads,
      ({ events, history }) =>
        Effect.gen(function* () {
          let expected = 0;
          for (const event of events) expected = (yield* log.append({ history, events: [event], expected })).sequence;
        }),
      { concurrency: "unbounded", discard: true },
    ),
  );

/** One event of one writer, the nth of its thread from 1. */
export interface Turn {
  readonly history: History;
  readonly event: NewEvent;
  readonly position: number;
}

/** Events a second when every writer publishes by itself. */
export const publishAtOnce = (publish: (turn: Turn) => Promise<unknown>, threads: ReadonlyArray<Written>) =>
  perSecond(
    countOf(threads),
    peerDoes(() =>
      Promise.all(
        threads.map(async ({ events, history }) => {
          for (const [index, event] of events.entries()) await publish({ history, event, position: index + 1 });
        }),
      ),
    ),
  );

const utf8 = new TextDecoder();

/** The body of an event as a text, for a peer that takes texts. */
export const textOf = ({ body }: NewEvent): string => (typeof body === "string" ? body : utf8.decode(body));
