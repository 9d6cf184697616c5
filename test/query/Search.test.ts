import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import type { LogEntry } from "../../src/domain/Event.ts";
import { thread } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Projector from "../../src/projection/Projector.ts";
import * as Query from "../../src/query/QuerySqlite.ts";
import type { SearchAnswer, SearchFilter } from "../../src/query/Search.ts";
import { around, bracketed, marksOf } from "../../src/query/Snippet.ts";
import { termsOf } from "../../src/query/SearchText.ts";
import { event, said } from "../projection/StubLog.ts";
import { stubLog } from "../projection/StubLog.ts";
import { temporaryFolder } from "../projection/World.ts";

const asked = Effect.fnUntraced(function* (entries: ReadonlyArray<LogEntry>) {
  const path = join(yield* temporaryFolder, "recollect.db");
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
      const entries = Array.from({ length: 1_200 }, (_, n) => said(n + 1, `common ${n}`, inThread(`t${n % 3}`)));
      const query = yield* asked(entries);
      const answer = yield* query.search({ text: "common", limit: 2 });
      assert.deepInclude(answer, { isCut: true, ranked: 1_000 });
      assert.lengthOf(answer.threads, 2);
      assert.isAbove(answer.threads[0]?.count ?? 0, 300);
      assert.lengthOf(answer.threads[0]?.hits ?? [], 3);
      assert.deepInclude(yield* query.search({ text: "common 7" }), { isCut: false, ranked: 1 });
    }),
  );
});

describe("ids of threads", () => {
  it.live("are given by their beginning", () =>
    Effect.gen(function* () {
      const query = yield* asked([
        said(1, "x", inThread("abc")),
        said(2, "y", inThread("abcd")),
        said(3, "z", inThread("b")),
      ]);
      assert.deepStrictEqual(yield* query.threadIds({ beginning: "ab" }), ["abc", "abcd"]);
      assert.deepStrictEqual(yield* query.threadIds({ beginning: "abc" }), ["abc"], "an id in full");
      assert.deepStrictEqual(yield* query.threadIds({ beginning: "b" }), ["b"]);
      assert.deepStrictEqual(yield* query.threadIds({ beginning: "c" }), []);
    }),
  );
});

describe("a snippet", () => {
  it("shows the match, however far behind it stands", () => {
    const text = `${"padding words ".repeat(2_000)}the Näedle here ${"and more ".repeat(500)}`;
    const snippet = around(text, marksOf(text, termsOf("naedle")), 60);
    assert.include(bracketed(snippet), "the [Näedle] here");
    assert.isAtMost(snippet.text.length, 62);
  });
});
