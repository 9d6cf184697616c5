/**
 * The replica drill: three servers with our conf and our stream in three copies, under writers that never stop. Rolling
 * restarts, kill -9 of all three, and damage in the files of one replica, again and again.
 *
 * Promises: what was acknowledged is there afterwards, once and in the order of its writer; a damaged replica is whole
 * again after its stream's folder was removed and the server started ("A cluster" in docs/heal.md); and of the files of
 * one server alone `heal` makes a stream that has all of it.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Deferred, Effect, Fiber, Layer, References, Schedule, Stream } from "effect";
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isMisfit, type NewEvent } from "../../src/domain/Event.ts";
import { fromContent } from "../../src/domain/EventId.ts";
import { thread } from "../../src/domain/History.ts";
import { storedOf } from "../../src/log/blocks/BlockFile.ts";
import * as StreamFiles from "../../src/log/blocks/StreamFiles.ts";
import { NatsConnection } from "../../src/log/connection/NatsConnectionNats.ts";
import { entryOf } from "../../src/log/Envelope.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Heal from "../../src/projection/heal/Heal.ts";
import { logAt } from "../log/natsLayers.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { dice } from "./Dice.ts";

export interface Options {
  readonly rounds: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

export interface Outcome {
  readonly acknowledged: number;
  readonly stored: number;
  /** How many of the acknowledged events each server's files hold, after all of it. */
  readonly byServer: ReadonlyArray<number>;
  /** Events of the stream that was made of one server's files alone. */
  readonly alone: number;
  readonly faults: ReadonlyArray<string>;
  /** Kept when there are faults. */
  readonly folder: string;
}

const writers = 6;
/** As large as many messages are, so that there is more than one block before long. */
const bodyBytes = 6_000;
const stream = "RECOLLECT";
/** An election takes 4 to 9 s; a replica that begins anew is sent everything. */
const currentMillis = 180_000;

const eventOf = (writer: number, number: number): NewEvent => ({
  id: fromContent(`replica drill ${writer} ${number}`),
  type: "x.drill.said",
  schemaVersion: 1,
  source: "drill",
  occurredAt: 0,
  body: JSON.stringify({ text: `${writer} ${number} `.padEnd(bodyBytes, "words ") }),
});

type Acknowledged = ReadonlyArray<Array<string>>;

/** Appends one after another until it is told to end; each counts when it is acknowledged. */
const write = Effect.fnUntraced(function* (writer: number, told: Array<string>, end: Deferred.Deferred<void>) {
  const log = yield* EventLog;
  for (let number = 0; !(yield* Deferred.isDone(end)); number++) {
    const event = eventOf(writer, number);
    const append = log.append({ history: thread(`writer-${writer}`), events: [event], expected: "any" });
    yield* Effect.retry(append, { while: ({ _tag }) => _tag === "LogUnavailable", schedule: Schedule.spaced(100) });
    told.push(event.id);
  }
});

/** Returns when every copy has all of it. */
const allCurrent = Effect.gen(function* () {
  const { nc } = yield* NatsConnection;
  const isCurrent = Effect.promise(async () => {
    try {
      const answer = await nc.request(`$JS.API.STREAM.INFO.${stream}`, "", { timeout: 2_000 });
      const { cluster } = answer.json<{
        cluster?: { leader?: string; replicas?: ReadonlyArray<{ current: boolean; offline?: boolean }> };
      }>();
      const copies = cluster?.replicas ?? [];
      return (
        cluster?.leader !== undefined &&
        copies.length === 2 &&
        copies.every((one) => one.current && one.offline !== true)
      );
    } catch {
      return false;
    }
  });
  yield* Effect.repeat(isCurrent, { until: (is) => is, schedule: Schedule.spaced(250) }).pipe(
    Effect.timeoutOrElse({
      duration: currentMillis,
      orElse: () => Effect.die(new Error(`the three copies were not current within ${currentMillis / 1000} s`)),
    }),
  );
});

const blocksOf = (node: NatsServer.Node): ReadonlyArray<string> =>
  globSync(join(node.storeFolder, "jetstream", "*", "streams", stream, "msgs", "*.blk")).toSorted();

/** Flips some bits of the first block, while the server is down. */
const damage = (node: NatsServer.Node, from: ReturnType<typeof dice>): string => {
  const [file = ""] = blocksOf(node);
  const bytes = readFileSync(file);
  for (let flip = 0; flip < 5; flip++) {
    const at = from.between(0, bytes.length - 1);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << from.between(0, 7));
  }
  writeFileSync(file, bytes);
  return `5 bits of ${bytes.length} bytes`;
};

/** What docs/heal.md says: the folder of the damaged copy goes, and the others give it everything again. */
const healReplica = Effect.fnUntraced(function* (node: NatsServer.Node) {
  yield* node.process.stop;
  for (const folder of globSync(join(node.storeFolder, "jetstream", "*", "streams", stream)))
    rmSync(folder, { recursive: true, force: true });
  yield* node.process.start;
  yield* allCurrent;
});

