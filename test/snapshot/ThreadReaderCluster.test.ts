/** Threads read from three copies, of which any may answer and may be behind: here one that is, as often as it is asked. */
import type { StreamInfo } from "@nats-io/jetstream";
import type { NatsConnection as Client } from "@nats-io/transport-node";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Layer, References, Schedule } from "effect";
import { thread } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import { NatsConnection } from "../../src/log/connection/NatsConnectionNats.ts";
import * as Connection from "../../src/log/connection/NatsConnectionNats.ts";
import { SnapshotStore } from "../../src/snapshot/SnapshotStore.ts";
import * as SnapshotStoreKv from "../../src/snapshot/SnapshotStoreKv.ts";
import * as ThreadReader from "../../src/snapshot/ThreadReader.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { append, say, sayNew, wholeFold } from "./ThreadWorld.ts";

const stream = "RECOLLECT";
const behind = "BEHIND";

/** How many more questions the copy answers that is behind, before it has caught up. */
const copy = { questions: 0 };

/** A client whose direct gets go to the copy that is behind, as those of a client do that is connected to its server. */
const besideBehind = (client: Client): Client =>
  new Proxy(client, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (first: unknown, ...rest: ReadonlyArray<unknown>): unknown => {
        const isAsked = name === "publish" && first === `$JS.API.DIRECT.GET.${stream}` && copy.questions > 0;
        if (isAsked) copy.questions--;
        return member.call(target, isAsked ? `$JS.API.DIRECT.GET.${behind}` : first, ...rest);
      };
    },
  });

/** A process of its own: a connection, and memory of what it read. */
const processAt = (servers: ReadonlyArray<string>, client: (client: Client) => Client) =>
  ThreadReader.layer().pipe(
    Layer.provideMerge(Layer.mergeAll(EventLogNats.layer(), SnapshotStoreKv.layer())),
    Layer.provideMerge(
      Layer.effect(
        NatsConnection,
        Effect.map(NatsConnection, (connection) => ({ ...connection, nc: client(connection.nc) })),
      ).pipe(Layer.provide(Connection.layer({ servers }))),
    ),
    Layer.fresh,
  );

/** A copy of the stream as it is now, which hears of nothing from now on: a mirror that is one no more. */
const leaveBehind = Effect.gen(function* () {
  const { jsm, nc } = yield* NatsConnection;
  const { lastSequence } = yield* (yield* EventLog).info;
  const until = (isSo: (found: StreamInfo) => boolean) =>
    Effect.promise(() => jsm.streams.info(behind)).pipe(
      Effect.filterOrFail(isSo, () => "not yet"),
      Effect.retry(Schedule.spaced("20 millis")),
    );
  yield* Effect.promise(() => jsm.streams.add({ name: behind, allow_direct: true, mirror: { name: stream } }));
  const { config } = yield* until(({ state }) => state.last_seq === lastSequence);
  const { mirror: _, ...alone } = config;
  // By hand, because the client keeps what an update does not name.
  yield* Effect.promise(() => nc.request(`$JS.API.STREAM.UPDATE.${behind}`, JSON.stringify(alone)));
  yield* until(({ mirror }) => mirror === undefined);
});

describe("a thread in three copies", () => {
  it.live(
    "holds what was acknowledged before it was asked for, though the copy that answers is behind",
    () =>
      Effect.gen(function* () {
        const three = yield* NatsServer.make({ cluster: 3, sync: "2m" });
        const writer = yield* Layer.build(processAt(three.servers, (client) => client));
        const reader = yield* Layer.build(processAt(three.servers, besideBehind));
        const [held, kept, unread] = [thread("in memory"), thread("in a snapshot"), thread("in the log alone")];
        const all = [held, kept, unread];
        const appendAll = (salt: string) =>
          Effect.forEach(all, (history) => append(history, [say("a"), sayNew()], `${history.id} ${salt}`)).pipe(
            Effect.provideContext(writer),
          );
        const get = ({ id }: typeof held) =>
          ThreadReader.ThreadReader.use((there) => there.get(id)).pipe(Effect.provideContext(reader));
        yield* appendAll("first");
        yield* get(held);
        const state = yield* wholeFold(kept).pipe(Effect.provideContext(writer));
        yield* SnapshotStore.use((store) => store.put(state)).pipe(Effect.provideContext(writer));
        yield* leaveBehind.pipe(Effect.provideContext(writer));
        yield* appendAll("then");
        for (const history of all) {
          copy.questions = 3;
          assert.deepStrictEqual(
            yield* get(history),
            yield* wholeFold(history).pipe(Effect.provideContext(writer)),
            history.id,
          );
          assert.strictEqual(copy.questions, 0, "the copy that is behind was asked");
        }
      }).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "None")),
    60_000,
  );
});
