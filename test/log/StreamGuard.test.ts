/** Which stream is meant, and what is done when a server has another one, none, or one that can remove events. */
import { assert, describe, it } from "@effect/vitest";
import { DiscardPolicy, StoreCompression, type StreamConfig } from "@nats-io/jetstream";
import { Context, Effect, Layer, References, Stream } from "effect";
import { thread } from "../../src/domain/History.ts";
import type { LinkState } from "../../src/log/connection/LinkNats.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import * as StreamGuard from "../../src/log/connection/StreamGuardNats.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsServer from "../support/NatsServer.ts";

const history = thread("guarded");
const event = (id: string) => ({ id, type: "t", schemaVersion: 1, occurredAt: 0, source: "test", body: "{}" });

/** What a data folder would remember. */
interface Memory {
  identity: string | undefined;
}

const guardWith = (memory: Memory, options: Partial<StreamGuard.Meant> = {}) =>
  StreamGuard.make({
    may: "bringInLine",
    identity: Effect.sync(() => memory.identity),
    remember: ({ identity }) =>
      Effect.sync(() => {
        memory.identity = identity;
      }),
    missing: Effect.sync(() => (memory.identity === undefined ? undefined : StreamGuard.gone("RECOLLECT"))),
    ...options,
  });

const open = Effect.fnUntraced(function* (url: string, guard: StreamGuard.StreamGuard) {
  const connection = yield* NatsConnection.make({ servers: url, guard });
  const provided = Layer.provide(EventLogNats.layer(), Layer.succeed(NatsConnection.NatsConnection, connection));
  const log = Context.get(yield* Layer.build(provided), EventLog);
  const append = (id: string) => log.append({ history, events: [event(id)], expected: "any" });
  const becomes = (tag: LinkState["_tag"]) =>
    connection.changes.pipe(
      Stream.filter(({ _tag }) => _tag === tag),
      Stream.runHead,
    );
  const ask = (subject: string, body: unknown = {}) =>
    Effect.promise(async () => {
      const answer = await connection.nc.request(`$JS.API.${subject}`, JSON.stringify(body), { timeout: 5_000 });
      return answer.json<{ error?: { err_code: number }; config: StreamConfig; state: { messages: number } }>();
    });
  const change = (fields: Partial<StreamConfig>) =>
    Effect.flatMap(ask("STREAM.INFO.RECOLLECT"), ({ config }) =>
      ask("STREAM.UPDATE.RECOLLECT", { ...config, ...fields }),
    );
  const named = Effect.map(connection.lookAgain, () =>
    connection.conditions().map(({ field, name }) => `${name} ${field ?? ""}`.trim()),
  );
  return { connection, log, append, becomes, ask, change, named };
});

const quietly = Effect.provideService(References.MinimumLogLevel, "None");

/** How much a server's stream of that name holds. */
const messagesAt = (url: string) =>
  Effect.gen(function* () {
    const { nc } = yield* NatsConnection.make({ servers: url });
    const answer = yield* Effect.promise(() => nc.request("$JS.API.STREAM.INFO.RECOLLECT", "", { timeout: 5_000 }));
    return answer.json<{ state?: { messages: number } }>().state?.messages;
  }).pipe(Effect.scoped);

describe("a server on our port that is not ours", () => {
  it.live("gets not one byte, neither with a stream of that name nor without, and ours is gone on with", () =>
    Effect.gen(function* () {
      const ours = yield* NatsServer.make();
      const memory: Memory = { identity: undefined };
      const there = yield* open(ours.url, guardWith(memory));
      assert.match(memory.identity ?? "", /^[0-9a-f-]{36}$/);
      assert.strictEqual((yield* there.append("a")).sequence, 1);
      const { port } = ours.process;

      for (const stream of [true, false]) {
        yield* ours.stop;
        yield* Effect.gen(function* () {
          const stranger = yield* NatsServer.make({ port, stream });
          const condition = stream ? "strangeStream" : "streamMissing";
          yield* there.connection.changes.pipe(
            Stream.filter((now) => now._tag === "Refused" && now.condition.name === condition),
            Stream.runHead,
          );
          assert.isFalse(there.connection.link.connected);
          assert.deepInclude(yield* Effect.flip(there.append("b")), { _tag: "LogUnavailable", condition });
          assert.strictEqual(yield* messagesAt(stranger.url), stream ? 0 : undefined);
        }).pipe(Effect.scoped);
        yield* ours.start;
        yield* there.becomes("Connected");
      }
      assert.strictEqual((yield* there.append("b")).sequence, 2);
    }).pipe(quietly),
  );

  it.live("is refused at the first connect too, and remembered where nothing was known", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.make({ stream: true });
      const first: Memory = { identity: undefined };
      const seen = yield* open(url, guardWith(first, { may: "check" }));
      assert.isTrue(seen.connection.link.connected);
      assert.isDefined(first.identity);
      const other = yield* open(url, guardWith({ identity: "another" }));
      assert.strictEqual(other.connection.link.refused?.name, "strangeStream");
      assert.deepStrictEqual(yield* other.named, ["strangeStream"]);
    }).pipe(quietly),
  );
});

