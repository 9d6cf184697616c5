import { assert, describe, it } from "@effect/vitest";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, Layer, References } from "effect";
import * as Connect from "../../src/publish/Connect.ts";
import { Publisher } from "../../src/publish/Publisher.ts";
import { thread } from "../../src/publish/thread/ThreadPublisher.ts";
import { targetOf } from "../../src/publish/drain/SpoolDrainer.ts";
import * as History from "../../src/domain/History.ts";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";
import { proxy, silent } from "../log/proxy.ts";
import * as NatsServer from "../support/NatsServer.ts";
import * as World from "./World.ts";

/** Twenty calls that each wait so long do not end in a test's time; one does. */
const patienceMillis = 2_000;

const say = (id: string, text: string) => Effect.flatMap(thread(id), (talk) => talk.say({ role: "user", text }));

const quiet = Layer.merge(NodeServices.layer, Layer.succeed(References.MinimumLogLevel, "None"));

/** A publisher as programs have it. */
const publisher = (data: string, url: string, options: Connect.Options = {}) =>
  Connect.layer({ data, url, ...options }).pipe(Layer.provide(quiet), Layer.fresh);

describe("a NATS that takes connections and never answers", () => {
  it.live("costs a publisher its patience once, each further call one write to disk, and the end of it nothing", () =>
    Effect.gen(function* () {
      const data = yield* World.temporaryFolder;
      const server = yield* silent;
      const calls = yield* Effect.gen(function* () {
        const said: Array<string> = [];
        for (let index = 0; index < 20; index++) said.push((yield* say("t", `${index}`))._tag);
        return said;
      }).pipe(Effect.provide(publisher(data, server.url, { patienceMillis })));
      assert.deepStrictEqual(new Set(calls), new Set(["Spooled"]));
      // The client gives up a dial after five seconds; nobody who ends waits for that.
      assert.strictEqual(server.connections(), 1);
      const spool = yield* SpoolSqlite.make({ file: `${data}/spool.db`, target: targetOf(server.url) });
      assert.deepInclude(yield* spool.state, { waiting: 20 });
    }),
  );

  it.live("is gone on without when it falls silent in the middle, and has everything once when it speaks again", () =>
    Effect.gen(function* () {
      const data = yield* World.temporaryFolder;
      const server = yield* NatsServer.make({ stream: true });
      const between = yield* proxy(server.url);
      yield* Effect.gen(function* () {
        yield* World.until(Effect.map(say("t", "first"), ({ _tag }) => _tag === "Appended"));
        yield* between.mute;
        const silently: Array<string> = [];
        for (let index = 0; index < 20; index++) silently.push((yield* say("silent", `${index}`))._tag);
        assert.deepStrictEqual(new Set(silently), new Set(["Spooled"]));
        yield* between.cut;
        yield* between.unmute;
        yield* World.drained;
        yield* World.until(Effect.map(say("t", "last"), ({ _tag }) => _tag === "Appended"));
      }).pipe(Effect.provide(publisher(data, between.url, { patienceMillis })));
      const events = yield* World.eventsOf(History.thread("silent")).pipe(
        Effect.provide(World.natsLog),
        Effect.provideService(NatsServer.NatsServer, server),
      );
      assert.deepStrictEqual(
        events.map((event) => (World.dataOf(event)["parts"] as ReadonlyArray<{ text: string }>)[0]?.text),
        Array.from({ length: 20 }, (_, index) => `${index}`),
      );
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
  );

  it.live("lets a publisher know what waits for one history, its own and that of other processes", () =>
    Effect.gen(function* () {
      const data = yield* World.temporaryFolder;
      const server = yield* silent;
      const one = publisher(data, server.url);
      yield* Effect.all([say("mine", "a"), say("other", "x")]).pipe(Effect.provide(one));
      const waiting = yield* Effect.gen(function* () {
        yield* say("mine", "b");
        return yield* Publisher.use((there) => there.waitingFor(History.thread("mine")));
      }).pipe(Effect.provide(publisher(data, server.url)));
      assert.deepStrictEqual(
        waiting.map(({ event }) => JSON.parse(String(event.body)).parts[0].text),
        ["a", "b"],
      );
    }),
  );
});
