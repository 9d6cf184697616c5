/** A durable append to a thread of 10,000 messages, beside one to a thread of 10. */
import { Context, Effect } from "effect";
import { type History, thread } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import { inPairs, type Row } from "../Harness.ts";
import { world } from "../Servers.ts";
import { conversations, eventOf, type Spoken } from "../Workload.ts";

const long = 10_000;
const short = 10;
const atOnce = 500;
/** Appends to each in a round, so that the short thread stays one. */
const turns = 40;
const rounds = 9;

const run = Effect.gen(function* () {
  const log = Context.get((yield* world()).rooms, EventLog);
  const [said] = conversations({ name: "flat", count: 1, turns: atOnce });
  const spoken = said?.spoken ?? [];

  /** A thread of `length` messages, and its last sequence. */
  const grown = Effect.fnUntraced(function* (name: string, length: number) {
    const history = thread(name);
    let last = 0;
    for (let written = 0; written < length; written += atOnce) {
      const events = yield* Effect.forEach(spoken.slice(0, length - written), (one) => eventOf(history, one));
      last = (yield* log.append({ history, events, expected: last })).sequence;
    }
    return { history, last };
  });

  /** Appends one after another; both sides are run alike, as promises. */
  const appends = (to: { readonly history: History; last: number }, what: ReadonlyArray<Spoken>) =>
    what.map(
      (one) => () =>
        Effect.runPromise(
          Effect.gen(function* () {
            const event = yield* eventOf(to.history, one);
            to.last = (yield* log.append({ history: to.history, events: [event], expected: to.last })).sequence;
          }),
        ),
    );

  const longThread = yield* grown("long", long);
  const shortThreads = yield* Effect.forEach(Array.from({ length: rounds + 1 }), (_, round) =>
    grown(`short-${round}`, short),
  );
  const what = spoken.slice(0, turns);
  const taken = yield* inPairs({
    rounds,
    ours: () => appends(longThread, what).map((append) => Effect.promise(append)),
    peer: (round) => appends(shortThreads[round] ?? longThread, what),
  });
  return { ...taken, peerName: "the same at message 10", note: "p50; begins with the message" };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "append-flat",
  what: "durable append at message 10,000 of a thread",
  unit: "ms",
  goal: { of: "ratio", is: "at most", limit: 1.1 },
  run,
};
