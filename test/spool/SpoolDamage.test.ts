/** What the disk did to the spool: changed rows are never delivered, missing ones are named, nothing is called "all". */
import { assert, describe, it } from "@effect/vitest";
import * as NodeServices from "@effect/platform-node/NodeServices";
import Database from "better-sqlite3";
import { Effect, FileSystem } from "effect";
import { appendFileSync, copyFileSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import * as History from "../../src/domain/History.ts";
import type { Command } from "../../src/spool/Spool.ts";
import * as SpoolList from "../../src/spool/SpoolListSqlite.ts";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";

const command = (id: string, blobs: Command["blobs"] = []): Command => ({
  history: History.thread("t"),
  event: { id, type: "thread.renamed", schemaVersion: 1, occurredAt: 1, source: "test", body: `{"title":"${id}"}` },
  blobs,
  isNew: true,
});

const temporaryFolder = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem;
  return yield* fs.makeTempDirectoryScoped({ prefix: "recollect-damage-" });
}).pipe(Effect.provide(NodeServices.layer), Effect.orDie);

const everything = { limit: 1_000, maxBytes: 1_000_000_000 };
const idsOf = (commands: ReadonlyArray<Command>) => commands.map(({ event }) => event.id);

/** A spool that another process has filled and left. */
const filled = Effect.fnUntraced(function* (ids: ReadonlyArray<string>, blobs: Command["blobs"] = []) {
  const folder = yield* temporaryFolder;
  const file = `${folder}/spool.db`;
  const put = Effect.gen(function* () {
    const spool = yield* SpoolSqlite.make({ file, target: "x" });
    for (const id of ids) yield* spool.put([command(id, blobs)]);
  });
  yield* Effect.scoped(put);
  return { file, list: `${folder}/accepted-spool.log` };
});

const change = (file: string, sql: string) => {
  const raw = new Database(file);
  raw.pragma("foreign_keys = ON");
  raw.exec(sql);
  raw.close();
};

const remaining = (file: string) =>
  Effect.flatMap(SpoolSqlite.make({ file, target: "x" }), (spool) => spool.oldest(everything)).pipe(
    Effect.map(idsOf),
    Effect.scoped,
  );

const lostIds = (file: string) =>
  Effect.map(SpoolList.survey({ file, limit: 100 }), ({ lost }) => lost.map(({ eventId }) => eventId));

