/** A data folder with a real store in it, made, damaged and healed by the tests of healing. */
import Database from "better-sqlite3";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, Layer, Option, References, Stream } from "effect";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readModels } from "../../../projections/all.ts";
import type { LogEntry, NewEvent } from "../../../src/domain/Event.ts";
import { fromContent } from "../../../src/domain/EventId.ts";
import { thread } from "../../../src/domain/History.ts";
import { readBlock } from "../../../src/log/blocks/BlockFile.ts";
import * as StreamFiles from "../../../src/log/blocks/StreamFiles.ts";
import * as NatsConnection from "../../../src/log/connection/NatsConnectionNats.ts";
import { configOf } from "../../../src/log/connection/StreamConfigNats.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import * as EventLogNats from "../../../src/log/EventLogNats.ts";
import * as Heal from "../../../src/projection/heal/Heal.ts";
import * as HealPlan from "../../../src/projection/heal/Plan.ts";
import * as Projector from "../../../src/projection/Projector.ts";
import { rebuild } from "../../../src/projection/rebuild/Rebuild.ts";
import { verify } from "../../../src/projection/verify/Verify.ts";
import * as NatsServer from "../../support/NatsServer.ts";
import { putEmpty, temporaryFolder } from "../World.ts";

export const saying = (name: string, text = name): NewEvent => ({
  id: fromContent(name),
  type: "thread.message_appended",
  schemaVersion: 2,
  source: "test",
  occurredAt: 1_700_000_000_000,
  actor: "ana",
  body: JSON.stringify({ messageId: name, role: "user", parts: [{ type: "text", text }] }),
});

/** An event that only the ledger keeps, as large as its text. */
export const appendNote = (name: string, text: string) =>
  Effect.flatMap(EventLog, (log) => {
    const event = { ...saying(name), type: "x.test.noted", body: JSON.stringify({ text }) };
    return log.append({ history: thread("notes"), events: [event], expected: "any" });
  });

/** A message of one of seven threads, by its number. */
export const append = (name: string, text = name) =>
  Effect.flatMap(EventLog, (log) =>
    log.append({ history: thread(`t${name.length % 7}`), events: [saying(name, text)], expected: "any" }),
  );

const names = (word: string, count: number) => Array.from({ length: count }, (_, n) => `${word} ${n + 1}`);

/** Appends `<word> 1`, `<word> 2` …, in this order. */
export const appendAll = (word: string, count: number) =>
  Effect.forEach(names(word, count), (name) => append(name), { discard: true });

export const streamFolder = (root: string): string =>
  StreamFiles.find(join(root, "nats"), "RECOLLECT")?.path ?? join(root, "there is no stream");

export const folderOf = (root: string): HealPlan.Folder => ({
  root,
  natsStore: join(root, "nats"),
  database: join(root, "recollect.db"),
  spool: join(root, "spool.db"),
});

/** Runs with the folder's log, on a server that is stopped cleanly afterwards. */
export const withLog = <A, E, R>(root: string, work: Effect.Effect<A, E, R>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const server = yield* NatsServer.make({ storeFolder: join(root, "nats"), sync: "2m" });
      const log = EventLogNats.layer().pipe(Layer.provideMerge(NatsConnection.layer({ servers: server.url })));
      return yield* Effect.provide(work, log);
    }),
  ).pipe(Effect.provideService(References.MinimumLogLevel, "None"));

/** The read models reach the end of the stream. */
export const project = (root: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* putEmpty(folderOf(root).database);
      const projector = yield* Projector.make({ path: folderOf(root).database, projections: readModels });
      const { lastSequence } = yield* Effect.flatMap(EventLog, (log) => log.info);
      yield* projector.awaitSequence(lastSequence);
    }),
  );

/** Everything in the stream, as readers see it. */
export const everything = Effect.gen(function* () {
  const log = yield* EventLog;
  const { lastSequence } = yield* log.info;
  if (lastSequence === 0) return [];
  const entries = yield* log.follow({ after: 0 }).pipe(Stream.take(lastSequence), Stream.runCollect);
  return [...entries];
});

