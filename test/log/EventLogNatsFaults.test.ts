/** What the log promises when the network, the server or its disk do what they should not. */
import { assert, describe, it } from "@effect/vitest";
import { Context, Deferred, Effect, Fiber, Layer, Option, Schedule, Stream } from "effect";
import { cpSync, rmSync } from "node:fs";
import { isMisfit, type LogEntry } from "../../src/domain/Event.ts";
import { thread } from "../../src/domain/History.ts";
import { elapsed } from "../../src/log/connection/Elapsed.ts";
import { EventLog, type Expected } from "../../src/log/EventLog.ts";
import type * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { subjectOf } from "../../src/log/Subject.ts";
import { ByHand, event, events, fresh, freshId } from "../contract/EventLogContract.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { restoreStream, snapshotStream } from "./backup.ts";
import { byHand, logAt, quiet } from "./natsLayers.ts";
import { proxy } from "./proxy.ts";

/** A log at an address, closed with the test. */
const open = (url: string, options: EventLogNats.Options = {}) =>
  Effect.map(Layer.build(byHand.pipe(Layer.provideMerge(logAt(url, options)))), (context) => ({
    log: Context.get(context, EventLog),
    byHand: Context.get(context, ByHand),
    connection: Context.get(context, NatsConnection.NatsConnection),
  }));

type Log = EventLog["Service"];

const until = (condition: Effect.Effect<boolean, unknown>): Effect.Effect<void> =>
  condition.pipe(
    Effect.orElseSucceed(() => false),
    Effect.flatMap((true_) =>
      true_
        ? Effect.void
        : Effect.andThen(
            Effect.sleep(5),
            Effect.suspend(() => until(condition)),
          ),
    ),
  );

const idsOf = (log: Log, history: ReturnType<typeof fresh>) =>
  Effect.map(Stream.runCollect(log.read({ history })), (found) => found.map(({ id }) => id));

/** Appends until it is written, however long the server is away: as a publisher with a spool does. */
const appendSurely = (log: Log, append: Parameters<Log["append"]>[0]) =>
  log
    .append(append)
    .pipe(Effect.retry({ while: ({ _tag }) => _tag === "LogUnavailable", schedule: Schedule.spaced(20) }));

/** Collects what a follower sees, and how it ends. */
const watch = (log: Log, after: number) => {
  const seen: Array<LogEntry> = [];
  return Effect.map(
    log.follow({ after }).pipe(
      Stream.runForEachArray((chunk) => Effect.sync(() => seen.push(...chunk))),
      Effect.flip,
      Effect.forkScoped({ startImmediately: true }),
    ),
    (fiber) => ({ seen, ended: Fiber.join(fiber) }),
  );
};

const errorText = (error: { readonly reason: string; readonly denied?: string | undefined }) =>
  `${error.denied ?? ""} ${error.reason}`;

const sequencesOf = (entries: ReadonlyArray<LogEntry>) => entries.map(({ sequence }) => sequence);
const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe("a blob that is on its way when the connection is lost", () => {
  it.live("is kept when NATS is back in a moment, and else given up sooner than the client would", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const between = yield* proxy(server.url);
      const { connection, log } = yield* open(between.url);
      const blob = (fill: number) => new Uint8Array(300_000).fill(fill);
      yield* log.putBlob(blob(0));
      yield* between.mute;
      const moment = yield* Effect.forkChild(log.putBlob(blob(1)), { startImmediately: true });
      yield* between.cut;
      yield* between.unmute;
      const { sha256 } = yield* Fiber.join(moment);
      assert.deepStrictEqual(yield* log.getBlob(sha256), blob(1));
      yield* between.mute;
      const client = Effect.promise(() =>
        connection.nc.request("nobody.answers", "", { timeout: 5_000 }).catch(() => "client"),
      );
      const long = Effect.map(Effect.flip(log.putBlob(blob(2))), ({ _tag }) => _tag);
      const first = yield* Effect.forkChild(Effect.raceFirst(client, long), { startImmediately: true });
      yield* between.close;
      assert.strictEqual(yield* Fiber.join(first), "LogUnavailable");
      yield* between.unmute;
      yield* between.open;
    }),
  );
});

