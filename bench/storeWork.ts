/**
 * One piece of work on the files of a store, in a process of its own so that its memory is its own: `plan`, `heal`,
 * `backup`, `verify` or `restore`, then DATA and BACKUP. Its last line of output is one JSON object.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import * as NodeRuntime from "@effect/platform-node/NodeRuntime";
import { Effect, References } from "effect";
import { join } from "node:path";
import { serverOn } from "../src/log/blocks/BuildNats.ts";
import { NatsConnection } from "../src/log/connection/NatsConnectionNats.ts";
import * as NatsBinary from "../src/machine/nats/NatsBinary.ts";
import { backup } from "../src/projection/backup/Backup.ts";
import { prove, restore } from "../src/projection/backup/Restore.ts";
import * as Heal from "../src/projection/heal/Heal.ts";
import * as HealPlan from "../src/projection/heal/Plan.ts";

const [what = "", root = "", into = ""] = process.argv.slice(2);
const stream = "RECOLLECT";
const onProgress = () => Effect.void;
const folder = {
  root,
  natsStore: join(root, "nats"),
  database: join(root, "recollect.db"),
  spool: join(root, "spool.db"),
};

/** Seconds, and what the work itself says. The server of a backup is there before the clock starts. */
const timed = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const began = performance.now();
    const done = yield* work;
    return { seconds: (performance.now() - began) / 1000, done };
  });

const backingUp = Effect.gen(function* () {
  const connection = yield* serverOn({ root, storeFolder: folder.natsStore });
  const options = { folder, stream, into, withKeys: false, version: "bench", onProgress };
  const { done, seconds } = yield* timed(backup(options).pipe(Effect.provideService(NatsConnection, connection)));
  return { seconds, added: done.added, writtenBytes: done.writtenBytes };
}).pipe(Effect.scoped, Effect.provide(NatsBinary.layer));

const works = {
  plan: Effect.map(timed(HealPlan.plan({ folder, stream, onProgress })), ({ done, seconds }) => ({
    seconds,
    events: done.events,
  })),
  heal: Effect.map(timed(Heal.execute({ folder, stream, reason: "the bench", onProgress })), ({ done, seconds }) => ({
    seconds,
    events: done.plan.events,
  })),
  backup: backingUp,
  verify: Effect.map(timed(prove(into, onProgress)), ({ done, seconds }) => ({ seconds, faults: done.faults })),
  restore: Effect.map(timed(restore({ from: into, into: `${into}-restored`, onProgress })), ({ seconds }) => ({
    seconds,
  })),
};

const work = Object.entries(works).find(([name]) => name === what)?.[1];
if (work === undefined) throw new Error(`no work is called ${what}`);

NodeRuntime.runMain(
  Effect.map(work as Effect.Effect<object, unknown, NodeServices.NodeServices>, (said) =>
    process.stdout.write(`${JSON.stringify({ ...said, mostMegabytes: process.resourceUsage().maxRSS / 1000 })}\n`),
  ).pipe(Effect.provide(NodeServices.layer), Effect.provideService(References.MinimumLogLevel, "Error")),
);
