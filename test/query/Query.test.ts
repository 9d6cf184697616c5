import { assert, describe, it } from "@effect/vitest";
import { Effect, Stream } from "effect";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import type { LogEntry } from "../../src/domain/Event.ts";
import { task, thread } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Projector from "../../src/projection/Projector.ts";
import * as Query from "../../src/query/QuerySqlite.ts";
import { matchOf } from "../../src/query/search/SearchText.ts";
import { event, said, stubLog } from "../projection/StubLog.ts";
import { putEmpty, temporaryFolder } from "../projection/World.ts";

const asked = Effect.fnUntraced(function* (entries: ReadonlyArray<LogEntry>) {
  const path = join(yield* temporaryFolder, "recollect.db");
  yield* putEmpty(path);
  const log = stubLog(entries);
  const projector = yield* Projector.make({ path, projections: readModels }).pipe(
    Effect.provideService(EventLog, log.service),
  );
  yield* projector.awaitSequence(entries.length);
  return { path, log, projector, query: yield* Query.make({ path }) };
});

/** The same 300 strings each time, made of what FTS5's grammar and Unicode hold ready. */
const strange = (): ReadonlyArray<string> => {
  const alphabet = [
    ..."\"'*^:(){}[]+-.,;\\/|&!~<>=?%#@ \t\n\0",
    "a",
    "Z",
    "9",
    "é",
    "日",
    "\u0301",
    "\ud800",
    "🙂",
    "\ufffd",
    "AND",
    "OR",
    "NOT",
    "NEAR",
  ];
  let state = 7;
  const next = (below: number) => (state = (state * 48_271) % 2_147_483_647) % below;
  return Array.from({ length: 300 }, () =>
    Array.from({ length: 1 + next(8) }, () => alphabet[next(alphabet.length)]).join(""),
  );
};

const inThread = (id: string) => ({ in: thread(id) });

