import { assert, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { Effect } from "effect";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { readModels } from "../../../projections/all.ts";
import { thread } from "../../../src/domain/History.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import * as StreamFiles from "../../../src/log/blocks/StreamFiles.ts";
import * as StoreSwap from "../../../src/machine/StoreSwap.ts";
import * as KeptFiles from "../../../src/projection/rebuild/KeptFiles.ts";
import { verify } from "../../../src/projection/verify/Verify.ts";
import { temporaryFolder } from "../World.ts";
import * as World from "./World.ts";

const { append, appendAll, folderWith, heal, plan, shapes, typeOf, withLog } = World;

const assertWhole = (verified: { readonly ok: boolean; readonly differing: number }) =>
  assert.deepInclude(verified, { ok: true, differing: 0 });

/** As many as fill one compressed block, and begin the next, which is written to. */
const notes = 30;

/** A compressed block and one that is written to. */
const compressedFolder = Effect.fnUntraced(function* (
  alsoDo: (root: string) => Effect.Effect<void, unknown, EventLog>,
) {
  const root = join(yield* temporaryFolder, "data");
  const text = "the same words again and again ".repeat(10_000);
  yield* World.withServer(root, World.makeCompressed);
  const work = Effect.gen(function* () {
    for (let n = 0; n < notes; n++) yield* World.appendNote(`large ${n}`, `${n} ${text}`);
    yield* alsoDo(root);
    return yield* World.everything;
  });
  return { root, text, before: yield* withLog(root, work) };
});

describe("healing", { timeout: 120_000 }, () => {
  it.live("says that there is nothing to do where stream and ledger are whole, and does nothing", () =>
    Effect.gen(function* () {
      const { root } = yield* folderWith(20);
      assert.deepInclude(yield* plan(root), { needed: false, needsRebuild: false, findings: [] });
      const { done } = yield* heal(root);
      assert.isUndefined(done.kept);
      assert.deepStrictEqual(StoreSwap.kept(root), []);
    }),
  );

  it.live("moves a compressed stream to one that is not, with everything as it was", () =>
    Effect.gen(function* () {
      const { before, root, text } = yield* compressedFolder(World.project);
      const files = StreamFiles.find(join(root, "nats"), "RECOLLECT");
      assert.isTrue(files !== undefined && [...StreamFiles.readBlocks(files)].some(({ isCompressed }) => isCompressed));
      const planned = yield* plan(root);
      assert.deepStrictEqual(
        planned.findings.map(({ code }) => code),
        ["compressed"],
      );
      const { after, done, verified } = yield* heal(root);
      assertWhole(verified);
      assert.deepStrictEqual(shapes(after.slice(0, notes)), shapes(before));
      assert.strictEqual(typeOf(after[notes]), "recollect.healed");
      assert.deepInclude(World.dataOf(after[notes]), {
        reason: "a test",
        through: notes,
        fromStream: notes,
        fromLedger: 0,
      });
      assert.isFalse((yield* plan(root)).needed);
      assert.deepStrictEqual(StoreSwap.kept(root), [done.kept ?? ""]);
      // Readers and writers work as before: the same id again is the same event, and a new one follows.
      yield* withLog(
        root,
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* World.appendNote("large 7", `7 ${text}`), { sequence: 8, duplicate: true });
          assert.deepInclude(yield* append("new"), { sequence: notes + 2, duplicate: false });
          const log = yield* EventLog;
          const last = yield* log.last(thread("notes"));
          assert.strictEqual(last?.sequence, notes);
        }),
      );
    }),
  );

  it.live("holds aside what nats-server removes when it cannot load a stream, and saves from it what is whole", () =>
    Effect.gen(function* () {
      const { before, root } = yield* compressedFolder(() => Effect.void);
      const folder = World.streamFolder(root);
      const block = join(folder, "msgs", "1.blk");
      const bytes = readFileSync(block);
      const at = Math.trunc(bytes.length / 2);
      bytes[at] = (bytes[at] ?? 0) ^ 8;
      writeFileSync(block, bytes);
      rmSync(join(folder, "msgs", "index.db"));
      // The server removes it at its start, 2.15.1 at least; nothing is made in its place.
      yield* World.withServer(root, Effect.void);
      const planned = yield* plan(root);
      if (!existsSync(folder)) assert.strictEqual(planned.findings[0]?.code, "streamMissing");
      assert.deepInclude(planned.events, { total: notes, fromLedger: 0 });
      assert.isAtLeast(planned.events.lost, 1);
      assert.isAtMost(planned.events.lost, 6);
      const { after, verified } = yield* heal(root);
      assertWhole(verified);
      const isLost = (sequence: number) =>
        planned.lost.some(({ first, last }) => first <= sequence && sequence <= last);
      for (const [index, entry] of before.entries()) {
        if (isLost(index + 1)) assert.strictEqual(typeOf(after[index]), "recollect.event_lost");
        else assert.deepStrictEqual(shapes(after.slice(index, index + 1)), shapes([entry]));
      }
      assert.isFalse((yield* plan(root)).needed);
    }),
  );

  it.live("puts a lost tail back from the ledger: the same events at the same places", () =>
    Effect.gen(function* () {
      const { root } = yield* folderWith(30);
      const older = join(yield* temporaryFolder, "older");
      World.copyStore(root, older);
      const before = yield* withLog(
        root,
        appendAll("later", 30).pipe(Effect.andThen(World.project(root)), Effect.andThen(World.everything)),
      );
      World.putStoreBack(root, older);
      assert.deepInclude(yield* plan(root), { needed: true, fromLedger: [{ first: 31, last: 60 }], lost: [] });
      const { after, verified } = yield* heal(root);
      assertWhole(verified);
      assert.deepStrictEqual(shapes(after.slice(0, 60)), shapes(before));
      assert.strictEqual(typeOf(after[60]), "recollect.healed");
      assert.lengthOf(after, 61);
    }),
  );

  it.live("fills holes and damaged pieces of blocks from the ledger", () =>
    Effect.gen(function* () {
      const { before, root } = yield* folderWith(60);
      World.flipEvent(root, 20);
      const block = join(World.streamFolder(root), "msgs", "1.blk");
      const bytes = readFileSync(block);
      bytes.fill(0, 15_000, 18_000);
      writeFileSync(block, bytes);
      const planned = yield* plan(root);
      assert.strictEqual(planned.events.fromLedger + planned.events.inBoth, 60);
      assert.isAbove(planned.events.fromLedger, 3);
      assert.strictEqual(planned.copies.stream?.damagedBlocks, 1);
      const { after, verified } = yield* heal(root);
      assertWhole(verified);
      assert.deepStrictEqual(shapes(after.slice(0, 60)), shapes(before));
    }),
  );

  it.live("says at its place that an event is lost which neither copy has", () =>
    Effect.gen(function* () {
      const { before, root } = yield* folderWith(40);
      World.flipEvent(root, 20);
      World.changeRow(root, 20);
      assert.deepInclude(yield* plan(root), { lost: [{ first: 20, last: 20 }], needsRebuild: true });
      const { after, verified } = yield* heal(root);
      assertWhole(verified);
      assert.strictEqual(typeOf(after[19]), "recollect.event_lost");
      assert.deepInclude(World.dataOf(after[19]), { sequence: 20 });
      assert.deepStrictEqual(shapes([...after.slice(0, 19), ...after.slice(20, 40)]), shapes(before.toSpliced(19, 1)));
      assert.deepInclude(World.dataOf(after[40]), { lost: [{ first: 20, last: 20 }] });
    }),
  );

  it.live("makes a stream that stands alone of one copy of three, and calls it what the folder knows", () =>
    Effect.gen(function* () {
      const { before, root } = yield* folderWith(9);
      const meta = join(World.streamFolder(root), "meta.inf");
      const said = JSON.parse(readFileSync(meta, "utf8"));
      const identity = "11111111-0000-4000-8000-000000000000";
      writeFileSync(meta, JSON.stringify({ ...said, num_replicas: 3, metadata: {} }));
      writeFileSync(
        join(root, "store.json"),
        JSON.stringify({ identity, stream: "RECOLLECT", created: 0, heldSomething: true }),
      );
      assert.includeMembers(
        (yield* plan(root)).findings.map(({ code }) => code),
        ["identity", "replicated"],
      );
      const { after, verified } = yield* heal(root);
      assertWhole(verified);
      assert.deepStrictEqual(shapes(after.slice(0, 9)), shapes(before));
      assert.deepInclude(World.dataOf(after[9]), { identity });
      const healed = StreamFiles.find(join(root, "nats"), "RECOLLECT")?.meta;
      assert.deepInclude(healed, { num_replicas: 1 });
      assert.strictEqual(healed?.metadata?.["recollect.identity"], identity);
    }),
  );

  it.live("makes the ledger anew where only the ledger is damaged, and leaves the stream", () =>
    Effect.gen(function* () {
      const { root } = yield* folderWith(40);
      World.changeRow(root, 20);
      assert.deepInclude(yield* plan(root), { needed: false, needsRebuild: true });
      const { after, done, verified } = yield* heal(root);
      assert.isUndefined(done.kept);
      assertWhole(verified);
      assert.lengthOf(after, 40);
    }),
  );

  it.live("leaves a stream alone that gives the ledger's running hash, whatever places its rows have changed to", () =>
    Effect.gen(function* () {
      const { before, root } = yield* folderWith(20);
      const db = new Database(realpathSync(join(root, "recollect.db")));
      for (const [from, to] of [
        [4, -1],
        [5, 4],
        [-1, 5],
      ])
        db.prepare("UPDATE events SET sequence = ? WHERE sequence = ?").run(to, from);
      db.close();
      assert.deepInclude(yield* plan(root), { needed: false, needsRebuild: true });
      const { after, verified } = yield* heal(root);
      assertWhole(verified);
      assert.deepStrictEqual(shapes(after.slice(0, before.length)), shapes(before));
    }),
  );

  it.live("takes nothing from the database of another store, keeps it aside, and makes this store's anew", () =>
    Effect.gen(function* () {
      const { before, root } = yield* folderWith(20);
      const other = yield* folderWith(30, "foreign");
      const identity = StreamFiles.find(join(root, "nats"), "RECOLLECT")?.meta?.metadata?.["recollect.identity"];
      writeFileSync(
        join(root, "store.json"),
        JSON.stringify({ identity, stream: "RECOLLECT", created: 0, heldSomething: true }),
      );
      copyFileSync(realpathSync(World.folderOf(other.root).database), realpathSync(World.folderOf(root).database));
      const planned = yield* plan(root);
      assert.deepInclude(planned, { needed: false, needsRebuild: true, changed: [], lost: [], moved: [] });
      assert.deepStrictEqual(
        planned.findings.map(({ code }) => code),
        ["strangeLedger"],
      );
      const { after, done, verified } = yield* heal(root);
      assert.isUndefined(done.kept);
      assertWhole(verified);
      assert.deepStrictEqual(shapes(after), shapes(before));
      assert.deepStrictEqual(
        KeptFiles.kept(World.folderOf(root).database).map(({ name }) => name),
        ["recollect-1.db"],
      );
    }),
  );

  it.live("names as lost what was there, by the folder's own note, and neither copy has", () =>
    Effect.gen(function* () {
      const { before, root } = yield* folderWith(20);
      const reached = before.length + 3;
      const record = { identity: "of this folder", stream: "RECOLLECT", created: 0, heldSomething: true, reached };
      writeFileSync(join(root, "store.json"), JSON.stringify(record));
      const planned = yield* plan(root);
      assert.deepStrictEqual(planned.lost, [{ first: before.length + 1, last: reached }]);
      const { after, verified } = yield* heal(root);
      assertWhole(verified);
      const lost = after.slice(before.length, reached).map(typeOf);
      assert.deepStrictEqual(lost, ["recollect.event_lost", "recollect.event_lost", "recollect.event_lost"]);
    }),
  );

  it.live("believes no end that no store can have: not of the folder's note, and not of the checkpoints", () =>
    Effect.gen(function* () {
      const { before, root } = yield* folderWith(20);
      const absurd = 1_000_000_000_000;
      const record = {
        identity: "of this folder",
        stream: "RECOLLECT",
        created: 0,
        heldSomething: true,
        reached: absurd,
      };
      writeFileSync(join(root, "store.json"), JSON.stringify(record));
      const db = new Database(World.folderOf(root).database);
      db.exec(`UPDATE checkpoints SET sequence = ${absurd}`);
      db.close();
      assert.deepInclude((yield* plan(root)).events, { total: 20, lost: 0 });
      const path = World.folderOf(root).database;
      const verified = yield* withLog(root, verify({ path, projections: readModels }));
      assert.deepInclude(verified.places.at(-1), { kind: "both", first: before.length + 1, last: absurd });
    }),
  );

  it.live("takes a row that was put behind the ledger's checkpoint for no event", () =>
    Effect.gen(function* () {
      const { before, root } = yield* folderWith(10);
      const db = new Database(World.folderOf(root).database);
      db.exec(`CREATE TEMP TABLE more AS SELECT * FROM events WHERE sequence = 10; UPDATE more SET sequence = 11;
        INSERT INTO events SELECT * FROM more`);
      db.close();
      assert.deepInclude((yield* plan(root)).events, { total: 10, fromLedger: 0 });
      const { after, verified } = yield* World.whole(root, true);
      assertWhole(verified);
      assert.deepStrictEqual(shapes(after), shapes(before));
    }),
  );

  it.live("finds every event of a stream whose blocks are all gone in the ledger, and verify names them", () =>
    Effect.gen(function* () {
      const { before, root } = yield* folderWith(10);
      for (const name of readdirSync(join(World.streamFolder(root), "msgs")).filter((file) => file.endsWith(".blk")))
        rmSync(join(World.streamFolder(root), "msgs", name));
      const found = yield* withLog(root, verify({ path: World.folderOf(root).database, projections: readModels }));
      assert.deepInclude(found, { ok: false, differing: 10 });
      const { after, verified } = yield* heal(root);
      assertWhole(verified);
      assert.deepStrictEqual(shapes(after.slice(0, 10)), shapes(before));
    }),
  );

  it.live("makes damaged read models anew, and leaves a damaged spool to a person", () =>
    Effect.gen(function* () {
      const { before, root } = yield* folderWith(40);
      const database = realpathSync(World.folderOf(root).database);
      const pages = readFileSync(database);
      // The last page is one of an index or a read model, and not of the ledger's first rows.
      pages.fill(0xaa, pages.length - 4096);
      writeFileSync(database, pages);
      writeFileSync(join(root, "spool.db"), "this is no database, and long enough to be taken for one".repeat(40));
      const planned = yield* plan(root);
      assert.deepInclude(planned, { needed: false, needsRebuild: true });
      const states = planned.rest.map(({ command, mended, state, what }) => ({ what, state, mended, command }));
      assert.deepStrictEqual(states, [
        { what: "read models", state: "damaged", mended: "by heal", command: "recollect rebuild" },
        { what: "spool", state: "damaged", mended: "by command", command: "recollect spool list" },
        { what: "snapshots", state: "well", mended: "by itself", command: null },
      ]);
      const { after, verified } = yield* World.whole(root, true);
      assertWhole(verified);
      assert.deepStrictEqual(shapes(after), shapes(before));
    }),
  );

  it.live("keeps the ledger's numbers where an older stream was written on, and what came since goes behind it", () =>
    Effect.gen(function* () {
      const { root } = yield* folderWith(30);
      const older = join(yield* temporaryFolder, "older");
      World.copyStore(root, older);
      const before = yield* withLog(
        root,
        appendAll("later", 30).pipe(Effect.andThen(World.project(root)), Effect.andThen(World.everything)),
      );
      World.putStoreBack(root, older);
      const written = yield* withLog(
        root,
        appendAll("since", 10).pipe(
          // A publisher that had no answer before sends again what the ledger has at another place.
          Effect.andThen(append("later 3")),
          Effect.andThen(appendAll("and since", 40)),
          Effect.andThen(World.everything),
        ),
      );
      const planned = yield* plan(root);
      assert.deepStrictEqual(planned.moved, [
        { first: 31, last: 40, to: 61 },
        { first: 42, last: 81, to: 71 },
      ]);
      assert.deepStrictEqual(planned.doubled, [{ first: 41, last: 41 }]);
      const { after, verified } = yield* heal(root);
      assertWhole(verified);
      assert.deepStrictEqual(shapes(after.slice(0, 60)), shapes(before));
      const moved = written.slice(30).toSpliced(10, 1);
      assert.deepStrictEqual(
        shapes(after.slice(60, 110)),
        shapes(moved.map((entry, index) => ({ ...entry, sequence: 61 + index }))),
      );
      assert.strictEqual(typeOf(after[110]), "recollect.healed");
    }),
  );

  it.live("loses no event of a stream that was written on whose row in the ledger is damaged", () =>
    Effect.gen(function* () {
      const { root } = yield* folderWith(10);
      const older = join(yield* temporaryFolder, "older");
      World.copyStore(root, older);
      yield* withLog(root, Effect.andThen(appendAll("later", 10), World.project(root)));
      World.putStoreBack(root, older);
      yield* withLog(root, Effect.andThen(append("since"), append("later 3")));
      World.changeRow(root, 13);
      const { after, verified } = yield* heal(root);
      assertWhole(verified);
      assert.strictEqual(typeOf(after[12]), "recollect.event_lost");
      const named = after.map((entry) => World.dataOf(entry)["messageId"]);
      assert.deepStrictEqual(named.slice(20, 22), ["since", "later 3"]);
    }),
  );

  it.live("makes the stream from the ledger alone where its files are gone", () =>
    Effect.gen(function* () {
      const { before, root } = yield* folderWith(25);
      rmSync(World.streamFolder(root), { recursive: true });
      assert.strictEqual((yield* plan(root)).findings[0]?.code, "streamMissing");
      const { after, verified } = yield* heal(root);
      assertWhole(verified);
      assert.deepStrictEqual(shapes(after.slice(0, 25)), shapes(before));
    }),
  );

  it.live("saves what is whole in the blocks where the database is gone too", () =>
    Effect.gen(function* () {
      const { before, root } = yield* folderWith(25);
      World.flipEvent(root, 11);
      for (const name of ["recollect.db", "recollect-1.db"]) rmSync(join(root, name));
      assert.deepInclude(yield* plan(root), { lost: [{ first: 11, last: 11 }] });
      const { after, verified } = yield* heal(root);
      assertWhole(verified);
      assert.strictEqual(typeOf(after[10]), "recollect.event_lost");
      assert.deepStrictEqual(shapes(after.toSpliced(10, 1).slice(0, 24)), shapes(before.toSpliced(10, 1)));
    }),
  );

  it.live("keeps the old files under a name, also in a folder that is moved, until they are discarded by it", () =>
    Effect.gen(function* () {
      const { root } = yield* folderWith(10);
      World.flipEvent(root, 5);
      const { done } = yield* heal(root);
      const moved = `${root}-moved`;
      renameSync(root, moved);
      assert.deepStrictEqual(StoreSwap.kept(moved), [done.kept ?? ""]);
      const files = StreamFiles.at(join(StoreSwap.keptFolder(moved), done.kept ?? "", "RECOLLECT"), "RECOLLECT");
      assert.lengthOf([...StreamFiles.readRecords(files)], 9);
      StoreSwap.discard(moved, done.kept ?? "");
      assert.deepStrictEqual(StoreSwap.kept(moved), []);
      assert.isTrue(existsSync(World.streamFolder(moved)));
    }),
  );
});