describe("a lost acknowledgement", () => {
  for (const expected of [0, "any"] satisfies ReadonlyArray<Expected>) {
    for (const size of [1, 4]) {
      it.live(`does not double ${size} events appended with expected ${expected}`, () =>
        Effect.gen(function* () {
          const server = yield* NatsServer.make();
          const between = yield* proxy(server.url);
          const direct = yield* open(server.url);
          const { log } = yield* open(between.url, { answerMillis: 400 });
          for (const loss of ["silence", "cut"] as const) {
            const history = fresh();
            const append = { history, events: events(size), expected };
            yield* between.mute;
            const appending = yield* Effect.forkChild(log.append(append), { startImmediately: true });
            yield* until(Effect.map(direct.log.last(history), (last) => last !== undefined));
            if (loss === "cut") yield* between.cut;
            yield* between.unmute;
            const { sequence } = yield* Fiber.join(appending);
            assert.strictEqual((yield* direct.log.last(history))?.sequence, sequence);
            assert.deepEqual(yield* log.append(append), { sequence, duplicate: true });
            assert.deepEqual(
              yield* idsOf(direct.log, history),
              append.events.map(({ id }) => id),
            );
          }
        }),
      );
    }
  }

  it.live("that does not come at all is LogUnavailable, and the same append later is a duplicate", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const between = yield* proxy(server.url);
      const { log } = yield* open(between.url, { answerMillis: 100 });
      const append = { history: fresh(), events: [event()], expected: 0 };
      yield* between.mute;
      const error = yield* Effect.flip(log.append(append));
      assert.strictEqual(error._tag, "LogUnavailable");
      yield* between.unmute;
      assert.isTrue((yield* log.append(append)).duplicate);
      assert.lengthOf(yield* idsOf(log, append.history), 1);
    }),
  );

  it.live("is not waited for when NATS has been away for longer than a restart takes", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const between = yield* proxy(server.url);
      const { connection, log } = yield* open(between.url);
      yield* between.close;
      yield* until(
        Effect.map(elapsed, (now) => !connection.link.connected && now - (connection.link.lostAt ?? now) > 2_000),
      );
      // If each of them waited for as long as a restart takes, this test would not end in its time.
      for (let count = 0; count < 20; count++) {
        assert.strictEqual(
          (yield* Effect.flip(log.append({ history: fresh(), events: [event()], expected: 0 })))._tag,
          "LogUnavailable",
        );
      }
      yield* between.open;
      yield* connection.connected;
      yield* log.append({ history: fresh(), events: [event()], expected: 0 });
    }),
  );
});