/** A compressed stream, as stores of before have it. */
export const makeCompressed = Effect.gen(function* () {
  const { nc } = yield* NatsConnection.NatsConnection;
  const config = configOf({ name: "RECOLLECT", replicas: 1, duplicateWindowMillis: 600_000 });
  const body = JSON.stringify({ ...config, compression: "s2" });
  yield* Effect.promise(() => nc.request("$JS.API.STREAM.CREATE.RECOLLECT", body));
});

/** Runs with a server on which the stream is not made. */
export const withServer = <A, E, R>(root: string, work: Effect.Effect<A, E, R>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const server = yield* NatsServer.make({ storeFolder: join(root, "nats"), sync: "2m" });
      return yield* Effect.provide(work, NatsConnection.layer({ servers: server.url }));
    }),
  );

/** A folder with `count` events that the read models have. */
export const folderWith = Effect.fnUntraced(function* (count: number, word = "old") {
  const root = join(yield* temporaryFolder, "data");
  mkdirSync(root, { recursive: true });
  const before = yield* withLog(
    root,
    appendAll(word, count).pipe(Effect.andThen(project(root)), Effect.andThen(everything)),
  );
  return { root, before };
});

export const copyStore = (root: string, to: string) => cpSync(join(root, "nats"), to, { recursive: true });
export const putStoreBack = (root: string, from: string) => {
  rmSync(join(root, "nats"), { recursive: true, force: true });
  cpSync(from, join(root, "nats"), { recursive: true });
};

/** Flips a bit in the body of an event in an uncompressed block. */
export const flipEvent = (root: string, sequence: number): void => {
  const file = join(streamFolder(root), "msgs", "1.blk");
  const bytes = readFileSync(file);
  const record = readBlock("RECOLLECT", 1, bytes).records.find((found) => found.sequence === sequence);
  if (record === undefined) throw new Error(`no event ${sequence} in the first block`);
  const at = record.body.byteOffset - bytes.byteOffset + 3;
  bytes[at] = (bytes[at] ?? 0) ^ 4;
  writeFileSync(file, bytes);
};

/** Changes the ledger's row, as rot on a disk would. */
export const changeRow = (root: string, sequence: number, sql = "data = 'rotten'"): void => {
  const db = new Database(folderOf(root).database);
  db.prepare(`UPDATE events SET ${sql} WHERE sequence = ?`).run(sequence);
  db.close();
};

export const plan = (root: string) =>
  HealPlan.plan({ folder: folderOf(root), stream: "RECOLLECT", onProgress: () => Effect.void });

/** The heal with all that belongs to it; answers what the healed stream holds, and whether all copies are equal. */
export const heal = Effect.fnUntraced(function* (
  root: string,
  more: Pick<Parameters<typeof Heal.execute>[0], "onStep" | "witness"> = {},
) {
  Heal.resume(root);
  const done = yield* Heal.execute({
    folder: folderOf(root),
    stream: "RECOLLECT",
    reason: "a test",
    onProgress: () => Effect.void,
    ...more,
  }).pipe(Effect.provide(NodeServices.layer), Effect.provideService(References.MinimumLogLevel, "None"));
  return { done, ...(yield* whole(root, done.needsRebuild)) };
});

/** What the store holds, with the read models brought into step. */
export const whole = (root: string, needsRebuild: boolean) =>
  withLog(
    root,
    Effect.gen(function* () {
      const path = folderOf(root).database;
      if (needsRebuild) yield* rebuild({ path, projections: readModels });
      yield* project(root);
      Heal.finished(root);
      const verified = yield* verify({ path, projections: readModels });
      return { verified, after: yield* everything };
    }),
  );

/** What can be compared of entries: bodies as text. */
export const shape = (entry: LogEntry | undefined) =>
  entry === undefined ? undefined : { ...entry, body: Buffer.from(entry.body).toString("utf8"), digest: undefined };

export const shapes = (entries: ReadonlyArray<LogEntry>) => entries.map(shape);

export const typeOf = (entry: LogEntry | undefined): string | undefined =>
  entry === undefined || "problem" in entry ? undefined : entry.type;

export const dataOf = (entry: LogEntry | undefined): Record<string, unknown> =>
  JSON.parse(Option.getOrElse(Option.fromNullishOr(entry), () => ({ body: Buffer.from("{}") })).body.toString());

export type Events = ReadonlyArray<LogEntry>;
