import { assert, describe, it } from "@effect/vitest";
import * as NodeServices from "@effect/platform-node/NodeServices";
import Database from "better-sqlite3";
import { Effect, FileSystem } from "effect";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import * as History from "../../src/domain/History.ts";
import type { Command, Owner } from "../../src/spool/Spool.ts";
import * as SpoolCodec from "../../src/spool/SpoolCodec.ts";
import * as SpoolBounds from "../../src/spool/SpoolBounds.ts";
import { SpoolFile } from "../../src/spool/SpoolFileSqlite.ts";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";

const command = (id: string, rest: Partial<Command> = {}): Command => ({
  history: History.thread("t"),
  event: { id, type: "thread.renamed", schemaVersion: 1, occurredAt: 1, source: "test", body: `{"title":"${id}"}` },
  blobs: [],
  ...rest,
});

const temporaryFile = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem;
  return `${yield* fs.makeTempDirectoryScoped({ prefix: "recollect-spool-" })}/deep/spool.db`;
}).pipe(Effect.provide(NodeServices.layer), Effect.orDie);

/** Two of this process: it lives. */
const [p1, p2] = ["p1", "p2"].map((name) => ({ pid: process.pid, name })) as [Owner, Owner];

const everything = { limit: 1_000, maxBytes: 1_000_000_000 };

const idsOf = (commands: ReadonlyArray<Command>) => commands.map(({ event }) => event.id);