describe("the server's memory of ids", () => {
  const windowMillis = 150;

  it.live("is not needed: beyond its window an event is still written once", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const { byHand: hand, log } = yield* open(server.url, { duplicateWindowMillis: windowMillis });
      const history = fresh();
      const one = { history, events: [event()], expected: "any" as const };
      const three = { history: fresh(), events: events(3), expected: "any" as const };
      const first = yield* log.append(one);
      const batch = yield* log.append(three);
      const remembered = { "Nats-Msg-Id": one.events[0]?.id ?? "" };
      // The server itself has forgotten: it takes the id again.
      const elsewhere = { subject: subjectOf(fresh()), headers: remembered, body: new Uint8Array() };
      yield* until(Effect.map(hand.publish(elsewhere), (sequence) => sequence > batch.sequence));
      assert.deepEqual(yield* log.append(one), { ...first, duplicate: true });
      assert.deepEqual(yield* log.append(three), { ...batch, duplicate: true });
      // Also in a process that remembers nothing itself.
      const other = yield* open(server.url, { duplicateWindowMillis: windowMillis });
      assert.deepEqual(yield* other.log.append(one), { ...first, duplicate: true });
      assert.deepEqual(yield* other.log.append(three), { ...batch, duplicate: true });
      const part = yield* Effect.flip(other.log.append({ ...three, events: [...three.events, event()] }));
      assert.strictEqual(part._tag, "SequenceConflict");
      assert.lengthOf(yield* idsOf(log, history), 1);
      assert.lengthOf(yield* idsOf(log, three.history), 3);
    }),
  );

  it.live("is empty after a restore, and an event is still written once", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const { byHand: hand, connection, log } = yield* open(server.url);
      const madeEarlier = () => event(freshId(Date.now() - 3_000));
      const one = { history: fresh(), events: [madeEarlier()], expected: "any" as const };
      const two = { history: fresh(), events: [madeEarlier(), madeEarlier()], expected: "any" as const };
      const witness = madeEarlier();
      const first = yield* log.append(one);
      const batch = yield* log.append(two);
      yield* log.append({ history: fresh(), events: [witness], expected: "any" });
      const backup = yield* Effect.promise(() => snapshotStream(connection.nc, "RECOLLECT"));
      yield* Effect.promise(() => connection.jsm.streams.delete("RECOLLECT"));
      yield* Effect.promise(() => restoreStream(connection.nc, backup));
      const { lastSequence } = yield* log.info;
      assert.strictEqual(lastSequence, 4);
      const again = yield* hand.publish({
        subject: subjectOf(fresh()),
        headers: { "Nats-Msg-Id": witness.id },
        body: new Uint8Array(),
      });
      assert.strictEqual(again, 5, "the server was expected to have forgotten");
      assert.deepEqual(yield* log.append(one), { ...first, duplicate: true });
      assert.deepEqual(yield* log.append(two), { ...batch, duplicate: true });
    }),
  );
});

