import { assert, it } from "@effect/vitest";
import { Effect, Fiber, Layer, Stream } from "effect";
import { isMisfit } from "../../src/domain/Event.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import { NatsConnection } from "../../src/log/connection/NatsConnectionNats.ts";
import { appendUntilWritten, event, eventLogContract, events, fresh, idsOf } from "../contract/EventLogContract.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { byHand, logAt, logOnServer } from "./natsLayers.ts";

eventLogContract("EventLogNats on three servers", byHand.pipe(Layer.provideMerge(logOnServer({ cluster: 3 }))), {
  extent: "appends",
  timeoutMillis: 60_000,
});

it.live(
  "reads what it has just appended, whichever copy answers",
  () =>
    Effect.gen(function* () {
      const cluster = yield* NatsServer.make({ cluster: 3 });
      yield* Effect.gen(function* () {
        const log = yield* EventLog;
        const history = fresh();
        let expected = 0;
        for (let count = 0; count < 300; count++) {
          const written = events(2);
          const { sequence } = yield* log.append({ history, events: written, expected });
          assert.deepEqual(
            yield* idsOf(history, expected),
            written.map(({ id }) => id),
          );
          expected = sequence;
        }
      }).pipe(Effect.provide(logAt(cluster.servers)));
    }),
  60_000,
);

it.live(
  "reads a history that others write to meanwhile, and takes none of what is new for what is missing",
  () =>
    Effect.gen(function* () {
      const cluster = yield* NatsServer.make({ cluster: 3 });
      yield* Effect.gen(function* () {
        const log = yield* EventLog;
        const history = fresh();
        const written = events(400);
        const writing = yield* Effect.forkChild(
          Effect.forEach(written, (one) => log.append({ history, events: [one], expected: "any" }), {
            concurrency: 8,
          }),
        );
        while (writing.pollUnsafe() === undefined) {
          const read = yield* idsOf(history);
          assert.strictEqual(new Set(read).size, read.length);
        }
        yield* Fiber.join(writing);
        assert.strictEqual((yield* idsOf(history)).length, written.length);
      }).pipe(Effect.provide(logAt(cluster.servers)));
    }),
  60_000,
);

it.live(
  "loses and doubles nothing when the leader of three is killed, for writers and followers alike",
  () =>
    Effect.gen(function* () {
      const cluster = yield* NatsServer.make({ cluster: 3 });
      yield* Effect.gen(function* () {
        const log = yield* EventLog;
        const { jsm } = yield* NatsConnection;
        const [known, unknown] = [fresh(), fresh()];
        const [mine, yours] = [events(25), events(25)];
        const info = yield* Effect.promise(() => jsm.streams.info("RECOLLECT"));
        assert.strictEqual(info.config.num_replicas, 3);
        const leader = info.cluster?.leader ?? "";
        const node = cluster.nodes[Number(leader.slice(1)) - 1];
        assert.isDefined(node);
        const following = yield* log.follow({ after: 0 }).pipe(Stream.take(51), Stream.runCollect, Effect.forkChild);
        yield* log.append({ history: fresh(), events: [event()], expected: 0 });
        const surely = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
          Effect.retry(effect, { while: ({ _tag }) => _tag === "LogUnavailable" });
        yield* Effect.all(
          [
            Effect.forEach(mine, (one) => surely(appendUntilWritten(known, one))),
            Effect.forEach(yours, (one, index) =>
              Effect.gen(function* () {
                if (index === 5 && node !== undefined) yield* Effect.forkChild(node.kill9, { startImmediately: true });
                yield* surely(log.append({ history: unknown, events: [one], expected: "any" }));
              }),
            ),
          ],
          { concurrency: "unbounded" },
        );
        const ids = (all: typeof mine) => all.map(({ id }) => id);
        assert.deepEqual(yield* idsOf(known), ids(mine));
        assert.deepEqual(yield* idsOf(unknown), ids(yours));
        const seen = yield* Fiber.join(following);
        assert.deepEqual(
          seen.map(({ sequence }) => sequence),
          Array.from({ length: 51 }, (_, index) => index + 1),
        );
        assert.strictEqual(new Set(seen.map((entry) => (isMisfit(entry) ? "" : entry.id))).size, 51);
      }).pipe(Effect.provide(logAt(cluster.servers)));
    }),
  60_000,
);