describe("threads", () => {
  it.live("lists newest activity first, page by page, each thread once", () =>
    Effect.gen(function* () {
      const { query } = yield* asked(
        Array.from({ length: 25 }, (_, n) => said(n + 1, `word ${n}`, inThread(`t${n % 7}`))),
      );
      const seen: Array<string> = [];
      let after: string | undefined;
      do {
        const page = yield* query.threads({ limit: 3, ...(after === undefined ? {} : { after }) });
        seen.push(...page.threads.map(({ threadId }) => threadId));
        after = page.next;
      } while (after !== undefined);
      assert.deepStrictEqual(seen, ["t3", "t2", "t1", "t0", "t6", "t5", "t4"]);
    }),
  );

  it.live("finds a project by its folder as shells and both systems write it", () =>
    Effect.gen(function* () {
      const { query } = yield* asked([
        event(1, "thread.opened", { cwd: "/home/me/app" }, inThread("unix")),
        event(2, "thread.opened", { cwd: "C:\\Users\\me\\app" }, inThread("windows")),
        event(3, "thread.opened", { cwd: "/home/me/application" }, inThread("other")),
      ]);
      const ids = (project: string) =>
        Effect.gen(function* () {
          const { threads } = yield* query.threads({ project });
          const { histories } = yield* query.histories({ kind: "thread", project });
          assert.sameMembers(
            histories.map(({ id }) => id),
            threads.map(({ threadId }) => threadId),
          );
          return threads.map(({ threadId }) => threadId).toSorted();
        });
      assert.deepStrictEqual(yield* ids("app"), ["unix", "windows"]);
      for (const project of ["/home/me/app", "/home/me/app/"]) assert.deepStrictEqual(yield* ids(project), ["unix"]);
      assert.deepStrictEqual(yield* ids("/home/me/"), ["other", "unix"]);
      for (const project of ["C:\\Users\\me\\app", "C:\\Users\\me\\", "C:/Users/me"])
        assert.deepStrictEqual(yield* ids(project), ["windows"]);
    }),
  );

  it.live("refuses a question that is too long, in every way of asking, and takes any limit", () =>
    Effect.gen(function* () {
      const { query } = yield* asked([said(1, "a fox", inThread("t"))]);
      const text = "fox ".repeat(100_000);
      for (const question of [
        query.threads({ text }),
        query.threads({ file: text }),
        query.search({ text }),
        query.search({ text, by: "contains" }),
        query.search({ text, by: "regex" }),
        query.search({ text: "fox", file: text }),
      ]) {
        const refused = yield* Effect.flip(question as Effect.Effect<unknown, { readonly _tag: string }>);
        assert.strictEqual(refused._tag, "QueryRefused");
      }
      assert.lengthOf((yield* query.threads({ limit: Number.NaN })).threads, 1);
    }),
  );

  it.live("leaves deleted and expired ones out of lists, searches and counts, and lists them when asked", () =>
    Effect.gen(function* () {
      const { query } = yield* asked([
        ...["seen", "deleted", "expired", "later", "restored"].map((id, n) => said(n + 1, "a fox", inThread(id))),
        event(6, "thread.deleted", { reason: "private" }, { ...inThread("deleted"), occurredAt: 9_000 }),
        event(7, "thread.expires", { at: 1 }, inThread("expired")),
        event(8, "thread.expires", { at: 8_000_000_000_000 }, inThread("later")),
        event(9, "thread.deleted", {}, inThread("restored")),
        event(10, "thread.expires", { at: 1 }, inThread("restored")),
        event(11, "thread.restored", {}, inThread("restored")),
      ]);
      const ids = (filter: Parameters<typeof query.threads>[0]) =>
        Effect.map(query.threads(filter), ({ threads }) => threads.map(({ threadId }) => threadId).toSorted());
      const shown = ["later", "restored", "seen"];
      assert.deepStrictEqual(yield* ids({}), shown);
      assert.deepStrictEqual(yield* ids({ text: "fox" }), shown);
      assert.deepStrictEqual(yield* ids({ deleted: "only" }), ["deleted", "expired"]);
      assert.strictEqual((yield* query.status).threads, 3);
      const row = (threadId: string) => Effect.map(query.thread({ threadId }), (found) => found ?? assert.fail());
      assert.deepInclude(yield* row("deleted"), { deletedAt: 9_000, expiresAt: null });
      assert.deepInclude(yield* row("later"), { deletedAt: null, expiresAt: 8_000_000_000_000 });
      assert.deepInclude(yield* row("restored"), { deletedAt: null, expiresAt: null });
    }),
  );

  it.live("filters by project, branch, agent, role, file, failed calls, time and place in the family", () =>
    Effect.gen(function* () {
      const { query } = yield* asked([
        event(1, "thread.opened", { tool: "claude-code", cwd: "/home/me/shop/api", branch: "fix" }, inThread("main")),
        said(2, "hello", inThread("main")),
        event(
          3,
          "thread.tool_called",
          { callId: "c", name: "Read", arguments: { file_path: "/x/zoo.ts" } },
          inThread("main"),
        ),
        event(4, "thread.tool_returned", { callId: "c", outcome: "error", result: "no" }, inThread("main")),
        event(5, "thread.opened", { tool: "codex", parentThreadId: "main" }, inThread("child")),
        event(
          6,
          "thread.message_appended",
          { messageId: "m", role: "assistant", model: "opus", parts: [] },
          inThread("child"),
        ),
      ]);
      const ids = (filter: Parameters<typeof query.threads>[0]) =>
        Effect.map(query.threads(filter), ({ threads }) => threads.map(({ threadId }) => threadId));
      for (const filter of [
        { project: "shop" },
        { project: "/home/me" },
        { branch: "fix" },
        { agent: "claude" },
        { role: "user" },
        { file: "zoo.ts" },
        { hasError: true },
        { isMain: true },
        { until: 1_700_000_004_000 },
      ])
        assert.deepStrictEqual(yield* ids(filter), ["main"], JSON.stringify(filter));
      for (const filter of [
        { project: "hop" },
        { branch: "main" },
        { agent: "cursor" },
        { file: "zoo.py" },
        { until: 1 },
      ])
        assert.deepStrictEqual(yield* ids(filter), [], JSON.stringify(filter));
      assert.deepStrictEqual(yield* ids({}), ["child", "main"]);
      const [child, main] = (yield* query.threads({})).threads;
      assert.deepInclude(main, { errors: 1, files: 1, models: null, inputTokens: null, costUsd: null });
      assert.deepInclude(child, { errors: 0, files: 0, models: "opus" });
    }),
  );

  it.live("filters by tool, model, time and words, and shows where the words stand", () =>
    Effect.gen(function* () {
      const { query } = yield* asked([
        event(1, "thread.opened", { title: "One", tool: "claude-code" }, inThread("one")),
        said(2, "the quick brown fox", inThread("one")),
        event(3, "thread.tool_called", { callId: "c", name: "Read", arguments: {} }, inThread("two")),
        event(
          4,
          "thread.message_appended",
          { messageId: "m", role: "assistant", model: "opus", parts: [{ type: "text", text: "a slow fox" }] },
          inThread("two"),
        ),
        said(5, "nothing", inThread("three")),
      ]);
      const ids = (filter: Parameters<typeof query.threads>[0]) =>
        Effect.map(query.threads(filter), ({ threads }) => threads.map(({ threadId }) => threadId));
      assert.deepStrictEqual(yield* ids({ tool: "claude-code" }), ["one"]);
      assert.deepStrictEqual(yield* ids({ tool: "Read" }), ["two"]);
      assert.deepStrictEqual(yield* ids({ model: "opus" }), ["two"]);
      assert.deepStrictEqual(yield* ids({ since: 1_700_000_004_000 }), ["three", "two"]);
      assert.deepStrictEqual(yield* ids({ text: "fox" }), ["two", "one"]);
      assert.deepStrictEqual(yield* ids({ text: "fox quick" }), ["one"]);
      assert.deepStrictEqual(yield* ids({ text: '"brown fox"' }), ["one"]);
      assert.deepStrictEqual(yield* ids({ text: '"fox brown"' }), []);
      assert.deepStrictEqual(yield* ids({ text: "qui*" }), ["one"]);
      assert.deepStrictEqual(yield* ids({ text: "--- ." }), []);
      assert.deepStrictEqual(
        yield* ids({ text: "fox", limit: 1, after: (yield* query.threads({ text: "fox", limit: 1 })).next ?? "" }),
        ["one"],
      );
      const page = yield* query.threads({ text: "brown" });
      assert.deepStrictEqual(page.threads[0]?.hit, {
        messageId: "m2",
        sequence: 2,
        snippet: "the quick [brown] fox",
        parts: 1,
      });
    }),
  );

  it.live("takes any input as words: nothing a person types is a syntax error", () =>
    Effect.gen(function* () {
      const { query } = yield* asked([said(1, 'AND NOT NEAR(x) it\'s 100% "quoted" café 日本語')]);
      const typed = [
        "AND",
        "NOT",
        "NEAR(x)",
        "it's",
        "100%",
        '"',
        '""',
        '"quo',
        "a:b",
        "^x",
        "*",
        "(",
        "text:x",
        "-",
        "+ +",
        "caf\u00e9",
        "日本語*",
        "x\0y",
        "\ud800",
        "🙂",
        "a.b.c",
        "{a}",
        "\u0301",
        "²",
        "Ⅷ",
        "_",
      ];
      for (const text of [...typed, ...strange()]) {
        const result = yield* Effect.result(query.threads({ text }));
        assert.strictEqual(result._tag, "Success", JSON.stringify({ text, match: matchOf(text) }));
      }
      assert.lengthOf((yield* query.threads({ text: "it's AND" })).threads, 1);
      assert.lengthOf((yield* query.threads({ text: "cafe" })).threads, 1);
    }),
  );

  it.live("refuses a cursor that no page gave", () =>
    Effect.gen(function* () {
      const { query } = yield* asked([said(1, "x")]);
      const error = yield* Effect.flip(query.threads({ after: "1; DROP TABLE x" }));
      assert.strictEqual(error._tag, "QueryRefused");
    }),
  );
});