const idsIn = (storeFolder: string): ReadonlyArray<string> => {
  const folder = StreamFiles.find(storeFolder, stream);
  if (folder === undefined) return [];
  return [...StreamFiles.readRecords(folder)].map((record) => {
    const entry = entryOf(storedOf(record));
    return isMisfit(entry) ? "" : entry.id;
  });
};

const missingOf = (acknowledged: Acknowledged, ids: ReadonlyArray<string>): number => {
  const there = new Set(ids);
  return acknowledged.flat().filter((id) => !there.has(id)).length;
};

/** Once each, and in the order of its writer. */
const faultsOf = (acknowledged: Acknowledged, ids: ReadonlyArray<string>, what: string): ReadonlyArray<string> => {
  const faults: Array<string> = [];
  const missing = missingOf(acknowledged, ids);
  if (missing > 0) faults.push(`${what}: ${missing} acknowledged events are missing`);
  const twice = ids.length - new Set(ids).size;
  if (twice > 0) faults.push(`${what}: ${twice} events are there twice`);
  for (const [writer, told] of acknowledged.entries()) {
    const known = new Set(told);
    if (ids.filter((id) => known.has(id)).join() !== told.filter((id) => ids.includes(id)).join())
      faults.push(`${what}: the events of writer ${writer} are in another order`);
  }
  return faults;
};

/** Of one server's files alone, in a data folder without a ledger. */
const aloneOf = Effect.fnUntraced(function* (folder: string, node: NatsServer.Node) {
  const root = join(folder, "alone");
  mkdirSync(root);
  cpSync(node.storeFolder, join(root, "nats"), { recursive: true });
  const files = {
    root,
    natsStore: join(root, "nats"),
    database: join(root, "recollect.db"),
    spool: join(root, "spool.db"),
  };
  yield* Heal.execute({ folder: files, stream, reason: "the drill", onProgress: () => Effect.void });
  return idsIn(files.natsStore);
});

const storm = Effect.fnUntraced(function* (cluster: NatsServer.NatsServer["Service"], { rounds, say, seed }: Options) {
  const from = dice(seed);
  for (let round = 1; round <= rounds; round++) {
    say(`round ${round}: rolling restart`);
    for (const node of cluster.nodes) {
      yield* node.restart;
      yield* allCurrent;
    }
    say(`round ${round}: kill -9 of all three`);
    yield* Effect.forEach(cluster.nodes, (node) => node.kill9, { concurrency: "unbounded", discard: true });
    yield* allCurrent;
    const node = cluster.nodes[from.between(0, 2)] ?? cluster;
    yield* node.process.stop;
    say(`round ${round}: ${damage(node, from)} flipped in one replica, then kill -9 of all three`);
    yield* node.process.start;
    yield* Effect.forEach(cluster.nodes, (one) => one.kill9, { concurrency: "unbounded", discard: true });
    say(`round ${round}: that replica is made anew from the others`);
    yield* healReplica(node);
  }
});

export const run = (options: Options): Effect.Effect<Outcome> =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = mkdtempSync(join(tmpdir(), "recollect-replica-drill-"));
      const cluster = yield* NatsServer.make({ cluster: 3 });
      const acknowledged: Acknowledged = Array.from({ length: writers }, () => []);
      const stored = yield* Effect.gen(function* () {
        const end = yield* Deferred.make<void>();
        const writing = yield* Effect.forEach(acknowledged, (told, writer) =>
          Effect.forkChild(write(writer, told, end)),
        );
        // Enough for a block to be damaged.
        yield* Effect.repeat(
          Effect.sync(() => acknowledged.flat().length),
          {
            until: (count) => count > 500,
            schedule: Schedule.spaced(100),
          },
        );
        yield* storm(cluster, options);
        yield* Deferred.succeed(end, undefined);
        yield* Fiber.joinAll(writing);
        yield* allCurrent;
        const log = yield* EventLog;
        const { lastSequence } = yield* log.info;
        const entries = yield* log.follow({ after: 0 }).pipe(Stream.take(lastSequence), Stream.runCollect);
        return entries.map((entry) => (isMisfit(entry) ? "" : entry.id));
      }).pipe(Effect.provide(logAt(cluster.servers)));
      yield* cluster.stop;
      const count = acknowledged.flat().length;
      const byServer = cluster.nodes.map(({ storeFolder }) => idsIn(storeFolder));
      const alone = yield* aloneOf(folder, cluster);
      const faults = [
        ...faultsOf(acknowledged, stored, "the stream"),
        ...byServer.flatMap((ids, server) => faultsOf(acknowledged, ids, `the files of server ${server + 1}`)),
        ...faultsOf(acknowledged, alone, "the stream made of one server's files"),
      ];
      if (faults.length === 0) rmSync(folder, { recursive: true, force: true });
      return {
        acknowledged: count,
        stored: stored.length,
        byServer: byServer.map((ids) => count - missingOf(acknowledged, ids)),
        alone: alone.length,
        faults,
        folder,
      };
    }),
  ).pipe(
    Effect.provide(Layer.mergeAll(NodeServices.layer, Layer.succeed(References.MinimumLogLevel, "None"))),
    Effect.orDie,
  );
