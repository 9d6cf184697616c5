import { layer } from "@effect/vitest";
import { Effect, Layer } from "effect";
import { PresenceBucket } from "../../src/coordination/Presence.ts";
import * as PresenceMemory from "../../src/coordination/PresenceMemory.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { suite } from "../contract/SessionsContract.ts";
import * as SessionsWorld from "./SessionsWorld.ts";

const world = Layer.unwrap(
  Effect.map(PresenceBucket, (bucket) => SessionsWorld.layer(Layer.succeed(PresenceBucket, bucket))),
).pipe(
  Layer.provideMerge(PresenceMemory.layer({ leaseMillis: SessionsWorld.leaseMillis })),
  Layer.provideMerge(EventLogMemory.layer),
);

layer(world, { excludeTestServices: true })("sessions in memory", (it) => {
  suite((name, test) => it.effect(name, test));
});
