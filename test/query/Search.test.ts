import { assert, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { Effect, Layer, Stream } from "effect";
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import { parts } from "../../projections/search.ts";
import type { LogEntry } from "../../src/domain/Event.ts";
import { thread } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Projector from "../../src/projection/Projector.ts";
import { Query as QueryService } from "../../src/query/Query.ts";
import * as Query from "../../src/query/QuerySqlite.ts";
import type { SearchAnswer, SearchFilter } from "../../src/query/search/Search.ts";
import { around, bracketed, marksOf } from "../../src/query/search/Snippet.ts";
import { makeBeginnings } from "../../src/query/search/SearchBeginningsSqlite.ts";
import { beginningsOf, matchOf, termsOf } from "../../src/query/search/SearchText.ts";
import { event, said } from "../projection/StubLog.ts";
import { stubLog } from "../projection/StubLog.ts";
import { putEmpty, temporaryFolder } from "../projection/World.ts";
import { importedFiles, store } from "../support/Imported.ts";

const asked = Effect.fnUntraced(function* (entries: ReadonlyArray<LogEntry>) {
  const path = join(yield* temporaryFolder, "recollect.db");
  yield* putEmpty(path);
  const projector = yield* Projector.make({ path, projections: readModels }).pipe(
    Effect.provideService(EventLog, stubLog(entries).service),
  );
  yield* projector.awaitSequence(entries.length);
  return yield* Query.make({ path });
});

const inThread = (id: string) => ({ in: thread(id) });

const called = (sequence: number, id: string, given: { readonly name: string; readonly arguments: object }) =>
  event(sequence, "thread.tool_called", { callId: `c${sequence}`, ...given }, inThread(id));

const returned = (sequence: number, id: string, given: object) =>
  event(sequence, "thread.tool_returned", given, inThread(id));

const kindsIn = ({ threads }: SearchAnswer) =>
  threads.flatMap(({ hits, thread: { threadId } }) => hits.map(({ kind }) => `${threadId} ${kind}`)).toSorted();

describe("a search", () => {
  it.live("finds what was said, given to tools and answered by them, and titles, each with its kind and place", () =>
    Effect.gen(function* () {
      const query = yield* asked([
        event(1, "thread.opened", { title: "The walrus", cwd: "/home/me/shop", tool: "claude-code" }, inThread("a")),
        said(2, "I saw a walrus", inThread("a")),
        called(3, "a", { name: "Bash", arguments: { command: "grep\nwalrus src/zoo.ts" } }),
        returned(4, "a", { callId: "c3", outcome: "error", result: "walrus: not found" }),
        called(5, "b", { name: "Read", arguments: { path: "/etc/hosts" } }),
        said(6, "nothing of that kind", inThread("b")),
      ]);
      const ask = (filter: Omit<SearchFilter, "text">, text = "walrus") =>
        query.search({ text, hitsPerThread: 9, ...filter });
      const all = yield* ask({});
      assert.deepStrictEqual(kindsIn(all), ["a arguments", "a result", "a said", "a title"]);
      const result = (yield* ask({ kinds: ["result"] })).threads[0]?.hits[0];
      assert.deepInclude(result, {
        kind: "result",
        sequence: 4,
        toolName: "Bash",
        snippet: "walrus: not found",
        marks: [[0, 6]],
      });
      assert.deepStrictEqual(kindsIn(yield* ask({ hasError: true })), ["a arguments", "a result"]);
      assert.deepStrictEqual(kindsIn(yield* ask({ tool: "Bash" })), ["a arguments", "a result"]);
      assert.deepStrictEqual(kindsIn(yield* ask({ tool: "Read" })), []);
      assert.deepStrictEqual(kindsIn(yield* ask({ role: "user" })), ["a said"]);
      for (const filter of [{ project: "shop" }, { project: "/home/me" }, { agent: "claude" }, { file: "zoo.ts" }])
        assert.lengthOf((yield* ask(filter)).threads, 1, JSON.stringify(filter));
      for (const filter of [
        { project: "hop" },
        { agent: "codex" },
        { file: "zoo.py" },
        { branch: "main" },
        { until: 1 },
      ])
        assert.lengthOf((yield* ask(filter)).threads, 0, JSON.stringify(filter));
      // An escape in the arguments' JSON is no part of a word.
      assert.deepStrictEqual(kindsIn(yield* ask({}, "src/zoo.ts")), ["a arguments"]);
    }),
  );

  it.live("finds identifiers by part, scripts without spaces, accents, emoji, paths, codes and phrases", () =>
    Effect.gen(function* () {
      const text =
        "call getUserById in src/http/server.ts: ECONNREFUSED 127.0.0.1:5432, déjà vu 🙂 データベースがロックされています ระบบฐานข้อมูล";
      const query = yield* asked([said(1, text, inThread("a")), said(2, "something else", inThread("b"))]);
      const words = [
        "getUserById",
        "user",
        "userById",
        "get_user_by_id",
        "getUser*",
        "getuserbyid",
        "src/http/server.ts",
        "server.ts",
        "econnrefused",
        "127.0.0.1",
        "DEJA",
        "vu",
        "🙂",
        "ロック",
        "データベース",
        "ス",
        "ฐานข้อมูล",
        '"call getUserById in"',
      ];
      for (const word of words) {
        const { threads } = yield* query.search({ text: word });
        assert.deepStrictEqual(
          threads.map(({ thread: { threadId } }) => threadId),
          ["a"],
          word,
        );
        assert.isNotEmpty(threads[0]?.hits[0]?.marks, `${word} is shown`);
      }
      for (const word of ["ベデ", "🙃", '"getUserById call"', "serv"])
        assert.lengthOf((yield* query.search({ text: word })).threads, 0, word);
    }),
  );

  it.live("finds characters and expressions, and ends one that would run for ever", () =>
    Effect.gen(function* () {
      const query = yield* asked([said(1, `foo(bar) TODO(me) ${"a".repeat(40)}!`, inThread("a"))]);
      const count = (text: string, by: "contains" | "regex") =>
        Effect.map(query.search({ text, by }), ({ threads }) => threads.length);
      assert.strictEqual(yield* count("O(B", "contains"), 1);
      assert.strictEqual(yield* count("o)b", "contains"), 0);
      assert.strictEqual(yield* count("todo\\(\\w+\\)", "regex"), 1);
      assert.include((yield* Effect.flip(query.search({ text: "(", by: "regex" }))).message, "regular expression");
      assert.strictEqual(yield* count("foo(bar) todo(me) aaa", "contains"), 1, "a word between spaces");
      assert.include((yield* Effect.flip(query.search({ text: "(a+)+$", by: "regex" }))).message, "longer than");
    }),
  );

  it.live("finds nothing in a deleted thread", () =>
    Effect.gen(function* () {
      const query = yield* asked([
        said(1, "a fox", inThread("gone")),
        said(2, "a fox", inThread("there")),
        event(3, "thread.deleted", {}, inThread("gone")),
      ]);
      const { threads } = yield* query.search({ text: "fox" });
      assert.deepStrictEqual(
        threads.map(({ thread: { threadId } }) => threadId),
        ["there"],
      );
    }),
  );

  it.live("ranks the newest of many hits, says that there are older ones, and counts those of a thread", () =>
    Effect.gen(function* () {
      const entries = Array.from({ length: 700 }, (_, n) => said(n + 1, `common ${n}`, inThread(`t${n % 3}`)));
      const query = yield* asked(entries);
      const answer = yield* query.search({ text: "common", limit: 2 });
      assert.deepInclude(answer, { isCut: true, ranked: 500 });
      assert.lengthOf(answer.threads, 2);
      assert.isAbove(answer.threads[0]?.count ?? 0, 150);
      assert.lengthOf(answer.threads[0]?.hits ?? [], 3);
      assert.deepInclude(yield* query.search({ text: "common 7" }), { isCut: false, ranked: 1 });
    }),
  );

  it.live("with a filter goes back behind the newest 5,000 matches, and says so where it looked at no more", () =>
    Effect.gen(function* () {
      const day = 86_400_000;
      const query = yield* asked([
        event(1, "thread.opened", { cwd: "/home/me/old" }, inThread("old")),
        said(2, "a common word", { ...inThread("old"), occurredAt: day }),
        ...Array.from({ length: 5_100 }, (_, n) => said(n + 3, "common", { ...inThread("new"), occurredAt: 9 * day })),
      ]);
      const ask = (filter: Omit<SearchFilter, "text">) => query.search({ text: "common", ...filter });
      for (const filter of [{ threadId: "old" }, { until: 2 * day }, { project: "old" }]) {
        const { threads, total } = yield* ask(filter);
        assert.deepStrictEqual([total, threads[0]?.thread.threadId], [1, "old"], JSON.stringify(filter));
      }
      assert.deepInclude(yield* ask({ until: 1 }), { isCut: false, ranked: 0 });
      for (const filter of [{ project: "nowhere" }, { branch: "none" }, { tool: "none" }, { file: "none.ts" }])
        assert.deepInclude(yield* ask(filter), { isCut: false, total: 0 }, JSON.stringify(filter));
      assert.strictEqual((yield* ask({ isMain: true })).total, 1);
      assert.deepInclude(yield* ask({ since: 5 * day }), { isCut: true, total: 1 });
      const characters = yield* query.search({ text: "a common word", by: "contains" });
      assert.deepStrictEqual([characters.total, characters.isCut], [1, false]);
    }),
  );

  it.live("with a filter that only old hits pass says that there are older ones, and finds them when it goes on", () =>
    Effect.gen(function* () {
      const query = yield* asked([
        said(1, "a common answer", { role: "assistant" }),
        ...Array.from({ length: 15_100 }, (_, n) => said(n + 2, "common")),
      ]);
      const ask = (filter: Omit<SearchFilter, "text">) => query.search({ text: "common", ...filter });
      assert.deepInclude(yield* ask({ role: "assistant" }), { isCut: true, total: 0 });
      assert.deepInclude(yield* ask({ role: "assistant", goesOn: true }), { isCut: false, total: 1 });
      assert.deepInclude(yield* ask({ role: "user" }), { isCut: true, total: 1 });
      assert.deepInclude(yield* ask({ role: "system" }), { isCut: false, total: 0 });
    }),
  );
});

describe("a beginning of a word", () => {
  it.live("is asked for by words of the newest texts in a large index, and finds what has the other words too", () =>
    Effect.gen(function* () {
      const texts = ["Fünf foxes", "nothing", "a fox, a fort", "forts", "rare fjord", "ロック"];
      const path = join(yield* temporaryFolder, "recollect.db");
      const projector = yield* Projector.make({ path, projections: readModels }).pipe(
        Effect.provideService(EventLog, stubLog(texts.map((text, n) => said(n + 1, text))).service),
      );
      yield* projector.awaitSequence(texts.length);
      const db = yield* Effect.acquireRelease(
        Effect.sync(() => new Database(realpathSync(path), { readonly: true })),
        (open) => Effect.sync(() => open.close()),
      );
      const { instead, stand } = makeBeginnings(db, parts, 0);
      assert.sameMembers([...(instead("F") ?? [])], ["funf", "foxes", "fox", "fort", "forts", "fjord"]);
      assert.isUndefined(instead("fj"), "a rare one is asked for itself");
      assert.isUndefined(makeBeginnings(db, parts).instead("f"), "so is any in a small index");
      assert.strictEqual(matchOf("x f*", instead)?.startsWith('"x" AND ("'), true);
      assert.strictEqual(
        matchOf("x f*", () => "left out"),
        '"x"',
      );
      assert.deepStrictEqual(beginningsOf("x f* ロ"), ["f", "ロ"]);
      assert.isTrue(stand("rare Fjörd", ["fjo", "r"]));
      assert.isFalse(stand("rare fjord", ["fo"]));
    }).pipe(Effect.scoped),
  );
});

describe("v_search", () => {
  it.live("finds in SQL what a search finds, by kind, in lists and, taken out first, in sums and joins", () =>
    Effect.gen(function* () {
      const query = yield* asked([
        event(1, "thread.opened", { title: "The walrus" }, inThread("a")),
        said(2, "I saw a walrus", inThread("a")),
        called(3, "a", { name: "Bash", arguments: { command: "grep walrus" } }),
        returned(4, "a", { callId: "c3", outcome: "ok", result: "walrus: 3" }),
        said(5, "a walrus that nobody wants to see", inThread("gone")),
        event(6, "thread.deleted", {}, inThread("gone")),
        said(7, "getUserById 锁定", inThread("b")),
      ]);
      const rows = Effect.fnUntraced(function* (statement: string) {
        const { rows: found } = yield* query.sql(statement);
        return [...(yield* Stream.runCollect(found))];
      }, Effect.scoped);
      const hits = "SELECT kind, sequence, tool_name FROM v_search WHERE words MATCH 'walrus'";
      assert.deepStrictEqual(yield* rows(`${hits} ORDER BY sequence`), [
        ["title", 1, null],
        ["said", 2, null],
        ["arguments", 3, "Bash"],
        ["result", 4, "Bash"],
      ]);
      assert.deepStrictEqual(
        yield* rows(`WITH hits AS MATERIALIZED (${hits}) SELECT count(*), max(sequence) FROM hits`),
        [[4, 4]],
      );
      assert.deepStrictEqual(
        yield* rows("SELECT thread_id FROM v_search WHERE words MATCH search_match('user* 锁定') LIMIT 5"),
        [["b"]],
      );
      const summed = yield* Effect.flip(rows("SELECT count(*) FROM v_search WHERE words MATCH 'walrus'"));
      assert.include(summed.message, "MATERIALIZED");
    }),
  );

  it.live("and a search find a title that a summary gave to the thread of its line, whichever came first", () =>
    Effect.gen(function* () {
      const line = (uuid: string, type: string) => ({
        type,
        uuid,
        parentUuid: null,
        sessionId: "e0000000-0000-4000-8000-00000000000a",
        timestamp: "2026-09-01T10:00:00.000Z",
        message: { role: type, content: "repair it", ...(type === "assistant" ? { id: "msg_1" } : {}) },
      });
      for (const leafUuid of ["u1", "a1"]) {
        yield* importedFiles({
          "x/e0000000-0000-4000-8000-00000000000b.jsonl": [
            { type: "summary", summary: `Payment webhook ${leafUuid}`, leafUuid },
          ],
          "x/e0000000-0000-4000-8000-00000000000a.jsonl": [line("u1", "user"), line("a1", "assistant")],
        });
        const query = yield* QueryService;
        const { threads } = yield* query.search({ text: `webhook ${leafUuid}` });
        assert.deepStrictEqual(
          threads.map(({ hits, thread: { threadId } }) => [threadId, hits[0]?.kind, hits[0]?.snippet]),
          [["e0000000-0000-4000-8000-00000000000a", "title", `Payment webhook ${leafUuid}`]],
        );
      }
    }).pipe(Effect.provide(Layer.fresh(store))),
  );
});

describe("ids of threads", () => {
  it.live("are given by their beginning, and their end", () =>
    Effect.gen(function* () {
      const query = yield* asked([
        said(1, "x", inThread("abc")),
        said(2, "y", inThread("abcd")),
        said(3, "z", inThread("b")),
        said(4, "z", inThread("b/agent-1")),
        said(5, "z", inThread("b/agent-1/deep")),
      ]);
      assert.deepStrictEqual(yield* query.threadIds({ beginning: "b/" }), ["b/agent-1", "b/agent-1/deep"]);
      assert.deepStrictEqual(yield* query.threadIds({ beginning: "ab" }), ["abc", "abcd"]);
      assert.deepStrictEqual(yield* query.threadIds({ beginning: "abc" }), ["abc"], "an id in full");
      assert.deepStrictEqual(yield* query.threadIds({ beginning: "" }), ["abc", "abcd", "b"], "none below another");
      assert.deepStrictEqual(yield* query.threadIds({ beginning: "c" }), []);
      assert.deepStrictEqual(yield* query.threadIds({ beginning: "a", ending: "cd" }), ["abcd"], "and their end");
      assert.deepStrictEqual(yield* query.threadIds({ beginning: "b", ending: "-1" }), ["b/agent-1"]);
    }),
  );
});

describe("a snippet", () => {
  it("is cut within no character of two units", () => {
    for (const before of ["", "x", "xy"]) {
      const text = `${before}${"🙂".repeat(200)} fox ${"🙂".repeat(200)}`;
      for (const words of ["fox", "nothing"])
        assert.isTrue(around(text, marksOf(text, termsOf(words)), 160).text.isWellFormed(), `${before} ${words}`);
    }
  });

  it("shows the match, however far behind it stands", () => {
    const text = `${"padding words ".repeat(2_000)}the Näedle here ${"and more ".repeat(500)}`;
    const snippet = around(text, marksOf(text, termsOf("naedle")), 60);
    assert.include(bracketed(snippet), "the [Näedle] here");
    assert.isAtMost(snippet.text.length, 62);
  });
});
