import { assert, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { Effect } from "effect";
import { chmodSync, copyFileSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { countsOf, describedAs, factsByThread } from "../counts.ts";
import { stores, type StoreFixture } from "../StoreFixtures.ts";
import { events, exported, folderOf, importAll, threads, withLog, world } from "../World.ts";

/** The fixture's database in a folder of its own; `mode` is SQLite's journal mode. */
const built = Effect.fnUntraced(function* (store: StoreFixture, mode: "wal" | "delete") {
  const folder = yield* folderOf({});
  const path = join(folder, store.file);
  const db = yield* Effect.acquireRelease(
    Effect.sync(() => new Database(path)),
    (open) => Effect.sync(() => open.close()),
  );
  db.pragma(`journal_mode = ${mode}`);
  store.build(db);
  return { folder, path, db };
});

const wordsOf = (facts: ReadonlyArray<{ readonly _tag: string }>): string => JSON.stringify(facts);

for (const store of stores) {
  describe(store.format, () => {
    it.live("gives a thread for each session, an entry for each row, what they say, and again nothing", () =>
      Effect.gen(function* () {
        const { folder } = yield* built(store, "wal");
        const report = yield* importAll(folder);
        assert.deepInclude(report, { files: 1, eventsAppended: store.rows, refused: [], unknown: 0, threads: 1 });
        assert.deepStrictEqual(report.formats, { [store.format]: { files: 1, entries: store.rows } });
        assert.deepStrictEqual(yield* threads, [store.thread]);
        const facts = (yield* factsByThread).get(store.thread) ?? [];
        assert.deepStrictEqual(countsOf(facts), store.counts);
        assert.strictEqual(describedAs(facts)["title"], store.title);
        assert.strictEqual(describedAs(facts)["cwd"], store.cwd);
        for (const { occurredAt } of yield* events) assert.strictEqual(new Date(occurredAt).getUTCFullYear(), 2026);
        const again = yield* importAll(folder);
        assert.deepInclude(again, { eventsAppended: 0, duplicates: store.rows, messages: report.messages });
        const out = yield* exported(store.thread);
        assert.lengthOf(out.trimEnd().split("\n"), store.rows);
        for (const line of out.trimEnd().split("\n")) assert.isObject(JSON.parse(line));
      }).pipe(Effect.scoped, Effect.provide(world)),
    );

    it.live("takes a row that is rewritten as a new entry: what it said stays, and what it says now counts", () =>
      Effect.gen(function* () {
        const { db, folder } = yield* built(store, "wal");
        const before = (yield* importAll(folder)).eventsAppended;
        db.exec(store.rewrite);
        assert.deepInclude(yield* importAll(folder), { eventsAppended: 1, duplicates: before - 1 });
        const facts = (yield* factsByThread).get(store.thread) ?? [];
        assert.deepStrictEqual(countsOf(facts), store.counts);
        assert.include(wordsOf(facts), '"it is fixed"');
        assert.include(wordsOf(facts), store.after);
        assert.deepInclude(yield* importAll(folder), { eventsAppended: 0 });
      }).pipe(Effect.scoped, Effect.provide(world)),
    );
  });
}

describe("a database that its agent has open", () => {
  const store = stores[0] as StoreFixture;

  for (const mode of ["wal", "delete"] as const)
    it.live(`in mode ${mode} is read as committed while a transaction is under way, and the agent can go on`, () =>
      Effect.gen(function* () {
        const { db, folder } = yield* built(store, mode);
        db.exec("BEGIN IMMEDIATE");
        db.exec(store.rewrite);
        const report = yield* importAll(folder);
        assert.deepInclude(report, { eventsAppended: store.rows, refused: [] });
        db.exec("COMMIT");
        assert.deepInclude(yield* importAll(folder), { eventsAppended: 1 });
      }).pipe(Effect.scoped, Effect.provide(world)),
    );
});

it.live("a database that nobody has open is left as it lies: no file comes beside it", () =>
  Effect.gen(function* () {
    const store = stores[0] as StoreFixture;
    const { db, folder, path } = yield* built(store, "wal");
    db.close();
    assert.deepStrictEqual(readdirSync(folder), [store.file]);
    assert.deepInclude(yield* importAll(path), { eventsAppended: store.rows });
    assert.deepStrictEqual(readdirSync(folder), [store.file]);
  }).pipe(Effect.scoped, Effect.provide(world)),
);

it.live(
  "a database that a killed agent left, with its log or a journal to roll back, is read and left as it lies",
  () =>
    Effect.gen(function* () {
      const store = stores[0] as StoreFixture;
      const leftBy = Effect.fnUntraced(function* (mode: "wal" | "delete", beside: string) {
        const { db, folder } = yield* built(store, mode);
        if (mode === "delete") {
          // A transaction that is larger than its cache: half of it stands in the file when the agent is killed.
          db.pragma("cache_size = 1");
          db.exec(`BEGIN; ${store.rewrite}; CREATE TABLE large(t)`);
          db.exec("INSERT INTO large SELECT randomblob(2000) FROM (SELECT 1 FROM pragma_function_list LIMIT 100)");
        }
        const left = yield* folderOf({});
        for (const name of [store.file, `${store.file}${beside}`]) copyFileSync(join(folder, name), join(left, name));
        if (mode === "delete") db.exec("ROLLBACK");
        return left;
      });
      for (const [mode, beside] of [
        ["wal", "-wal"],
        ["delete", "-journal"],
      ] as const) {
        const left = yield* leftBy(mode, beside);
        const before = readdirSync(left).map((name) => [name, readFileSync(join(left, name)).toString("hex")]);
        const report = yield* importAll(left);
        assert.deepInclude(report, { files: 1, refused: [], eventsAppended: mode === "wal" ? store.rows : 0 });
        assert.deepStrictEqual(
          readdirSync(left).map((name) => [name, readFileSync(join(left, name)).toString("hex")]),
          before,
        );
      }
    }).pipe(Effect.scoped, Effect.provide(world)),
);

it.live("a database with its log is read from a folder in which nothing may be made", () =>
  Effect.gen(function* () {
    const store = stores[0] as StoreFixture;
    const { folder, path } = yield* built(store, "wal");
    const elsewhere = yield* folderOf({});
    copyFileSync(path, join(elsewhere, "a.db"));
    copyFileSync(`${path}-wal`, join(elsewhere, "a.db-wal"));
    chmodSync(elsewhere, 0o500);
    const report = yield* importAll(elsewhere);
    chmodSync(elsewhere, 0o700);
    assert.deepInclude(report, { eventsAppended: store.rows, refused: [] });
    assert.deepInclude(yield* importAll(folder), { eventsAppended: 0 });
  }).pipe(Effect.scoped, Effect.provide(world)),
);

it.live("a database of no agent that is known, a damaged one and an empty one are named for what they are", () =>
  Effect.gen(function* () {
    const folder = yield* folderOf({});
    const open = (name: string) => new Database(join(folder, name));
    const other = open("a.db");
    other.exec("CREATE TABLE invoices(id); CREATE TABLE customers(id)");
    other.close();
    const { build } = stores[0] as StoreFixture;
    const damaged = open("b.db");
    build(damaged);
    damaged.close();
    const bytes = yield* Effect.promise(() =>
      import("node:fs/promises").then((fs) => fs.readFile(join(folder, "b.db"))),
    );
    bytes.fill(0xee, 100, bytes.length);
    yield* Effect.promise(() => import("node:fs/promises").then((fs) => fs.writeFile(join(folder, "b.db"), bytes)));
    const empty = open("c.db");
    build(empty);
    empty.exec("DELETE FROM session");
    empty.close();
    const report = yield* importAll(folder);
    assert.deepInclude(report, { files: 0, eventsAppended: 0 });
    assert.deepStrictEqual(
      report.skipped.map(({ reason }) => reason),
      [
        "it is a SQLite database of no agent that is known: its tables are customers, invoices",
        "the database (opencode-db) has no session in it yet",
      ],
    );
    assert.match(report.refused[0]?.reason ?? "", /^the SQLite database is damaged/);
  }).pipe(Effect.scoped, Effect.provide(world)),
);

it.live("a damaged page of a database costs the sessions that stand on it, and no other one", () =>
  Effect.gen(function* () {
    const folder = yield* folderOf({});
    const path = join(folder, "a.db");
    const database = new Database(path);
    (stores[0] as StoreFixture).build(database);
    database.exec("CREATE INDEX message_session_idx ON message(session_id)");
    const session = database.prepare(
      "INSERT INTO session SELECT ?, project_id, parent_id, slug, directory, title, version, time_created, time_updated FROM session WHERE id = 'ses_1'",
    );
    const message = database.prepare("INSERT INTO message VALUES (?, ?, 1, 1, ?)");
    for (let n = 10; n < 50; n++) {
      session.run(`ses_${n}`);
      const data = JSON.stringify({ role: "user", words: `session ${n} `.repeat(150) });
      message.run(`msg_${n}`, `ses_${n}`, data);
    }
    database.close();
    const bytes = readFileSync(path);
    const page = Math.floor(bytes.indexOf("session 30 session 30") / 4096) * 4096;
    writeFileSync(path, bytes.fill(0xee, page, page + 4096));
    const report = yield* importAll(folder);
    assert.isAbove(report.refused.length, 0);
    assert.isBelow(report.refused.length, 10);
    for (const { reason } of report.refused) assert.match(reason, /^ses_\d+: the SQLite database is damaged/);
    assert.include(
      report.refused.map(({ reason }) => reason.slice(0, 6)),
      "ses_30",
    );
    for (const id of ["ses_1", "ses_10", "ses_49"]) assert.include(yield* threads, id);
  }).pipe(Effect.scoped, Effect.provide(world)),
);

it.live("a session that was moved into the database is the thread that its files were", () =>
  Effect.gen(function* () {
    const store = stores[0] as StoreFixture;
    const files = yield* folderOf({
      "storage/session/p/ses_1.json": JSON.stringify({
        id: "ses_1",
        projectID: "p",
        time: {},
        title: "Retry",
        directory: "/x",
      }),
      "storage/message/ses_1/msg_1.json": JSON.stringify({ id: "msg_1", sessionID: "ses_1", role: "user", time: {} }),
      "storage/part/msg_1/prt_1.json": JSON.stringify({
        id: "prt_1",
        sessionID: "ses_1",
        messageID: "msg_1",
        type: "text",
        text: "please fix the loop",
      }),
    });
    yield* importAll(files);
    yield* importAll((yield* built(store, "wal")).folder);
    assert.deepStrictEqual(yield* threads, ["ses_1"]);
    assert.deepStrictEqual(countsOf((yield* factsByThread).get("ses_1") ?? []), store.counts);
  }).pipe(Effect.scoped, Effect.provide(world)),
);

it.live("a database that is written to while it is read is read once more, and counts once in the report", () =>
  Effect.gen(function* () {
    const { build, file, format, rows } = stores[0] as StoreFixture;
    const folder = yield* folderOf({});
    const db = new Database(join(folder, file));
    db.pragma("journal_mode = wal");
    build(db);
    db.exec("INSERT INTO session SELECT 'ses_0', 'p', NULL, 'owl', '/x', 'Other', '1.17.0', 1, 1");
    // Closed by its last user it has no log beside it, and is taken for one that is open nowhere.
    db.close();
    let looks = 0;
    const report = yield* importAll(folder).pipe(
      withLog((log) => ({
        last: (history) => {
          if (looks++ === 0) utimesSync(join(folder, file), new Date(1), new Date(1));
          return log.last(history);
        },
      })),
    );
    const entries = rows + 1;
    assert.deepInclude(report, { files: 1, eventsAppended: entries, duplicates: 0, refused: [], threads: 2 });
    assert.deepStrictEqual(report.formats, { [format]: { files: 1, entries } });
    assert.deepInclude(yield* importAll(folder), { eventsAppended: 0, duplicates: entries });
  }).pipe(Effect.scoped, Effect.provide(world)),
);
