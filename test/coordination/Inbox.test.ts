import { assert, layer } from "@effect/vitest";
import { Effect, Layer, Option } from "effect";
import { Buckets } from "../../src/coordination/bucket/Bucket.ts";
import * as BucketMemory from "../../src/coordination/bucket/BucketMemory.ts";
import * as BucketsAway from "../../src/coordination/bucket/BucketsAway.ts";
import * as SharedConnection from "../../src/log/connection/SharedConnection.ts";
import * as Inbox from "../../src/coordination/inbox/Inbox.ts";
import * as InboxCapacity from "../../src/coordination/inbox/InboxCapacity.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { suite } from "../contract/InboxContract.ts";
import * as PublishWorld from "../publish/World.ts";
import { LogSwitch } from "../publish/SwitchableLog.ts";
import * as NatsServer from "../support/NatsServer.ts";

const inbox = Layer.unwrap(
  Effect.map(PublishWorld.temporaryFolder, (folder) =>
    Inbox.layer.pipe(Layer.provide(PublishWorld.publisher({ folder, to: new LogSwitch() }))),
  ),
);

layer(inbox.pipe(Layer.provideMerge(BucketMemory.layer), Layer.provideMerge(EventLogMemory.layer)), {
  excludeTestServices: true,
})("inboxes in memory", (it) => {
  suite((name, test) => it.effect(name, test));

  it.effect("hold a thousand messages, also where several processes put them in", () =>
    Effect.gen(function* () {
      const bucket = yield* Effect.flatMap(Buckets, ({ open }) => open({ ...Inbox.settings, name: "COUNTED" }));
      const roomOf = () => InboxCapacity.make({ bucket, tenant: "acme", filterOf: (name) => `in.${name}.*` });
      const [one, other] = [roomOf(), roomOf()];
      const put = (room: typeof one, at: number) =>
        Effect.andThen(
          room.admit({ name: "a", key: `in.a.${at}`, bytes: 1 }),
          bucket.put(`in.a.${at}`, Uint8Array.of(1)),
        );
      for (let at = 0; at < InboxCapacity.maxMessages; at++) yield* put(at % 2 === 0 ? one : other, at);
      const full = yield* Effect.flip(put(roomOf(), 1_000));
      assert.deepInclude(full, { _tag: "InboxFull", messages: 1_000, bytes: 1_000 });
      assert.match(String(Reflect.get(full, "hint")), /recollect inbox clear a --tenant acme empties it/);
      assert.strictEqual(yield* one.clear("a"), 1_000);
      yield* put(one, 1_000);
    }),
  );
});

const buckets = Layer.unwrap(
  Effect.map(NatsServer.NatsServer, ({ url }) =>
    BucketsAway.layer.pipe(Layer.provide(SharedConnection.layer({ address: Effect.succeed(Option.some(url)) }))),
  ),
);

const onNats = inbox.pipe(
  Layer.provideMerge(buckets),
  Layer.provideMerge(PublishWorld.natsLog),
  Layer.provideMerge(NatsServer.layer()),
);

layer(onNats, { excludeTestServices: true })("inboxes on NATS", (it) => {
  suite((name, test) => it.effect(name, test));

  it.effect("hold what was sent over a kill of the server, and are received on", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.NatsServer;
      const { receive, send } = yield* Inbox.Inbox;
      const handled: Array<unknown> = [];
      yield* Effect.forkScoped(
        receive({ name: "survivor", handle: ({ body }) => Effect.sync(() => void handled.push(body)) }),
      );
      yield* send({ from: "a", to: "survivor", body: 1 });
      yield* send({ from: "a", to: "later", body: 2 });
      yield* PublishWorld.until(Effect.sync(() => handled.length === 1));
      yield* server.kill9;
      const sent = send({ from: "a", to: "survivor", body: 3, id: "01a21378-c3f9-7dfd-86f2-b3b973e5c29f" });
      yield* PublishWorld.until(Effect.orElseSucceed(Effect.as(sent, true), () => false));
      yield* PublishWorld.until(Effect.sync(() => handled.length === 2));
      assert.deepStrictEqual(handled, [1, 3]);
      assert.lengthOf(yield* (yield* Inbox.Inbox).waiting("later"), 1);
    }),
  );
});
