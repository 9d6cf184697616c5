/** A follower's work on the messages of its consumer, one socket read after another. */
import { assert, describe, it } from "@effect/vitest";
import type { Msg } from "@nats-io/transport-node";
import { Effect, Fiber } from "effect";
import { type Followed, Reader } from "../../src/log/read/FollowReaderNats.ts";

/** A reader whose consumer is there, and its deliveries by hand. */
const reading = () => {
  let callback: (error: null, message: Msg) => void = () => undefined;
  let deliverTo = "";
  const nc = {
    subscribe: (subject: string, options: { readonly callback: typeof callback }) => {
      deliverTo = subject;
      ({ callback } = options);
      return { unsubscribe: () => undefined };
    },
    publish: () => undefined,
  };
  const link = { connected: true, onLost: () => () => undefined };
  const connection = { nc, link, inboxPrefix: "_INBOX", serverInfo: () => ({ max_payload: 1_000_000 }) };
  const reader = new Reader({ connection, stream: "S", after: 0, subject: undefined } as unknown as Followed);
  reader.begin();
  reader.start();
  const deliver = (sequence: number): void => {
    const reply = `$JS.ACK.S.C.1.${sequence}.${sequence}.1700000000000000000.0`;
    const message = { subject: "recollect.default.thread.t", reply, data: Buffer.from("{}"), headers: undefined };
    callback(null, message as unknown as Msg);
  };
  return { reader, deliver, deliverTo };
};

describe("a follower", () => {
  it.live("wakes once for all that a socket read has brought, and not for each event of it", () =>
    Effect.gen(function* () {
      const { deliver, reader } = reading();
      const taken: Array<number> = [];
      const following = yield* Effect.forkChild(
        Effect.gen(function* () {
          for (let sum = 0; sum < 6; sum += taken.at(-1) ?? 0) {
            assert.isFalse(yield* reader.more);
            taken.push(reader.take().length);
          }
        }),
        { startImmediately: true },
      );
      // One read is parsed in one turn, with what promises do in between.
      for (const sequences of [[1, 2, 3], [4, 5], [6]]) {
        for (const sequence of sequences) {
          deliver(sequence);
          yield* Effect.promise(() => Promise.resolve());
        }
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(() => setImmediate(resolve))));
      }
      yield* Fiber.join(following);
      assert.deepStrictEqual(taken, [3, 2, 1]);
    }),
  );
});