describe("a follower", () => {
  it.live("goes on without a hole and without a duplicate when the server is killed and comes back", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const { log } = yield* open(server.url);
      const { seen } = yield* watch(log, 0);
      const history = fresh();
      const written: Array<string> = [];
      for (let round = 0; round < 4; round++) {
        if (round > 0) yield* Effect.forkChild(server.kill9, { startImmediately: true });
        for (const one of events(25)) {
          yield* appendSurely(log, { history, events: [one], expected: "any" });
          written.push(one.id);
        }
      }
      // At once, and not only when the silence of a dead consumer is noticed.
      yield* until(Effect.sync(() => seen.length >= 100)).pipe(Effect.timeout(3_000));
      assert.deepEqual(sequencesOf(seen), upTo(100));
      assert.deepEqual(
        seen.map((entry) => (isMisfit(entry) ? "" : entry.id)),
        written,
      );
    }),
  );

  it.live("says where the stream has a hole, after everything before it", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const {
        connection: { js, jsm },
      } = yield* Effect.map(Layer.build(NatsConnection.layer({ servers: server.url })), (context) => ({
        connection: Context.get(context, NatsConnection.NatsConnection),
      }));
      yield* Effect.promise(async () => {
        await jsm.streams.add({ name: "RECOLLECT", subjects: ["recollect.*.*.*"] });
        for (let count = 0; count < 6; count++) await js.publish("recollect.default.thread.x", "{}");
        await jsm.streams.deleteMessage("RECOLLECT", 4);
      });
      const { log } = yield* open(server.url);
      const { ended, seen } = yield* watch(log, 0);
      const error = yield* ended;
      assert.deepInclude(error, { _tag: "LogDamaged", sequence: 4 });
      assert.deepEqual(sequencesOf(seen), [1, 2, 3]);
      assert.isUndefined(yield* log.at(4));
      // One history alone has no numbers to miss.
      const rest = yield* log.follow({ after: 4 }).pipe(Stream.take(2), Stream.runCollect);
      assert.deepEqual(sequencesOf(rest), [5, 6]);
    }),
  );

  it.live("begins where the stream begins when its head was cut off", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const context = yield* Layer.build(NatsConnection.layer({ servers: server.url }));
      const { js, jsm } = Context.get(context, NatsConnection.NatsConnection);
      yield* Effect.promise(async () => {
        await jsm.streams.add({ name: "RECOLLECT", subjects: ["recollect.*.*.*"] });
        for (let count = 0; count < 6; count++) await js.publish("recollect.default.thread.x", "{}");
        await jsm.streams.purge("RECOLLECT", { seq: 3 });
      });
      const { log } = yield* open(server.url);
      const found = yield* log.follow({ after: 0 }).pipe(Stream.take(4), Stream.runCollect);
      assert.deepEqual(sequencesOf(found), [3, 4, 5, 6]);
      assert.strictEqual((yield* log.info).firstSequence, 3);
    }),
  );

  it.live("says that the stream was made anew", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const { connection, log } = yield* open(server.url);
      const { ended, seen } = yield* watch(log, 0);
      yield* log.append({ history: fresh(), events: events(3), expected: 0 });
      yield* until(Effect.sync(() => seen.length === 3));
      yield* Effect.promise(() => connection.jsm.streams.delete("RECOLLECT"));
      const second = yield* open(server.url);
      yield* second.log.append({ history: fresh(), events: events(5), expected: 0 });
      const error = yield* ended;
      assert.strictEqual(error._tag, "LogDamaged");
      assert.match(error.reason, /made anew/);
      assert.lengthOf(seen, 3);
    }),
  );

  it.live("says that the stream is gone", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const { connection, log } = yield* open(server.url);
      const { ended, seen } = yield* watch(log, 0);
      yield* log.append({ history: fresh(), events: events(3), expected: 0 });
      yield* until(Effect.sync(() => seen.length === 3));
      yield* Effect.promise(() => connection.jsm.streams.delete("RECOLLECT"));
      const error = yield* ended;
      assert.deepInclude(error, { _tag: "LogDamaged", sequence: 3 });
      assert.match(error.reason, /gone/);
    }),
  );

  for (const [title, appendedAfter, pattern] of [
    ["the stream was rolled back", 0, /rolled back: it ends at 3, and 8/],
    ["sequences were given again after a rollback", 10, /given again/],
  ] as const) {
    it.live(`says that ${title}`, () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.make();
        const between = yield* proxy(server.url);
        const direct = yield* open(server.url);
        const { log } = yield* open(between.url);
        const copy = `${server.storeFolder}.copy`;
        const { ended, seen } = yield* watch(log, 0);
        yield* direct.log.append({ history: fresh(), events: events(3), expected: 0 });
        yield* server.stop;
        cpSync(server.storeFolder, copy, { recursive: true });
        yield* server.start;
        yield* appendSurely(direct.log, { history: fresh(), events: events(5), expected: 0 });
        yield* until(Effect.sync(() => seen.length === 8));
        yield* between.close;
        yield* server.stop;
        rmSync(server.storeFolder, { recursive: true });
        cpSync(copy, server.storeFolder, { recursive: true });
        yield* server.start;
        if (appendedAfter > 0)
          yield* appendSurely(direct.log, { history: fresh(), events: events(appendedAfter), expected: 0 });
        yield* between.open;
        const error = yield* ended;
        assert.deepInclude(error, { _tag: "LogDamaged", sequence: 8 });
        assert.match(error.reason, pattern);
      }),
    );
  }

  it.live("that is slow makes the server wait, and then gets everything", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make({ sync: "2m" });
      const writer = yield* open(server.url);
      const { connection, log } = yield* open(server.url);
      // 96 MB of events, more than the server ever sends ahead (32 MB).
      for (let count = 0; count < 12; count++) {
        const large = Array.from({ length: 160 }, () => event(freshId(), { body: "x".repeat(50_000) }));
        yield* writer.log.append({ history: fresh(), events: large, expected: 0 });
      }
      const before = connection.nc.stats().inBytes;
      let count = 0;
      let received = 0;
      yield* log.follow({ after: 0 }).pipe(
        Stream.take(12 * 160),
        Stream.runForEachArray((chunk) =>
          Effect.gen(function* () {
            if (count === 0) {
              // Nothing is taken until nothing comes any more.
              let last = -1;
              yield* until(
                Effect.gen(function* () {
                  yield* Effect.sleep(300);
                  const now = connection.nc.stats().inBytes - before;
                  const still = now === last;
                  last = now;
                  return still;
                }),
              );
              received = last;
            }
            count += chunk.length;
          }),
        ),
      );
      assert.strictEqual(count, 12 * 160);
      assert.isBelow(received, 40e6);
    }),
  );

  it.live("is sent no more than two pages ahead of what it has taken", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const { connection, log } = yield* open(server.url);
      const history = fresh();
      const count = 6_000;
      for (let sent = 0; sent < count; sent += 1_000) {
        yield* log.append({ history, events: events(1_000), expected: sent });
      }
      const goOn = yield* Deferred.make<void>();
      const seen: Array<LogEntry> = [];
      yield* log.follow({ after: 0 }).pipe(
        Stream.runForEachArray((chunk) =>
          Effect.andThen(
            Effect.sync(() => seen.push(...chunk)),
            Deferred.await(goOn),
          ),
        ),
        Effect.forkScoped({ startImmediately: true }),
      );
      const sent = Effect.promise(async () => {
        const [consumer] = await connection.jsm.consumers.list("RECOLLECT").next();
        return consumer?.delivered.consumer_seq ?? 0;
      });
      yield* until(Effect.map(sent, (sequence) => sequence >= 2_000));
      // What comes after the answer to this came before it.
      yield* Effect.promise(() => connection.nc.flush());
      assert.isAtMost(yield* sent, 2_000 + seen.length);
      yield* Deferred.succeed(goOn, undefined);
      yield* until(Effect.sync(() => seen.length === count));
      assert.deepStrictEqual(sequencesOf(seen), upTo(count));
    }),
  );

  it.live(
    "is told so when the server lets it not follow, or makes no consumer for it, and does not wait for ever",
    () =>
      Effect.gen(function* () {
        const publish = ["$JS.API.INFO", "$JS.API.STREAM.INFO.>", "$JS.API.DIRECT.GET.>"];
        const users = `
no_auth_user: "anyone"
authorization {
  users: [
    { user: "anyone", password: "x" }
    { user: "reads", password: "p", permissions: { publish: ${JSON.stringify(publish)}, subscribe: ">" } }
  ]
}
`;
        const server = yield* NatsServer.make({ conf: (conf) => conf + users });
        const { connection, log } = yield* open(server.url);
        yield* log.append({ history: fresh(), events: [event()], expected: 0 });
        const reader = yield* open(server.url.replace("//", "//reads:p@"));
        const denied = yield* watch(reader.log, 0);
        assert.match(errorText(yield* denied.ended), /publish to \$JS\.API\.CONSUMER\.CREATE/);

        const { config } = yield* Effect.promise(() => connection.jsm.streams.info("RECOLLECT"));
        const narrow = JSON.stringify({ ...config, max_consumers: 1 });
        yield* Effect.promise(() =>
          connection.nc.request("$JS.API.STREAM.UPDATE.RECOLLECT", narrow, { timeout: 5_000 }),
        );
        const first = yield* Effect.forkScoped(Stream.runDrain(log.follow({ after: 0 })));
        yield* until(
          Effect.promise(() => connection.jsm.streams.info("RECOLLECT")).pipe(
            Effect.map(({ state }) => state.consumer_count === 1),
          ),
        );
        const second = yield* watch(log, 0);
        assert.match(errorText(yield* second.ended), /makes no consumer.*10026/);
        yield* Fiber.interrupt(first);
      }).pipe(Effect.provide(quiet)),
  );

  it.live("fails when a server whose connection stands does not answer for as long as it was to be waited for", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const { log } = yield* open(server.url);
      yield* log.append({ history: fresh(), events: [event()], expected: 0 });
      const pid = Option.getOrThrow(yield* server.process.pid);
      yield* Effect.acquireRelease(
        Effect.sync(() => process.kill(pid, "SIGSTOP")),
        () => Effect.sync(() => process.kill(pid, "SIGCONT")),
      );
      const followed = Stream.runDrain(log.follow({ after: 0, patienceMillis: 100 }));
      assert.deepInclude(yield* Effect.flip(followed), { _tag: "LogUnavailable", condition: "logAway" });
    }).pipe(Effect.provide(quiet)),
  );

  it.live("hears of each event as it is appended, and leaves no consumer behind", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make({ sync: "2m" });
      const { connection, log } = yield* open(server.url);
      const consumers = Effect.promise(
        async () => (await connection.jsm.streams.info("RECOLLECT")).state.consumer_count,
      );
      const arrived = new Set<string>();
      const following = yield* log.follow({ after: 0 }).pipe(
        Stream.runForEachArray((chunk) =>
          Effect.sync(() => {
            for (const entry of chunk) if (!isMisfit(entry)) arrived.add(entry.id);
          }),
        ),
        Effect.forkChild,
      );
      yield* until(Effect.map(consumers, (count) => count === 1));
      const history = fresh();
      for (const one of events(40)) {
        yield* log.append({ history, events: [one], expected: "any" });
        yield* until(Effect.sync(() => arrived.has(one.id)));
      }
      yield* Fiber.interrupt(following);
      yield* until(Effect.map(consumers, (count) => count === 0));
    }),
  );
});