describe("one thread", () => {
  it.live("gives its messages in order with their parts, also as it was then", () =>
    Effect.gen(function* () {
      const { query } = yield* asked([
        said(1, "first"),
        event(2, "thread.message_appended", {
          messageId: "m2",
          role: "assistant",
          parts: [
            { type: "thinking", text: "hm" },
            { type: "text", text: "second" },
            { type: "tool_use", callId: "c", name: "Read" },
          ],
        }),
        said(3, "elsewhere", inThread("other")),
      ]);
      const messages = yield* query.messages({ threadId: "t1" });
      assert.deepStrictEqual(
        messages.map(({ text }) => text),
        ["first", "second"],
      );
      assert.deepStrictEqual(
        messages[1]?.parts.map(({ type, text, refersTo }) => [type, text, refersTo]),
        [
          ["thinking", "hm", null],
          ["text", "second", null],
          ["tool_use", null, "c"],
        ],
      );
      assert.lengthOf(yield* query.messages({ threadId: "t1", upToSequence: 1 }), 1);
      assert.lengthOf(yield* query.messages({ threadId: "t1", upToTime: 1_700_000_001_500 }), 1);
      assert.deepInclude(yield* query.thread({ threadId: "t1" }), { threadId: "t1", messages: 2, toolCalls: 1 });
      assert.strictEqual(yield* query.thread({ threadId: "none" }), undefined);
    }),
  );

  it.live("gives a task with its transitions, and sessions", () =>
    Effect.gen(function* () {
      const mine = { in: task("k1") };
      const { query } = yield* asked([
        event(1, "task.submitted", { request: { agentType: "coder" }, threadId: "t1" }, mine),
        event(2, "task.started", { worker: "w" }, mine),
        event(
          3,
          "session.started",
          { client: { name: "c" } },
          { in: { tenant: "default", kind: "session", id: "s1" } },
        ),
      ]);
      const found = yield* query.task("k1");
      assert.deepInclude(found?.task, { taskId: "k1", status: "running", threadId: "t1", agentType: "coder" });
      assert.deepStrictEqual(
        found?.transitions.map(({ fromStatus, toStatus }) => [fromStatus, toStatus]),
        [
          [null, "pending"],
          ["pending", "running"],
        ],
      );
      assert.lengthOf(yield* query.tasks({ status: "running" }), 1);
      assert.lengthOf(yield* query.tasks({ status: "failed" }), 0);
      assert.deepInclude((yield* query.sessions({}))[0], { sessionId: "s1", client: "c", endedAt: null });
    }),
  );

  it.live("tells recent tasks from archived ones, broken batches, and what is configured", () =>
    Effect.gen(function* () {
      const inTask = (id: string) => ({ in: task(id) });
      const request = { agentType: "coder" };
      const placed = (index: number) => ({
        request,
        batchId: "b",
        place: { index, size: 2, atOnce: 2, failFast: true },
        queue: { priority: "normal" },
      });
      const config = { in: { tenant: "default", kind: "config", id: "default" } } as const;
      const { query } = yield* asked([
        event(1, "task.submitted", { request }, inTask("old")),
        event(2, "task.cancelled", {}, inTask("old")),
        event(3, "task.submitted", { request }, inTask("restored")),
        event(4, "task.failed", { error: { type: "Boom" } }, inTask("restored")),
        event(5, "task.submitted", placed(0), inTask("b.0")),
        event(6, "task.submitted", placed(1), inTask("b.1")),
        event(7, "task.failed", { error: { type: "Boom" } }, inTask("b.0")),
        event(8, "config.changed", { changes: [{ field: "tasks.retentionMillis", value: 60_000 }] }, config),
        event(9, "task.restored", {}, inTask("restored")),
      ]);
      const ids = (filter: Parameters<typeof query.tasks>[0]) =>
        Effect.map(query.tasks(filter), (rows) => rows.map(({ taskId }) => taskId));
      const recentSince = 1_700_000_006_500;
      assert.deepStrictEqual(yield* ids({ recentSince }), ["restored", "b.0", "b.1"]);
      assert.deepStrictEqual(yield* ids({ recentSince, archived: "only" }), ["old"]);
      assert.deepStrictEqual(yield* ids({ batchId: "b" }), ["b.0", "b.1"]);
      assert.deepInclude((yield* query.task("restored"))?.task, { status: "failed", restoredAt: 1_700_000_009_000 });
      const moved = yield* query.waiting.movedBatches({ after: 6, upTo: 7 });
      assert.deepStrictEqual(moved, [{ taskId: "b.0", tenant: "default" }]);
      assert.deepStrictEqual(yield* query.waiting.movedBatches({ after: 7, upTo: 9 }), []);
      assert.strictEqual(yield* query.configured("tasks.retentionMillis", "default"), "60000");
      assert.isUndefined(yield* query.configured("tasks.retentionMillis", "they"));
    }),
  );

  it.live("gives waiting tasks by when they are due, by what has moved and by group, and those that are held", () =>
    Effect.gen(function* () {
      const inTask = (id: string, tenant = "default") => ({ in: { tenant, kind: "task", id } }) as const;
      /** The log has recorded each event a millisecond after the one before. */
      const at = (seconds: number) => 1_700_000_000_000 + seconds * 1_000;
      const data = (agentType: string, due?: number) => ({
        request: { agentType },
        queue: { priority: "normal", ...(due === undefined ? {} : { notBefore: at(due) }) },
      });
      const error = { type: "Boom" };
      const { query } = yield* asked([
        event(1, "task.submitted", data("a", 50), inTask("later")),
        event(2, "task.submitted", data("a"), inTask("first")),
        event(3, "task.submitted", data("b", 20), inTask("due", "they")),
        event(4, "task.submitted", { request: { agentType: "a" } }, inTask("not for the queue")),
        event(5, "task.submitted", data("a", 90), inTask("runs")),
        event(6, "task.claimed", { worker: "w", attempt: 1 }, inTask("runs")),
        event(7, "task.submitted", data("a"), inTask("fails")),
        event(8, "task.claimed", { worker: "w", attempt: 1 }, inTask("fails")),
        event(9, "task.released", { reason: "failed", error, claim: 8, pauseMillis: 21_000 }, inTask("fails")),
        event(10, "task.submitted", data("a"), inTask("ended")),
        event(11, "task.cancelled", {}, inTask("ended")),
        event(12, "task.submitted", data("a"), inTask("last")),
        event(13, "task.progressed", { message: "odd" }, inTask("last")),
      ]);
      const { due, groups, held, moved, nextDue, ofGroup } = query.waiting;
      const ids = <E>(rows: Effect.Effect<ReadonlyArray<{ readonly taskId: string }>, E>) =>
        Effect.map(rows, (some) => some.map(({ taskId }) => taskId));
      assert.deepStrictEqual(yield* ids(due({ from: 0, to: at(49) })), ["due", "fails"]);
      assert.deepStrictEqual(yield* ids(due({ from: at(20), to: at(50) })), ["fails", "later"]);
      assert.strictEqual(yield* nextDue(0), at(20));
      assert.strictEqual(yield* nextDue(at(30)), at(50));
      assert.isUndefined(yield* nextDue(at(50)));
      assert.deepStrictEqual(yield* ids(moved({ after: 0, upTo: 12, now: at(12) })), ["first"]);
      assert.deepStrictEqual(yield* ids(moved({ after: 0, upTo: 13, now: at(30) })), ["first", "due", "fails", "last"]);
      assert.deepStrictEqual(yield* ids(moved({ after: 9, upTo: 13, now: at(30) })), ["last"]);
      assert.sameDeepMembers(
        [...(yield* groups)],
        [
          { tenant: "default", agentType: "a" },
          { tenant: "they", agentType: "b" },
        ],
      );
      const group = { tenant: "default", agentType: "a" };
      const start = { dueAt: -1, firstSequence: 0 };
      assert.deepStrictEqual(yield* ids(ofGroup({ group, behind: start, dueBy: at(40) })), ["first", "last", "fails"]);
      const behind = { dueAt: 0, firstSequence: 2 };
      assert.deepStrictEqual(yield* ids(ofGroup({ group, behind, dueBy: at(60) })), ["last", "fails", "later"]);
      const times = { meanWaitMillis: null, longestWaitMillis: null, meanAttempts: null };
      const numbers = yield* query.waiting.numbers(at(25));
      assert.deepStrictEqual(
        numbers.map((of) => ({ ...of, ...times })),
        [
          { tenant: "default", agentType: "a", waiting: 3, delayed: 1, held: 1, oldestAt: at(0) + 2, ...times },
          { tenant: "they", agentType: "b", waiting: 1, delayed: 0, held: 0, oldestAt: at(20), ...times },
        ],
      );
      assert.deepStrictEqual(yield* ids(held(0)), ["runs"]);
      assert.deepStrictEqual(yield* ids(held(5)), []);
    }),
  );

  it.live("tells how far the database has come and what it could not take", () =>
    Effect.gen(function* () {
      const { query } = yield* asked([said(1, "x"), event(2, "thread.message_appended", { broken: true })]);
      const status = yield* query.status;
      assert.deepInclude(status, { threads: 1, events: 2, unknown: 0 });
      assert.deepInclude(
        status.projections.find(({ name }) => name === "messages"),
        { checkpoint: 2, deadLetters: 1 },
      );
      assert.deepInclude(
        status.projections.find(({ name }) => name === "ledger"),
        { checkpoint: 2, deadLetters: 0 },
      );
    }),
  );
});

