import { assert, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { Arbitrary, Effect, Layer, Schema, Stream } from "effect";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import type { LogEntry, RecordedEvent } from "../../src/domain/Event.ts";
import { type History, keyOf, session, task, thread } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import { entryOf, headersOf } from "../../src/log/Envelope.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { subjectOf } from "../../src/log/Subject.ts";
import * as Projector from "../../src/projection/Projector.ts";
import * as Source from "../../src/query/HistorySourceSqlite.ts";
import * as HistorySource from "../../src/snapshot/HistorySource.ts";
import * as SnapshotStoreMemory from "../../src/snapshot/SnapshotStoreMemory.ts";
import * as ThreadReader from "../../src/snapshot/ThreadReader.ts";
import * as WholeHistory from "../../src/snapshot/WholeHistory.ts";
import { readModels } from "../../projections/all.ts";
import { misfit, said, uuid } from "../projection/StubLog.ts";
import { ask, folded, temporaryFolder } from "../projection/World.ts";
import { append, Steps } from "../snapshot/ThreadWorld.ts";

/** Bytes compare as bytes, whichever kind of array holds them. */
const plain = (events: ReadonlyArray<RecordedEvent>) =>
  events.map((event) => ({ ...event, body: Buffer.from(event.body).toString("hex") }));

const everything = (source: HistorySource.HistorySource, history: History) =>
  Effect.gen(function* () {
    const reach = yield* source.reach(history);
    if (reach === undefined) return [];
    return yield* Stream.runCollect(source.read({ history, after: 0, upTo: reach.sequence }));
  });

const Text = Schema.Literals(["a", "", "é 😀", "x y%z", "00000000-0000-7000-8000-00000000000A", uuid(77), '"', "\t"]);
const Maybe = Schema.optionalKey(Text);
const Drafted = Schema.Struct({
  in: Schema.Literals(["thread", "task", "session", "tenant", "other"]),
  actor: Maybe,
  session: Maybe,
  correlationId: Maybe,
  causationId: Maybe,
  traceparent: Maybe,
  source: Text,
  type: Schema.Literals(["thread.message_appended", "of.nobody", "thread.entry_recorded"]),
  schemaVersion: Schema.Literals([1, 2, 70]),
  extensions: Schema.optionalKey(Schema.Record(Schema.Literals(["a", "zone", "9"]), Text)),
  body: Schema.Literals(["{}", "", "\u0000", "\ufeffé", "not utf-8", "[1,\r\n 2 ]"]),
  occurredAt: Schema.Literals([0, 1_700_000_000_001, 253_402_300_799_999]),
});

const histories: Readonly<Record<(typeof Drafted.Type)["in"], History>> = {
  thread: thread("same"),
  task: task("same"),
  session: session("same"),
  tenant: thread("same", "another"),
  other: thread("d/é 😀"),
};

const defined = <A extends object>(fields: A): A =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as A;

/** An event as the log gives it: through the envelope that it is stored in. */
const throughEnvelope = (draft: typeof Drafted.Type, index: number): LogEntry => {
  const { in: where, body, ...rest } = draft;
  const history = histories[where];
  const id = index % 3 === 0 ? `text ${index}` : uuid(index + 1);
  const bytes = body === "not utf-8" ? Buffer.from([0xff, 0x00, 0x41]) : Buffer.from(body, "utf8");
  return entryOf({
    sequence: index + 1,
    recordedAt: 1_700_000_000_000 + index,
    subject: subjectOf(history),
    headers: headersOf({ ...defined(rest), id, body: bytes }, history),
    body: bytes,
  });
};

const openSource = (path: string) => Source.make({ path });

describe("a history from the ledger", () => {
  it.live("has every event exactly as the log gave it, and no other history's", () =>
    Effect.gen(function* () {
      const drafts = (yield* Arbitrary.sampleEffect(Arbitrary.schema(Schema.Array(Drafted)), {
        count: 60,
        seed: "ledger",
      })).flat();
      const entries = drafts.map(throughEnvelope);
      const { file } = yield* folded(entries);
      const source = yield* openSource(file);
      let found = 0;
      for (const history of Object.values(histories)) {
        const expected = entries.filter(
          (entry): entry is RecordedEvent => "history" in entry && keyOf(entry.history) === keyOf(history),
        );
        const events = yield* everything(source, history);
        assert.deepStrictEqual(plain(events), plain(expected));
        found += events.length;
      }
      assert.isAbove(found, 100);
    }),
  );

  it.live("comes whole over pages of rows and of bytes", () =>
    Effect.gen(function* () {
      const entries = Array.from({ length: 1_300 }, (_, n) =>
        said(n + 1, n % 100 === 0 ? "large ".repeat(80_000) : "small", { in: thread(n % 2 === 0 ? "t1" : "t2") }),
      );
      const { file } = yield* folded(entries);
      const source = yield* openSource(file);
      const events = yield* everything(source, thread("t1"));
      assert.deepStrictEqual(
        events.map(({ sequence }) => sequence),
        Array.from({ length: 650 }, (_, n) => 2 * n + 1),
      );
      const some = yield* Stream.runCollect(source.read({ history: thread("t1"), after: 100, upTo: 200 }));
      assert.deepStrictEqual([some[0]?.sequence, some.at(-1)?.sequence, some.length], [101, 199, 50]);
    }),
  );

  for (const [what, sql] of [
    ["a text", "UPDATE events SET data = replace(data, 'word 7', 'lie 7') WHERE sequence = 7"],
    ["a session", "UPDATE events SET session = source WHERE sequence = 7"],
    ["a digest", "UPDATE events SET digest = zeroblob(32) WHERE sequence = 7"],
    ["a missing digest", "UPDATE events SET digest = NULL WHERE sequence = 7"],
  ] as const) {
    it.effect(`is read from the log where a row of the ledger was changed: ${what}`, () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        const history = thread("t1");
        const events = Array.from({ length: 10 }, (_, n) => {
          const { body, id, occurredAt, schemaVersion, source, type } = said(n + 1, `word ${n + 1}`);
          return { body, id, occurredAt, schemaVersion, source, type };
        });
        yield* log.append({ history, events, expected: 0 });
        const all = yield* Stream.runCollect(log.read({ history }));
        const { file } = yield* folded(all);
        const source = yield* openSource(file);
        assert.deepStrictEqual(plain(yield* everything(source, history)), plain(all));
        const db = new Database(file);
        assert.strictEqual(db.prepare(sql).run().changes, 1);
        db.close();
        const error = yield* Effect.flip(everything(source, history));
        assert.match(error.reason, /row of sequence 7 does not match/);
        const good = yield* Stream.runCollect(source.read({ history, after: 0, upTo: 6 }));
        assert.lengthOf(good, 6);
        assert.deepStrictEqual(
          plain(yield* Stream.runCollect(WholeHistory.read({ log, source, history }))),
          plain(all),
        );
      }).pipe(Effect.provide(EventLogMemory.layer)),
    );
  }

  it.live("is given up to the first event that the ledger refused, and misfits do not disturb it", () =>
    Effect.gen(function* () {
      const entries: ReadonlyArray<LogEntry> = [
        said(1, "one"),
        misfit(2, "strange"),
        said(3, "three"),
        said(4, "four"),
      ];
      const { file } = yield* folded(entries);
      const source = yield* openSource(file);
      assert.strictEqual((yield* source.reach(thread("t1")))?.sequence, 4);
      const db = new Database(file);
      db.exec(`DELETE FROM events WHERE sequence = 3;
        INSERT INTO dead_letters (sequence, projection, tenant, kind, history_id, reason, attempts, at)
        SELECT 3, 'ledger', tenant, kind, history_id, 'refused', 1, 1 FROM events WHERE sequence = 4`);
      db.close();
      assert.strictEqual((yield* source.reach(thread("t1")))?.sequence, 1);
    }),
  );

  it.live("is not read from a ledger of another version, nor from a database that is not there", () =>
    Effect.gen(function* () {
      const { file } = yield* folded([said(1, "one")]);
      const path = join(yield* temporaryFolder, "older.db");
      const db = new Database(file);
      db.pragma("wal_checkpoint(TRUNCATE)");
      db.close();
      copyFileSync(file, path);
      const older = new Database(path);
      older.exec("UPDATE checkpoints SET version = version + 1 WHERE projection = 'ledger'");
      older.close();
      for (const at of [path, join(yield* temporaryFolder, "none.db")]) {
        const source = yield* openSource(at);
        assert.strictEqual((yield* Effect.flip(source.reach(thread("t1"))))._tag, "SourceUnavailable", at);
      }
    }),
  );

  it.live("is found by an index, however large the ledger is", () =>
    Effect.gen(function* () {
      const { file } = yield* folded([said(1, "one")]);
      const plan = ask(
        file,
        "EXPLAIN QUERY PLAN SELECT data FROM events WHERE history_id = 1 AND tenant = 1 AND kind = 1 AND sequence > 0 AND sequence <= 9 ORDER BY sequence LIMIT 9",
      );
      assert.match(JSON.stringify(plan), /SEARCH events USING INDEX/);
      assert.notMatch(JSON.stringify(plan), /TEMP B-TREE/);
    }),
  );
});

