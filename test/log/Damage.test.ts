/** Damage in the files of the stream: nobody waits for ever, and what cannot be read is named and never left out. */
import { assert, describe, it } from "@effect/vitest";
import { StoreCompression } from "@nats-io/jetstream";
import { Context, Effect, Layer, References, Stream } from "effect";
import { randomBytes } from "node:crypto";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { thread } from "../../src/domain/History.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { configOf } from "../../src/log/connection/StreamConfigNats.ts";
import { EventLog, LogDamaged } from "../../src/log/EventLog.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import { entriesUpTo, isLost, lostEntry } from "../../src/projection/fold/CatchUp.ts";
import * as NatsServer from "../support/NatsServer.ts";

const threads = 4;
const historyOf = (n: number) => thread(`t${n % threads}`);
const event = (n: number, padding: number) => ({
  id: `e${n}`,
  type: "t",
  schemaVersion: 1,
  occurredAt: 0,
  source: "test",
  body: JSON.stringify({ n, text: `number-${n}-of-the-stream`, padding: randomBytes(padding).toString("base64") }),
});

const quietly = Effect.provideService(References.MinimumLogLevel, "None");

/** A server with 40 events in four threads in turn, stopped, one of its blocks changed, and started again. */
const damagedBy = Effect.fnUntraced(function* (
  change: (block: Buffer) => void,
  options: { readonly compression?: StoreCompression; readonly padding?: number } = {},
) {
  const server = yield* NatsServer.make({ sync: "2m" });
  yield* Effect.gen(function* () {
    const { jsm } = yield* NatsConnection.make({ servers: server.url });
    const config = configOf({ name: "RECOLLECT", replicas: 1, duplicateWindowMillis: 1_000 });
    const compression = options.compression ?? StoreCompression.None;
    yield* Effect.promise(() => jsm.streams.add({ ...config, compression }));
  }).pipe(Effect.scoped);
  yield* Effect.gen(function* () {
    const log = Context.get(yield* opened(server.url), EventLog);
    for (let n = 1; n <= 40; n++)
      yield* log.append({
        history: historyOf(n),
        events: [event(n, options.padding ?? 0)],
        expected: Math.max(0, n - threads),
      });
  }).pipe(Effect.scoped);
  yield* server.stop;
  const [block = ""] = globSync(join(server.storeFolder, "jetstream", "*", "streams", "RECOLLECT", "msgs", "1.blk"));
  const bytes = readFileSync(block);
  change(bytes);
  writeFileSync(block, bytes);
  yield* server.start;
  const rooms = yield* opened(server.url);
  return { rooms, log: Context.get(rooms, EventLog) };
});

const opened = (servers: string) =>
  Layer.build(EventLogNats.layer().pipe(Layer.provide(NatsConnection.layer({ servers }))));

/** Flips a bit of what event `n` says. */
const flip = (n: number) => (block: Buffer) => {
  const at = block.indexOf(`number-${n}-of`);
  assert.isAbove(at, 0);
  block[at] = block.readUInt8(at) ^ 1;
};

/** What `catchUp`, `rebuild` and `verify` read: each sequence, the lost ones as such. */
const allOf = (rooms: Context.Context<EventLog>, until: number) =>
  Effect.gen(function* () {
    const seen: Array<number> = [];
    const use = (entries: Parameters<Parameters<typeof entriesUpTo>[0]["use"]>[0]) =>
      Effect.sync(() => {
        for (const entry of entries) seen.push(isLost(entry) ? -entry.sequence : entry.sequence);
      });
    yield* entriesUpTo({ after: 0, until, lost: lostEntry, use });
    return seen;
  }).pipe(Effect.provideContext(rooms));

const numbers = (lost: (n: number) => boolean) =>
  Array.from({ length: 40 }, (_, index) => (lost(index + 1) ? -(index + 1) : index + 1));

const followedTo = (log: EventLog["Service"], after: number) => Effect.flip(Stream.runDrain(log.follow({ after })));

const historyIn = (log: EventLog["Service"], n: number) =>
  Effect.result(Stream.runCollect(log.read({ history: historyOf(n) })));

describe("one damaged event", () => {
  it.live("in the middle is named by its sequence, passed by who goes on, and missed in its own history only", () =>
    Effect.gen(function* () {
      const { log, rooms } = yield* damagedBy(flip(18));
      assert.deepInclude(yield* followedTo(log, 0), { _tag: "LogDamaged", sequence: 18, through: 18 });
      assert.deepStrictEqual(
        yield* allOf(rooms, 40),
        numbers((n) => n === 18),
      );
      const damaged = yield* historyIn(log, 18);
      assert.deepInclude(damaged, { _tag: "Failure" });
      assert.deepInclude("failure" in damaged ? damaged.failure : {}, { condition: "streamDamaged" });
      const whole = yield* historyIn(log, 17);
      assert.lengthOf("success" in whole ? whole.success : [], 10);
    }).pipe(quietly),
  );

  it.live("at the end of the stream is named within seconds, where nothing comes behind it", () =>
    Effect.gen(function* () {
      const { log, rooms } = yield* damagedBy(flip(40));
      const began = performance.now();
      assert.deepInclude(yield* followedTo(log, 0), { _tag: "LogDamaged", sequence: 40, through: 40 });
      assert.isBelow(performance.now() - began, 8_000);
      assert.deepStrictEqual(
        yield* allOf(rooms, 40),
        numbers((n) => n === 40),
      );
      assert.strictEqual((yield* historyIn(log, 40))._tag, "Failure");
    }).pipe(quietly),
  );
});

describe("a damaged block of a compressed stream", () => {
  it.live("is named from its first to its last sequence, and no history of it is read as shorter than it is", () =>
    Effect.gen(function* () {
      const change = (block: Buffer) => {
        const at = block.length >> 1;
        block[at] = block.readUInt8(at) ^ 8;
      };
      // Only a full block is compressed: 8 MB.
      const { log, rooms } = yield* damagedBy(change, { compression: StoreCompression.S2, padding: 250_000 });
      const failure = yield* followedTo(log, 0);
      assert.instanceOf(failure, LogDamaged);
      const { sequence, through = 0 } = failure as LogDamaged;
      assert.strictEqual(sequence, 1);
      assert.isAbove(through, 20);
      assert.isBelow(through, 36);
      assert.deepStrictEqual(
        yield* allOf(rooms, 40),
        numbers((n) => n <= through),
      );
      for (const n of [1, 2]) assert.strictEqual((yield* historyIn(log, n))._tag, "Failure");
      const other = yield* Effect.result(Stream.runCollect(log.read({ history: thread("never") })));
      assert.deepStrictEqual("success" in other ? [...other.success] : other, []);
    }).pipe(quietly),
  );
});
