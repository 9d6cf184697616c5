import { assert, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { Effect, Fiber } from "effect";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import * as Ranges from "../../src/domain/SequenceRanges.ts";
import type { SequenceRange } from "../../src/domain/StoreEvents.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Generations from "../../src/projection/rebuild/Generations.ts";
import * as KeptFiles from "../../src/projection/rebuild/KeptFiles.ts";
import type { Projection } from "../../src/projection/Projection.ts";
import * as Projector from "../../src/projection/Projector.ts";
import { rebuild } from "../../src/projection/rebuild/Rebuild.ts";
import * as ScrubState from "../../src/projection/verify/ScrubState.ts";
import { verify } from "../../src/projection/verify/Verify.ts";
import * as Query from "../../src/query/QuerySqlite.ts";
import { conversation } from "./Conversation.ts";
import { said, type StubLog, stubLog } from "./StubLog.ts";
import { ask, putEmpty, temporaryFolder } from "./World.ts";

const provide = (log: StubLog) => Effect.provideService(EventLog, log.service);

const projected = Effect.fnUntraced(function* (log: StubLog, projections: ReadonlyArray<Projection> = readModels) {
  const path = join(yield* temporaryFolder, "recollect.db");
  if (projections === readModels) yield* putEmpty(path);
  const projector = yield* Projector.make({ path, projections }).pipe(provide(log));
  yield* projector.awaitSequence(log.entries.at(-1)?.sequence ?? 0);
  return { path, projector };
});

/** A projector that ends, so that another can be started on its file. */
const once = (log: StubLog, path: string, projections: ReadonlyArray<Projection> = readModels) =>
  Effect.scoped(
    Effect.gen(function* () {
      if (projections === readModels) yield* putEmpty(path);
      const { awaitSequence } = yield* Projector.make({ path, projections }).pipe(provide(log));
      yield* awaitSequence(log.entries.at(-1)?.sequence ?? 0);
    }),
  );

const sequences = (path: string) =>
  ask(path, "SELECT sequence FROM v_events ORDER BY sequence").map(({ sequence }) => sequence);

describe("a rebuild", () => {
  it.live("gives the same digest for every table as the live fold", () =>
    Effect.gen(function* () {
      const log = stubLog(conversation(700));
      const { path } = yield* projected(log);
      const before = Generations.current(path);
      const rebuilt = yield* rebuild({ path, projections: readModels }).pipe(provide(log));
      assert.notStrictEqual(Generations.current(path), before);
      assert.deepInclude(rebuilt, { checkpoint: 700, lost: [], recovered: [], kept: undefined });
      const verified = yield* verify({ path, projections: readModels }).pipe(provide(log));
      assert.isTrue(verified.ok);
      assert.isFalse(existsSync(before ?? ""));
    }),
  );

  it.live.each([
    ["deleted", (file: string) => Generations.remove(file)],
    ["emptied", (file: string) => truncateSync(file)],
  ] as const)("is told and counted where the database was %s, and is made by itself", ([, destroy]) =>
    Effect.gen(function* () {
      const log = stubLog(conversation(20));
      const path = join(yield* temporaryFolder, "recollect.db");
      yield* once(log, path);
      assert.strictEqual(ScrubState.readSync(path).mended, 0);
      destroy(Generations.current(path) ?? "");
      yield* once(log, path);
      assert.strictEqual(ScrubState.readSync(path).mended, 1);
      assert.lengthOf(sequences(path), 20);
    }),
  );

  it.live("moves a running projector and a running reader to the new file, without an event lost or doubled", () =>
    Effect.gen(function* () {
      const events = conversation(3000);
      const log = stubLog(events.slice(0, 1000));
      const { path, projector } = yield* projected(log);
      const query = yield* Query.make({ path });
      const seen: Array<number> = [];
      const watching = yield* Effect.forkChild(
        Effect.forever(
          Effect.andThen(
            Effect.map(query.status, ({ events: n }) => void seen.push(n)),
            Effect.sleep(1),
          ),
        ),
      );
      const publishing = yield* Effect.forkChild(
        Effect.forEach(events.slice(1000), (entry, index) =>
          Effect.andThen(
            Effect.sync(() => log.append(entry)),
            index % 50 === 0 ? Effect.sleep(2) : Effect.void,
          ),
        ),
      );
      const files = new Set([Generations.current(path)]);
      for (let round = 0; round < 3; round++) {
        files.add((yield* rebuild({ path, projections: readModels }).pipe(provide(log))).file);
      }
      yield* Fiber.join(publishing);
      yield* projector.awaitSequence(3000);
      yield* Fiber.interrupt(watching);
      assert.strictEqual(files.size, 4);
      assert.deepStrictEqual(
        sequences(path),
        events.map(({ sequence }) => sequence),
      );
      assert.isTrue(
        seen.every((n, index) => index === 0 || n >= (seen[index - 1] ?? 0)),
        "a reader saw less than before",
      );
      assert.isTrue((yield* verify({ path, projections: readModels }).pipe(provide(log))).ok);
    }),
  );

  it.live("takes nothing for lost that a projector gets from the stream while the rebuild compares", () =>
    Effect.gen(function* () {
      const events = conversation(1010);
      const log = stubLog(events.slice(0, 1000));
      const { path, projector } = yield* projected(log);
      const late = events.slice(1000);
      let isIndexed = false;
      const onProgress = ({ step }: { readonly step: string }) =>
        Effect.sync(() => {
          isIndexed ||= step === "indexing";
        });
      /** What it says is older than what the projector has when it is heard. */
      const info = Effect.tap(log.service.info, () => {
        const [next] = isIndexed && late.length > 8 ? late.splice(0, 1) : [];
        if (next === undefined) return Effect.void;
        log.append(next);
        return Effect.orDie(projector.awaitSequence(next.sequence));
      });
      const { checkpoint, lost } = yield* rebuild({ path, projections: readModels, onProgress }).pipe(
        Effect.provideService(EventLog, { ...log.service, info }),
      );
      assert.isAbove(checkpoint, 1001);
      assert.deepStrictEqual(lost, []);
    }),
  );

  it.live("has all that the live file has at the moment of the swap", () =>
    Effect.gen(function* () {
      const events = conversation(1100);
      const log = stubLog(events.slice(0, 1000));
      const { path, projector } = yield* projected(log);
      let late = events.slice(1000);
      const onProgress = ({ sequence }: { readonly sequence: number }) =>
        Effect.suspend(() => {
          if (sequence < 1000 || late.length === 0) return Effect.void;
          log.append(...late);
          late = [];
          return Effect.orDie(projector.awaitSequence(1100));
        });
      const { checkpoint } = yield* rebuild({ path, projections: readModels, onProgress }).pipe(provide(log));
      assert.strictEqual(checkpoint, 1100);
    }),
  );

  it.live(
    "happens by itself when a projection has another version, and readers keep the old file until then, which says so",
    () =>
      Effect.gen(function* () {
        const log = stubLog(conversation(300));
        const path = join(yield* temporaryFolder, "recollect.db");
        yield* once(log, path);
        const newer = readModels.map((projection) =>
          projection.name === "threads" ? { ...projection, version: 1_000 } : projection,
        );
        const before = Generations.current(path);
        const told = new Set<unknown>();
        const { follow } = log.service;
        const watched = {
          ...log,
          service: EventLog.of({
            ...log.service,
            follow: (options) => {
              for (const { value } of ask(path, "SELECT value FROM engine WHERE key = 'condition'")) told.add(value);
              return follow(options);
            },
          }),
        };
        yield* once(watched, path, newer);
        assert.match([...told].join(), /"name":"rebuilding"/);
        assert.deepStrictEqual(ask(path, "SELECT value FROM engine WHERE key = 'condition'"), []);
        assert.notStrictEqual(Generations.current(path), before);
        assert.deepStrictEqual(ask(path, "SELECT version FROM v_checkpoints WHERE projection = 'threads'"), [
          { version: 1_000 },
        ]);
        assert.lengthOf(sequences(path), 300);
        const after = Generations.current(path);
        yield* once(log, path, newer);
        assert.strictEqual(Generations.current(path), after);
      }),
  );

  it.live("happens by itself when tables have another shape under the same version, without a dead letter", () =>
    Effect.gen(function* () {
      const log = stubLog(conversation(60));
      const path = join(yield* temporaryFolder, "recollect.db");
      const forgotten = readModels.map((projection) => {
        if (projection.name !== "threads") return projection;
        const [first, ...rest] = projection.tables;
        if (first === undefined) return projection;
        const columns = { ...first.columns, forgotten: { type: "text", doc: "Not in the file." } } as const;
        return { ...projection, tables: [{ ...first, columns }, ...rest] };
      });
      yield* once(log, path, forgotten);
      const before = Generations.current(path);
      yield* once(log, path);
      assert.notStrictEqual(Generations.current(path), before);
      log.append(said(61, "and on"));
      yield* once(log, path);
      assert.deepStrictEqual(ask(path, "SELECT reason FROM v_dead_letters WHERE projection = 'threads'"), []);
      assert.isTrue((yield* verify({ path, projections: readModels }).pipe(provide(log))).ok);
    }),
  );

  it.live(
    "is refused while another one runs",
    () =>
      Effect.gen(function* () {
        const log = stubLog(conversation(10));
        const { path } = yield* projected(log);
        const other = new Database(`${path}.rebuild-lock`);
        other.exec("BEGIN IMMEDIATE");
        const error = yield* Effect.flip(rebuild({ path, projections: readModels }).pipe(provide(log)));
        other.close();
        assert.deepInclude(error, { _tag: "StorageTrouble", reason: "busy" });
        assert.match(error.message, /Another process is rebuilding/);
      }),
    20_000,
  );

  it.live("gives back from the old ledger what the stream has lost in its middle", () =>
    Effect.gen(function* () {
      const events = conversation(50);
      const log = stubLog(events);
      const path = join(yield* temporaryFolder, "recollect.db");
      yield* once(log, path);
      log.entries = events.filter(({ sequence }) => sequence < 20 || sequence > 22);
      const rebuilt = yield* rebuild({ path, projections: readModels }).pipe(provide(log));
      assert.deepInclude(rebuilt, { lost: [], recovered: [{ first: 20, last: 22 }], checkpoint: 50 });
      const verified = yield* verify({ path, projections: readModels }).pipe(provide(log));
      assert.isFalse(verified.ok);
      assert.deepStrictEqual(
        verified.places.map(({ first, kind, last }) => [first, last, kind]),
        [[20, 22, "stream"]],
      );
      assert.lengthOf(sequences(path), 50);
    }),
  );

  const another = (log: StubLog) => {
    log.created += 1;
    log.entries = conversation(5, 9).map((entry) => ({ ...entry, recordedAt: entry.recordedAt + 99 }));
  };
  const harms: ReadonlyArray<readonly [string, (log: StubLog) => void, ReadonlyArray<SequenceRange>]> = [
    [
      "the end of the stream is gone",
      (log) => void (log.entries = log.entries.slice(0, 30)),
      [{ first: 31, last: 40 }],
    ],
    [
      "another event stands in the middle of the stream",
      (log) =>
        void (log.entries = log.entries.map((entry) =>
          entry.sequence === 7 ? { ...entry, body: Buffer.from("{}") } : entry,
        )),
      [{ first: 7, last: 7 }],
    ],
    [
      "an older stream was put back and has grown since",
      (log) =>
        void (log.entries = log.entries.map((entry) =>
          entry.sequence > 33 ? said(entry.sequence, "after the restore", { id: `other ${entry.sequence}` }) : entry,
        )),
      [{ first: 34, last: 40 }],
    ],
    ["the stream is another one", another, [{ first: 1, last: 40 }]],
  ];
  for (const [what, harm, ranges] of harms) {
    it.live(`refuses, and changes nothing, when ${what}`, () =>
      Effect.gen(function* () {
        const log = stubLog(conversation(40));
        const path = join(yield* temporaryFolder, "recollect.db");
        yield* once(log, path);
        const before = Generations.current(path);
        harm(log);
        const refused = yield* Effect.flip(rebuild({ path, projections: readModels }).pipe(provide(log)));
        assert.deepInclude(refused, { _tag: "LossRefused", ranges, events: Ranges.count(ranges) });
        assert.strictEqual(Generations.current(path), before);
        assert.lengthOf(sequences(path), 40);
        assert.isFalse((yield* verify({ path, projections: readModels }).pipe(provide(log))).ok);
      }),
    );

    it.live(`goes on when that is accepted as a loss, as an event, and keeps the file: ${what}`, () =>
      Effect.gen(function* () {
        const log = stubLog(conversation(40));
        const path = join(yield* temporaryFolder, "recollect.db");
        yield* once(log, path);
        harm(log);
        const acceptLoss = { reason: "the disk is gone", actor: "olga" };
        const rebuilt = yield* rebuild({ path, projections: readModels, acceptLoss }).pipe(provide(log));
        assert.deepInclude(rebuilt, { lost: ranges, recovered: [], kept: "recollect-1.db" });
        assert.deepInclude(rebuilt.accepted, { events: Ranges.count(ranges) });
        const [event] = ask(path, "SELECT actor, reason, events, ranges, kept FROM v_store_events");
        assert.deepStrictEqual(event, {
          actor: "olga",
          reason: "the disk is gone",
          events: Ranges.count(ranges),
          ranges: JSON.stringify(ranges),
          kept: "recollect-1.db",
        });
        const verified = yield* verify({ path, projections: readModels }).pipe(provide(log));
        assert.isTrue(verified.ok);
        assert.deepInclude(verified.accepted[0], { reason: "the disk is gone", ranges });
      }),
    );
  }

  it.live("keeps a file by its name, wherever the folder is moved, until it is discarded by that name", () =>
    Effect.gen(function* () {
      const log = stubLog(conversation(40));
      const folder = join(yield* temporaryFolder, "a");
      mkdirSync(folder);
      const path = join(folder, "recollect.db");
      yield* once(log, path);
      another(log);
      yield* rebuild({ path, projections: readModels, acceptLoss: { reason: "so be it" } }).pipe(provide(log));
      const moved = join(folder, "..", "b");
      renameSync(folder, moved);
      const link = join(moved, "recollect.db");
      yield* once(log, link);
      yield* rebuild({ path: link, projections: readModels }).pipe(provide(log));
      assert.deepStrictEqual(
        KeptFiles.kept(link).map(({ name }) => name),
        ["recollect-1.db"],
      );
      assert.lengthOf(ask(join(moved, "recollect-1.db"), "SELECT 1 FROM v_events"), 40);
      assert.isFalse(KeptFiles.discard(link, "recollect-9.db"));
      assert.isFalse(KeptFiles.discard(link, "../b/recollect-1.db"));
      assert.isTrue(KeptFiles.discard(link, "recollect-1.db"));
      assert.notInclude(readdirSync(moved).join(), "recollect-1.db");
    }),
  );

  it.live("keeps what an older version has noted by its path, after a move as well", () =>
    Effect.gen(function* () {
      const log = stubLog(conversation(10));
      const path = join(yield* temporaryFolder, "recollect.db");
      yield* once(log, path);
      const db = new Database(path);
      db.prepare("INSERT INTO engine VALUES ('kept:/elsewhere/recollect-7.db', '')").run();
      db.close();
      copyFileSync(path, join(path, "..", "recollect-7.db"));
      yield* once(log, path);
      yield* rebuild({ path, projections: readModels }).pipe(provide(log));
      assert.deepStrictEqual(
        KeptFiles.kept(path).map(({ name }) => name),
        ["recollect-7.db"],
      );
    }),
  );

  it.live("makes a database where there is none, and takes over a plain file in its place", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder;
      const path = join(folder, "recollect.db");
      const log = stubLog(conversation(20));
      yield* rebuild({ path, projections: readModels }).pipe(provide(log));
      assert.lengthOf(sequences(path), 20);
      const plain = join(folder, "plain.db");
      const copy = new Database(path);
      copy.exec(`VACUUM INTO '${plain}'`);
      copy.close();
      log.append(said(21, "more"));
      yield* once(log, plain);
      assert.lengthOf(sequences(plain), 21);
      assert.include(readdirSync(folder), "plain-1.db");
    }),
  );
});

