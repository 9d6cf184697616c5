import { assert, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { Effect, Schema } from "effect";
import { join } from "node:path";
import * as ReadModelSqlite from "../../src/projection/ReadModelSqlite.ts";
import { storageTrouble } from "../../src/projection/StorageTroubleSqlite.ts";
import { defineSearchWords } from "../../src/projection/write/SearchWordsSqlite.ts";
import { readModels } from "../../projections/all.ts";
import { type Projection } from "../../src/projection/Projection.ts";
import { conversation } from "./Conversation.ts";
import { event, said } from "./StubLog.ts";
import { applyAll, folded, temporaryFolder } from "./World.ts";

const Size = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 60 }));

describe("what the rows depend on", () => {
  it.effect.prop(
    "only on the events: neither the size of batches nor redelivery changes a digest",
    [Size, Size],
    ([size, seed]) =>
      Effect.gen(function* () {
        const events = conversation(60, seed);
        const whole = yield* folded(events);
        const pieces = yield* folded([]);
        yield* applyAll(pieces.model, events, size);
        yield* applyAll(pieces.model, events.slice(size), 7);
        assert.deepStrictEqual(yield* pieces.model.digests, yield* whole.model.digests);
        assert.deepStrictEqual(yield* pieces.model.checkpoint, yield* whole.model.checkpoint);
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 15 } },
  );

  it.effect.prop(
    "not on restarts: what interpreters and names remember is in the file",
    [Size, Size],
    ([size, seed]) =>
      Effect.gen(function* () {
        const events = conversation(60, seed);
        const whole = yield* folded(events);
        const file = join(yield* temporaryFolder, "restarted.db");
        const open = ReadModelSqlite.open({ file, projections: readModels, durability: "durable" });
        for (let at = 0; at < events.length; at += size) {
          yield* Effect.acquireUseRelease(
            open,
            (model) => applyAll(model, events.slice(at, at + size), 5),
            ({ close }) => close,
          );
        }
        const after = yield* Effect.acquireRelease(open, ({ close }) => close);
        assert.deepStrictEqual(yield* after.digests, yield* whole.model.digests);
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 8 } },
  );

  it.live("the conversation of these tests does depend on what is remembered", () =>
    Effect.gen(function* () {
      const { rows } = yield* folded(conversation(300));
      const models = rows("SELECT DISTINCT model FROM v_messages WHERE thread_id LIKE 'codex%' AND model IS NOT NULL");
      assert.isAbove(models.length, 1);
      assert.isNotEmpty(rows("SELECT 1 FROM carries"));
    }),
  );

  it.live("digests tell one different cell, one row more, and one name exchanged", () =>
    Effect.gen(function* () {
      const events = conversation(40);
      const digest = Effect.fnUntraced(function* (given: typeof events) {
        return JSON.stringify(yield* (yield* folded(given)).model.digests);
      });
      const base = yield* digest(events);
      const renamed = events.map((entry, index) =>
        index === 3 && "history" in entry ? { ...entry, history: { ...entry.history, tenant: "x" } } : entry,
      );
      const retold = events.map((entry, index) =>
        index === 20 ? { ...entry, recordedAt: entry.recordedAt + 1 } : entry,
      );
      for (const other of [events.slice(0, 39), renamed, retold]) assert.notStrictEqual(yield* digest(other), base);
      assert.strictEqual(yield* digest(events), base);
    }),
  );

  it.live("refuses a batch that leaves a sequence out, and writes nothing of it", () =>
    Effect.gen(function* () {
      const { model, rows } = yield* folded([said(1, "one")]);
      const incoming = [said(2, "two"), said(4, "four")].map((entry) => ({ entry }));
      assert.deepStrictEqual(yield* model.apply({ incoming, streamCreated: 1, now: 1 }), {
        _tag: "Missing",
        sequence: 3,
      });
      assert.deepStrictEqual(rows("SELECT text FROM v_messages"), [{ text: "one" }]);
    }),
  );
});

