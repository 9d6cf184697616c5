import { assert, describe, it, layer } from "@effect/vitest";
import { Context, Effect, Fiber, Layer, Stream } from "effect";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { readModels } from "../../../projections/all.ts";
import { thread } from "../../../src/domain/History.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import * as Projector from "../../../src/projection/Projector.ts";
import type { Query as QueryService } from "../../../src/query/Query.ts";
import type { SqlOptions, SqlParameters } from "../../../src/query/Sql.ts";
import * as Query from "../../../src/query/QuerySqlite.ts";
import { authorize, maskViews } from "../../../src/query/sandbox/AuthorizerSqlite.ts";
import { personalColumns } from "../../../src/query/sandbox/Personal.ts";
import { isEmptySql, readSql } from "../../../src/query/sandbox/SqlText.ts";
import { event, said, stubLog } from "../../projection/StubLog.ts";
import { temporaryFolder } from "../../projection/World.ts";

/** A database of a few events with one secret in it. */
class Asked extends Context.Service<Asked, { readonly query: QueryService["Service"]; readonly path: string }>()(
  "test/sandbox/Asked",
) {}

const secret = "pomegranate";

const world = Layer.effect(
  Asked,
  Effect.gen(function* () {
    const path = join(yield* temporaryFolder, "recollect.db");
    const entries = [
      event(1, "thread.opened", { title: `about ${secret}`, tool: "claude-code" }, { in: thread("t1"), actor: secret }),
      said(2, `a ${secret} a day`, { in: thread("t1") }),
      event(3, "thread.tool_called", { callId: "c", name: "Read", arguments: { path: secret } }, { in: thread("t1") }),
    ];
    const log = stubLog(entries);
    const projector = yield* Projector.make({ path, projections: readModels }).pipe(
      Effect.provideService(EventLog, log.service),
    );
    yield* projector.awaitSequence(entries.length);
    return { path, query: yield* Query.make({ path }) };
  }),
);

const rowsOf = (text: string, parameters: SqlParameters = [], options: SqlOptions = {}) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { query } = yield* Asked;
      const { isCut, rows } = yield* query.sql(text, parameters, options);
      const all = yield* Stream.runCollect(rows);
      return { rows: [...all], isCut: yield* isCut };
    }),
  );

/** Statements on a connection as a sandbox's process has it, without its process. */
const authorized = Effect.fnUntraced(function* (masked?: typeof personalColumns) {
  const { path } = yield* Asked;
  const db = yield* Effect.acquireRelease(
    Effect.sync(() => new DatabaseSync(path, { readOnly: true })),
    (open) => Effect.sync(() => open.close()),
  );
  const believed = "__believed";
  if (masked !== undefined) maskViews(db, masked, believed);
  authorize(db, masked === undefined ? undefined : { believed });
  return (text: string) => db.prepare(text).all();
});

const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

/** Sandbox processes of this process that live now. */
const processes = (): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const parent = /\nPPid:\t(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
        const isGone = /\nState:\tZ/.test(readFileSync(`/proc/${pid}/status`, "utf8"));
        const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        return Number(parent) === process.pid && !isGone && line.includes("SandboxProcessSqlite");
      } catch {
        return false;
      }
    });

const untilNone = Effect.suspend(() => Effect.sync(processes)).pipe(
  Effect.repeat({ until: (alive) => alive.length === 0 }),
  Effect.timeout("10 seconds"),
);

