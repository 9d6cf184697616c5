import { assert, describe, it, layer } from "@effect/vitest";
import { Context, Effect, Exit, Fiber, Latch, Layer, Redacted, References, Scope, Stream } from "effect";
import type { RecordedEvent } from "../../src/domain/Event.ts";
import { type History, thread } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { Credentials } from "../../src/log/connection/NatsCredentialsNats.ts";
import * as HistoryService from "../../src/snapshot/HistoryServiceNats.ts";
import * as HistorySource from "../../src/snapshot/HistorySource.ts";
import * as WholeHistory from "../../src/snapshot/WholeHistory.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { event } from "../contract/EventLogContract.ts";
import { append, say, sayNew } from "./ThreadWorld.ts";

const nats = EventLogNats.layer().pipe(
  Layer.provideMerge(
    Layer.unwrap(Effect.map(NatsServer.NatsServer, ({ url }) => NatsConnection.layer({ servers: url }))),
  ),
  Layer.provideMerge(NatsServer.layer({ sync: "2m" })),
);

/** A copy that says what it is asked. */
const copyOf = (events: ReadonlyArray<RecordedEvent>, asked: Array<number>): HistorySource.HistorySource => ({
  reach: () => {
    const last = events.at(-1);
    return Effect.succeed(
      last === undefined ? undefined : { sequence: last.sequence, eventId: last.id, recordedAt: last.recordedAt },
    );
  },
  read: ({ after, upTo }) => {
    asked.push(after);
    return Stream.fromIterable(events.filter(({ sequence }) => sequence > after && sequence <= upTo));
  },
});

const asking = Effect.map(Layer.build(HistoryService.layer), Context.get(HistorySource.HistorySource));

const plain = (events: ReadonlyArray<RecordedEvent>) =>
  events.map((one) => ({ ...one, body: Buffer.from(one.body).toString("hex") }));