describe("the stream of record", () => {
  it.live("is made by nobody who only checks, and by nobody at all where one is known", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.make();
      const checking = yield* open(url, guardWith({ identity: undefined }, { may: "check" }));
      assert.strictEqual(checking.connection.link.refused?.name, "streamMissing");
      const known = yield* open(url, guardWith({ identity: "known" }));
      assert.strictEqual(known.connection.link.refused?.name, "streamMissing");
      assert.isUndefined(yield* messagesAt(url));
    }).pipe(quietly),
  );

  it.live("that is deleted while we run is named at once, and is not made again", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.make();
      const there = yield* open(url, guardWith({ identity: undefined }));
      yield* there.append("a");
      yield* there.ask("STREAM.DELETE.RECOLLECT");
      // The first append that nobody takes makes the guard look; nobody waits for its turn.
      assert.deepInclude(yield* Effect.flip(there.append("b")), { condition: "streamMissing" });
      yield* there.becomes("Refused");
      assert.strictEqual((yield* there.ask("STREAM.INFO.RECOLLECT")).error?.err_code, 10_059);
    }).pipe(quietly),
  );

  it.live("gets an identity once, and is left alone by who only checks", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.make({ stream: true });
      const raw = yield* NatsConnection.make({ servers: url });
      const { config } = yield* Effect.promise(() => raw.jsm.streams.info("RECOLLECT"));
      yield* Effect.promise(() => raw.jsm.streams.update("RECOLLECT", { ...config, metadata: {}, deny_purge: true }));
      const checking: Memory = { identity: undefined };
      yield* open(url, guardWith(checking, { may: "check" }));
      assert.isUndefined(checking.identity);
      const owner: Memory = { identity: undefined };
      yield* open(url, guardWith(owner));
      const second: Memory = { identity: undefined };
      yield* open(url, guardWith(second));
      assert.isDefined(owner.identity);
      assert.strictEqual(second.identity, owner.identity);
    }).pipe(quietly),
  );

  it.live("gets its identity back from our own daemon that has admitted it, and from nobody else", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.make();
      const memory: Memory = { identity: undefined };
      const daemon = yield* open(url, guardWith(memory, { isOwn: true }));
      const guest = yield* open(url, guardWith(memory, { may: "check" }));
      yield* daemon.append("a");
      const known = memory.identity;
      for (const metadata of [{}, { "recollect.identity": "00000000-0000-4000-8000-000000000000" }]) {
        yield* daemon.change({ metadata });
        yield* guest.named;
        yield* guest.becomes("Refused");
        yield* daemon.named;
        const { config } = yield* daemon.ask("STREAM.INFO.RECOLLECT");
        assert.strictEqual(config.metadata?.["recollect.identity"], known);
        yield* guest.named;
        yield* guest.becomes("Connected");
      }
      assert.strictEqual(memory.identity, known);
    }).pipe(quietly),
  );

  it.live(
    "is not taken for another that was made in its place, also when that was asked for its end before the guard",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.make();
        const memory: Memory = { identity: undefined };
        const daemon = yield* open(url, guardWith(memory, { isOwn: true }));
        yield* daemon.append("a");
        const known = memory.identity;
        const { config } = yield* daemon.ask("STREAM.INFO.RECOLLECT");
        yield* daemon.ask("STREAM.DELETE.RECOLLECT");
        const other = "00000000-0000-4000-8000-000000000000";
        yield* daemon.ask("STREAM.CREATE.RECOLLECT", { ...config, metadata: { "recollect.identity": other } });
        yield* Effect.option(daemon.log.info);
        yield* daemon.named;
        assert.strictEqual(daemon.connection.link.refused?.name, "strangeStream");
        assert.strictEqual((yield* daemon.ask("STREAM.INFO.RECOLLECT")).config.metadata?.["recollect.identity"], other);
        assert.strictEqual(memory.identity, known);
      }).pipe(quietly),
  );

  it.live("has each limit and flag named that can remove events, and takes no append that would remove one", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.make();
      const there = yield* open(url, guardWith({ identity: undefined }));
      for (const id of ["a", "b", "c"]) yield* there.append(id);
      assert.deepStrictEqual(yield* there.named, []);
      const old = { discard: DiscardPolicy.Old };
      const cases: ReadonlyArray<readonly [Partial<StreamConfig>, Partial<StreamConfig>, string]> = [
        [{ max_msgs: 3, ...old }, { max_msgs: -1 }, "streamRemoves max_msgs"],
        [{ max_bytes: 1_000, ...old }, { max_bytes: -1 }, "streamRemoves max_bytes"],
        [{ max_age: 3_600e9 }, { max_age: 0 }, "streamRemoves max_age"],
        [{ max_msgs_per_subject: 5 }, { max_msgs_per_subject: -1 }, "streamRemoves max_msgs_per_subject"],
        [{ allow_atomic: false }, { allow_atomic: true }, "streamSettings allow_atomic"],
        [{ compression: StoreCompression.S2 }, { compression: StoreCompression.None }, "compressed compression"],
        [{ max_msgs: 3 }, { max_msgs: -1 }, "streamFull max_msgs"],
      ];
      for (const [wrong, right, name] of cases) {
        assert.isUndefined((yield* there.change(wrong)).error, name);
        assert.deepStrictEqual(yield* there.named, [name]);
        if ("max_msgs_per_subject" in wrong || "discard" in wrong) {
          assert.deepInclude(yield* Effect.flip(there.append("never")), { condition: "streamRemoves" });
        }
        yield* there.change({ ...right, discard: DiscardPolicy.New });
        assert.deepStrictEqual(yield* there.named, []);
      }
      yield* there.change({ allow_msg_ttl: true });
      assert.deepStrictEqual(yield* there.named, ["streamRemoves allow_msg_ttl"]);
      assert.strictEqual((yield* there.append("d")).sequence, 4);
      assert.strictEqual((yield* there.ask("STREAM.INFO.RECOLLECT")).state.messages, 4);
    }).pipe(quietly),
  );

  it.live("is brought in line at a start, and its limits too on a server of our own", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.make();
      const memory: Memory = { identity: undefined };
      const there = yield* open(url, guardWith(memory));
      yield* there.change({ max_msgs: 100, max_age: 3_600e9, allow_atomic: false });
      const guest = yield* open(url, guardWith(memory));
      assert.deepStrictEqual(yield* guest.named, ["streamRemoves max_age"]);
      const own = yield* open(url, guardWith(memory, { isOwn: true }));
      assert.deepStrictEqual(yield* own.named, []);
    }).pipe(quietly),
  );

  it.live(
    "lets no history pass for whole, for a guest too, while the stream lacks events behind where it was read to",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.make();
        const memory: Memory = { identity: undefined };
        const there = yield* open(url, guardWith(memory));
        for (const id of ["a", "b", "c"]) yield* there.append(id);
        yield* there.log.whole();
        yield* there.change({ max_msgs: 2, discard: DiscardPolicy.Old });
        yield* there.change({ max_msgs: -1, discard: DiscardPolicy.New });
        const guest = yield* open(url, guardWith(memory, { may: "check" }));
        assert.deepStrictEqual(yield* guest.named, ["streamDamaged"]);
        assert.match((yield* Effect.flip(guest.log.whole())).reason, /lacks an event behind sequence 0/);
        yield* guest.log.whole(1);
      }).pipe(quietly),
  );

  it.live("knows that the stream's end was lost where it once reached further, and lets no history end there", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.make();
      const noted: Array<number> = [];
      const memory: Memory = { identity: undefined };
      const daemon = {
        reached: Effect.sync(() => noted.at(-1) ?? 0),
        noteReached: (sequence: number) => Effect.sync(() => void noted.push(sequence)),
      };
      const there = yield* open(url, guardWith(memory, daemon));
      for (const id of ["a", "b"]) yield* there.append(id);
      assert.deepStrictEqual(yield* there.named, []);
      assert.deepStrictEqual(noted, [2]);
      const later = yield* open(url, guardWith(memory, { may: "check", reached: Effect.succeed(5) }));
      assert.deepStrictEqual(yield* later.named, ["streamDamaged"]);
      assert.match((yield* Effect.flip(later.log.whole(2))).reason, /lacks 3 events behind sequence 2/);
    }).pipe(quietly),
  );

  it.live("refuses to read a history whose beginning was removed, and to read where reads are not served", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.make();
      const there = yield* open(url, guardWith({ identity: undefined }));
      for (const id of ["a", "b", "c"]) yield* there.append(id);
      const reading = Effect.flip(Stream.runCollect(there.log.read({ history })));
      yield* there.change({ max_msgs: 2, discard: DiscardPolicy.Old });
      yield* there.named;
      const cut = yield* reading;
      assert.deepInclude(cut, { _tag: "LogUnavailable", condition: "streamDamaged" });
      assert.match(cut.reason, /begins at sequence 2/);
      assert.lengthOf(yield* Stream.runCollect(there.log.read({ history, after: 1 })), 2);
      yield* there.change({ allow_direct: false });
      // Nobody has looked since: the read that gets no answer makes the guard look.
      assert.match((yield* Effect.flip(there.log.last(history))).reason, /allow_direct/);
      assert.match((yield* reading).reason, /allow_direct/);
    }).pipe(quietly),
  );
});