layer(world, { excludeTestServices: true })("SQL of anybody", (it) => {
  it.effect("reads, with values for its parameters, and whole numbers as they are", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        (yield* rowsOf("SELECT :a, @b, $c, 9007199254740993, x'00ff'", { a: 1, b: "é", c: null })).rows,
        [[1, "é", null, 9_007_199_254_740_993n, new Uint8Array([0, 255])]],
      );
      assert.deepStrictEqual((yield* rowsOf("SELECT ?, ? || ':x'", [7, "y"])).rows, [[7, "y:x"]]);
      const wrong: ReadonlyArray<readonly [string, SqlParameters]> = [
        ["SELECT :a", {}],
        ["SELECT ?", []],
        ["SELECT ?", {}],
        ["SELECT ?", [1, 2]],
        ["SELECT :a", { a: 1, b: 2 }],
        ["SELECT 1", [1]],
      ];
      for (const [text, parameters] of wrong) {
        const error = yield* Effect.flip(rowsOf(text, parameters));
        assert.strictEqual(error._tag, "QueryRefused", text);
      }
    }),
  );

  it.effect("cannot attach, set a pragma, load code, write, or ask twice", () =>
    Effect.gen(function* () {
      const { path } = yield* Asked;
      const before = readFileSync(path);
      const refused = [
        "SELECT 1 /* ; */; -- more\n ; DELETE FROM events",
        "WITH x AS (SELECT 1) INSERT INTO names (text) SELECT 'x' FROM x",
        "SELECT load_extension('x')",
        "EXPLAIN DELETE FROM events",
        `ATTACH '${path}.other' AS other`,
        "SELECT * FROM pragma_database_list",
        "SELECT * FROM pragma_table_info('events')",
        "SELECT * FROM pragma_hard_heap_limit(0)",
        "EXPLAIN PRAGMA journal_mode = DELETE",
        "EXPLAIN ATTACH 'x' AS y",
        `VACUUM INTO '${path}.copy'`,
        "CREATE TEMP TABLE x (a)",
      ];
      for (const text of refused.slice(0, 5)) {
        const error = yield* Effect.flip(rowsOf(text));
        assert.strictEqual(error._tag, "QueryRefused", text);
      }
      const all = yield* authorized();
      for (const text of refused.slice(5)) assert.throws(() => all(text), undefined, undefined, text);
      assert.deepStrictEqual(all("SELECT 1 AS one"), [{ one: 1 }]);
      assert.isFalse(existsSync(`${path}.other`) || existsSync(`${path}.copy`));
      assert.isTrue(before.equals(readFileSync(path)));
      assert.deepStrictEqual((yield* rowsOf("SELECT 1; -- and nothing more\n;")).rows, [[1]]);
      assert.match(
        (yield* Effect.flip(rowsOf("SELECT * FROM pragma_database_list"))).message,
        /PRAGMA is not possible/,
      );
    }),
  );

  it.effect("reads and writes no memory of its process through a function that takes addresses", () =>
    Effect.gen(function* () {
      for (const [text, parameters] of [
        ["SELECT hex(fts3_tokenizer(:name))", { name: "simple" }],
        ["SELECT FTS3_Tokenizer(:name, :at)", { name: "simple", at: "AAAAAAAA" }],
      ] as const)
        assert.match((yield* Effect.flip(rowsOf(text, parameters))).message, /memory of the process/);
    }),
  );

  it.effect("has a limit of rows, of memory, of temporary files and of time, each said by its name", () =>
    Effect.gen(function* () {
      const ten = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 10) SELECT i FROM n";
      assert.deepInclude(yield* rowsOf(ten, [], { maxRows: 10 }), { isCut: false });
      const some = yield* rowsOf(ten, [], { maxRows: 3 });
      assert.deepStrictEqual(some, { rows: [[1], [2], [3]], isCut: true });
      const giant = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT hex(zeroblob(500000)) FROM n`;
      const held = yield* rowsOf(giant, [], { maxBytes: 3_500_000 });
      assert.deepStrictEqual(
        [held.rows.length, held.isCut],
        [3, true],
        "endless rows of giant cells end with their bytes",
      );
      const large = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000)
        SELECT group_concat(printf('%1000d', i)) FROM n`;
      const memory = yield* Effect.flip(rowsOf(large, [], { memoryBytes: 32 * 1024 * 1024 }));
      assert.deepInclude(memory, { _tag: "QueryStopped", reason: "memory" });
      const sorted = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT randomblob(1000) AS b FROM n ORDER BY b`;
      const disk = yield* Effect.flip(rowsOf(sorted, [], { diskBytes: 8 * 1024 * 1024 }));
      assert.deepInclude(disk, { _tag: "QueryStopped", reason: "disk" });
      assert.match(disk.message, /more than 8 MB of temporary files/);
      const time = yield* Effect.flip(rowsOf(endless, [], { timeoutMillis: 300 }));
      assert.deepInclude(time, { _tag: "QueryStopped", reason: "time" });
      assert.match(time.message, /took longer than 0\.3 s/);
    }),
  );

  it.effect("ends with whoever asked, whatever SQLite is at", () =>
    Effect.gen(function* () {
      const asking = yield* Effect.forkChild(rowsOf(endless));
      yield* Effect.sync(processes).pipe(Effect.repeat({ until: (alive) => alive.length === 1 }));
      yield* Fiber.interrupt(asking);
      yield* untilNone;
    }),
  );

  it.effect("gives rows as they come, and stops where its reader stops", () =>
    Effect.gen(function* () {
      const { query } = yield* Asked;
      const forEver =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, printf('%200d', i) FROM n";
      const taken = yield* Effect.scoped(
        Effect.flatMap(query.sql(forEver), ({ rows }) => Stream.runCount(Stream.take(rows, 20_000))),
      );
      assert.strictEqual(taken, 20_000);
      yield* untilNone;
    }),
  );
});

layer(world, { excludeTestServices: true })("SQL of a role that may not see what persons wrote", (it) => {
  const masked: SqlOptions = { personal: "masked" };

  it.effect("reads the public views as they are, with nothing where persons wrote", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* rowsOf("SELECT thread_id, role, text FROM v_messages", [], masked)).rows, [
        ["t1", "user", null],
      ]);
      assert.deepStrictEqual(
        (yield* rowsOf(
          "SELECT e.sequence, e.actor, e.data, e.data_bytes > 0 FROM v_events e WHERE e.sequence = 1",
          [],
          masked,
        )).rows,
        [[1, null, null, 1]],
      );
      assert.deepStrictEqual(
        (yield* rowsOf("SELECT tool_name, arguments, arguments_bytes > 0 FROM v_tool_calls", [], masked)).rows,
        [["Read", null, 1]],
      );
      const all = Object.keys(personalColumns)
        .filter((view) => view !== "v_search")
        .map((view) => `SELECT '${view}', (SELECT count(*) FROM (SELECT * FROM ${view}))`)
        .join(" UNION ALL ");
      assert.deepStrictEqual(yield* rowsOf(all, [], masked), yield* rowsOf(all));
    }),
  );

  it.effect("finds no way round: no table, no index, no name taken by a WITH, no join by names", () =>
    Effect.gen(function* () {
      const ways = [
        "SELECT data FROM (SELECT 1 AS data WHERE FALSE) FULL JOIN events USING (data)",
        "SELECT data FROM (SELECT 1 AS data WHERE FALSE) NATURAL FULL JOIN events",
        "SELECT text FROM (SELECT 1 AS text WHERE FALSE) FULL JOIN names\nusing(text)",
        "SELECT text FROM message_parts",
        "SELECT data FROM events",
        "SELECT text FROM names",
        "SELECT * FROM message_parts_fts",
        "SELECT rowid FROM message_parts_fts WHERE message_parts_fts MATCH 'pomegranate'",
        "SELECT text FROM main.v_messages",
        "WITH v_messages AS (SELECT data AS text FROM events) SELECT text FROM v_messages",
        "WITH v_messages AS (SELECT text FROM names) SELECT text FROM v_messages",
        "SELECT * FROM (SELECT text FROM names) v_messages",
        "SELECT (SELECT data FROM events LIMIT 1) FROM v_threads",
        "SELECT sql FROM sqlite_schema",
        "SELECT sql FROM sqlite_temp_schema",
        "SELECT * FROM events_text",
        "SELECT pgno, name FROM dbstat",
      ];
      const ask = yield* authorized(personalColumns);
      for (const text of ways.slice(3)) assert.throws(() => ask(text), undefined, undefined, text);
      for (const text of ways.slice(0, 3)) {
        const error = yield* Effect.flip(Effect.map(rowsOf(text, [], masked), ({ rows }) => rows));
        assert.strictEqual(error._tag, "QueryRefused", text);
      }
      const harmless = [
        "SELECT title FROM v_threads",
        "SELECT group_concat(text) FROM v_messages",
        "SELECT count(*) FROM v_messages WHERE text LIKE '%pomegranate%'",
        "SELECT t.title FROM v_threads t LEFT JOIN v_messages m ON m.text LIKE '%' || t.title || '%'",
        "SELECT max(actor), min(data) FROM v_events",
        "SELECT coalesce(arguments, error_message) FROM v_tool_calls",
        "SELECT text FROM v_message_parts UNION SELECT title FROM v_threads",
        "EXPLAIN SELECT text FROM v_messages",
      ];
      for (const text of harmless) assert.notInclude(JSON.stringify(ask(text)), secret, text);
      // The same ways do find it where it may be seen.
      const all = yield* authorized();
      for (const text of ["SELECT data FROM events", ...harmless.slice(0, 2), ...ways.slice(0, 2)])
        assert.include(JSON.stringify(all(text)), secret, text);
    }),
  );

  it.effect("has every view classified, and no column that is not there", () =>
    Effect.gen(function* () {
      const { rows } = yield* rowsOf(
        `SELECT view, json_group_array("column") FROM v_dictionary WHERE "column" IS NOT NULL GROUP BY view`,
      );
      const real = new Map(rows.map(([view, columns]) => [String(view), JSON.parse(String(columns)) as Array<string>]));
      assert.deepStrictEqual(Object.keys(personalColumns).toSorted(), [...real.keys()].toSorted());
      for (const [view, columns] of Object.entries(personalColumns))
        for (const column of columns) assert.include(real.get(view) ?? [], column, view);
    }),
  );
});

describe("an SQL text", () => {
  it("is read past its strings, quoted names and comments", () => {
    assert.deepStrictEqual(
      readSql(`/* using */ SELECT 'using :x ?', "natural", [using] -- :y\nFROM t WHERE a=:a AND b=?`),
      {
        words: ["select", "from", "t", "where", "a", "and", "b"],
        named: ["a"],
        positional: 1,
      },
    );
    assert.deepInclude(readSql("SELECT ?3, ?, 'it''s ?', $a, @b, :a"), { positional: 4, named: ["a", "b"] });
    assert.deepInclude(readSql("SELECT 1 /* open"), { words: ["select"] });
    assert.deepInclude(readSql("SELECT 'open using"), { words: ["select"] });
    assert.isTrue(isEmptySql(" ; -- x\n /* y */ ;"));
    assert.isFalse(isEmptySql("; SELECT"));
    assert.isFalse(isEmptySql("'"));
  });
});
