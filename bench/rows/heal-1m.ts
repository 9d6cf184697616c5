/**
 * Healing and backing up a store of a million small events: a stream without its last tenth and with a hole, made whole
 * from the ledger; everything copied into a folder. Beside each: the files copied as they are, which proves nothing.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Context, Effect, Layer } from "effect";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ledger } from "../../projections/ledger.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as StreamFiles from "../../src/log/blocks/StreamFiles.ts";
import { backup } from "../../src/projection/backup/Backup.ts";
import * as Heal from "../../src/projection/heal/Heal.ts";
import * as Projector from "../../src/projection/Projector.ts";
import type { Measured, Row } from "../Harness.ts";
import { temporaryFolder, world } from "../Servers.ts";
import { appendSmall } from "../SmallEvents.ts";

const events = Number(process.env["RECOLLECT_BENCH_EVENTS"] ?? 1_000_000);
const threads = Math.max(100, Math.floor(events / 10));
const onProgress = () => Effect.void;

const seconds = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const began = performance.now();
    const done = yield* work;
    return { done, took: (performance.now() - began) / 1000 };
  });

const copied = (from: string, to: string) => {
  const began = performance.now();
  cpSync(from, to, { recursive: true });
  StreamFiles.syncTree(to);
  return (performance.now() - began) / 1000;
};

const rate = (took: number): string => `${Math.round(events / took).toLocaleString("en")} events/s`;

const folderOf = (root: string) => ({
  root,
  natsStore: join(root, "nats"),
  database: join(root, "recollect.db"),
  spool: join(root, "spool.db"),
});

/** A data folder with the events in stream and ledger; `whileRunning` with its server still there. */
const filled = <A, E>(root: string, whileRunning: Effect.Effect<A, E, unknown>) =>
  Effect.scoped(
    Effect.gen(function* () {
      // The server may forget an fsync here: what is measured comes after.
      const { rooms } = yield* world({ sync: "2m", storeFolder: join(root, "nats") });
      return yield* Effect.gen(function* () {
        const { database } = folderOf(root);
        const projector = yield* Layer.build(Projector.layer({ path: database, projections: [ledger] }));
        yield* appendSmall(Context.get(rooms, EventLog), { count: events, threads });
        yield* Context.get(projector, Projector.Projector).awaitSequence(events);
        return yield* whileRunning as Effect.Effect<A, E>;
      }).pipe(Effect.provide(rooms));
    }),
  );

const data = Effect.map(temporaryFolder, (folder) => {
  const root = join(folder, "data");
  mkdirSync(root);
  return { folder, root };
});

const healing = Effect.gen(function* () {
  const { folder, root } = yield* data;
  yield* filled(root, Effect.void);
  const files = StreamFiles.find(join(root, "nats"), "RECOLLECT");
  if (files === undefined) return { skipped: "the server made no stream" };
  const peer = copied(files.path, join(folder, "copy"));
  const blocks = StreamFiles.blocksOf(files);
  // The last tenth of the blocks is gone, and one in the middle.
  const gone = [...blocks.slice(-Math.max(1, Math.floor(blocks.length / 10))), blocks[blocks.length >> 1]];
  for (const block of gone) rmSync(join(files.path, "msgs", `${block}.blk`), { force: true });
  const heal = Heal.execute({ folder: folderOf(root), stream: "RECOLLECT", reason: "the bench", onProgress });
  const { done, took } = yield* seconds(heal.pipe(Effect.provide(NodeServices.layer)));
  const { fromLedger, total } = done.plan.events;
  const note = `${rate(took)}; ${total} events, ${fromLedger} of them from the ledger; planned, written, read back`;
  return { ours: took, peer, peerName: "the stream's files copied and synced", note } satisfies Measured;
}).pipe(Effect.orDie);

const backingUp = Effect.gen(function* () {
  const { folder, root } = yield* data;
  const into = join(folder, "backup");
  const options = { folder: folderOf(root), stream: "RECOLLECT", into, withKeys: false, version: "bench", onProgress };
  const { again, first } = yield* filled(
    root,
    Effect.gen(function* () {
      return { first: yield* seconds(backup(options)), again: yield* seconds(backup(options)) };
    }),
  );
  const peer = copied(root, join(folder, "copy"));
  const note = `${rate(first.took)}; ${Math.round(first.done.writtenBytes / 1e6)} MB; again without news ${again.took.toFixed(1)} s`;
  return { ours: first.took, peer, peerName: "the data folder copied and synced", note } satisfies Measured;
}).pipe(Effect.orDie);

const count = events.toLocaleString("en");

export const rows: ReadonlyArray<Row> = [
  {
    id: "heal-1m",
    what: `heal of a stream of ${count} events that lost a tenth, from stream and ledger`,
    unit: "s",
    goal: undefined,
    run: healing,
  },
  {
    id: "backup-1m",
    what: `first backup of ${count} events with their ledger`,
    unit: "s",
    goal: undefined,
    run: backingUp,
  },
];
