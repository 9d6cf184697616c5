/**
 * Threads read from three copies, of which any may answer and may be behind. Here that happens once in some rounds; in the
 * made-up cluster of `test/log/HistoryRead.test.ts` each time.
 */
import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber, Layer, Option, References } from "effect";
import { thread } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../src/log/NatsConnectionNats.ts";
import * as SnapshotStoreKv from "../../src/snapshot/SnapshotStoreKv.ts";
import * as ThreadReader from "../../src/snapshot/ThreadReader.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { newEvent, sayNew, wholeFold } from "./ThreadWorld.ts";

/** A process of its own: a connection to one of the servers, and memory of what it read. */
const processAt = (servers: string | ReadonlyArray<string>) =>
  ThreadReader.layer().pipe(
    Layer.provideMerge(Layer.mergeAll(EventLogNats.layer(), SnapshotStoreKv.layer())),
    Layer.provideMerge(NatsConnection.layer({ servers })),
    Layer.fresh,
  );

/** The server that knows, and one that answers who is connected to it from a copy that follows. */
const rolesOf = Effect.fnUntraced(function* ({ nodes }: NatsServer.NatsServer["Service"]) {
  const { jsm } = yield* NatsConnection.NatsConnection;
  const { cluster } = yield* Effect.promise(() => jsm.streams.info("RECOLLECT"));
  const isLeader = (index: number) => `n${index + 1}` === cluster?.leader;
  const leader = nodes.find((_, index) => isLeader(index));
  const follower = nodes.find((_, index) => !isLeader(index));
  return leader === undefined || follower === undefined
    ? yield* Effect.die("a cluster has a leader and followers")
    : { leader, follower };
});

describe("a thread in three copies", () => {
  it.live(
    "holds what was acknowledged before it was asked for, though the copy that answers was held up and is behind",
    () =>
      Effect.gen(function* () {
        const three = yield* NatsServer.make({ cluster: 3, sync: "2m" });
        const first = yield* Layer.build(processAt(three.servers));
        const { follower, leader } = yield* rolesOf(three).pipe(Effect.provideContext(first));
        const pid = Option.getOrThrow(yield* follower.process.pid);
        yield* Effect.addFinalizer(() => Effect.sync(() => process.kill(pid, "SIGCONT")));
        const writer = yield* Layer.build(processAt(leader.url));
        const reader = yield* Layer.build(processAt(follower.url));
        const get = (id: string) => ThreadReader.ThreadReader.use((there) => there.get(id));
        for (let round = 0; round < 16; round++) {
          const id = `t${round}`;
          yield* get(id).pipe(Effect.provideContext(reader));
          process.kill(pid, "SIGSTOP");
          const events = Array.from({ length: 500 }, (_, index) => newEvent(sayNew(9_000), index, id));
          yield* EventLog.use((log) => log.append({ history: thread(id), events, expected: 0 })).pipe(
            Effect.provideContext(writer),
          );
          const reading = yield* get(id).pipe(
            Effect.provideContext(reader),
            Effect.forkChild({ startImmediately: true }),
          );
          process.kill(pid, "SIGCONT");
          const state = yield* Fiber.join(reading);
          assert.deepStrictEqual(state, yield* wholeFold(thread(id)).pipe(Effect.provideContext(writer)), id);
        }
        assert.isAtLeast(
          (yield* EventLog.use(({ info }) => info).pipe(Effect.provideContext(writer))).lastSequence,
          200,
        );
      }).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "None")),
    60_000,
  );
});