describe("a spool on a disk that lies", () => {
  it.live("never delivers a row that has changed, and says which event it was", () =>
    Effect.gen(function* () {
      const { file } = yield* filled(["a", "b", "c", "d", "e"]);
      change(
        file,
        `UPDATE commands SET body = replace(body, '"title\\":\\"b', '"title\\":\\"B') WHERE position = 2;
         UPDATE commands SET target = 'x', position = 30 WHERE position = 3;
         UPDATE commands SET digest = NULL, body = replace(body, 'test', 'text') WHERE position = 4`,
      );
      assert.deepStrictEqual(yield* remaining(file), ["a", "e"]);
      const { damaged, missing, setAside } = yield* SpoolList.survey({ file, limit: 10 });
      assert.deepStrictEqual(
        setAside.map(({ isDamaged, number }) => [number, isDamaged]),
        [
          [2, true],
          [4, true],
          [30, true],
        ],
      );
      assert.match(setAside[0]?.reason ?? "", /thread\.renamed b of \["default","thread","t"\]/);
      assert.deepStrictEqual([damaged, missing], [3, 1]);
      assert.deepStrictEqual(yield* lostIds(file), ["c"]);
    }),
  );

  it.live("never delivers a blob that has changed or is gone, nor shows such a command to a reader", () =>
    Effect.gen(function* () {
      const { file } = yield* filled(["a", "b", "c"], [{ sha256: "s", bytes: Buffer.from("bytes") }]);
      change(
        file,
        `UPDATE blobs SET bytes = CAST('bytez' AS BLOB) WHERE position = 1; DELETE FROM blobs WHERE position = 2`,
      );
      const spool = yield* SpoolSqlite.make({ file, target: "x" });
      assert.deepStrictEqual(idsOf(yield* spool.waitingFor(History.thread("t"))), ["a", "c"]);
      assert.deepStrictEqual(idsOf(yield* spool.oldest(everything)), ["c"]);
    }),
  );

  it.live("takes a row whose digest alone was hit for what the list says it is", () =>
    Effect.gen(function* () {
      const { file } = yield* filled(["a"]);
      change(file, "UPDATE commands SET digest = replace(digest, substr(digest, 1, 1), 'x')");
      assert.deepStrictEqual(yield* remaining(file), ["a"]);
    }),
  );

  it.live("looks for a command everywhere when the note of its first attempt has changed", () =>
    Effect.gen(function* () {
      const { file } = yield* filled(["a"]);
      const spool = yield* SpoolSqlite.make({ file, target: "x" });
      const [noted] = yield* spool.oldest({ ...everything, end: { created: 5, sequence: 7 } });
      assert.deepInclude(noted, { isNew: true, after: { created: 5, sequence: 7 } });
      change(file, `UPDATE commands SET tried = json_set(tried, '$.sequence', 9)`);
      const [found] = yield* spool.oldest(everything);
      assert.deepStrictEqual([found?.isNew, found?.after], [undefined, undefined]);
    }),
  );

  it.live("names what is missing when the file, its WAL or single rows are gone, and gives no number twice", () =>
    Effect.gen(function* () {
      const whole = yield* filled(["a", "b"]);
      for (const end of ["", "-wal", "-shm"]) rmSync(`${whole.file}${end}`, { force: true });
      assert.deepStrictEqual(yield* lostIds(whole.file), ["a", "b"]);
      const spool = yield* SpoolSqlite.make({ file: whole.file, target: "x" });
      assert.strictEqual(yield* spool.put([command("c")]), 3);
      assert.deepStrictEqual(yield* lostIds(whole.file), ["a", "b"]);

      const some = yield* filled(["a", "b", "c"]);
      change(some.file, "DELETE FROM commands WHERE position = 2");
      assert.deepStrictEqual(yield* lostIds(some.file), ["b"]);
      assert.deepStrictEqual(yield* remaining(some.file), ["a", "c"]);

      const back = yield* filled(["a"]);
      copyFileSync(back.file, `${back.file}.old`);
      yield* Effect.scoped(
        Effect.flatMap(SpoolSqlite.make({ file: back.file, target: "x" }), (open) => open.put([command("b")])),
      );
      copyFileSync(`${back.file}.old`, back.file);
      assert.deepStrictEqual(yield* lostIds(back.file), ["b"]);
    }),
  );

  it.live("no longer tells of what is lost when a person has settled it, whose number is then free for nobody", () =>
    Effect.gen(function* () {
      const { file } = yield* filled(["a", "b"]);
      change(file, "DELETE FROM commands");
      const shown = yield* SpoolList.show({ file, which: "all" });
      assert.deepInclude(shown[0]?.command, { eventId: "a", type: "thread.renamed" });
      assert.deepStrictEqual(yield* SpoolList.discard({ file, which: [2] }), [2]);
      assert.deepStrictEqual(yield* lostIds(file), ["a"]);
      const spool = yield* SpoolSqlite.make({ file, target: "x" });
      assert.strictEqual(yield* spool.put([command("c")]), 3);
    }),
  );

  it.live("misses nothing that was delivered, discarded or forked, also when the list is damaged or gone", () =>
    Effect.gen(function* () {
      const { file, list } = yield* filled(["a", "b", "c", "d"]);
      const spool = yield* SpoolSqlite.make({ file, target: "x" });
      yield* spool.forget([1]);
      yield* spool.forked({ position: 2, into: History.thread("u"), reason: "late" });
      yield* spool.setAside({ position: 3, reason: "no" });
      yield* SpoolList.discard({ file, which: "all" });
      assert.deepStrictEqual(yield* lostIds(file), []);
      appendFileSync(list, "half a line");
      yield* spool.put([command("e")]);
      const text = readFileSync(list, "utf8");
      writeFileSync(list, text.replace('"number":4', '"number":9'));
      assert.deepStrictEqual(yield* lostIds(file), []);
      rmSync(list);
      yield* Effect.scoped(SpoolSqlite.make({ file, target: "x" }).pipe(Effect.flatMap(({ state }) => state)));
      change(file, "DELETE FROM commands WHERE position = 5");
      assert.deepStrictEqual(yield* lostIds(file), ["e"]);
    }),
  );

  it.live("misses nothing when its list ends in half a line: a process or the power went while it was written", () =>
    Effect.gen(function* () {
      const { file, list } = yield* filled(["a", "b"]);
      appendFileSync(list, '0badc0de {"number":');
      yield* Effect.scoped(Effect.flatMap(SpoolSqlite.make({ file, target: "x" }), (spool) => spool.forget([1])));
      assert.deepStrictEqual(yield* lostIds(file), []);
      assert.deepStrictEqual(yield* remaining(file), ["b"]);
    }),
  );

  it.live("gives its room back to the disk when nothing waits any more, and keeps on telling of what is lost", () =>
    Effect.gen(function* () {
      const { file, list } = yield* filled(["lost"]);
      change(file, "DELETE FROM commands");
      const spool = yield* SpoolSqlite.make({ file, target: "x" });
      const large = { sha256: "s", bytes: Buffer.alloc(6_000_000) };
      const many = Array.from({ length: 500 }, (_, index) => command(`${index}`));
      yield* spool.put([command("large", [large])]);
      yield* spool.put(many);
      assert.isAbove(statSync(file).size + statSync(`${file}-wal`).size, 6_000_000);
      const waiting = yield* spool.oldest({ limit: 10_000, maxBytes: 1e9 });
      yield* spool.forget(waiting.map(({ position }) => position));
      assert.isBelow(statSync(file).size + statSync(`${file}-wal`).size, 400_000);
      assert.isBelow(statSync(list).size, 2_000);
      assert.deepStrictEqual(yield* lostIds(file), ["lost"]);
      assert.strictEqual(yield* spool.put([command("next")]), 503);
    }),
  );
});
