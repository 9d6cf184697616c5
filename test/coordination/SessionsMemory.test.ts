import { layer } from "@effect/vitest";
import { Effect, Layer } from "effect";
import * as BucketMemory from "../../src/coordination/bucket/BucketMemory.ts";
import * as Presence from "../../src/coordination/sessions/Presence.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { suite } from "../contract/SessionsContract.ts";
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
