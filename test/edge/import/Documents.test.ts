import { assert, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { Effect } from "effect";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { countsOf, describedAs, factsByThread } from "./counts.ts";
import { documents, kiroDocument, zedThread } from "./DocumentFixtures.ts";
import { events, exported, folderOf, importAll, threads, world, write } from "./World.ts";

for (const fixture of documents) {
  const { counts, cwd, document, entries, format, grown, path, thread, title } = fixture;
  describe(`${format}, a document`, () => {
    it.live("is known by its members, counted as it says, given back as it came, and again adds nothing", () =>
      Effect.gen(function* () {
        const folder = yield* folderOf({ [path]: JSON.stringify(document, undefined, 2) });
        const report = yield* importAll(folder);
        assert.deepInclude(report, { files: 1, eventsAppended: entries, refused: [], skipped: [], unknown: 0 });
        assert.deepStrictEqual(Object.keys(report.formats), [format]);
        assert.deepStrictEqual(yield* threads, [thread]);
        const facts = (yield* factsByThread).get(thread) ?? [];
        assert.deepStrictEqual(countsOf(facts), counts);
        assert.strictEqual(describedAs(facts)["title"], title);
        assert.strictEqual(describedAs(facts)["cwd"], cwd);
        assert.deepStrictEqual(JSON.parse(yield* exported(thread, format)), fixture.exported ?? document);
        assert.deepInclude(yield* importAll(folder), { eventsAppended: 0, threads: 1 });
        yield* write(`${folder}/${path}`, JSON.stringify(grown));
        assert.deepInclude(yield* importAll(folder), { eventsAppended: 1, threads: 1 });
      }).pipe(Effect.scoped, Effect.provide(world)),
    );
  });
}

it.live("a task of Cline is one thread of both its files, with the times of the one at the messages of the other", () =>
  Effect.gen(function* () {
    const [api, ui] = ["cline", "cline-ui"].map((name) => documents.find(({ format }) => format === name));
    const folder = yield* folderOf({
      "tasks/1/api_conversation_history.json": JSON.stringify(api?.document),
      "tasks/1/ui_messages.json": JSON.stringify(ui?.document),
    });
    assert.deepInclude(yield* importAll(folder), { files: 2, threads: 1, messages: 4, toolCalls: 1 });
    assert.deepStrictEqual(yield* threads, ["cline/1"]);
    const facts = (yield* factsByThread).get("cline/1") ?? [];
    assert.deepInclude(countsOf(facts), { input: 22, output: 4 });
    assert.deepInclude(describedAs(facts), { title: "list the files", cwd: "/home/ana/app" });
    const began = Date.parse("2026-03-04T05:06:01.000Z");
    const times = (yield* events).slice(0, 4).map(({ occurredAt }) => occurredAt - began);
    assert.deepStrictEqual(times, [1, 1, 2, 2]);
  }).pipe(Effect.scoped, Effect.provide(world)),
);

it.live("a ChatGPT node under a key that is not its id is refused, because it would not find its place again", () =>
  Effect.gen(function* () {
    const mapping = { a: { id: "b", message: null, parent: null, children: [] } };
    const folder = yield* folderOf({
      "conversations.json": JSON.stringify([{ title: "x", conversation_id: "c", mapping }]),
    });
    const { eventsAppended, refused } = yield* importAll(folder);
    assert.strictEqual(eventsAppended, 0);
    assert.deepStrictEqual(
      refused.map(({ reason }) => reason),
      ["c: message 1 has the id b under the key a"],
    );
  }).pipe(Effect.scoped, Effect.provide(world)),
);

it.live("Zed's threads and Kiro's conversations are documents in rows: packed or plain, growing as files do", () =>
  Effect.gen(function* () {
    const folder = yield* folderOf({});
    const zed = new Database(join(folder, "threads.db"));
    zed.exec("CREATE TABLE threads(id TEXT PRIMARY KEY, summary TEXT, updated_at TEXT, data_type TEXT, data BLOB)");
    const packed = (thread: unknown) => zstdCompressSync(Buffer.from(JSON.stringify(thread)));
    zed
      .prepare("INSERT INTO threads VALUES ('zed-1', 'List', '2026-03-04T05:06:01Z', 'zstd', ?)")
      .run(packed(zedThread()));
    zed.prepare("INSERT INTO threads VALUES ('zed-2', 'Broken', '', 'zstd', ?)").run(Buffer.from("no zstd"));
    const kiro = new Database(join(folder, "data.sqlite3"));
    kiro.exec("CREATE TABLE conversations(key TEXT PRIMARY KEY, value TEXT)");
    const history = [
      { user: { content: { Prompt: { prompt: "hello" } } }, assistant: { Response: { content: "hi" } } },
    ];
    kiro.prepare("INSERT INTO conversations VALUES ('/home/ana/app', ?)").run(JSON.stringify(kiroDocument(history)));
    const report = yield* importAll(folder);
    assert.deepInclude(report, { files: 2, threads: 2, messages: 5, toolCalls: 1, unknown: 0 });
    assert.match(report.refused.map(({ reason }) => reason).join(), /^the row zed-2 cannot be unpacked/);
    const facts = yield* factsByThread;
    assert.deepStrictEqual(countsOf(facts.get("zed-1") ?? []), {
      messages: { user: 1, assistant: 2 },
      calls: 1,
      results: 1,
      input: 30,
      output: 5,
    });
    assert.deepInclude(describedAs(facts.get("zed-1") ?? []), { title: "List", model: "opus" });
    assert.strictEqual(describedAs(facts.get("0a0b0c0d-1111-4000-8000-000000000006") ?? [])["cwd"], "/home/ana/app");
    assert.deepInclude(yield* importAll(folder), { eventsAppended: 0 });
    const more = zedThread([{ User: { id: "u2", content: [{ Text: "thanks" }] } }]);
    zed.prepare("UPDATE threads SET data = ? WHERE id = 'zed-1'").run(packed(more));
    assert.deepInclude(yield* importAll(folder), { eventsAppended: 1 });
    zed.close();
    kiro.close();
  }).pipe(Effect.scoped, Effect.provide(world)),
);