describe("an append that the user may not write", () => {
  const users = `
no_auth_user: "anyone"
authorization {
  users: [
    { user: "anyone", password: "x" }
    { user: "some", password: "p", permissions: { publish: { allow: ">", deny: ["recollect.default.thread.closed"] } } }
  ]
}
`;
  const one = (id: string) => ({ history: thread(id), events: [event()], expected: "any" }) as const;

  it.live("is denied by itself, by its subject, and the others of its group are written", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make({ conf: (conf) => conf + users });
      yield* open(server.url);
      const { log } = yield* open(server.url.replace("//", "//some:p@"));
      yield* log.append(one("open"));
      const denied = "publish to recollect.default.thread.closed";
      for (const at of [0, 1, 29]) {
        const ids = Array.from({ length: 30 }, (_, n) => (n === at ? "closed" : `open${n % 3}`));
        const results = yield* Effect.forEach(ids, (id) => Effect.result(log.append(one(id))), {
          concurrency: "unbounded",
        });
        const failed = results.flatMap((result) => (result._tag === "Failure" ? [result.failure] : []));
        assert.lengthOf(failed, 1);
        assert.deepInclude(failed[0], { _tag: "LogUnavailable", denied });
      }
      for (const ids of [
        ["closed", "a", "b"],
        ["a", "closed", "b"],
        ["a", "b", "closed"],
      ])
        assert.deepInclude(yield* Effect.flip(log.appendAll(ids.map(one))), { _tag: "LogUnavailable", denied });
      assert.isUndefined(yield* log.last(thread("a")));
    }).pipe(Effect.provide(quiet)),
  );
});

