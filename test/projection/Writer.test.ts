import { assert, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { Effect, Exit, Fiber } from "effect";
import { readdirSync, readlinkSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Worker } from "node:worker_threads";
import { readModels } from "../../projections/all.ts";
import * as RowPacker from "../../src/projection/fold/RowPacker.ts";
import type { Projection } from "../../src/projection/Projection.ts";
import * as ReadModelSqlite from "../../src/projection/ReadModelSqlite.ts";
import { zeroChain } from "../../src/log/Digest.ts";
import * as RowWriter from "../../src/projection/write/RowWriterSqlite.ts";
import * as WriterChoice from "../../src/projection/write/WriterChoiceSqlite.ts";
import { conversation } from "./Conversation.ts";
import { said } from "./StubLog.ts";
import { applyAll, ask, folded } from "./World.ts";

const inThread = { threadFromRows: 0 };

/** Threads that were started and have not ended. */
const threads = new Set<Worker>();
process.on("worker", (worker) => threads.add(worker.once("exit", () => threads.delete(worker))));

const batchOf = (entries: ReturnType<typeof conversation>) => ({
  incoming: entries.map((entry) => ({ entry })),
  streamCreated: 1,
  now: 2,
});

describe("a thread that writes", () => {
  it.live("writes what this thread would: the same rows, in whatever pieces they come, also twice", () =>
    Effect.gen(function* () {
      const events = conversation(300);
      const here = yield* folded(events, readModels, { threadFromRows: Number.POSITIVE_INFINITY });
      const beside = yield* folded([], readModels, inThread);
      yield* applyAll(beside.model, events.slice(0, 200), 37);
      yield* applyAll(beside.model, events.slice(100), 61);
      assert.deepStrictEqual(yield* beside.model.digests, yield* here.model.digests);
      assert.deepStrictEqual(yield* beside.model.checkpoint, yield* here.model.checkpoint);
    }),
  );

  it.live("takes what was prepared ahead, in order, and what was prepared for nothing is prepared again", () =>
    Effect.gen(function* () {
      const events = conversation(300);
      const here = yield* folded(events);
      const { model } = yield* folded([], readModels, inThread);
      const [first, second, third] = [events.slice(0, 100), events.slice(100, 200), events.slice(200)].map(batchOf);
      if (first === undefined || second === undefined || third === undefined) return assert.fail();
      const ahead = [yield* model.prepare(first), yield* model.prepare(second)];
      // Somebody else writes the first batch, so that nothing prepared ahead of the file continues it.
      const other = yield* Effect.acquireRelease(
        ReadModelSqlite.open({ file: model.file, projections: readModels, durability: "scratch" }),
        ({ close }) => close,
      );
      yield* applyAll(other, events.slice(0, 150), 50);
      for (const prepared of [...ahead, yield* model.prepare(third)]) {
        assert.strictEqual((yield* model.commit(prepared))._tag, "Committed");
      }
      assert.deepStrictEqual(yield* model.digests, yield* here.model.digests);
    }),
  );

  it.live("parks a refused row with SQLite's reason, and writes the rest of its batch", () =>
    Effect.gen(function* () {
      const refusing: Projection = {
        name: "refusing",
        version: 1,
        doc: "For this test.",
        tables: [
          {
            name: "refusing_rows",
            doc: ".",
            key: ["id"],
            columns: { id: { type: "integer", doc: "." }, count: { type: "integer", doc: "." } },
          },
        ],
        views: [],
        handle: ({ sequence }) => [
          { table: "refusing_rows", row: { id: sequence, count: sequence === 2 ? "many" : 1 } },
        ],
      };
      const events = [1, 2, 3].map((n) => said(n, `word ${n}`));
      const { rows } = yield* folded(events, [...readModels, refusing], inThread);
      assert.deepStrictEqual(rows("SELECT id FROM refusing_rows").map(Object.values), [[1], [3]]);
      const [letter, ...others] = rows("SELECT projection, sequence, reason FROM v_dead_letters");
      assert.deepInclude(letter, { projection: "refusing", sequence: 2 });
      assert.match(String(letter?.["reason"]), /cannot store TEXT value in INTEGER column/);
      assert.isEmpty(others);
      assert.lengthOf(rows("SELECT 1 FROM v_messages"), 3);
    }),
  );

  it.live("takes back what it was writing when it is interrupted, and the same again is written once", () =>
    Effect.gen(function* () {
      const events = conversation(900);
      const { file, model } = yield* folded([], readModels, inThread);
      const prepared = yield* model.prepare(batchOf(events));
      const writing = yield* Effect.forkChild(model.commit(prepared));
      yield* Effect.yieldNow;
      yield* Fiber.interrupt(writing);
      const held = ask(file, "SELECT count(*) AS n FROM events")[0]?.["n"];
      assert.include([0, events.length], held);
      assert.strictEqual((yield* model.commit(prepared))._tag, "Committed");
      assert.strictEqual(ask(file, "SELECT count(*) AS n FROM events")[0]?.["n"], events.length);
      assert.deepStrictEqual(yield* model.digests, yield* (yield* folded(events)).model.digests);
    }),
  );

  it.live("says whose fault a failure is as this thread would, and the same again is written once", () =>
    Effect.gen(function* () {
      const events = conversation(60);
      const { file, model } = yield* folded([], readModels, inThread);
      const prepared = yield* model.prepare(batchOf(events));
      const other = new Database(file);
      other.exec("BEGIN IMMEDIATE");
      assert.deepInclude(yield* Effect.flip(model.commit(prepared)), { _tag: "StorageTrouble", reason: "busy" });
      other.close();
      assert.strictEqual((yield* model.commit(prepared))._tag, "Committed");
      assert.strictEqual(ask(file, "SELECT count(*) AS n FROM events")[0]?.["n"], events.length);
    }),
  );

  it.live("is gone when its model is closed, and has let go of the file", () =>
    Effect.gen(function* () {
      const { model, file } = yield* folded(conversation(50), readModels, inThread);
      assert.strictEqual(threads.size, 1);
      yield* model.close;
      assert.strictEqual(threads.size, 0);
      const db = new Database(file, { timeout: 0 });
      db.exec("BEGIN EXCLUSIVE; COMMIT");
      db.close();
    }),
  );

  it.live("is not started for what is written as quickly here", () =>
    Effect.gen(function* () {
      yield* folded(conversation(50));
      assert.strictEqual(threads.size, 0);
    }),
  );

  it.live("is started for lone events that come without a pause, so that this one is free to answer", () =>
    Effect.gen(function* () {
      const { file, model } = yield* folded([]);
      // A tenth of a second of writing: however fast the disk is, so many events take longer.
      for (let at = 1; at <= 3_000 && threads.size === 0; at++) yield* model.apply(batchOf([said(at, `${at}`)]));
      assert.strictEqual(threads.size, 1);
      const { n } = ask(file, "SELECT count(*) AS n, max(sequence) AS last FROM events")[0] ?? {};
      assert.isAbove(Number(n), 0);
    }),
  );

  it.live("fails the batch it had when it dies, and the next batch gets a new one", () =>
    Effect.gen(function* () {
      const { file } = yield* folded([]);
      const db = yield* Effect.acquireRelease(
        Effect.sync(() => new Database(file)),
        (open) => Effect.sync(() => open.close()),
      );
      const dying = new URL("data:text/javascript,process.exit(3)");
      const writer = WriterChoice.make(db, { file, durability: "scratch" }, { ...inThread, program: dying });
      const write = Effect.suspend(() =>
        writer.write({
          packed: RowPacker.make([]).take(),
          after: 0,
          checkpoint: { sequence: 1, identity: "one", recordedAt: 1, streamCreated: 1, chain: zeroChain },
          now: 1,
        }),
      );
      for (let round = 0; round < 2; round++) {
        const exit = yield* Effect.exit(write);
        assert.isTrue(Exit.isFailure(exit));
        assert.match(JSON.stringify(exit), /the writing thread failed: it ended with code 3/);
      }
      yield* writer.note("still", "there");
      assert.strictEqual(ask(file, "SELECT value FROM engine WHERE key = 'still'")[0]?.["value"], "there");
    }),
  );
});

/** Folders of this process's open files that have no name any more: temporary ones. */
const unnamedFilesIn = (): ReadonlyArray<string> =>
  readdirSync("/proc/self/fd").flatMap((open) => {
    try {
      const target = readlinkSync(join("/proc/self/fd", open));
      return target.endsWith(" (deleted)") ? [dirname(target)] : [];
    } catch {
      return [];
    }
  });

describe("making indexes", () => {
  it.live.skipIf(process.platform !== "linux")(
    "sorts beside the database, not where the system has temporary files",
    () =>
      Effect.gen(function* () {
        const { file } = yield* folded([]);
        const db = yield* Effect.acquireRelease(
          Effect.sync(() => new Database(file)),
          (open) => Effect.sync(() => open.close()),
        );
        db.exec(`CREATE TABLE large (x); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO large SELECT hex(randomblob(1000)) FROM n`);
        const seen: Array<string> = [];
        let calls = 0;
        db.function("look", { deterministic: true }, (text: unknown) => {
          if (++calls % 1000 === 0) seen.push(...unnamedFilesIn());
          return text;
        });
        RowWriter.make(db, { file, durability: "scratch" }).index(["CREATE INDEX sorted ON large (look(x))"]);
        assert.sameMembers([...new Set(seen)], [dirname(realpathSync(file))]);
      }),
  );
});
