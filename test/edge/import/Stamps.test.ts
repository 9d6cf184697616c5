import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect } from "effect";
import { readFileSync, renameSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fingerprintOf, openStamps, type Stamps } from "../../../src/edge/import/StampsSqlite.ts";
import { AppendRefused, EventLog } from "../../../src/log/EventLog.ts";
import { ahead } from "../../support/ahead.ts";
import { claude, claudeLines, folderOf, importAll, withLog, world } from "./World.ts";

/** Far enough in the future that every file of the test has long settled. */
const later = 10_000;

const settled = (path: string) => fingerprintOf(path, Date.now() + later);

/** The stamps of the log in memory, in a file of their own. */
const stampsIn = Effect.fnUntraced(function* (folder: string, more: Partial<{ created: number; tenant: string }> = {}) {
  const log = yield* EventLog;
  const { created, lastSequence } = yield* log.info;
  const stamps = yield* openStamps(join(folder, "imports.db"), { tenant: "default", created, lastSequence, ...more });
  assert.isDefined(stamps);
  return stamps as Stamps;
});

/** Imports at a moment when every file has settled. */
const importLater = (...[paths, options]: Parameters<typeof importAll>) =>
  importAll(paths, options).pipe(Effect.provideService(Clock.Clock, ahead({ millis: later })));

describe("a stamp", () => {
  it.live("tells a file that was rewritten in the same size, with its time set back, or put in another's place", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 20), "b.jsonl": claudeLines("t", 0, 20) });
      const path = join(folder, "a.jsonl");
      const before = yield* settled(path);
      assert.strictEqual(yield* settled(path), before);
      const { mtime, size } = statSync(path);
      writeFileSync(path, claudeLines("u", 0, 20));
      utimesSync(path, mtime, mtime);
      assert.strictEqual(statSync(path).size, size);
      const rewritten = yield* settled(path);
      assert.notStrictEqual(rewritten, before);
      renameSync(join(folder, "b.jsonl"), path);
      assert.notStrictEqual(yield* settled(path), rewritten);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("is not given to a file that changed just now, nor to one that is not there", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 1) });
      assert.isUndefined(yield* fingerprintOf(join(folder, "a.jsonl"), Date.now()));
      assert.isUndefined(yield* settled(join(folder, "nowhere")));
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("holds for one store, as far as its stream still reaches, and for one tenant", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({});
      const stamps = yield* stampsIn(folder);
      stamps.keep([{ path: "/a", fingerprint: "f", format: "pi", entries: 3, reason: null }], 0);
      assert.deepInclude(stamps.find("/a", "f"), { format: "pi", entries: 3 });
      assert.isUndefined(stamps.find("/a", "g"));
      assert.isUndefined((yield* stampsIn(folder, { created: 5 })).find("/a", "f"));
      assert.isUndefined((yield* stampsIn(folder, { tenant: "other" })).find("/a", "f"));
      // Restored to an earlier state: the entries are not there any more.
      stamps.keep([{ path: "/a", fingerprint: "f", format: "pi", entries: 3, reason: null }], 7);
      assert.isUndefined((yield* stampsIn(folder)).find("/a", "f"));
      assert.strictEqual(statSync(join(folder, "imports.db")).mode & 0o777, 0o600);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

describe("an import with stamps", () => {
  it.live("does not read an unchanged file again, says so, and reads one that has grown", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 20), "b.jsonl": claudeLines("t", 0, 20) });
      const paths = ["a.jsonl", "b.jsonl"].map((name) => join(folder, name));
      const stampFolder = yield* folderOf({});
      const first = yield* importLater(paths, { stamps: yield* stampsIn(stampFolder) });
      assert.deepInclude(first, { files: 2, unchanged: 0, eventsAppended: 40 });
      const stamps = yield* stampsIn(stampFolder);
      let asked = 0;
      const watched = withLog((log) => ({ last: (history) => (asked++, log.last(history)) }));
      const again = yield* importLater(paths, { stamps }).pipe(watched);
      assert.deepInclude(again, { files: 2, unchanged: 2, duplicates: 40, eventsAppended: 0, threads: 0 });
      assert.deepStrictEqual(again.formats, { "claude-code": { files: 2, entries: 40 } });
      assert.strictEqual(asked, 0);
      writeFileSync(paths[0] ?? "", `${claudeLines("s", 0, 20)}${claude("s", "more")}\n`);
      const grown = yield* importLater(paths, { stamps });
      assert.deepInclude(grown, { files: 2, unchanged: 1, eventsAppended: 1, threads: 1 });
      // What is no conversation is passed over again by its reason; what was refused is read each time.
      const other = yield* folderOf({ "a.txt": "words", "b.jsonl": `${claude("v", "1")}\n{"torn` });
      for (const unchanged of [0, 0]) {
        const report = yield* importLater(other, { stamps });
        assert.deepInclude(report, { files: 1, unchanged });
        assert.deepStrictEqual([report.refused.length, report.skipped.length], [1, 1]);
      }
      // A format that is asked for is another reading.
      assert.deepInclude(yield* importLater(paths, { stamps, format: "claude-code" }), {
        unchanged: 0,
      });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("imports all the same where the file of stamps cannot be read or written any longer", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 20), "b.jsonl": claudeLines("t", 0, 20) });
      const stampFolder = yield* folderOf({});
      const file = join(stampFolder, "imports.db");
      const kept = Array.from({ length: 2000 }, (_, n) => ({
        path: `/${n}`,
        fingerprint: "f",
        format: "pi",
        entries: 3,
        reason: null,
      }));
      yield* Effect.scoped(Effect.map(stampsIn(stampFolder), (stamps) => stamps.keep(kept, 0)));
      const damaged = readFileSync(file);
      writeFileSync(file, damaged.fill(0x5a, 8192));
      const report = yield* importLater(folder, { stamps: yield* stampsIn(stampFolder) });
      assert.deepInclude(report, { files: 2, eventsAppended: 40 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("begins a file of stamps anew that is damaged from its first byte on", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({});
      const file = join(folder, "imports.db");
      writeFileSync(file, "no database at all, and long enough to be looked at as one. ".repeat(40));
      const stamp = { path: "/a", fingerprint: "f", format: "pi", entries: 3, reason: null };
      yield* Effect.scoped(Effect.map(stampsIn(folder), (stamps) => stamps.keep([stamp], 0)));
      assert.deepInclude((yield* stampsIn(folder)).find("/a", "f"), { entries: 3 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("gives no stamp to a file whose entries the log refused, whenever it refused them", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 20), "b.jsonl": claudeLines("t", 0, 20) });
      const stampFolder = yield* folderOf({});
      const isFull = withLog((log) => ({
        appendAll: (appends) =>
          appends.some(({ history }) => history.id === "s")
            ? Effect.fail(new AppendRefused({ reason: "no room" }))
            : log.appendAll(appends),
      }));
      const first = yield* importLater(folder, { stamps: yield* stampsIn(stampFolder) }).pipe(isFull);
      assert.deepInclude(first, { eventsAppended: 20 });
      assert.strictEqual(first.refused.length, 1);
      const again = yield* importLater(folder, { stamps: yield* stampsIn(stampFolder) });
      assert.deepInclude(again, { eventsAppended: 20, refused: [] });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});