describe("the full-text index", () => {
  /** Each token with its row and place, as the index has it and as one that is made of the table anew. */
  const tokens = (file: string) => {
    const db = new Database(file);
    try {
      defineSearchWords(db);
      db.exec("CREATE VIRTUAL TABLE temp.has USING fts5vocab(main, message_parts_fts, instance)");
      db.exec(`CREATE VIRTUAL TABLE temp.fresh USING fts5(text, tokenize='unicode61 remove_diacritics 2')`);
      db.exec("INSERT INTO temp.fresh (rowid, text) SELECT id, text FROM message_parts_text WHERE text IS NOT NULL");
      db.exec("CREATE VIRTUAL TABLE temp.wants USING fts5vocab(temp, fresh, instance)");
      const of = (table: string) =>
        db.prepare(`SELECT term, doc, offset FROM temp.${table} ORDER BY 1, 2, 3`).raw().all();
      return { has: of("has"), wants: of("wants") };
    } finally {
      db.close();
    }
  };

  it.effect.prop(
    "holds what the table holds: new, changed, shortened and removed parts, quoted or not, in one batch or several",
    [Size],
    ([size]) =>
      Effect.gen(function* () {
        // Long enough for a quote, and the same words.
        const padded = (text: string) => (size % 2 === 0 || text === "" ? text : text.padEnd(80));
        const parts = (sequence: number, message: string, texts: ReadonlyArray<string>) =>
          event(sequence, "thread.message_appended", {
            messageId: message,
            role: "user",
            parts: texts.map((text) => ({ type: "text", text: padded(text) })),
          });
        const events = [
          parts(1, "a", ["one", "two", "three"]),
          parts(2, "b", ["four"]),
          parts(3, "b", ["five", "six"]),
          parts(4, "a", ["one"]),
          parts(5, "b", []),
          parts(6, "c", ["seven", ""]),
          parts(7, "c", ["", "eight"]),
          parts(8, "c", ["nine"]),
          parts(9, "d", ["ten", "eleven"]),
          parts(10, "d", ["ten"]),
          parts(11, "e", ["twelve"]),
        ];
        const { file, model } = yield* folded([]);
        yield* applyAll(model, events, (size % events.length) + 1);
        const { has, wants } = tokens(file);
        assert.deepStrictEqual(has, wants);
        assert.deepStrictEqual(
          has.map((row) => (row as ReadonlyArray<unknown>)[0]),
          ["nine", "one", "ten", "twelve"],
        );
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 12 } },
  );
});

describe("merging", () => {
  const merging: Projection = {
    name: "merging",
    version: 1,
    doc: "For this test.",
    tables: [
      {
        name: "cells",
        doc: "One of each merge.",
        key: ["id"],
        columns: {
          id: { type: "integer", doc: "." },
          last: { type: "text", doc: "." },
          first: { type: "text", merge: "first", doc: "." },
          replace: { type: "text", merge: "replace", doc: "." },
          sum: { type: "integer", merge: "sum", doc: "." },
          min: { type: "integer", merge: "min", doc: "." },
          max: { type: "integer", merge: "max", doc: "." },
        },
      },
    ],
    views: [],
    handle: ({ body }) => [{ table: "cells", row: { id: 1, ...JSON.parse(Buffer.from(body).toString()) } }],
  };

  it.live("meets the stored value as each column declares", () =>
    Effect.gen(function* () {
      const rowsAfter = Effect.fnUntraced(function* (...data: ReadonlyArray<unknown>) {
        const { rows } = yield* folded(
          data.map((row, index) => event(index + 1, "thread.any", row)),
          [merging],
        );
        return rows("SELECT last, first, replace, sum, min, max FROM cells")[0];
      });
      const one = { last: "a", first: "a", replace: "a", sum: 1, min: 5, max: 5 };
      assert.deepStrictEqual(yield* rowsAfter(one, { last: "b", first: "b", replace: "b", sum: 2, min: 3, max: 3 }), {
        last: "b",
        first: "a",
        replace: "b",
        sum: 3,
        min: 3,
        max: 5,
      });
      const nothing = { last: null, first: null, replace: null, sum: null, min: null, max: null };
      assert.deepStrictEqual(yield* rowsAfter(one, nothing), { ...one, replace: null });
      assert.deepStrictEqual(yield* rowsAfter(one, {}), one);
      assert.deepStrictEqual(yield* rowsAfter(nothing, one), one);
      assert.deepStrictEqual(yield* rowsAfter({}, one, one), { ...one, sum: 2 });
    }),
  );
});