describe("sql", () => {
  const rowsOf = (query: Effect.Success<ReturnType<typeof Query.make>>, text: string) =>
    Effect.scoped(
      Effect.flatMap(query.sql(text), ({ columns, rows }) =>
        Effect.map(Stream.runCollect(rows), (all) => ({ columns, rows: [...all] })),
      ),
    );

  it.live("answers with column names and rows, also to comments, WITH, VALUES and EXPLAIN", () =>
    Effect.gen(function* () {
      const { query } = yield* asked([said(1, "hello")]);
      assert.deepStrictEqual(
        yield* rowsOf(query, "-- what?\nSELECT thread_id, text AS words, 9007199254740993 FROM v_messages;"),
        {
          columns: ["thread_id", "words", "9007199254740993"],
          rows: [["t1", "hello", 9007199254740993n]],
        },
      );
      assert.deepStrictEqual((yield* rowsOf(query, "/* x */ WITH a(n) AS (VALUES (1), (2)) SELECT n FROM a")).rows, [
        [1],
        [2],
      ]);
      assert.isNotEmpty((yield* rowsOf(query, "EXPLAIN QUERY PLAN SELECT * FROM v_threads")).rows);
      assert.strictEqual(
        (yield* rowsOf(
          query,
          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000) SELECT i FROM n",
        )).rows.length,
        1000,
      );
    }),
  );

  it.live("stops where its reader stops, however large the result", () =>
    Effect.gen(function* () {
      const { query } = yield* asked([said(1, "hello")]);
      const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
      const some = yield* Effect.scoped(
        Effect.flatMap(query.sql(endless), ({ rows }) => Stream.runCollect(Stream.take(rows, 5))),
      );
      assert.deepStrictEqual([...some].flat(), [1, 2, 3, 4, 5]);
    }),
  );

  it.live("refuses what writes, what reaches elsewhere, and what is more than one statement", () =>
    Effect.gen(function* () {
      const { query } = yield* asked([said(1, "hello")]);
      const refused = [
        "DELETE FROM events",
        "WITH x AS (SELECT 1) DELETE FROM events",
        "SELECT 1; DELETE FROM events",
        "PRAGMA journal_mode = DELETE",
        "ATTACH 'other.db' AS other",
        "VACUUM INTO 'copy.db'",
        "BEGIN",
        "",
        "-- nothing",
        "SELECT * FROM nowhere",
        "SELECT load_extension('x')",
      ];
      for (const text of refused) {
        const error = yield* Effect.flip(rowsOf(query, text));
        assert.strictEqual(error._tag, "QueryRefused", text);
      }
      const error = yield* Effect.flip(rowsOf(query, "SELECT absent FROM v_threads"));
      assert.match(error.message, /no such column: absent/);
      assert.lengthOf((yield* rowsOf(query, "SELECT * FROM v_events")).rows, 1);
    }),
  );

  it.live("says in a sentence that there is no database yet", () =>
    Effect.gen(function* () {
      const query = yield* Query.make({ path: join(yield* temporaryFolder, "none.db") });
      const error = yield* Effect.flip(query.threads({}));
      assert.match(error.message, /There is no database at/);
    }),
  );
});