layer(nats, { excludeTestServices: true, timeout: 60_000 })("a whole history from a process elsewhere", (it) => {
  it.effect("is what the log says, read at the places that are answered", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      const history = thread("paged");
      yield* append(history, [say("a"), ...Array.from({ length: 60 }, () => sayNew(70_000)), say("b"), say("c", 900)]);
      const all = yield* Stream.runCollect(log.read({ history }));
      const asked: Array<number> = [];
      yield* Layer.build(HistoryService.serve).pipe(
        Effect.provideService(HistorySource.HistorySource, copyOf(all.slice(0, -1), asked)),
      );
      const source = yield* asking;
      const read = yield* Stream.runCollect(WholeHistory.read({ log, source, history }));
      assert.deepStrictEqual(plain(read), plain(all));
      assert.strictEqual(asked.length, 1);
    }).pipe(Effect.scoped),
  );

  it.effect("is given whole, a large event as well, also after nonsense was asked", () =>
    Effect.gen(function* () {
      const { nc } = yield* NatsConnection.NatsConnection;
      const log = yield* EventLog;
      const history = thread("large");
      yield* append(history, [say("a")]);
      const large = event(undefined, { body: JSON.stringify({ title: "t".repeat(800_000) }) });
      yield* log.append({ history, events: [large], expected: "any" });
      yield* append(history, [say("b")]);
      const all = yield* Stream.runCollect(log.read({ history }));
      yield* Layer.build(HistoryService.serve).pipe(
        Effect.provideService(HistorySource.HistorySource, copyOf(all, [])),
      );
      const answer = yield* Effect.promise(() =>
        nc.request("recollect-history.default.thread.large", "nonsense", { timeout: 10_000 }),
      );
      assert.deepStrictEqual(answer.json(), { problem: "this is no question" });
      const source = yield* asking;
      const upTo = all.at(-1)?.sequence ?? 0;
      assert.deepStrictEqual(plain(yield* Stream.runCollect(source.read({ history, after: 0, upTo }))), plain(all));
    }).pipe(Effect.scoped),
  );

  it.effect("is read from the log when nobody answers, or no longer", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      const history = thread("alone");
      yield* append(
        history,
        Array.from({ length: 30 }, () => sayNew(70_000)),
      );
      const all = yield* Stream.runCollect(log.read({ history }));
      const source = yield* asking;
      assert.strictEqual((yield* Effect.flip(source.reach(history)))._tag, "SourceUnavailable");
      assert.deepStrictEqual(plain(yield* Stream.runCollect(WholeHistory.read({ log, source, history }))), plain(all));
      const scope = yield* Scope.make();
      const asked: Array<number> = [];
      yield* Layer.build(HistoryService.serve).pipe(
        Effect.provideService(HistorySource.HistorySource, copyOf(all, asked)),
        Scope.provide(scope),
      );
      const read = yield* WholeHistory.read({ log, source, history }).pipe(
        Stream.tap(() => Scope.close(scope, Exit.void)),
        Stream.runCollect,
      );
      assert.deepStrictEqual(plain(read), plain(all));
      assert.strictEqual(asked.length, 1);
    }).pipe(Effect.scoped),
  );

  it.effect("is not read from an answer that is none", () =>
    Effect.gen(function* () {
      const { nc } = yield* NatsConnection.NatsConnection;
      const log = yield* EventLog;
      const history = thread("lied");
      yield* append(history, [say("a"), say("b")]);
      const all = yield* Stream.runCollect(log.read({ history }));
      const last = all.at(-1);
      const reach = { reach: { sequence: last?.sequence, eventId: last?.id, recordedAt: last?.recordedAt } };
      const pages = ["", "{", '{"events":2,"isLast":true}', '{"events":1,"isLast":true}\n{"sequence":1}'];
      const source = yield* asking;
      const copied = source.read({ history, after: 0, upTo: last?.sequence ?? 0 });
      for (const page of pages) {
        const subscription = nc.subscribe("recollect-history.*.*.*", {
          callback: (_, message) =>
            void message.respond(message.string().includes("reach") ? JSON.stringify(reach) : page),
        });
        yield* Effect.promise(() => nc.flush());
        assert.deepStrictEqual(
          plain(yield* Stream.runCollect(WholeHistory.read({ log, source, history }))),
          plain(all),
        );
        assert.strictEqual((yield* Effect.flip(Stream.runDrain(copied)))._tag, "SourceUnavailable", page);
        subscription.unsubscribe();
      }
    }).pipe(Effect.scoped),
  );

  it.effect("is of the thread that the subject names, whatever the question says", () =>
    Effect.gen(function* () {
      const { nc } = yield* NatsConnection.NatsConnection;
      const named: Array<History> = [];
      const source: HistorySource.HistorySource = {
        reach: (history) => Effect.sync(() => void named.push(history)),
        read: () => Stream.empty,
      };
      yield* Layer.build(HistoryService.serve).pipe(Effect.provideService(HistorySource.HistorySource, source));
      const other = { tenant: "theirs", kind: "thread", id: "secret" };
      const question = JSON.stringify({ ask: "reach", history: other });
      const asked = (subject: string) => Effect.promise(() => nc.request(subject, question, { timeout: 10_000 }));
      assert.deepStrictEqual((yield* asked("recollect-history.mine.thread.a=2Fb")).json(), { reach: null });
      assert.deepStrictEqual(named, [thread("a/b", "mine")]);
      // Two spellings of one name would be two permissions.
      const misspelt = yield* asked("recollect-history.m=69ne.thread.a=2Fb");
      assert.deepStrictEqual(misspelt.json(), { problem: "this is no question" });
    }).pipe(Effect.scoped),
  );

  it.effect("is answered after a question that broke its copy, and of too many at once not all", () =>
    Effect.gen(function* () {
      const { nc } = yield* NatsConnection.NatsConnection;
      const isOpen = yield* Latch.make(true);
      let answered = 0;
      const source: HistorySource.HistorySource = {
        reach: ({ id }) =>
          isOpen.whenOpen(
            Effect.sync(() => {
              if (id === "broken") throw new Error("the disk is gone");
              answered++;
              return undefined;
            }),
          ),
        read: () => Stream.empty,
      };
      yield* Layer.build(HistoryService.serve).pipe(Effect.provideService(HistorySource.HistorySource, source));
      const ask = (id: string) =>
        Effect.promise(() =>
          nc.request(`recollect-history.default.thread.${id}`, '{"ask":"reach"}', { timeout: 10_000 }),
        );
      assert.deepStrictEqual((yield* ask("broken")).json(), { problem: "Error: the disk is gone" });
      assert.deepStrictEqual((yield* ask("whole")).json(), { reach: null });
      yield* isOpen.close;
      answered = 0;
      for (let index = 0; index < 1_000; index++) {
        nc.publish("recollect-history.default.thread.many", '{"ask":"reach"}', { reply: "nobody" });
      }
      yield* Effect.promise(() => nc.flush());
      yield* isOpen.open;
      // What is asked while the queue is full is not answered.
      while (answered < 256) yield* Effect.promise(() => new Promise((done) => setTimeout(done, 5)));
      yield* ask("last");
      assert.isAtLeast(answered, 256);
      // Those that wait, as many that were taken from there already, and those that are being answered.
      assert.isAtMost(answered, 2 * 256 + 4 + 1);
    }).pipe(Effect.scoped),
  );
});

