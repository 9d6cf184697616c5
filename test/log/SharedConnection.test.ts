import { assert, describe, it } from "@effect/vitest";
import { Context, Effect, Fiber, Layer, Option, References, Stream } from "effect";
import * as History from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import { LogArrivals } from "../../src/log/connection/LogArrivals.ts";
import * as SharedConnection from "../../src/log/connection/SharedConnection.ts";
import * as EventLogAway from "../../src/log/EventLogAway.ts";
import * as NatsServer from "../support/NatsServer.ts";
import * as World from "../publish/World.ts";

const event = (id: string) => ({ id, type: "t", schemaVersion: 1, occurredAt: 0, source: "test", body: "{}" });

/** The log of a server whose address may change. */
const logAt = Effect.fnUntraced(function* (address: () => Option.Option<string>) {
  const options = { address: Effect.sync(address), hint: "start one", essential: EventLogAway.essential };
  return yield* Layer.build(EventLogAway.layer.pipe(Layer.provideMerge(SharedConnection.layer(options))));
});

describe("the one connection of a program", () => {
  it.live("tells when it has reached its server, at first and after each loss", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      let address = Option.none<string>();
      const stores = yield* logAt(() => address);
      const arrivals = Context.get(stores, LogArrivals);
      const first = arrivals.next();
      address = Option.some(server.url);
      yield* first;
      const again = arrivals.next();
      yield* server.restart;
      yield* again;
      assert.isAbove((yield* Context.get(stores, EventLog).info).created, 0);
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
  );

  it.live("says at once that nobody is there, connects when somebody is, and follows the server to a new address", () =>
    Effect.gen(function* () {
      let address = Option.none<string>();
      const stores = yield* logAt(() => address);
      const log = Context.get(stores, EventLog);
      assert.deepInclude(yield* Effect.flip(log.info), { _tag: "LogUnavailable", hint: "start one" });

      const first = yield* NatsServer.make();
      address = Option.some(first.url);
      const isThere = Effect.map(Effect.result(log.info), ({ _tag }) => _tag === "Success");
      yield* World.until(isThere);
      const append = (id: string) => log.append({ history: History.thread("t"), events: [event(id)], expected: "any" });
      assert.strictEqual((yield* append("a")).sequence, 1);

      const following = yield* Effect.forkChild(Stream.runDrain(log.follow({ after: 0 })), { startImmediately: true });
      const second = yield* NatsServer.make();
      address = Option.some(second.url);
      assert.strictEqual((yield* append("b")).sequence, 2);
      yield* first.stop;
      yield* World.until(isThere);
      assert.strictEqual((yield* append("c")).sequence, 1);
      // Whoever follows is told, and begins again where the server is now.
      assert.strictEqual((yield* Effect.flip(Fiber.join(following)))._tag, "LogUnavailable");
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
  );

  it.live("makes what is asked of it once for each connection, and ends it with the connection", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* NatsServer.make(), yield* NatsServer.make()];
      let address = Option.none<string>();
      const happened: Array<string> = [];
      class Made extends Context.Service<Made, number>()("test/Made") {}
      const made = Layer.effect(
        Made,
        Effect.acquireRelease(
          Effect.sync(() => happened.push("made")),
          () => Effect.sync(() => happened.push("ended")),
        ),
      );
      const context = yield* SharedConnection.make({ address: Effect.sync(() => address), hint: "start one" });
      const shared = Context.get(context, SharedConnection.SharedConnection);
      yield* shared.each(({ url }) => Effect.sync(() => happened.push(url)));
      assert.isUndefined(shared.now());
      assert.deepInclude(yield* Effect.flip(shared.over(made)), { _tag: "LogUnavailable", hint: "start one" });
      address = Option.some(first.url);
      yield* World.until(Effect.isSuccess(shared.reached));
      yield* Effect.all([shared.over(made), shared.over(made)], { concurrency: 2 });
      const { open } = yield* shared.over(made);
      assert.deepStrictEqual(happened, [first.url, "made"]);
      // A program asks thousands of times a second, and for as long as its connection lives.
      const kept = () => (open.scope.state._tag === "Open" ? (open.scope.state.finalizers?.size ?? 0) : 0);
      const before = kept();
      yield* shared.over(made);
      assert.deepStrictEqual([before > 0, kept()], [true, before]);
      address = Option.some(second.url);
      yield* first.stop;
      yield* World.until(Effect.sync(() => shared.now()?.url === second.url));
      assert.deepStrictEqual(happened, [first.url, "made", "ended", second.url]);
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
  );
});
