import { assert, layer } from "@effect/vitest";
import { Effect, Layer, Option } from "effect";
import { type Bucket, type BucketError, Buckets, BucketUnavailable } from "../../src/coordination/bucket/Bucket.ts";
import * as BucketMemory from "../../src/coordination/bucket/BucketMemory.ts";
import * as BucketsAway from "../../src/coordination/bucket/BucketsAway.ts";
import * as SharedConnection from "../../src/log/connection/SharedConnection.ts";
import * as Inbox from "../../src/coordination/inbox/Inbox.ts";
import * as InboxQueue from "../../src/coordination/inbox/InboxQueue.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { suite } from "../contract/InboxContract.ts";
import * as PublishWorld from "../publish/World.ts";
import { LogSwitch } from "../publish/SwitchableLog.ts";
import * as NatsServer from "../support/NatsServer.ts";

/** Senders with patience for a busy machine: the contract reads from the log what has been sent, not from the spool. */
const inbox = Layer.unwrap(
  Effect.map(PublishWorld.temporaryFolder, (folder) =>
    Inbox.layer.pipe(Layer.provide(PublishWorld.publisher({ folder, to: new LogSwitch(), patienceMillis: 10_000 }))),
  ),
);

layer(inbox.pipe(Layer.provideMerge(BucketMemory.layer), Layer.provideMerge(EventLogMemory.layer)), {
  excludeTestServices: true,
})("inboxes in memory", (it) => {
  suite((name, test) => it.effect(name, test));

  it.effect("cost one read and one write to take from and one write to acknowledge, however many wait", () =>
    Effect.gen(function* () {
      const open = yield* Effect.flatMap(Buckets, (all) => all.open({ ...InboxQueue.settings, name: "COUNTED" }));
      const trips: Array<string> = [];
      const counting =
        <Args extends ReadonlyArray<unknown>, A>(name: string, run: (...args: Args) => A) =>
        (...args: Args) => {
          trips.push(name);
          return run(...args);
        };
      const bucket: Bucket = {
        ...open,
        next: counting("next", open.next),
        replace: counting("replace", open.replace),
        remove: counting("remove", open.remove),
        get: counting("get", open.get),
        entries: counting("entries", open.entries),
      };
      const queue = InboxQueue.make(bucket, "acme");
      for (let at = 0; at < 900; at++) {
        yield* queue.put({
          id: `${at}`,
          from: "a",
          to: "b",
          body: at,
          inReplyTo: null,
          correlationId: "c",
          isRequest: false,
          sentAt: 0,
          expiresAt: Number.MAX_SAFE_INTEGER,
        });
      }
      for (let at = 0; at < 3; at++) {
        trips.length = 0;
        const held = yield* queue.take("b", { leaseMillis: 60_000, maxAttempts: 3 });
        assert(typeof held !== "string");
        assert.strictEqual(held.message.body, at);
        assert.isTrue(yield* queue.acknowledge(held));
        assert.deepStrictEqual(trips, ["next", "replace", "remove"]);
      }
      assert.strictEqual(yield* queue.count("inbox", "b"), 897);
    }),
  );
});

/** A server that answers no more than so many requests in time. */
const mostInTime = 64;
const crowded = Layer.effect(
  Buckets,
  Effect.map(Buckets, ({ open }) => {
    let onTheirWay = 0;
    const inTime = <A>(request: Effect.Effect<A, BucketError>) =>
      Effect.suspend((): Effect.Effect<A, BucketError> =>
        onTheirWay++ < mostInTime
          ? Effect.delay(request, 2)
          : Effect.fail(new BucketUnavailable({ bucket: "INBOX", reason: "no answer in time" })),
      ).pipe(Effect.ensuring(Effect.sync(() => onTheirWay--)));
    return Buckets.of({
      open: (settings) =>
        Effect.map(open(settings), (bucket) => ({
          ...bucket,
          next: (filter, options) => inTime(bucket.next(filter, options)),
          replace: (key, value, revision, lifetime) => inTime(bucket.replace(key, value, revision, lifetime)),
        })),
    });
  }),
).pipe(Layer.provide(BucketMemory.layer));

layer(inbox.pipe(Layer.provideMerge(crowded), Layer.provideMerge(EventLogMemory.layer)), {
  excludeTestServices: true,
})("an inbox to which many send at once", (it) => {
  it.effect("takes as many as there is room for, one behind the other, and none of the others", () =>
    Effect.gen(function* () {
      const { send, waiting } = yield* Inbox.Inbox;
      const body = "of more than 8 KiB ".repeat(500);
      const many = Array.from({ length: 100 }, () => Effect.result(send({ from: "a", to: "crowd", body })));
      const sent = yield* Effect.all(many, { concurrency: "unbounded" });
      const refused = sent.flatMap((one) => (one._tag === "Failure" ? [one.failure._tag] : []));
      assert.deepStrictEqual(new Set(refused), new Set(["InboxFull"]));
      assert.lengthOf(yield* waiting("crowd"), sent.length - refused.length);
      assert.isAtMost(sent.length - refused.length, InboxQueue.bounds.large);
      assert.isAtLeast(sent.length - refused.length, InboxQueue.bounds.large / 2);
    }),
  );
});

let looks = 0;
const counted = Layer.effect(
  Buckets,
  Effect.map(Buckets, ({ open }) =>
    Buckets.of({
      open: (settings) =>
        Effect.map(open(settings), (bucket) => ({
          ...bucket,
          next: (filter, options) => Effect.suspend(() => (looks++, bucket.next(filter, options))),
        })),
    }),
  ),
).pipe(Layer.provide(BucketMemory.layer));

layer(inbox.pipe(Layer.provideMerge(counted), Layer.provideMerge(EventLogMemory.layer)), {
  excludeTestServices: true,
})("an empty inbox", (it) => {
  it.effect("is not asked again and again, and what is sent to it is received", () =>
    Effect.gen(function* () {
      const { receive, send } = yield* Inbox.Inbox;
      const handled: Array<unknown> = [];
      const handle = ({ body }: Inbox.Message) => Effect.sync(() => void handled.push(body));
      // The holder looks each third of a lease.
      yield* Effect.forkScoped(receive({ name: "quiet", leaseMillis: 150, handle }));
      yield* PublishWorld.until(Effect.sync(() => looks > 0));
      const before = looks;
      yield* Effect.sleep(1_000);
      assert.isBelow(looks - before, 5);
      yield* send({ from: "a", to: "quiet", body: 1 });
      yield* PublishWorld.until(Effect.sync(() => handled.length === 1));
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