describe("verify", () => {
  it.live("is content while new events arrive, and leaves no file behind", () =>
    Effect.gen(function* () {
      const events = conversation(900);
      const log = stubLog(events.slice(0, 600));
      const { path } = yield* projected(log);
      const publishing = yield* Effect.forkChild(
        Effect.forEach(events.slice(600), (entry) =>
          Effect.andThen(
            Effect.sync(() => log.append(entry)),
            Effect.sleep(1),
          ),
        ),
      );
      const verified = yield* verify({ path, projections: readModels }).pipe(provide(log));
      yield* Fiber.join(publishing);
      assert.isTrue(verified.ok);
      assert.isAtLeast(verified.upTo, 600);
      assert.isTrue(verified.tables.some(({ name, rows }) => name === "message_parts" && rows > 0));
      assert.notInclude(readdirSync(join(path, "..")).join(), "verify");
    }),
  );

  const change = (path: string, sql: string) => {
    const db = new Database(path);
    assert.isAbove(db.prepare(sql).run().changes, 0);
    db.close();
  };
  const run = (path: string, ...sqls: ReadonlyArray<string>) => {
    const db = new Database(path);
    for (const sql of sqls) db.exec(sql);
    db.close();
  };
  const alter = (path: string, view: string, from: RegExp, to: string) => {
    const [row] = ask(path, "SELECT sql FROM sqlite_schema WHERE name = ?", view);
    run(path, `DROP VIEW ${view}`, String(row?.["sql"]).replace(from, to));
  };

  /** What is done, and what verify names: places, tables with their rows, and faults of the file, as JSON. */
  const damage: ReadonlyArray<readonly [string, (path: string, log: StubLog) => void, RegExp, number?]> = [
    [
      "a cell of the ledger was changed",
      (path) => change(path, "UPDATE events SET session = source WHERE sequence = 7"),
      /"kind":"ledger","first":7,"last":7.*"name":"events".*{"key":{"sequence":7},"kind":"changed"}/,
    ],
    [
      "a text of the ledger was changed",
      (path) => change(path, "UPDATE events SET data = replace(data, 'a', 'b') WHERE sequence = 8"),
      /"kind":"ledger","first":8,"last":8/,
    ],
    [
      "a digest of the ledger was changed",
      (path) => change(path, "UPDATE events SET digest = zeroblob(32) WHERE sequence = 7"),
      /"kind":"ledger","first":7,"last":7,"count":1,"message":"the digest/,
    ],
    [
      "the running hash was changed",
      (path) => change(path, "UPDATE checkpoints SET chain = zeroblob(32)"),
      /"places":\[\].*"what":"chain"/,
    ],
    [
      "a running hash that was kept on the way was changed",
      (path) => run(path, "INSERT OR REPLACE INTO chains VALUES (1000, zeroblob(32))"),
      /"places":\[\].*"what":"chain","message":"the running hash kept at sequence 1000 is/,
      1_001,
    ],
    [
      "what a checkpoint says of its projection was changed",
      (path) => change(path, "UPDATE checkpoints SET doc = 'another' WHERE projection = 'threads'"),
      /"places":\[\],"wrong":\[\].*"what":"schema","message":"the checkpoint row of threads was altered"/,
    ],
    [
      "a time beside a checkpoint was changed",
      (path) => change(path, "UPDATE checkpoints SET applied_at = applied_at + 1 WHERE projection = 'threads'"),
      /"places":\[\],"wrong":\[\].*"what":"chain","message":"the checkpoints of \w+ and \w+ do not say the same"/,
    ],
    [
      "two events of the ledger were exchanged",
      (path) =>
        change(
          path,
          "UPDATE events SET sequence = CASE sequence WHEN 7 THEN -8 ELSE -7 END WHERE sequence IN (7, 8)",
        ) ?? change(path, "UPDATE events SET sequence = -sequence WHERE sequence < 0"),
      /"kind":"content","first":7,"last":8,"count":2/,
    ],
    [
      "a name of the ledger was broken",
      (path) => change(path, "UPDATE events SET session = 987654 WHERE sequence = 7"),
      /"places":\[\].*"name":"events"/,
    ],
    [
      "a row of the ledger was removed",
      (path) => change(path, "DELETE FROM events WHERE sequence = 7"),
      /"kind":"ledger","first":7,"last":7.*{"key":{"sequence":7},"kind":"missing"}/,
    ],
    [
      "a row of a read model was changed",
      (path) => change(path, "UPDATE messages SET sidechain = 1 WHERE sequence = (SELECT max(sequence) FROM messages)"),
      /"places":\[\].*"name":"messages".*"thread_id":"[^"]+","tenant":"default",.*"message_id":"[^"]+"},"kind":"changed"/,
    ],
    [
      "a dead letter was removed",
      (path) => change(path, "DELETE FROM dead_letters WHERE sequence = (SELECT min(sequence) FROM dead_letters)"),
      /"places":\[\].*"name":"dead_letters".*"kind":"missing"/,
    ],
    [
      "an event of the stream was altered",
      (_, log) =>
        void (log.entries = log.entries.map((entry) =>
          entry.sequence === 7 ? { ...entry, body: Buffer.from("{}") } : entry,
        )),
      /"kind":"content","first":7,"last":7/,
    ],
    [
      "an event of the stream is missing",
      (_, log) => void (log.entries = log.entries.filter(({ sequence }) => sequence !== 7)),
      /"kind":"stream","first":7,"last":7/,
    ],
    [
      "the end of the stream was lost",
      (_, log) => void (log.entries = log.entries.slice(0, 58)),
      /"kind":"stream","first":59,"last":60,"count":2/,
    ],
    [
      "both copies have lost an event",
      (path, log) => {
        log.entries = log.entries.filter(({ sequence }) => sequence !== 7);
        change(path, "DELETE FROM events WHERE sequence = 7");
      },
      /"kind":"both","first":7,"last":7/,
    ],
    [
      "the full-text index has lost rows",
      (path) => run(path, "INSERT INTO message_parts_fts(message_parts_fts) VALUES ('delete-all')"),
      /"places":\[\],"wrong":\[\].*"what":"fullText"/,
    ],
    [
      "a view was made to hide something",
      (path) => alter(path, "v_tool_calls", /SELECT /, "SELECT DISTINCT "),
      /"places":\[\],"wrong":\[\].*"what":"schema","message":"the view v_tool_calls was altered"/,
    ],
    [
      "a trigger was added and an index dropped",
      (path) => run(path, "CREATE TRIGGER mine AFTER INSERT ON events BEGIN SELECT 1; END", "DROP INDEX events_by_1"),
      /the index events_by_1 is missing.*the trigger mine is none of ours/,
    ],
  ];

  for (const [what, harm, expected, count = 60] of damage) {
    it.live(`sees that ${what}`, () =>
      Effect.gen(function* () {
        const log = stubLog(conversation(count));
        const path = join(yield* temporaryFolder, "recollect.db");
        yield* once(log, path);
        harm(path, log);
        const verified = yield* verify({ path, projections: readModels }).pipe(provide(log));
        assert.isFalse(verified.ok);
        const wrong = verified.tables.filter(({ digest, expected: fresh }) => digest !== fresh);
        assert.match(JSON.stringify({ places: verified.places, wrong, database: verified.database }), expected);
      }),
    );
  }

  it.live("names a damaged page", () =>
    Effect.gen(function* () {
      const log = stubLog(conversation(400));
      const path = join(yield* temporaryFolder, "recollect.db");
      yield* once(log, path);
      const [root] = ask(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'token_usage_by_1'");
      const pageBytes = Number(ask(path, "PRAGMA page_size")[0]?.["page_size"]);
      const file = Generations.current(path) ?? "";
      const bytes = readFileSync(file);
      bytes.fill(0x55, pageBytes * (Number(root?.["rootpage"]) - 1) + 8, pageBytes * Number(root?.["rootpage"]));
      writeFileSync(file, bytes);
      const verified = yield* verify({ path, projections: readModels }).pipe(provide(log));
      assert.isFalse(verified.ok);
      assert.isTrue(verified.database.some(({ what }) => what === "page"));
    }),
  );

  it.live("compares a part of the stream, and finds what differs in it and nothing else", () =>
    Effect.gen(function* () {
      const log = stubLog(conversation(2500));
      const path = join(yield* temporaryFolder, "recollect.db");
      yield* once(log, path);
      change(path, "UPDATE events SET data = '{}' WHERE sequence IN (100, 1800)");
      const part = (from: number, to: number) => verify({ path, projections: readModels, from, to }).pipe(provide(log));
      const late = yield* part(1500, 2000);
      assert.deepInclude(late, { ok: false, from: 1500, upTo: 2000, differing: 1, tables: [] });
      assert.deepInclude(late.places[0], { kind: "ledger", first: 1800, last: 1800 });
      const clean = yield* part(101, 1799);
      assert.isTrue(clean.ok);
      assert.strictEqual(clean.chain.stream, clean.chain.ledger);
    }),
  );

  it.live("leaves another program's database alone, and says so", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "recollect.db");
      const other = new Database(path);
      other.exec("CREATE TABLE mine (x); INSERT INTO mine VALUES (1)");
      other.close();
      const log = stubLog(conversation(5));
      const projector = yield* Projector.make({ path, projections: readModels }).pipe(provide(log));
      yield* Effect.repeat(projector.status, { until: ({ condition }) => condition !== undefined });
      assert.match((yield* projector.status).condition?.message ?? "", /is not a database of recollect/);
      assert.deepStrictEqual(ask(path, "SELECT x FROM mine"), [{ x: 1 }]);
      const rebuilt = yield* rebuild({ path, projections: readModels }).pipe(provide(log));
      assert.deepStrictEqual(ask(join(path, "..", rebuilt.kept ?? ""), "SELECT x FROM mine"), [{ x: 1 }]);
      yield* projector.awaitSequence(5);
      assert.lengthOf(sequences(path), 5);
    }),
  );

  it.live("says what is wrong with a file that is no database", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "recollect.db");
      writeFileSync(path, "this is not a database, and long enough to be looked at as one. ".repeat(20));
      const error = yield* Effect.flip(verify({ path, projections: readModels }).pipe(provide(stubLog())));
      assert.deepInclude(error, { _tag: "StorageTrouble", reason: "damaged" });
    }),
  );
});
