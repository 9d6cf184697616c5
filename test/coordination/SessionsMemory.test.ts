import { assert, it, layer } from "@effect/vitest";
import { Effect, Layer, Stream } from "effect";
import * as BucketMemory from "../../src/coordination/bucket/BucketMemory.ts";
import * as Presence from "../../src/coordination/sessions/Presence.ts";
import * as SessionSweep from "../../src/coordination/sessions/SessionSweep.ts";
import { defaultTenant, session } from "../../src/domain/History.ts";
import { EventLog, LogUnavailable } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { Query } from "../../src/query/Query.ts";
import { event } from "../contract/EventLogContract.ts";
import { listsAll, suite } from "../contract/SessionsContract.ts";
import * as SessionsWorld from "./SessionsWorld.ts";

const world = Layer.unwrap(
  Effect.map(Presence.PresenceBucket, (bucket) => SessionsWorld.layer(Layer.succeed(Presence.PresenceBucket, bucket))),
).pipe(
  Layer.provideMerge(
    Presence.layer({ leaseMillis: SessionsWorld.leaseMillis }).pipe(Layer.provide(BucketMemory.layer)),
  ),
  Layer.provideMerge(EventLogMemory.layer),
);

layer(world, { excludeTestServices: true })("sessions in memory", (it) => {
  suite((name, test) => it.effect(name, test));
});

it.effect(`presence in memory ${listsAll.name}`, () =>
  listsAll.test().pipe(Effect.provide(Presence.layer().pipe(Layer.provide(BucketMemory.layer)))),
);

it.effect("a sweep ends the others while the history of one session cannot be read", () =>
  Effect.gen(function* () {
    const log = yield* EventLog;
    const ids = ["unreadable", "silent"];
    for (const id of ids)
      yield* log.append({
        history: session(id),
        events: [event(`${id} began`, { type: "session.started" })],
        expected: 0,
      });
    const damaged = new LogUnavailable({ condition: "streamDamaged", reason: "an event cannot be read" });
    const lossy = EventLog.of({
      ...log,
      read: (reading) => (reading.history.id === "unreadable" ? Stream.fail(damaged) : log.read(reading)),
    });
    const rows = ids.map((sessionId, index) => ({ sessionId, tenant: defaultTenant, firstSequence: index + 1 }));
    const query = { leasedSessions: (after: number) => Effect.succeed(after === 0 ? rows : []) };
    const { sweep } = yield* SessionSweep.make.pipe(
      Effect.provideService(EventLog, lossy),
      Effect.provideService(Query, query as unknown as Query["Service"]),
    );
    const ended = [...(yield* sweep), ...(yield* sweep), ...(yield* sweep)];
    assert.deepStrictEqual(ended, [session("silent")]);
  }).pipe(
    Effect.provide(
      Layer.merge(Presence.layer({ leaseMillis: 1_500 }).pipe(Layer.provide(BucketMemory.layer)), EventLogMemory.layer),
    ),
  ),
);
