import { assert, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { Effect, Fiber } from "effect";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Generations from "../../src/projection/rebuild/Generations.ts";
import type { Projection } from "../../src/projection/Projection.ts";
import * as Projector from "../../src/projection/Projector.ts";
import { rebuild } from "../../src/projection/rebuild/Rebuild.ts";
import { verify } from "../../src/projection/verify/Verify.ts";
import * as Query from "../../src/query/QuerySqlite.ts";
import { conversation } from "./Conversation.ts";
import { said, type StubLog, stubLog } from "./StubLog.ts";
import { ask, temporaryFolder } from "./World.ts";

const provide = (log: StubLog) => Effect.provideService(EventLog, log.service);

const projected = Effect.fnUntraced(function* (log: StubLog, projections: ReadonlyArray<Projection> = readModels) {
  const path = join(yield* temporaryFolder, "recollect.db");
  const projector = yield* Projector.make({ path, projections }).pipe(provide(log));
  yield* projector.awaitSequence(log.entries.at(-1)?.sequence ?? 0);
  return { path, projector };
});

/** A projector that ends, so that another can be started on its file. */
const once = (log: StubLog, path: string, projections: ReadonlyArray<Projection> = readModels) =>
  Effect.scoped(
    Effect.flatMap(Projector.make({ path, projections }).pipe(provide(log)), ({ awaitSequence }) =>
      awaitSequence(log.entries.at(-1)?.sequence ?? 0),
    ),
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

  it.live("happens by itself when a projection has another version, and readers keep the old file until then", () =>
    Effect.gen(function* () {
      const log = stubLog(conversation(300));
      const path = join(yield* temporaryFolder, "recollect.db");
      yield* once(log, path);
      const newer = readModels.map((projection) =>
        projection.name === "threads" ? { ...projection, version: 1_000 } : projection,
      );
      const before = Generations.current(path);
      yield* once(log, path, newer);
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
      assert.deepInclude(rebuilt, { lost: [], recovered: [20, 21, 22], checkpoint: 50 });
      const verified = yield* verify({ path, projections: readModels }).pipe(provide(log));
      assert.isFalse(verified.ok);
      assert.deepStrictEqual(
        verified.differences.map(({ sequence, kind }) => [sequence, kind]),
        [
          [20, "stream"],
          [21, "stream"],
          [22, "stream"],
        ],
      );
      assert.lengthOf(sequences(path), 50);
    }),
  );

  it.live("keeps the old database when the stream is another one", () =>
    Effect.gen(function* () {
      const log = stubLog(conversation(40));
      const path = join(yield* temporaryFolder, "recollect.db");
      yield* once(log, path);
      log.created += 1;
      log.entries = conversation(5, 9).map((entry) => ({ ...entry, recordedAt: entry.recordedAt + 99 }));
      const rebuilt = yield* rebuild({ path, projections: readModels }).pipe(provide(log));
      assert.strictEqual(rebuilt.checkpoint, 5);
      assert.lengthOf(sequences(path), 5);
      assert.lengthOf(ask(rebuilt.kept ?? "", "SELECT 1 FROM v_events"), 40);
      yield* rebuild({ path, projections: readModels }).pipe(provide(log));
      yield* once(log, path);
      assert.lengthOf(ask(rebuilt.kept ?? "", "SELECT 1 FROM v_events"), 40);
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

  const damage: ReadonlyArray<readonly [string, (path: string, log: StubLog) => void, RegExp]> = [
    [
      "a cell of the ledger was changed",
      (path) => change(path, "UPDATE events SET session = source WHERE sequence = 7"),
      /"sequence":7,"kind":"content".*"name":"events"/,
    ],
    [
      "a name of the ledger was broken",
      (path) => change(path, "UPDATE events SET session = 987654 WHERE sequence = 7"),
      /^(?!.*"kind").*"name":"events"/,
    ],
    [
      "a row of the ledger was removed",
      (path) => change(path, "DELETE FROM events WHERE sequence = 7"),
      /"sequence":7,"kind":"ledger"/,
    ],
    [
      "a row of a read model was changed",
      (path) => change(path, "UPDATE messages SET sidechain = 1 WHERE sequence = (SELECT max(sequence) FROM messages)"),
      /^(?!.*"kind")/,
    ],
    [
      "a dead letter was removed",
      (path) => change(path, "DELETE FROM dead_letters WHERE sequence = (SELECT min(sequence) FROM dead_letters)"),
      /^(?!.*"kind")/,
    ],
    [
      "an event of the stream was altered",
      (_, log) =>
        void (log.entries = log.entries.map((entry) =>
          entry.sequence === 7 ? { ...entry, body: Buffer.from("{}") } : entry,
        )),
      /"sequence":7,"kind":"content"/,
    ],
    [
      "an event of the stream is missing",
      (_, log) => void (log.entries = log.entries.filter(({ sequence }) => sequence !== 7)),
      /"sequence":7,"kind":"stream"/,
    ],
    [
      "the end of the stream was lost",
      (_, log) => void (log.entries = log.entries.slice(0, 58)),
      /"sequence":59,"kind":"stream".*"sequence":60,"kind":"stream"/,
    ],
  ];
  const change = (path: string, sql: string) => {
    const db = new Database(path);
    assert.isAbove(db.prepare(sql).run().changes, 0);
    db.close();
  };

  for (const [what, harm, expected] of damage) {
    it.live(`sees that ${what}`, () =>
      Effect.gen(function* () {
        const log = stubLog(conversation(60));
        const path = join(yield* temporaryFolder, "recollect.db");
        yield* once(log, path);
        harm(path, log);
        const verified = yield* verify({ path, projections: readModels }).pipe(provide(log));
        assert.isFalse(verified.ok);
        const wrong = verified.tables.filter(({ digest, expected: fresh }) => digest !== fresh);
        assert.isTrue(verified.differing > 0 || wrong.length > 0);
        assert.match(JSON.stringify({ differences: verified.differences, wrong }), expected);
      }),
    );
  }

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
      assert.deepStrictEqual(ask(rebuilt.kept ?? "", "SELECT x FROM mine"), [{ x: 1 }]);
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