describe("dead letters", () => {
  const broken = (handle: Projection["handle"]): Projection => ({
    name: "broken",
    version: 1,
    doc: "For this test.",
    tables: [
      {
        name: "broken_rows",
        doc: ".",
        key: ["id"],
        columns: { id: { type: "integer", doc: "." }, count: { type: "integer", doc: "." } },
      },
    ],
    views: [],
    handle,
  });
  const good = (id: number | string, count: unknown = 1) => [{ table: "broken_rows", row: { id, count } as never }];

  it.live("one refused row is parked with its reason, and the rest of its batch goes on", () =>
    Effect.gen(function* () {
      const refusing = broken(({ sequence }) => {
        if (sequence === 2) throw new Error("I cannot");
        if (sequence === 3) return [...good(3), ...good(33, "not a number")];
        if (sequence === 4) return [{ table: "nowhere", row: {} }];
        if (sequence === 5) return good(5, true);
        if (sequence === 6) return [{ table: "broken_rows", row: { id: null } }];
        return good(sequence);
      });
      const { rows, model } = yield* folded(
        [1, 2, 3, 4, 5, 6, 7].map((n) => said(n, `word ${n}`)),
        [...readModels, refusing],
      );
      assert.deepStrictEqual(
        rows("SELECT id FROM broken_rows ORDER BY id").map(({ id }) => id),
        [1, 7],
      );
      const letters = rows(
        "SELECT projection, sequence, subject AS history_id, kind, attempts, parked_at AS at, reason FROM v_dead_letters ORDER BY sequence",
      );
      assert.deepStrictEqual(
        letters.map(({ sequence }) => sequence),
        [2, 3, 4, 5, 6],
      );
      assert.deepInclude(letters[0], {
        projection: "broken",
        history_id: "t1",
        kind: "thread",
        attempts: 1,
        at: 2,
        reason: "the projection failed: I cannot",
      });
      assert.match(String(letters[1]?.["reason"]), /cannot store TEXT value in INTEGER column/);
      assert.match(String(letters[2]?.["reason"]), /there is no table nowhere/);
      assert.match(String(letters[4]?.["reason"]), /without its key id/);
      assert.lengthOf(rows("SELECT 1 FROM v_messages"), 7);
      assert.lengthOf(rows("SELECT 1 FROM v_events"), 7);
      assert.deepStrictEqual(yield* model.deadLetters, [{ projection: "broken", count: 5 }]);
      assert.strictEqual(rows("SELECT dead_letters FROM v_threads")[0]?.["dead_letters"], 5);
    }),
  );

  it.live("a name that only a refused row brought is written again by the next row that has it", () =>
    Effect.gen(function* () {
      const naming: Projection = {
        name: "naming",
        version: 1,
        doc: "For this test.",
        tables: [
          {
            name: "named",
            doc: ".",
            key: ["id"],
            columns: { id: { type: "integer", doc: "." }, who: { type: "name", doc: "." } },
          },
        ],
        views: [],
        handle: ({ sequence }) => [
          { table: "named", row: { id: sequence, who: "newcomer" } },
          ...(sequence === 1 ? [{ table: "nowhere", row: {} }] : []),
        ],
      };
      const { rows } = yield* folded([said(1, "x"), said(2, "y")], [...readModels, naming]);
      assert.deepStrictEqual(rows("SELECT id, text FROM named JOIN names ON name = who").map(Object.values), [
        [2, "newcomer"],
      ]);
    }),
  );

  it.live("what cannot be read is parked once for all, and is still in the ledger", () =>
    Effect.gen(function* () {
      const { rows } = yield* folded([
        event(1, "thread.message_appended", { messageId: 7 }),
        event(2, "thread.message_appended", {}, { in: { tenant: "default", kind: "task", id: "k" } }),
        said(3, "fine"),
      ]);
      assert.deepStrictEqual(rows("SELECT projection, sequence FROM v_dead_letters").map(Object.values), [
        ["*", 1],
        ["*", 2],
      ]);
      assert.match(
        String(rows("SELECT reason FROM v_dead_letters")[1]?.["reason"]),
        /belongs to a thread, but stands in a task/,
      );
      assert.lengthOf(rows("SELECT 1 FROM v_events"), 3);
      assert.lengthOf(rows("SELECT 1 FROM v_messages"), 1);
    }),
  );
});

describe("trouble with the file", () => {
  it("is named by what a person can do about it", () => {
    const reasonOf = (code: string) => storageTrouble("/x", Object.assign(new Error("said"), { code })).reason;
    assert.deepStrictEqual(
      [
        "SQLITE_FULL",
        "ENOSPC",
        "SQLITE_BUSY_SNAPSHOT",
        "SQLITE_CORRUPT_VTAB",
        "SQLITE_NOTADB",
        "SQLITE_READONLY",
        "EACCES",
        "?",
      ].map(reasonOf),
      ["full", "full", "busy", "damaged", "damaged", "notWritable", "notWritable", "other"],
    );
  });
});
