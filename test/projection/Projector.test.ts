import { assert, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { Effect, Fiber, References } from "effect";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import type { LogEntry } from "../../src/domain/Event.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import type { Projection } from "../../src/projection/Projection.ts";
import * as Projector from "../../src/projection/Projector.ts";
import { rebuild } from "../../src/projection/rebuild/Rebuild.ts";
import * as Query from "../../src/query/QuerySqlite.ts";
import { conversation } from "./Conversation.ts";
import { event, misfit, said, type StubLog, stubLog, uuid } from "./StubLog.ts";
import { ask, temporaryFolder } from "./World.ts";

type Service = Projector.Projector["Service"];

const provide = (log: StubLog) => Effect.provideService(EventLog, log.service);

const start = (log: StubLog, path: string, projections: ReadonlyArray<Projection> = readModels) =>
  Projector.make({ path, projections }).pipe(provide(log), Effect.provideService(References.MinimumLogLevel, "None"));

const newPath = Effect.map(temporaryFolder, (folder) => join(folder, "recollect.db"));

/** Everything in the log is applied by a projector that then ends. */
const applied = Effect.fnUntraced(function* (log: StubLog) {
  const path = yield* newPath;
  yield* Effect.scoped(
    Effect.flatMap(start(log, path), ({ awaitSequence }) => awaitSequence(log.entries.at(-1)?.sequence ?? 0)),
  );
  return path;
});

const untilCondition = (projector: Service, name: string | undefined) =>
  Effect.repeat(Effect.delay(projector.status, 10), { until: ({ condition }) => condition?.name === name }).pipe(
    Effect.timeout("10 seconds"),
    Effect.map(({ condition }) => condition),
  );

const count = (path: string) => ask(path, "SELECT count(*) AS n FROM v_events")[0]?.["n"];

describe("the projector", () => {
  it.live("makes each event visible as it comes", () =>
    Effect.gen(function* () {
      const path = yield* newPath;
      const log = stubLog([said(1, "hello"), misfit(2, "no subject of ours")]);
      const projector = yield* start(log, path);
      yield* projector.awaitSequence(2);
      for (let n = 3; n < 33; n++) {
        const waiting = yield* Effect.forkChild(projector.awaitSequence(n));
        yield* Effect.yieldNow;
        log.append(said(n, `word ${n}`));
        yield* Fiber.join(waiting);
      }
      assert.deepStrictEqual(ask(path, "SELECT text FROM v_messages ORDER BY sequence DESC LIMIT 1"), [
        { text: "word 32" },
      ]);
      const status = yield* projector.status;
      assert.strictEqual(status.condition, undefined);
      assert.deepStrictEqual(status.projections[0], {
        name: "ledger",
        version: readModels[0]?.version ?? 0,
        checkpoint: 32,
        gap: 0,
        lagMillis: 0,
        deadLetters: 0,
      });
      assert.strictEqual(status.projections[1]?.deadLetters, 1);
    }),
  );

  it.live("tells the gap, and how long its oldest event waits, while the file is in trouble", () =>
    Effect.gen(function* () {
      const log = stubLog([said(1, "one")]);
      const path = yield* newPath;
      const projector = yield* start(log, path);
      yield* projector.awaitSequence(1);
      const other = new Database(path);
      other.exec("BEGIN IMMEDIATE");
      log.append(said(2, "two", { recordedAt: 1_000 }), said(3, "three"));
      const condition = yield* untilCondition(projector, "storage");
      assert.match(condition?.message ?? "", /Another process writes/);
      assert.isFalse(condition?.stopped);
      const [ledger] = (yield* projector.status).projections;
      assert.deepInclude(ledger, { checkpoint: 1, gap: 2, deadLetters: 0 });
      assert.isAbove(ledger?.lagMillis ?? 0, 1_000_000_000);
      other.close();
      yield* projector.awaitSequence(3);
      assert.strictEqual(yield* untilCondition(projector, undefined), undefined);
      assert.lengthOf(ask(path, "SELECT 1 FROM v_dead_letters"), 0);
      assert.strictEqual(count(path), 3);
    }),
  );

  it.live("reads on when the log has been away", () =>
    Effect.gen(function* () {
      const log = stubLog([said(1, "one")]);
      const path = yield* newPath;
      log.available = false;
      const projector = yield* start(log, path);
      assert.isFalse((yield* untilCondition(projector, "logAway"))?.stopped);
      log.available = true;
      yield* projector.awaitSequence(1);
      assert.strictEqual((yield* projector.status).condition, undefined);
    }),
  );

  it.live("goes on with the others when one projection is broken", () =>
    Effect.gen(function* () {
      const log = stubLog([said(1, "one"), said(2, "two")]);
      const path = yield* newPath;
      const broken: Projection = {
        name: "broken",
        version: 1,
        doc: "Always fails.",
        tables: [],
        views: [],
        handle: () => {
          throw new Error("always");
        },
      };
      const projector = yield* start(log, path, [broken, ...readModels]);
      yield* projector.awaitSequence(2);
      const { projections } = yield* projector.status;
      assert.deepStrictEqual(
        projections.map(({ deadLetters }) => deadLetters),
        [2, ...readModels.map(() => 0)],
      );
      assert.lengthOf(ask(path, "SELECT 1 FROM v_messages"), 2);
    }),
  );

  it.live("cannot be waited for beyond what it can reach", () =>
    Effect.gen(function* () {
      const log = stubLog([said(1, "one")]);
      const path = yield* applied(log);
      log.entries = [];
      const projector = yield* start(log, path);
      const error = yield* Effect.flip(projector.awaitSequence(2));
      assert.strictEqual(error._tag, "ProjectorStopped");
      yield* projector.awaitSequence(1);
    }),
  );
});

describe("a large entry", () => {
  const referring = (sequence: number, sha256: string) =>
    event(sequence, "thread.entry_recorded", { format: "martian", blob: { sha256, bytes: 9 } });

  it.live("is fetched and put in place before it is read, while the ledger keeps the reference", () =>
    Effect.gen(function* () {
      const seen: Array<string> = [];
      const watching: Projection = {
        name: "watching",
        version: 1,
        doc: "Sees bodies.",
        tables: [],
        views: [],
        handle: ({ body }) => {
          seen.push(Buffer.from(body).toString());
          return [];
        },
      };
      const log = stubLog([referring(1, "abc"), referring(2, "gone"), referring(3, "text"), said(4, "after")]);
      log.blobs.set("abc", Buffer.from('{"big":"é"}'));
      log.blobs.set("text", Buffer.from("a line that is no JSON"));
      const path = yield* newPath;
      const projector = yield* start(log, path, [...readModels, watching]);
      yield* projector.awaitSequence(4);
      assert.deepStrictEqual(seen.slice(0, 2), [
        '{"format":"martian","entry":{"big":"é"}}',
        '{"format":"martian","text":""}',
      ]);
      assert.include(String(ask(path, "SELECT data FROM v_events WHERE sequence = 1")[0]?.["data"]), '"sha256":"abc"');
      assert.deepStrictEqual(ask(path, "SELECT sequence, reason FROM v_dead_letters"), [
        { sequence: 2, reason: "the large entry gone is not in the object store" },
      ]);
    }),
  );
});

describe("a stream that is not the one known", () => {
  const cases: ReadonlyArray<readonly [string, string, (log: StubLog, entries: ReadonlyArray<LogEntry>) => void]> = [
    ["was made anew and is shorter", "recreated", (log) => ((log.created += 1), (log.entries = [said(1, "another")]))],
    [
      "was made anew and is longer",
      "recreated",
      (log) => ((log.created += 1), (log.entries = conversation(20, 5).map((e) => ({ ...e, recordedAt: 7 })))),
    ],
    ["was rolled back", "rolledBack", (log, entries) => (log.entries = entries.slice(0, 7))],
    ["was emptied", "rolledBack", (log) => (log.entries = [])],
    [
      "gave a sequence again",
      "sequenceReused",
      (log, entries) => (log.entries = [...entries.slice(0, 9), said(10, "new", { id: uuid(77) }), said(11, "newer")]),
    ],
    [
      "gave a sequence again to the same event",
      "sequenceReused",
      (log, entries) => (log.entries = entries.map((e) => (e.sequence === 10 ? { ...e, recordedAt: 5 } : e))),
    ],
    [
      "lost what stood at the checkpoint",
      "hole",
      (log, entries) => (log.entries = [...entries.slice(0, 9), said(11, "later")]),
    ],
    ["begins after the checkpoint", "hole", (log) => (log.entries = [said(15, "later")])],
    [
      "has a hole ahead",
      "hole",
      (log, entries) => (log.entries = [...entries, said(11, "fine"), said(13, "after the hole")]),
    ],
  ];
  for (const [what, name, change] of cases) {
    it.live(`which ${what}, is named ${name} and not read on over`, () =>
      Effect.gen(function* () {
        const entries = conversation(10);
        const log = stubLog(entries);
        const path = yield* applied(log);
        change(log, entries);
        const projector = yield* start(log, path);
        const condition = yield* untilCondition(projector, name);
        assert.isTrue(condition?.stopped);
        assert.match(condition?.hint ?? "", /recollect heal/);
        assert.strictEqual(count(path), what === "has a hole ahead" ? 11 : 10);
        // Other processes see it too.
        const query = yield* Query.make({ path });
        const noted = yield* Effect.repeat(Effect.delay(query.status, 5), {
          until: ({ condition: seen }) => seen !== undefined,
        });
        assert.strictEqual(noted.condition?.name, name as never);
      }),
    );
  }

  it.live("is noticed while it is followed, too", () =>
    Effect.gen(function* () {
      const entries = conversation(10);
      const log = stubLog(entries);
      const path = yield* newPath;
      const projector = yield* start(log, path);
      yield* projector.awaitSequence(10);
      log.entries = entries.slice(0, 5);
      log.wake();
      assert.isTrue((yield* untilCondition(projector, "rolledBack"))?.stopped);
    }),
  );

  it.live("is read on when it is a restored backup with the same events", () =>
    Effect.gen(function* () {
      const log = stubLog(conversation(10));
      const path = yield* applied(log);
      log.created += 1;
      const projector = yield* start(log, path);
      log.append(said(11, "after the restore"));
      yield* projector.awaitSequence(11);
      const { condition } = yield* projector.status;
      assert.deepInclude(condition, { name: "restored", stopped: false });
      assert.strictEqual(ask(path, "SELECT stream_created_at AS at FROM v_checkpoints")[0]?.["at"], log.created);
    }),
  );

  it.live(
    "is taken as the new truth after a rebuild, by the projector that stood still",
    () =>
      Effect.gen(function* () {
        const log = stubLog(conversation(10));
        const path = yield* applied(log);
        log.created += 1;
        log.entries = [said(1, "a new beginning")];
        const projector = yield* start(log, path);
        yield* untilCondition(projector, "recreated");
        const acceptLoss = { reason: "it was a trial" };
        const { kept } = yield* rebuild({ path, projections: readModels, acceptLoss }).pipe(provide(log));
        log.append(said(3, "and on"));
        yield* untilCondition(projector, undefined);
        yield* projector.awaitSequence(3);
        assert.deepStrictEqual(ask(path, "SELECT text FROM v_messages"), [
          { text: "a new beginning" },
          { text: "and on" },
        ]);
        assert.lengthOf(ask(join(path, "..", kept ?? ""), "SELECT 1 FROM v_events"), 10);
      }),
    20_000,
  );
});
