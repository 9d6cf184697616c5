import { assert, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { Deferred, Effect, Fiber, Logger, Queue, Schedule } from "effect";
import { appendFileSync, mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { follow, type FollowOptions, type News } from "../../../../src/edge/import/follow/Follow.ts";
import type { Watched } from "../../../../src/edge/import/follow/FolderWatch.ts";
import { openStamps } from "../../../../src/edge/import/StampsSqlite.ts";
import { AppendRefused, EventLog } from "../../../../src/log/EventLog.ts";
import { openTail } from "../../../../src/edge/import/follow/Tail.ts";
import * as Siblings from "../../../../src/edge/import/find/Siblings.ts";
import type { ImportReport } from "../../../../src/edge/import/Report.ts";
import { stores } from "../StoreFixtures.ts";
import { claudeLines, events, exported, folderOf, importAll, threads, withLog, world, write } from "../World.ts";

interface Followed {
  readonly report: ImportReport;
  readonly watched: () => Watched;
  /** The next news, whatever file they are of. */
  readonly news: Effect.Effect<News>;
  readonly stop: Effect.Effect<void>;
}

const following = Effect.fnUntraced(function* (path: string, options: Partial<FollowOptions> = {}) {
  const news = yield* Queue.unbounded<News>();
  const begun = yield* Deferred.make<Pick<Followed, "report" | "watched">>();
  const fiber = yield* follow({
    ...options,
    roots: Effect.succeed([{ path }]),
    onNews: (one) => Queue.offerUnsafe(news, one),
    onBegun: (report, watched) => Deferred.doneUnsafe(begun, Effect.succeed({ report, watched })),
  }).pipe(Effect.forkScoped);
  const next = Queue.take(news).pipe(Effect.timeout("30 seconds"), Effect.orDie);
  return { ...(yield* Deferred.await(begun)), news: next, stop: Fiber.interrupt(fiber) } satisfies Followed;
});

/** Takes news until so many events have come. */
const eventsOf = Effect.fnUntraced(function* ({ news }: Followed, count: number) {
  let sum = 0;
  while (sum < count) sum += (yield* news).events;
  return sum;
});

const count = Effect.map(events, (all) => {
  assert.strictEqual(new Set(all.map(({ id }) => id)).size, all.length);
  return all.length;
});

describe("a followed folder", () => {
  it.live("is imported first; then new lines, new files and new folders come within a second, each entry once", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "p/a.jsonl": claudeLines("s", 0, 20) });
      const followed = yield* following(folder);
      assert.deepInclude(followed.report, { files: 1, eventsAppended: 20 });
      const began = performance.now();
      appendFileSync(join(folder, "p/a.jsonl"), claudeLines("s", 20, 22));
      assert.deepInclude(yield* followed.news, { path: join(folder, "p/a.jsonl"), events: 2, refused: [] });
      assert.isBelow(performance.now() - began, 1000);
      // Half a line is none.
      const line = claudeLines("s", 22, 23);
      appendFileSync(join(folder, "p/a.jsonl"), line.slice(0, 30));
      appendFileSync(join(folder, "p/a.jsonl"), line.slice(30));
      assert.strictEqual(yield* eventsOf(followed, 1), 1);
      mkdirSync(join(folder, "q/deep"), { recursive: true });
      writeFileSync(join(folder, "q/deep/b.jsonl"), claudeLines("t", 0, 3));
      assert.deepInclude(yield* followed.news, { path: join(folder, "q/deep/b.jsonl"), events: 3 });
      appendFileSync(join(folder, "q/deep/b.jsonl"), claudeLines("t", 3, 4));
      assert.strictEqual(yield* eventsOf(followed, 1), 1);
      assert.strictEqual(yield* count, 27);
      assert.strictEqual(yield* exported("s"), claudeLines("s", 0, 23));
      assert.deepInclude(followed.watched(), { files: 2, folders: 4, polled: 0 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live(
    "may be cut, written anew, replaced and taken away: what is new comes, what was there stays, nothing twice",
    () =>
      Effect.gen(function* () {
        const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 20) });
        const path = join(folder, "a.jsonl");
        const followed = yield* following(folder);
        appendFileSync(path, claudeLines("s", 20, 30));
        yield* eventsOf(followed, 10);
        truncateSync(path, 0);
        writeFileSync(path, claudeLines("s", 10, 32));
        yield* eventsOf(followed, 2);
        // Longer than before, in place, with other words.
        writeFileSync(path, claudeLines("t", 0, 40));
        yield* eventsOf(followed, 40);
        writeFileSync(`${path}.new`, claudeLines("t", 0, 41));
        renameSync(`${path}.new`, path);
        yield* eventsOf(followed, 1);
        renameSync(path, `${path}.1`);
        writeFileSync(path, claudeLines("u", 0, 2));
        yield* eventsOf(followed, 2);
        rmSync(path);
        writeFileSync(path, claudeLines("u", 0, 5));
        yield* eventsOf(followed, 3);
        assert.strictEqual(yield* count, 32 + 41 + 5);
        assert.sameMembers(yield* threads, ["s", "t", "u"]);
      }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

describe("a root", () => {
  it.live("that is taken away and made anew at once is followed on, also when it has the same inode", () =>
    Effect.gen(function* () {
      const above = yield* folderOf({ "root/a.jsonl": claudeLines("s", 0, 2) });
      const root = join(above, "root");
      const followed = yield* following(root);
      for (let times = 1; times <= 3; times++) {
        rmSync(root, { recursive: true });
        mkdirSync(root);
        yield* Effect.sleep("200 millis");
        writeFileSync(join(root, `${times}.jsonl`), claudeLines(`t${times}`, 0, 3));
        assert.strictEqual(yield* eventsOf(followed, 3), 3);
      }
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

describe("a database and a document", () => {
  it.live("are read again when they change: the row that was rewritten and the message that is new, once", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({});
      const [fixture] = stores;
      assert.isDefined(fixture);
      const path = join(folder, fixture?.file ?? "");
      const database = new Database(path);
      yield* Effect.addFinalizer(() => Effect.sync(() => database.close()));
      database.pragma("journal_mode = WAL");
      fixture?.build(database);
      const chat = (messages: number) => {
        const message = (n: number) => ({ id: `m${n}`, type: n % 2 === 0 ? "user" : "gemini", content: `word ${n}` });
        return JSON.stringify({
          sessionId: "g",
          projectHash: "h",
          messages: Array.from({ length: messages }, (_, n) => message(n)),
        });
      };
      yield* write(join(folder, "chat.json"), chat(2));
      const followed = yield* following(folder);
      assert.deepInclude(followed.report, { eventsAppended: (fixture?.rows ?? 0) + 3 });
      // It stays in the log of the database: no byte of the file itself is another one.
      database.exec(fixture?.rewrite ?? "");
      assert.deepInclude(yield* followed.news, { path, events: 1 });
      writeFileSync(join(folder, "chat.json"), chat(4));
      assert.deepInclude(yield* followed.news, { path: join(folder, "chat.json"), events: 2, refused: [] });
      assert.strictEqual(yield* count, (fixture?.rows ?? 0) + 3 + 1 + 2);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

describe("a follower", () => {
  it.live("that is ended and begun again takes what came meanwhile, and reads no file that is at rest", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 20), "b.jsonl": claudeLines("t", 0, 20) });
      const stampFolder = yield* folderOf({});
      const log = yield* EventLog;
      const { created } = yield* log.info;
      const stamps = yield* openStamps(join(stampFolder, "imports.db"), {
        tenant: "default",
        created,
        lastSequence: 1e9,
      });
      const first = yield* following(folder, { stamps });
      appendFileSync(join(folder, "a.jsonl"), claudeLines("s", 20, 25));
      yield* eventsOf(first, 5);
      // A file that has come to rest has its stamp.
      const rests = Effect.gen(function* () {
        if (stamps?.known(join(folder, "a.jsonl"))?.entries !== 25) return yield* Effect.fail("not yet" as const);
      });
      yield* rests.pipe(Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 200 }));
      yield* first.stop;
      appendFileSync(join(folder, "b.jsonl"), claudeLines("t", 20, 22));
      let asked: Array<string> = [];
      const second = yield* following(folder, { stamps }).pipe(
        withLog((inner) => ({ last: (history) => (asked.push(history.id), inner.last(history)) })),
      );
      assert.deepInclude(second.report, { files: 2, unchanged: 1, eventsAppended: 2 });
      assert.deepStrictEqual([...new Set(asked)], ["t"]);
      asked = [];
      assert.strictEqual(yield* count, 47);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("gives no stamp to a file of which the log refused something", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 2) });
      const stampFolder = yield* folderOf({});
      const { created } = yield* (yield* EventLog).info;
      const store = { tenant: "default", created, lastSequence: 1e9 };
      const stamps = yield* openStamps(join(stampFolder, "imports.db"), store);
      let isFull = false;
      const refusing = withLog((log) => ({
        appendAll: (appends) =>
          isFull ? Effect.fail(new AppendRefused({ reason: "no room" })) : log.appendAll(appends),
      }));
      const followed = yield* following(folder, { stamps }).pipe(refusing);
      isFull = true;
      appendFileSync(join(folder, "a.jsonl"), claudeLines("s", 2, 4));
      assert.strictEqual((yield* followed.news).refused.length, 1);
      isFull = false;
      // Both come to rest at one time, and the other one is looked at after it.
      writeFileSync(join(folder, "b.jsonl"), claudeLines("t", 0, 1));
      yield* eventsOf(followed, 1);
      const rests = Effect.gen(function* () {
        if (stamps?.known(join(folder, "b.jsonl")) === undefined) return yield* Effect.fail("not yet" as const);
      });
      yield* rests.pipe(Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 200 }));
      assert.isUndefined(stamps?.known(join(folder, "a.jsonl")));
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("tells once of a file that cannot be followed, tries it again, and goes on when it can be", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 2) });
      let isAway = false;
      let attempts = 0;
      const failing = withLog((log) => ({
        appendAll: (appends) => {
          if (!isAway) return log.appendAll(appends);
          attempts++;
          return Effect.die("planted");
        },
      }));
      const warnings: Array<string> = [];
      const heard = Logger.make(({ logLevel, message }) => {
        if (logLevel === "Warn") warnings.push(String(message));
      });
      const followed = yield* following(folder).pipe(failing, Effect.provide(Logger.layer([heard])));
      isAway = true;
      appendFileSync(join(folder, "a.jsonl"), claudeLines("s", 2, 4));
      const again = Effect.suspend(() => (attempts < 3 ? Effect.fail("not yet" as const) : Effect.void));
      yield* again.pipe(Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 600 }));
      isAway = false;
      assert.strictEqual((yield* followed.news).events, 2);
      assert.strictEqual(warnings.filter((words) => words.includes("could not be followed")).length, 1);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("hears of a database in a folder that is polled, also while the news lie in its log beside it", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({});
      const [fixture] = stores;
      const path = join(folder, fixture?.file ?? "");
      const database = new Database(path);
      yield* Effect.addFinalizer(() => Effect.sync(() => database.close()));
      database.pragma("journal_mode = WAL");
      fixture?.build(database);
      const followed = yield* following(folder, { watch: { pollAll: true, pollMillis: 50 } });
      assert.deepInclude(followed.watched(), { files: 1 });
      database.exec(fixture?.rewrite ?? "");
      assert.deepInclude(yield* followed.news, { path, events: 1 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live(
    "goes on when reading failed, with another writer in the same thread, and polls where nothing can be watched",
    () =>
      Effect.gen(function* () {
        const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 5) });
        let failures = 0;
        const broken = withLog((log) => ({
          appendAll: (appends) => (failures-- > 0 ? Effect.die("a planted fault") : log.appendAll(appends)),
        }));
        const followed = yield* following(folder, { watch: { pollAll: true, pollMillis: 50 } }).pipe(broken);
        assert.isAbove(followed.watched().polled, 0);
        failures = 1;
        appendFileSync(join(folder, "a.jsonl"), claudeLines("s", 5, 6));
        yield* eventsOf(followed, 1);
        // Another copy of the session is imported beside it, further than the followed file is.
        const copy = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 9) });
        assert.deepInclude(yield* importAll(copy), { eventsAppended: 3 });
        appendFileSync(join(folder, "a.jsonl"), claudeLines("s", 6, 12));
        assert.strictEqual(yield* eventsOf(followed, 3), 3);
        assert.strictEqual(yield* exported("s"), claudeLines("s", 0, 12));
        assert.strictEqual(yield* count, 12);
      }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

describe("a file that was opened", () => {
  it.live("and written anew before it was read is read from its beginning", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 4) });
      const path = join(folder, "a.jsonl");
      yield* importAll(folder);
      const log = yield* EventLog;
      const about = { log, tenant: "default", siblings: yield* Siblings.make, run: "r" };
      const file = { path, bytes: 1, modified: 1 };
      const tail = yield* openTail({ ...about, file, format: "claude-code" });
      writeFileSync(path, claudeLines("s", 10, 16));
      assert.strictEqual(yield* tail?.drain ?? Effect.void, "replaced");
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});