/** `mine` may ask for the histories of one tenant. */
const withUsers = (conf: string) => `${conf}
no_auth_user: "anyone"
authorization {
  users: [
    { user: "anyone", password: "x" }
    { user: "mine", password: "p", permissions: {
      publish: ["$JS.API.INFO", "recollect-history.mine.>"], subscribe: "_INBOX.>"
    } }
  ]
}
`;

describe("the copy of a whole history", () => {
  it.live("is given to a user whom the server lets ask for its tenant, and to no other", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.make({ conf: withUsers, sync: "2m" });
      const reach = { sequence: 7, eventId: "e", recordedAt: 1 };
      const source: HistorySource.HistorySource = { reach: () => Effect.succeed(reach), read: () => Stream.empty };
      yield* Layer.build(HistoryService.serve).pipe(
        Effect.provideService(HistorySource.HistorySource, source),
        Effect.provideService(NatsConnection.NatsConnection, yield* NatsConnection.make({ servers: url })),
      );
      const credentials = Credentials.UserPassword({ user: "mine", password: Redacted.make("p") });
      const mine = yield* asking.pipe(
        Effect.provideService(NatsConnection.NatsConnection, yield* NatsConnection.make({ servers: url, credentials })),
      );
      assert.deepStrictEqual(yield* mine.reach(thread("t", "mine")), reach);
      const refused = yield* Effect.flip(mine.reach(thread("t", "theirs")));
      assert.match(refused.reason, /permissions violation.*recollect-history\.theirs/i);
    }).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "None")),
  );

  it.live("is not waited for over a connection that is lost, nor by a question that was on its way", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make({ sync: "2m" });
      const connection = yield* NatsConnection.make({ servers: server.url });
      const source = yield* asking.pipe(Effect.provideService(NatsConnection.NatsConnection, connection));
      // Somebody who listens and says nothing.
      connection.nc.subscribe("recollect-history.>", { callback: () => undefined });
      yield* Effect.promise(() => connection.nc.flush());
      const waiting = yield* Effect.forkChild(Effect.flip(source.reach(thread("t"))), { startImmediately: true });
      yield* server.stop;
      const lost = yield* Fiber.join(waiting);
      assert.notMatch(lost.reason, /in time/);
      assert.isFalse(connection.link.connected);
      assert.strictEqual((yield* Effect.flip(source.reach(thread("t")))).reason, "NATS is away");
    }).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "None")),
  );
});
