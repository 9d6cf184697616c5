import { assert, it } from "@effect/vitest";
import { Effect, Fiber, Layer, Stream } from "effect";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { ByHand, event, eventLogContract, fresh } from "../contract/EventLogContract.ts";

const byHand = Layer.effect(
  ByHand,
  Effect.map(EventLogMemory.MemoryStream, ({ publish }) => ByHand.of({ publish })),
);

eventLogContract("EventLogMemory", byHand.pipe(Layer.provideMerge(EventLogMemory.layer)));

it.effect("can be away: everything fails, followers wait, and nothing is lost", () =>
  Effect.gen(function* () {
    const log = yield* EventLog;
    const stream = yield* EventLogMemory.MemoryStream;
    const history = fresh();
    const follower = yield* log.follow({ after: 0 }).pipe(Stream.take(2), Stream.runCollect, Effect.forkChild);
    yield* log.append({ history, events: [event()], expected: 0 });
    yield* stream.goAway;
    const error = yield* Effect.flip(log.append({ history, events: [event()], expected: 1 }));
    assert.strictEqual(error._tag, "LogUnavailable");
    assert.strictEqual((yield* Effect.flip(Stream.runDrain(log.read({ history }))))._tag, "LogUnavailable");
    yield* stream.comeBack;
    yield* log.append({ history, events: [event()], expected: 1 });
    assert.lengthOf(yield* Fiber.join(follower), 2);
  }).pipe(Effect.provide(EventLogMemory.layer)),
);