describe("SpoolSqlite", () => {
  it.live("tells the positions between which commands wait, those of its own log that were not set aside", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile;
      const spool = yield* SpoolSqlite.make({ file, target: "x" });
      assert.isUndefined(yield* spool.range);
      const other = yield* SpoolSqlite.make({ file, target: "y" });
      yield* other.put([command("0")]);
      const last = yield* spool.put(["a", "b", "c"].map((id) => command(id)));
      yield* other.put([command("1")]);
      assert.deepStrictEqual(yield* spool.range, { oldest: last - 2, newest: last });
      yield* spool.forget([last - 2]);
      yield* spool.setAside({ position: last, reason: "a test" });
      assert.deepStrictEqual(yield* spool.range, { oldest: last - 1, newest: last - 1 });
      yield* spool.forget([last - 1]);
      assert.isUndefined(yield* spool.range);
    }),
  );

  it.live("gives commands back as they came, in their order, to a later process", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile;
      const given = [
        command("a", { history: History.task("ü/…🙂", "other") }),
        command("b", {
          event: { ...command("b").event, actor: "me", extensions: { x: "1" }, body: Uint8Array.of(0xff, 0, 1) },
          blobs: [
            { sha256: "s1", bytes: Buffer.from("one") },
            { sha256: "s2", bytes: Buffer.from("") },
          ],
        }),
        command("c"),
      ];
      yield* Effect.scoped(
        Effect.gen(function* () {
          const spool = yield* SpoolSqlite.make({ file, target: "x" });
          yield* spool.put(given.slice(0, 2));
          yield* spool.put(given.slice(2));
        }),
      );
      const spool = yield* SpoolSqlite.make({ file, target: "x" });
      const found = yield* spool.oldest(everything);
      const plain = (commands: ReadonlyArray<Command>) =>
        commands.map(({ history, event, blobs }) => ({
          history,
          event: { ...event, body: Buffer.from(event.body).toString("base64") },
          blobs: blobs.map(({ sha256, bytes }) => [sha256, Buffer.from(bytes).toString("base64")]),
        }));
      assert.deepStrictEqual(plain(found), plain(given));
      assert.deepInclude(yield* spool.state, { waiting: 3, setAside: 0 });
    }),
  );

  it.live("keeps what was known of the stream's end with each command, and tells the newest one's", () =>
    Effect.gen(function* () {
      const spool = yield* SpoolSqlite.make({ file: yield* temporaryFile, target: "x" });
      assert.isUndefined(yield* spool.newestEnd);
      const [early, late] = [7, 9].map((sequence) => ({ created: 5, sequence }));
      yield* spool.put([command("a", { after: early }), command("b", { after: late })]);
      assert.deepStrictEqual(
        (yield* spool.oldest(everything)).map(({ after }) => after),
        [early, late],
      );
      assert.deepStrictEqual(yield* spool.newestEnd, late);
      yield* spool.put([command("c")]);
      assert.isUndefined(yield* spool.newestEnd);
    }),
  );

  it.live("has a commit on disk when it returns, and its file to itself", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile;
      const spool = new SpoolFile({ file, target: "x" });
      const { database } = spool.open();
      // 2 is FULL: an fsync of the write-ahead log with each commit.
      assert.strictEqual(database.pragma("synchronous", { simple: true }), 2);
      assert.strictEqual(database.pragma("journal_mode", { simple: true }), "wal");
      spool.put([command("a")], 1);
      for (const path of [file, `${file}-wal`]) assert.strictEqual(statSync(path).mode & 0o077, 0, path);
      spool.close();
    }),
  );

  it.live("makes no file as long as there is nothing to keep", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile;
      const spool = yield* SpoolSqlite.make({ file, target: "x" });
      const { overdueMillis, ...empty } = yield* spool.state;
      assert.deepStrictEqual(empty, { waiting: 0, oldestAt: undefined, newest: 0, setAside: 0 });
      assert.strictEqual(overdueMillis, 7 * 24 * 3_600_000);
      assert.deepStrictEqual(yield* spool.oldest(everything), []);
      const fs = yield* FileSystem.FileSystem;
      assert.isFalse(yield* fs.exists(file));
    }).pipe(Effect.provide(NodeServices.layer)),
  );

  it.live("forgets what the log has, keeps what it refused apart, and gives a bounded number at once", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile;
      const spool = yield* SpoolSqlite.make({ file, target: "x" });
      yield* spool.put(["a", "b", "c", "d"].map((id) => command(id)));
      const [a, b] = yield* spool.oldest({ limit: 2, maxBytes: 1_000_000 });
      assert.strictEqual((yield* spool.oldest({ limit: 10, maxBytes: 1 })).length, 1);
      yield* spool.forget([a?.position ?? 0]);
      yield* spool.forget([a?.position ?? 0]);
      yield* spool.setAside({ position: b?.position ?? 0, reason: "no" });
      assert.deepStrictEqual(idsOf(yield* spool.oldest(everything)), ["c", "d"]);
      assert.deepInclude(yield* spool.state, { waiting: 2, setAside: 1 });
    }),
  );

  it.live("never gives the commands of one target to another", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile;
      const one = yield* SpoolSqlite.make({ file, target: "one" });
      const other = yield* SpoolSqlite.make({ file, target: "other" });
      yield* one.put([command("a")]);
      yield* other.put([command("b")]);
      assert.deepStrictEqual(idsOf(yield* one.oldest(everything)), ["a"]);
      assert.deepStrictEqual(idsOf(yield* other.oldest(everything)), ["b"]);
      assert.isTrue(yield* one.lead({ owner: p1, millis: 60_000 }));
      assert.isTrue(yield* other.lead({ owner: p2, millis: 60_000 }));
    }),
  );

  it.live("lets one process lead until it resigns or its time is over", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile;
      const spool = yield* SpoolSqlite.make({ file, target: "x" });
      assert.isTrue(yield* spool.lead({ owner: p1, millis: 60_000 }));
      assert.isTrue(yield* spool.lead({ owner: p1, millis: 60_000 }));
      assert.isFalse(yield* spool.lead({ owner: p2, millis: 60_000 }));
      yield* spool.resign(p2);
      assert.isFalse(yield* spool.lead({ owner: p2, millis: 60_000 }));
      yield* spool.resign(p1);
      assert.isTrue(yield* spool.lead({ owner: p2, millis: -1 }));
      assert.isTrue(yield* spool.lead({ owner: p1, millis: 60_000 }));
    }),
  );

  it.live("takes the lead over from a process that has died, whatever time it had asked for", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile;
      const spool = yield* SpoolSqlite.make({ file, target: "x" });
      const child = spawn(process.execPath, ["-e", ""]);
      yield* Effect.promise(() => once(child, "close"));
      assert.isTrue(yield* spool.lead({ owner: { pid: child.pid ?? 0, name: "dead" }, millis: 60_000 }));
      assert.isTrue(yield* spool.lead({ owner: p1, millis: 60_000 }));
      assert.isFalse(yield* spool.lead({ owner: p2, millis: 60_000 }));
    }),
  );

  it.live("gives what waits for one history, in its order, without what has left", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile;
      const spool = yield* SpoolSqlite.make({ file, target: "x" });
      const other = { history: History.thread("t", "another tenant") };
      yield* spool.put([command("a"), command("b", other), command("c"), command("d"), command("e")]);
      const [a, , , d] = yield* spool.oldest(everything);
      yield* spool.forget([a?.position ?? 0]);
      yield* spool.setAside({ position: d?.position ?? 0, reason: "no" });
      assert.deepStrictEqual(idsOf(yield* spool.waitingFor(History.thread("t"))), ["c", "e"]);
      assert.deepStrictEqual(idsOf(yield* spool.waitingFor(History.thread("none"))), []);
    }),
  );

  it.live("makes a new file when the one it had was removed, in place of writing where nobody looks", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const file = yield* temporaryFile;
      const spool = yield* SpoolSqlite.make({ file, target: "x" });
      yield* spool.put([command("a")]);
      yield* fs.remove(file);
      yield* spool.put([command("b")]);
      const later = yield* SpoolSqlite.make({ file, target: "x" });
      assert.deepStrictEqual(idsOf(yield* later.oldest(everything)), ["b"]);
    }).pipe(Effect.provide(NodeServices.layer)),
  );

  it.live("reads a file of the version before, and what a process of that version puts into it meanwhile", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile;
      mkdirSync(dirname(file), { recursive: true });
      const before = new Database(file);
      before.exec(`CREATE TABLE commands (position INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL,
        accepted_at INTEGER NOT NULL, body TEXT NOT NULL, set_aside TEXT) STRICT;
        CREATE INDEX commands_waiting ON commands (target, position) WHERE set_aside IS NULL;
        CREATE TABLE blobs (position INTEGER NOT NULL REFERENCES commands ON DELETE CASCADE, sha256 TEXT NOT NULL,
        bytes BLOB NOT NULL, PRIMARY KEY (position, sha256)) STRICT;
        CREATE TABLE leaders (target TEXT PRIMARY KEY, owner TEXT NOT NULL, until INTEGER NOT NULL) STRICT;
        PRAGMA user_version = 1`);
      const put = before.prepare("INSERT INTO commands (target, accepted_at, body) VALUES ('x', 7, ?)");
      put.run(SpoolCodec.encode(command("a")));
      const spool = yield* SpoolSqlite.make({ file, target: "x" });
      assert.deepStrictEqual(idsOf(yield* spool.waitingFor(History.thread("t"))), ["a"]);
      put.run(SpoolCodec.encode(command("b")));
      before.close();
      assert.deepStrictEqual(idsOf(yield* spool.waitingFor(History.thread("t"))), ["a", "b"]);
      assert.deepInclude(yield* spool.state, { waiting: 2, oldestAt: 7 });
    }),
  );

  it.live("sets aside a row that is no command, so that those behind it get through", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile;
      const spool = yield* SpoolSqlite.make({ file, target: "x" });
      yield* spool.put([command("a"), command("b")]);
      const raw = new Database(file);
      raw.exec("UPDATE commands SET body = '{\"torn\":' WHERE position = 1");
      raw.close();
      assert.deepStrictEqual(idsOf(yield* spool.oldest(everything)), ["b"]);
      assert.deepInclude(yield* spool.state, { waiting: 1, setAside: 1 });
    }),
  );

  it.live("says what is wrong with its file and what to do, and takes commands again when that is done", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const file = yield* temporaryFile;
      yield* fs.makeDirectory(file, { recursive: true });
      const spool = yield* SpoolSqlite.make({ file, target: "x" });
      const refused = yield* Effect.flip(spool.put([command("a")]));
      assert.strictEqual(refused._tag, "SpoolUnavailable");
      yield* fs.remove(file, { recursive: true });
      yield* fs.writeFileString(file, "this is no database, and long enough to be looked at as one".repeat(20));
      assert.deepInclude(yield* Effect.flip(spool.put([command("a")])), { reason: "damaged", file });
      yield* fs.remove(file);
      yield* spool.put([command("a")]);
      assert.deepStrictEqual(idsOf(yield* spool.oldest(everything)), ["a"]);
    }).pipe(Effect.provide(NodeServices.layer)),
  );

  it.live("refuses as full what does not fit into its largest size, and loses nothing it had", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile;
      const spool = yield* SpoolSqlite.make({ file, target: "x", maxFileBytes: 200_000 });
      yield* spool.put([command("a")]);
      const large = command("b", { blobs: [{ sha256: "s", bytes: Buffer.alloc(300_000) }] });
      assert.deepInclude(yield* Effect.flip(spool.put([large])), { reason: "full" });
      yield* spool.put([command("c")]);
      assert.deepStrictEqual(idsOf(yield* spool.oldest(everything)), ["a", "c"]);
    }),
  );

  it.live("obeys bounds that somebody writes while it is open, unless it was told others", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile;
      const spool = yield* SpoolSqlite.make({ file, target: "x" });
      const own = yield* SpoolSqlite.make({ file, target: "x", maxFileBytes: 10_000_000, overdueMillis: 5 });
      const large = (id: string) => command(id, { blobs: [{ sha256: "s", bytes: Buffer.alloc(300_000) }] });
      yield* spool.put([large("a")]);
      SpoolBounds.write(file, { maxFileBytes: 200_000, overdueMillis: 1_000 });
      assert.deepInclude(yield* Effect.flip(spool.put([large("b")])), { reason: "full" });
      assert.strictEqual((yield* spool.state).overdueMillis, 1_000);
      yield* own.put([large("c")]);
      assert.strictEqual((yield* own.state).overdueMillis, 5);
      SpoolBounds.write(file, SpoolBounds.defaultBounds);
      yield* spool.put([large("d")]);
      assert.deepStrictEqual(idsOf(yield* spool.oldest(everything)), ["a", "c", "d"]);
      for (const text of ["{", "null", '{"maxFileBytes":"x","overdueMillis":-1}']) {
        const fs = yield* FileSystem.FileSystem;
        yield* fs.writeFileString(`${file}.bounds.json`, text);
        assert.strictEqual((yield* spool.state).overdueMillis, SpoolBounds.defaultBounds.overdueMillis, text);
      }
    }).pipe(Effect.provide(NodeServices.layer)),
  );

  it.live(
    "keeps every command of four processes that put at the same time and are killed",
    () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile;
        const writer = new URL("writer.ts", import.meta.url).pathname;
        const start = (name: string) =>
          spawn(process.execPath, [writer, file, name], { stdio: ["ignore", "pipe", "inherit"] });
        const children = ["p", "q", "r", "s"].map(start);
        const told = children.map(() => 0);
        children.forEach((child, index) =>
          child.stdout.on("data", (chunk: Buffer) => {
            told[index] = (told[index] ?? 0) + chunk.toString().split("\n").length - 1;
            if ((told[index] ?? 0) >= 50) child.kill("SIGKILL");
          }),
        );
        yield* Effect.promise(() => Promise.all(children.map((child) => once(child, "close"))));
        const spool = yield* SpoolSqlite.make({ file, target: "x" });
        const found = idsOf(yield* spool.oldest({ limit: 100_000, maxBytes: 1e9 }));
        for (const [index, name] of ["p", "q", "r", "s"].entries()) {
          const own = found.filter((id) => id.startsWith(name)).map((id) => Number(id.slice(1)));
          assert.deepStrictEqual(
            own,
            own.map((_, position) => position),
          );
          assert.isAtLeast(own.length, told[index] ?? 0);
        }
      }),
    // Four processes start, which takes its time on a busy machine.
    120_000,
  );
});
