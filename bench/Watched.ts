/**
 * How long after it is written an event is with a watcher on another connection, history and durability included,
 * against a Redis publication, which is neither kept nor repeated.
 */
import { Context, Deferred, Effect, Stream } from "effect";
import { thread } from "../src/domain/History.ts";
import { EventLog } from "../src/log/EventLog.ts";
import * as Watch from "../src/coordination/watch/Watch.ts";
import { reading } from "../src/main/Layers.ts";
import { Layer } from "effect";
import { percentile } from "./Harness.ts";
import { peerDoes } from "./peers/PeerWork.ts";
import { redis } from "./peers/Redis.ts";
import { world } from "./Servers.ts";
import { smallEvent } from "./SmallEvents.ts";

/** 200 a second: a busy team. The first tenth warms up. */
const everyMillis = 5;
const count = 1_100;
const warmUp = 100;

export const watched = Effect.fnUntraced(function* (share: number) {
  const { client, version } = yield* redis;
  const here = yield* world();
  const log = Context.get(here.rooms, EventLog);
  const elsewhere = yield* Layer.build(
    Watch.layer.pipe(Layer.provide(reading({ servers: here.server.url, name: "bench-watcher" }))),
  );
  const history = thread("watched");
  const sent: Array<number> = [];
  const ours: Array<number> = [];
  const caughtUp = yield* Deferred.make<void>();
  const watching = Context.get(elsewhere, Watch.Watch)
    .watch({ history })
    .pipe(
      Stream.tap((seen) => (seen._tag === "CaughtUp" ? Deferred.succeed(caughtUp, undefined) : Effect.void)),
      Stream.filter(({ _tag }) => _tag === "Event"),
      Stream.take(count),
      Stream.runForEach(() => Effect.sync(() => ours.push(performance.now() - (sent[ours.length] ?? Number.NaN)))),
    );

  const theirs: Array<number> = [];
  const theirSent: Array<number> = [];
  const subscriber = client.duplicate();
  yield* Effect.acquireRelease(
    peerDoes(() => subscriber.connect()),
    () => Effect.sync(() => subscriber.destroy()),
  );
  yield* peerDoes(() =>
    subscriber.subscribe("watched", () => {
      theirs.push(performance.now() - (theirSent[theirs.length] ?? Number.NaN));
    }),
  );

  // In turns, each with its 5 ms for itself: one event, one publication.
  const writing = Effect.gen(function* () {
    yield* Deferred.await(caughtUp);
    for (let n = 0; n < count; n++) {
      const event = smallEvent(n);
      sent.push(performance.now());
      yield* log.append({ history, events: [event], expected: "any" });
      yield* Effect.sleep(everyMillis / 2);
      theirSent.push(performance.now());
      yield* peerDoes(() => client.publish("watched", event.body.toString()));
      yield* Effect.sleep(everyMillis / 2);
    }
  });
  yield* Effect.all([watching, writing], { concurrency: 2, discard: true });
  const [mine, others] = [ours.slice(warmUp), theirs.slice(warmUp)];
  const said = (samples: ReadonlyArray<number>) =>
    [0.5, 0.9, 0.99, 1].map((part) => percentile(samples, part).toFixed(2)).join(" / ");
  return {
    ours: percentile(mine, share),
    peer: percentile(others, share),
    peerName: `Redis ${version} PUBLISH to a subscriber, not kept`,
    note: `${mine.length} events from the call that appends them on, fsync included; p50 / p90 / p99 / all, ms: ours ${said(mine)}; Redis ${said(others)}`,
  };
});
