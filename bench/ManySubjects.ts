/**
 * What a thread costs the nats-server that holds it: memory of its subject, disk, and the time until a restarted
 * server answers again; with all subjects in one stream, or spread over several by the server itself.
 *
 * One small event for each thread, in bare atomic batches, because the server's cost is about subjects: our envelope
 * would add to the disk and to nothing else. The server flushes as it likes: nothing is measured that waits for it.
 */
import type { StreamConfig } from "@nats-io/jetstream";
import { headers, nanos, nuid } from "@nats-io/transport-node";
import { Effect, Layer, Option } from "effect";
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { thread } from "../src/domain/History.ts";
import { subjectOf } from "../src/log/Subject.ts";
import { isFull, percentile } from "./Harness.ts";
import { reading } from "../src/main/Layers.ts";
import * as FreePort from "../src/machine/nats/FreePort.ts";
import * as NatsServer from "../test/support/NatsServer.ts";
import { type Bare, bareClient } from "./Servers.ts";
import { filesIn } from "./Transcripts.ts";

type Server = NatsServer.NatsServer["Service"];

export interface Cost {
  /** Growth of the server's live heap for each thread, after a restart: what it can never do without. */
  readonly liveBytes: number;
  /** The same when threads from everywhere were just read: what it knows of each block, and blocks, for a while. */
  readonly inUseBytes: number;
  /** Growth of its resident memory as it answers again, with the garbage of starting still in it. */
  readonly residentBytes: number;
  readonly diskBytes: number;
  /** Of them the server's own index, written at a clean end. */
  readonly indexBytes: number;
  /** From the start of the server until it answers; after a clean end, and after `kill -9`. */
  readonly restartMillis: number;
  readonly recoveryMillis: number;
  /** Reading the last event of one thread, p50. */
  readonly readMillis: number;
  /** Threads in the fullest stream over those in an even share. */
  readonly fullest: number;
}

/** As many as a bench of 20 minutes has time for; with `--full` the million that the figure is about. */
export const countOf = Effect.map(isFull, (full) => (full ? 1_000_000 : 200_000));

/** nats-server's own limit for an atomic batch. */
const perBatch = 1_000;
const readsOfOne = 200;
const body = Buffer.from(JSON.stringify({ text: "x".repeat(160) }));

/** How the server spreads our subjects over `count` streams: publishers and their subjects stay as they are. */
export const mappingOf = (count: number): string =>
  `mappings: { "recollect.*.*.*": "shard.{{partition(${count},1,2,3)}}.{{wildcard(1)}}.{{wildcard(2)}}.{{wildcard(3)}}" }`;

/**
 * The stream in which the server puts a subject: FNV-1a (32 bits) of the tokens without dots, modulo the streams.
 * A batch must stay inside one stream, so whoever writes batches has to know it, too (nats-server 2.15,
 * `getHashPartition`; the server refuses every batch of this bench if it is not so).
 */
export const shardOf = (subject: string, count: number): number => {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(subject.split(".").slice(1).join(""))) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return hash % count;
};

const streamName = (shard: number): string => `SHARD_${shard}`;

/** The subject as it is stored: the one to read by. */
const storedAs = (subject: string, shards: number): string =>
  shards === 1 ? subject : `shard.${shardOf(subject, shards)}.${subject.slice("recollect.".length)}`;

/**
 * Streams like ours, but for the window in which message ids are remembered: a starting server reads again all that came
 * within it. Of 10 minutes, in which a bench writes everything, 200,000 events took 4.6 s to restore; of 1 s, 1.2 s.
 * Millions of threads are older than that.
 */
const prepareStreams = async ({ jsm }: Bare, shards: number): Promise<void> => {
  const { config } = await jsm.streams.info("RECOLLECT");
  const like: StreamConfig = { ...config, duplicate_window: nanos(1_000) };
  if (shards === 1) {
    await jsm.streams.update(config.name, like);
    return;
  }
  for (let shard = 0; shard < shards; shard++) {
    const subjects = [`shard.${shard}.*.*.*`];
    await jsm.streams.add({ ...like, name: streamName(shard), subjects, description: "" });
  }
};

/** A bare atomic batch, without message ids: the server's memory of ids is about the last minutes, not about threads. */
const writeBatch = async ({ nc }: Bare, subjects: ReadonlyArray<string>): Promise<void> => {
  const batchId = nuid.next();
  let committed: { readonly count?: number } = {};
  for (const [index, subject] of subjects.entries()) {
    const head = headers();
    head.set("Nats-Batch-Id", batchId);
    head.set("Nats-Batch-Sequence", String(index + 1));
    const isLast = index === subjects.length - 1;
    if (isLast) head.set("Nats-Batch-Commit", "1");
    if (isLast || index === 0) {
      const answer = await nc.request(subject, body, { headers: head, timeout: 30_000 });
      if (isLast) committed = answer.json();
    } else nc.publish(subject, body, { headers: head });
  }
  if (committed.count !== subjects.length) throw new Error(`a batch was refused: ${JSON.stringify(committed)}`);
};

/** A UUID, as agents name their sessions; spread over all of them like any hash. */
const nameOf = (index: number): string =>
  createHash("sha256")
    .update(String(index))
    .digest("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5");

const subjectAt = (index: number): string => subjectOf(thread(nameOf(index)));