describe("a blob", () => {
  it.live("that was damaged in the store is LogDamaged, and nothing else is", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const { connection, log } = yield* open(server.url);
      const { sha256 } = yield* log.putBlob(new Uint8Array(300_000));
      const info = yield* Effect.promise(() => connection.jsm.streams.getMessage("OBJ_RECOLLECT_BLOBS", { seq: 2 }));
      assert.isNotNull(info);
      yield* Effect.promise(() => connection.jsm.streams.deleteMessage("OBJ_RECOLLECT_BLOBS", 2));
      const error = yield* Effect.flip(log.getBlob(sha256));
      assert.strictEqual(error._tag, "LogDamaged");
      assert.match(error.reason, /2 of 3 parts/);
    }),
  );

  it.live("that was damaged in the store is kept anew when the same bytes are given again", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make();
      const { connection, log } = yield* open(server.url);
      const bytes = new Uint8Array(300_000).fill(7);
      const { sha256 } = yield* log.putBlob(bytes);
      yield* Effect.promise(() => connection.jsm.streams.deleteMessage("OBJ_RECOLLECT_BLOBS", 2));
      yield* log.putBlob(bytes);
      assert.deepStrictEqual(yield* log.getBlob(sha256), bytes);
      const held = Effect.promise(() => connection.jsm.streams.info("OBJ_RECOLLECT_BLOBS"));
      const { messages } = (yield* held).state;
      yield* log.putBlob(bytes);
      assert.strictEqual((yield* held).state.messages, messages);
    }),
  );
});
