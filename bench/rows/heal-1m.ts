/**
 * Healing, backing up and restoring a store of a million small events: a stream without its last tenth and with a hole,
 * made whole from the ledger; everything copied into a folder, again with a hundredth more, proved, and restored. Beside
 * each the files copied as they are, which proves nothing. Each work runs in a process of its own, so that its memory can
 * be told. `RECOLLECT_BENCH_EVENTS` for fewer.
 */
import { Context, Effect, Layer } from "effect";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { serverOn } from "../../src/log/blocks/BuildNats.ts";
import { NatsConnection } from "../../src/log/connection/NatsConnectionNats.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsBinary from "../../src/machine/nats/NatsBinary.ts";
import * as StreamFiles from "../../src/log/blocks/StreamFiles.ts";
import * as Projector from "../../src/projection/Projector.ts";
import type { Measured, Row } from "../Harness.ts";
import { temporaryFolder } from "../Servers.ts";
import { appendSmall } from "../SmallEvents.ts";

const events = Number(process.env["RECOLLECT_BENCH_EVENTS"] ?? 1_000_000);
const threads = Math.max(100, Math.floor(events / 10));

interface Done {
  readonly seconds: number;
  readonly mostMegabytes: number;
  readonly events?: { readonly total: number; readonly fromLedger: number };
  readonly added?: number;
  readonly writtenBytes?: number;
  readonly faults?: ReadonlyArray<string>;
}

const program = new URL("../storeWork.ts", import.meta.url).pathname;

/** Result of a piece of work, printed by its process at the end. */
const work = (...args: ReadonlyArray<string>): Effect.Effect<Done> =>
  Effect.promise(
    () =>
      new Promise((resolve, reject) => {
        const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
        let out = "";
        child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
        child.once("close", (code) =>
          code === 0 ? resolve(JSON.parse(out)) : reject(new Error(`${args[0]} ended with ${code}`)),
        );
      }),
  );

const copied = (from: string, to: string) => {
  const began = performance.now();
  cpSync(from, to, { recursive: true });
  StreamFiles.syncTree(to);
  return (performance.now() - began) / 1000;
};

const said = ({ mostMegabytes, seconds }: Done): string =>
  `${seconds.toFixed(1)} s, ${mostMegabytes.toFixed(0)} MB resident at most`;

/** Events in stream and ledger of a data folder, from a number on; the server has ended when this returns. */
const filled = (root: string, from: number, count: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      // As heal and backup start it: the streams lie in the store's account.
      const connection = yield* serverOn({ root, storeFolder: join(root, "nats") });
      const log = EventLogNats.layer().pipe(Layer.provideMerge(Layer.succeed(NatsConnection, connection)));
      const path = join(root, "recollect.db");
      const rooms = yield* Layer.build(Layer.provideMerge(Projector.layer({ path, projections: readModels }), log));
      yield* appendSmall(Context.get(rooms, EventLog), { from, count, threads });
      yield* Context.get(rooms, Projector.Projector).awaitSequence(from + count);
    }),
  ).pipe(Effect.provide(Layer.provideMerge(NatsBinary.layer, NodeServices.layer)));

const data = Effect.map(temporaryFolder, (folder) => {
  const root = join(folder, "data");
  mkdirSync(root);
  return { folder, root };
});

const healing = Effect.gen(function* () {
  const { folder, root } = yield* data;
  yield* filled(root, 0, events);
  const files = StreamFiles.find(join(root, "nats"), "RECOLLECT");
  if (files === undefined) return { skipped: "the server made no stream" };
  const peer = copied(files.path, join(folder, "copy"));
  const blocks = StreamFiles.blocksOf(files);
  // The last tenth of the blocks is gone, and one in the middle.
  const gone = [...blocks.slice(-Math.max(1, Math.floor(blocks.length / 10))), blocks[blocks.length >> 1]];
  for (const block of gone) rmSync(join(files.path, "msgs", `${block}.blk`), { force: true });
  const plan = yield* work("plan", root);
  const heal = yield* work("heal", root);
  const note = `${heal.events?.total} events, ${heal.events?.fromLedger} of them from the ledger; plan ${said(plan)}; planned, written, read back: ${said(heal)}`;
  return { ours: heal.seconds, peer, peerName: "the stream's files copied and synced", note } satisfies Measured;
}).pipe(Effect.orDie);

const backingUp = Effect.gen(function* () {
  const { folder, root } = yield* data;
  const into = join(folder, "backup");
  yield* filled(root, 0, events);
  const peer = copied(root, join(folder, "copy"));
  const first = yield* work("backup", root, into);
  yield* filled(root, events, Math.ceil(events / 100));
  const again = yield* work("backup", root, into);
  const verified = yield* work("verify", root, into);
  const restored = yield* work("restore", root, into);
  if ((verified.faults ?? []).length > 0) return yield* Effect.die(new Error(verified.faults?.join("; ")));
  const bytes = (done: Done) => `${Math.round((done.writtenBytes ?? 0) / 1e6)} MB written`;
  const note = `first ${said(first)}, ${bytes(first)}; again with ${again.added} events more ${said(again)}, ${bytes(again)}; proved ${said(verified)}; restored ${said(restored)}`;
  return { ours: first.seconds, peer, peerName: "the data folder copied and synced", note } satisfies Measured;
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
    what: `first backup of ${count} events with their ledger; then more, proof, restore`,
    unit: "s",
    goal: undefined,
    run: backingUp,
  },
];