/** Answers with the number of threads in the fullest stream. */
const load = async (bare: Bare, count: number, shards: number): Promise<number> => {
  const waiting = Array.from({ length: shards }, (): Array<string> => []);
  const held = Array.from({ length: shards }, () => 0);
  const flush = async (shard: number): Promise<void> => {
    const batch = waiting[shard] ?? [];
    if (batch.length === 0) return;
    waiting[shard] = [];
    held[shard] = (held[shard] ?? 0) + batch.length;
    await writeBatch(bare, batch);
  };
  for (let index = 0; index < count; index++) {
    const subject = subjectAt(index);
    const shard = shardOf(subject, shards);
    const batch = waiting[shard] ?? [];
    batch.push(subject);
    if (batch.length === perBatch) await flush(shard);
  }
  for (let shard = 0; shard < shards; shard++) await flush(shard);
  return Math.max(...held);
};

/** What the operating system gives the server: its live memory, garbage not yet collected, and what Go keeps for later. */
const residentBytes = Effect.fnUntraced(function* (server: Server) {
  const pid = Option.getOrThrow(yield* server.process.pid);
  const text = yield* Effect.sync(() => readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]) * 1024;
});

/**
 * What the server really holds: its heap after a collection, which its profiler makes before it answers. Twice, because
 * caches are held weakly and what a first collection lets go is freed by the next.
 */
const liveBytes = (profilerPort: number) =>
  Effect.promise(async () => {
    const ask = async () => (await fetch(`http://127.0.0.1:${profilerPort}/debug/pprof/heap?gc=1&debug=1`)).text();
    await ask();
    const bytes = Number(/^# HeapAlloc = (\d+)$/m.exec(await ask())?.[1]);
    if (!Number.isFinite(bytes)) throw new Error("nats-server's profiler does not say how large its heap is");
    return bytes;
  });

const timed = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const began = performance.now();
    return Effect.map(work, () => performance.now() - began);
  });

const readOnes = async ({ jsm }: Bare, count: number, shards: number): Promise<number> => {
  const millis: Array<number> = [];
  for (let read = 0; read < readsOfOne; read++) {
    const subject = subjectAt(Math.floor((read * count) / readsOfOne));
    const stream = shards === 1 ? "RECOLLECT" : streamName(shardOf(subject, shards));
    const began = performance.now();
    const found = await jsm.direct.getMessage(stream, { last_by_subj: storedAs(subject, shards) });
    millis.push(performance.now() - began);
    if (found === null) throw new Error(`${subject} is not in ${stream}`);
  }
  return percentile(millis);
};

/** Does something with a client of its own: one that outlived a restart of the server would have to find back first. */
const withClient = <A>({ url }: Server, use: (bare: Bare) => Promise<A>) =>
  Effect.scoped(Effect.flatMap(bareClient(url), (bare) => Effect.promise(() => use(bare))));

/** Loads `count` threads into one stream, or into several, on a server of its own. */
export const costOf = Effect.fnUntraced(function* (count: number, shards: number) {
  const profiler = yield* FreePort.find("127.0.0.1").pipe(Effect.orDie);
  const mapping = shards === 1 ? "" : mappingOf(shards);
  const conf = (text: string) => `${text}\nprof_port: ${profiler}\n${mapping}\n`;
  const server = yield* NatsServer.make({ sync: "2m", conf });
  yield* Effect.scoped(Layer.build(reading({ servers: server.url, name: "bench" })));
  yield* withClient(server, (bare) => prepareStreams(bare, shards));
  yield* server.restart;
  const [liveBefore, residentBefore] = [yield* liveBytes(profiler), yield* residentBytes(server)];
  const fullest = yield* withClient(server, (bare) => load(bare, count, shards));
  yield* server.stop;
  const files = filesIn(server.storeFolder);
  const sizeOf = (some: ReadonlyArray<string>) => some.reduce((sum, file) => sum + statSync(file).size, 0);
  const [diskBytes, indexBytes] = [sizeOf(files), sizeOf(files.filter((file) => file.endsWith("/index.db")))];
  const restartMillis = yield* timed(server.start);
  const resident = yield* residentBytes(server);
  const live = yield* liveBytes(profiler);
  const readMillis = yield* withClient(server, (bare) => readOnes(bare, count, shards));
  const inUse = yield* liveBytes(profiler);
  const recoveryMillis = yield* timed(server.kill9);
  return {
    liveBytes: (live - liveBefore) / count,
    inUseBytes: (inUse - liveBefore) / count,
    residentBytes: (resident - residentBefore) / count,
    diskBytes: diskBytes / count,
    indexBytes: indexBytes / count,
    restartMillis,
    recoveryMillis,
    readMillis,
    fullest: fullest / (count / shards),
  } satisfies Cost;
}, Effect.scoped);

/** The rest of what was measured, for a note. */
export const told = (cost: Cost): string =>
  [
    `${cost.inUseBytes.toFixed(0)} B when all blocks were just read`,
    `resident ${cost.residentBytes.toFixed(0)} B right after the restart`,
    `disk ${cost.diskBytes.toFixed(0)} B, of it index ${cost.indexBytes.toFixed(0)} B`,
    `restart ${(cost.restartMillis / 1000).toFixed(2)} s, after kill -9 ${(cost.recoveryMillis / 1000).toFixed(2)} s`,
    `reading one ${cost.readMillis.toFixed(2)} ms`,
  ].join(", ");