describe("reading with the ledger and without it", () => {
  it.live("gives the same states and messages, also while the ledger is behind", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "recollect.db");
      const rooms = yield* Layer.build(EventLogMemory.layer);
      yield* Effect.gen(function* () {
        const log = yield* EventLog;
        const projector = yield* Projector.make({ path, projections: readModels });
        const samples = yield* Arbitrary.sampleEffect(Arbitrary.schema(Steps), { count: 8, seed: "same" });
        for (const [index, steps] of samples.entries()) yield* append(thread(`t${index}`), steps, `first ${index}`);
        yield* projector.awaitSequence((yield* log.info).lastSequence);
        const source = yield* openSource(path);
        const copied = { reads: 0 };
        const counting: HistorySource.HistorySource = {
          ...source,
          read: (options) => {
            copied.reads++;
            return source.read(options);
          },
        };
        // The ledger may or may not have these.
        for (const [index, steps] of samples.entries())
          yield* append(thread(`t${index}`), steps.slice(3), `then ${index}`);
        const readerWith = (given: HistorySource.HistorySource) =>
          Layer.build(ThreadReader.layer().pipe(Layer.provideMerge(SnapshotStoreMemory.layer()))).pipe(
            Effect.provideService(HistorySource.HistorySource, given),
          );
        const quick = yield* readerWith(counting);
        const slow = yield* readerWith(HistorySource.none);
        for (const index of samples.keys()) {
          const id = `t${index}`;
          const both = [quick, slow].map((context) => Effect.provide(readAll(id), context));
          const [one, other] = yield* Effect.all(both);
          assert.deepStrictEqual(one, other);
          const history = thread(id);
          const direct = yield* Stream.runCollect(WholeHistory.read({ log, source, history }));
          assert.deepStrictEqual(plain(direct), plain(yield* Stream.runCollect(log.read({ history }))));
        }
        assert.isAbove(copied.reads, 8);
      }).pipe(Effect.provide(rooms));
    }),
  );
});

const readAll = Effect.fnUntraced(function* (id: string) {
  const reader = yield* ThreadReader.ThreadReader;
  return { state: yield* reader.get(id), messages: yield* Stream.runCollect(reader.messages(id)) };
});
