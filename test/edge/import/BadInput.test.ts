import { assert, describe, it } from "@effect/vitest";
import { Effect, FileSystem, Option, PlatformError, Result } from "effect";
import { randomBytes } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { factsOf } from "../../../src/domain/Interpret.ts";
import { inlineBytes } from "../../../src/edge/import/Entry.ts";
import {
  claude,
  claudeLines,
  events,
  exported,
  exportedBytes,
  folderOf,
  importAll,
  threads,
  withLog,
  world,
  write,
} from "./World.ts";

const bodies = Effect.map(events, (all) => all.map(({ body }) => Buffer.from(body).toString("utf8")));

describe("bad lines never stop an import and never disappear", () => {
  it.live("a torn last line is refused until its writer has finished, and is then appended", () =>
    Effect.gen(function* () {
      const whole = claudeLines("s", 0, 3);
      const torn = whole.slice(0, -20);
      const folder = yield* folderOf({ "a.jsonl": torn });
      const report = yield* importAll(folder);
      assert.strictEqual(report.eventsAppended, 2);
      assert.deepStrictEqual(
        report.refused.map(({ line, reason }) => [line, reason]),
        [[3, "the last line is not finished: import again when its writer has finished"]],
      );
      yield* write(`${folder}/a.jsonl`, whole);
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 1, duplicates: 2, refused: [] });
      assert.strictEqual(yield* exported("s"), whole);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("a line torn inside a character is refused too", () =>
    Effect.gen(function* () {
      const line = Buffer.from(claude("s", "é"), "utf8");
      const cut = line.indexOf(0xc3) + 1;
      const folder = yield* folderOf({
        "a.jsonl": Buffer.concat([Buffer.from(claudeLines("s", 0, 1)), line.subarray(0, cut)]),
      });
      const report = yield* importAll(folder);
      assert.deepInclude(report, { eventsAppended: 1, unknown: 0 });
      assert.strictEqual(report.refused.length, 1);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("a last line without newline that is whole is a line like any other", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 3).trimEnd() });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 3, refused: [] });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("text, control characters, invalid UTF-8 and joined objects come out byte for byte", () =>
    Effect.gen(function* () {
      const bytes = Buffer.concat([
        Buffer.from(`${claude("s", "1")}\n`),
        Buffer.from("  not JSON at all \u0001\t\r\n"),
        Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x0a]),
        Buffer.from(`${claude("s", "2")} ${claude("s", "3")}${claude("s", "4")}\n`),
        Buffer.from(`{"type":"user","sessionId":"s","uuid":"5",}\n`),
        Buffer.from("[1,2\n"),
        Buffer.from(`${claude("s", "6")}\r\n`),
      ]);
      const folder = yield* folderOf({ "a.jsonl": bytes });
      const report = yield* importAll(folder);
      assert.deepInclude(report, { eventsAppended: 9, unknown: 4, refused: [], threads: 1 });
      assert.deepStrictEqual(yield* exportedBytes("s"), bytes);
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 0, duplicates: 9, unknown: 4 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("a file whose every line is several records joined is known for what it is", () =>
    Effect.gen(function* () {
      const joined = `${claude("s", "1")}${claude("s", "2")} ${claude("s", "3")}\n`;
      const folder = yield* folderOf({ "a.jsonl": joined, "b.jsonl": joined.replaceAll('"s"', '"t"').repeat(2) });
      assert.deepInclude(yield* importAll(folder), { unknown: 0, refused: [], skipped: [], threads: 2 });
      assert.strictEqual(yield* exported("s"), joined);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live(
    "a line in another encoding is read with U+FFFD for what is wrong, named by its place, and comes out as it came",
    () =>
      Effect.gen(function* () {
        const wrong = Buffer.from(
          claude("s", "2", { message: { role: "user", content: "caf\u00e9 \u20ac" } }),
          "latin1",
        );
        const place = wrong.indexOf(0xe9) + 1;
        const bytes = Buffer.concat([
          Buffer.from(`${claude("s", "1")}\n`),
          wrong,
          Buffer.from(`\n${claude("s", "3", { message: { role: "user", content: "a real \uFFFD" } })}\n`),
          Buffer.from([0x7b, 0xff, 0x0a]),
          Buffer.from("no JSON\n"),
        ]);
        const folder = yield* folderOf({ "a.jsonl": bytes });
        const report = yield* importAll(folder);
        assert.deepInclude(report, { eventsAppended: 5, messages: 3, unknown: 2, refused: [] });
        assert.deepStrictEqual(
          report.kept.map(({ byte, line, reason }) => [line, byte, reason]),
          [
            [2, place, "not UTF-8: read with U+FFFD in 2 places"],
            [4, 2, "no JSON in UTF-8: all of it is kept as it came"],
            [5, undefined, "no JSON in UTF-8: all of it is kept as it came"],
          ],
        );
        assert.deepStrictEqual(yield* exportedBytes("s"), bytes);
        const [, read] = yield* events;
        const told = read === undefined ? [] : Result.getOrThrow(factsOf(read)).facts;
        assert.include(JSON.stringify(told), "caf\uFFFD");
        assert.deepStrictEqual(told.at(-1), {
          _tag: "Noted",
          kind: "encoding",
          at: Date.parse("2026-01-02T03:04:05.678Z"),
          text: `2 characters are not UTF-8 and shown as U+FFFD, from byte ${place} of the entry on. The bytes are kept as they came.`,
        });
      }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("a file all of whose lines are in another encoding is found by its content", () =>
    Effect.gen(function* () {
      const lines = Buffer.from(claudeLines("s", 0, 3).replaceAll('"s-', '"\u00e4-'), "latin1");
      const report = yield* importAll(yield* folderOf({ "a.jsonl": lines }));
      assert.deepInclude(report, { files: 1, messages: 3, unknown: 0, skipped: [] });
      assert.deepStrictEqual(
        report.kept.map(({ line }) => line),
        [1, 2, 3],
      );
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("numbers, escapes, lone surrogates and the order of keys survive as they were written", () =>
    Effect.gen(function* () {
      const line =
        '{"sessionId":"s","type":"user","uuid":"u","z":12345678901234567890.10,"a":1.0,"e":"\\u00e9\\ud83d \\/","n":-0,"z2":1e400,"parentUuid":null}';
      const folder = yield* folderOf({ "a.jsonl": `${line}\n` });
      yield* importAll(folder);
      assert.strictEqual(yield* exported("s"), `${line}\n`);
      assert.deepStrictEqual(yield* bodies, [`{"format":"claude-code","entry":${line}}`]);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("a byte order mark is no part of the first line", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.jsonl": `\uFEFF${claudeLines("s", 0, 2)}` });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 2, unknown: 0 });
      const chat = JSON.stringify({ messages: [{ role: "user", content: "hi" }] });
      yield* write(`${folder}/chat.json`, `\uFEFF${chat}`);
      assert.deepInclude(yield* importAll(`${folder}/chat.json`), { eventsAppended: 2, refused: [], skipped: [] });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("cycles, missing parents and unknown types are lines like any other", () =>
    Effect.gen(function* () {
      const lines = [
        claude("s", "a", { parentUuid: "b" }),
        claude("s", "b", { parentUuid: "a" }),
        claude("s", "c", { parentUuid: "c" }),
        claude("s", "d", { parentUuid: "nowhere" }),
        claude("s", "e", { type: "from-the-future" }),
      ];
      const folder = yield* folderOf({ "a.jsonl": `${lines.join("\n")}\n` });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 5, messages: 4, unknown: 1 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("a line of 50 MB goes to the object store and comes back", () =>
    Effect.gen(function* () {
      const large = claude("s", "large", { message: { role: "user", content: "x".repeat(50 * 1024 * 1024) } });
      const text = `${claude("s", "1")}\n${large}\n${claude("s", "2")}\n`;
      const folder = yield* folderOf({ "a.jsonl": text });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 3, messages: 3, refused: [] });
      assert.isTrue((yield* bodies).every((body) => body.length < inlineBytes));
      assert.isTrue((yield* exported("s")) === text);
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 0, duplicates: 3 });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("JSON nested 50,000 deep stops nothing", () =>
    Effect.gen(function* () {
      const deep = claude("s", "deep").replace(/}$/, `,"deep":${"[".repeat(50_000)}${"]".repeat(50_000)}}`);
      const folder = yield* folderOf({ "a.jsonl": `${claude("s", "1")}\n${deep}\n${claude("s", "2")}\n` });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 3, refused: [] });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

describe("documents", () => {
  it.live("that end in the middle are refused as a whole", () =>
    Effect.gen(function* () {
      const chat = JSON.stringify({
        sessionId: "s",
        projectHash: "h",
        messages: [{ id: "1", type: "user", content: "hi" }],
      });
      const folder = yield* folderOf({ "a.json": chat.slice(0, -3) });
      const report = yield* importAll(folder);
      assert.deepInclude(report, { eventsAppended: 0, files: 0 });
      assert.match(report.refused[0]?.reason ?? "", /ends in the middle/);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live(
    "with a message or a frame that is no JSON, or no UTF-8, are read but for that, which is kept and named",
    () =>
      Effect.gen(function* () {
        const head = '{"sessionId":"s","projectHash":"h","messages":[{"id":"1","type":"user","content":"one"},';
        const wrong = Buffer.concat([
          Buffer.from('{"id":"2","type":"user","content":"caf'),
          Buffer.from([0xe9, 0x22, 0x7d]),
        ]);
        const rest = ',{"id":"3","type":"user","content":"three"}]';
        const bytes = Buffer.concat([Buffer.from(head), wrong, Buffer.from(`${rest}}`)]);
        const folder = yield* folderOf({
          "a.json": `${head.replace('"s"', '"a"')}\n{"id": }${rest}}`,
          "b.json": bytes,
          "c.json": Buffer.concat([
            Buffer.from(`${head.replace('"s"', '"c"')}{}${rest},"summary":"`),
            wrong.subarray(-3),
          ]),
        });
        const report = yield* importAll(folder);
        assert.deepInclude(report, { refused: [], skipped: [], messages: 7 });
        assert.deepStrictEqual(
          report.kept.map(({ byte, line, reason }) => [line, byte, reason]),
          [
            [2, 8, "message 2: no JSON in UTF-8: kept as it came"],
            [1, head.length + 39, "message 2: not UTF-8: read with U+FFFD in 1 place"],
            [1, 147, "what stands around the messages: not UTF-8: read with U+FFFD in 1 place"],
          ],
        );
        assert.deepStrictEqual(yield* exportedBytes("s"), Buffer.concat([bytes, Buffer.from("\n")]));
        assert.include(yield* exported("a"), '"one"},{"id": },{"id":"3"');
        assert.deepInclude(yield* importAll(folder), { eventsAppended: 0, messages: 7 });
      }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("in which one quote or bracket is lost are read before and behind it, wherever that is in a message", () =>
    Effect.gen(function* () {
      const messages = Array.from({ length: 5 }, (_, n) => ({
        id: `${n}`,
        type: "user",
        content: `words {of} [${n}], "so"`,
      }));
      const text = JSON.stringify({ sessionId: "s", projectHash: "h", messages, lastUpdated: "2026-01-02T03:04:05Z" });
      // A quote that begins a name, one of a text, a backslash, a brace, a quote that ends a text.
      const marks = [
        ['{"id"', 1],
        ['"content"', 0],
        ['"words', 0],
        ['so\\"', 2],
        ['"}', 1],
        ['"}', 0],
      ] as const;
      for (const [nth, [piece, beyond]] of marks.entries()) {
        const session = `s${nth}`;
        const bytes = text.replace('"s"', `"${session}"`);
        const at = bytes.indexOf(piece, bytes.indexOf('{"id":"2"')) + beyond;
        const damaged = `${bytes.slice(0, at)}#${bytes.slice(at + 1)}`;
        const folder = yield* folderOf({ "a.json": damaged });
        const report = yield* importAll(folder);
        assert.deepInclude(report, { messages: 4, refused: [], skipped: [] }, damaged);
        assert.deepStrictEqual(
          report.kept.map(({ line, reason }) => [line, reason]),
          [[1, "message 3: no JSON in UTF-8: kept as it came"]],
        );
        assert.strictEqual(yield* exported(session), `${damaged}\n`);
      }
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("of many conversations are read but for the damaged one, which is named by its bytes", () =>
    Effect.gen(function* () {
      const talk = (n: number) => ({
        uuid: `0000000${n}-0000-4000-8000-000000000000`,
        name: `talk ${n}`,
        chat_messages: [1, 2].map((m) => ({ uuid: `${n}-${m}`, text: `hello ${n} ${m}`, sender: "human" })),
      });
      const text = JSON.stringify([1, 2, 3, 4].map(talk));
      const at = text.indexOf('"talk 2');
      const folder = yield* folderOf({
        "conversations.json": `${text.slice(0, at)}#${text.slice(at + 1)}`,
        "lines.jsonl": `${JSON.stringify(talk(5))}\n${JSON.stringify(talk(6)).replace('hello 6 1"', "hello 6 1")}\n`,
      });
      const report = yield* importAll(folder);
      assert.deepInclude(report, { threads: 5, skipped: [] });
      const [refused] = report.refused;
      assert.strictEqual(refused?.line, 1);
      assert.match(refused?.reason ?? "", /^\d+ bytes from byte \d+ of line 1 on are no conversation in JSON: mend/);
      assert.deepStrictEqual(
        report.kept.map(({ line, reason }) => [line, reason]),
        [[2, "message 1: no JSON in UTF-8: kept as it came"]],
      );
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("that are broken around their messages are refused with the place and the way out", () =>
    Effect.gen(function* () {
      const text = JSON.stringify(
        { sessionId: "s", projectHash: "h", messages: [{ id: "1", type: "user" }] },
        undefined,
        1,
      );
      const folder = yield* folderOf({ "a.json": text.replace('"h",', '"h"') });
      assert.deepStrictEqual(
        (yield* importAll(folder)).refused.map(({ reason }) => reason),
        [
          "it is not valid JSON, from byte 2 of line 4 on: mend what stands there, or export it again from where it comes, and import that",
        ],
      );
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("that end in the middle are read as far as they go once their writer has been away for ten minutes", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const messages = [1, 2, 3].map((n) => ({ id: `${n}`, type: "user", content: `words ${n}` }));
      const text = JSON.stringify({ sessionId: "s", projectHash: "h", messages });
      const folder = yield* folderOf({ "a.json": text.slice(0, -12) });
      const file = `${folder}/a.json`;
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 0, files: 0 });
      const old = new Date(Date.now() - 700_000);
      yield* fs.utimes(file, old, old);
      const report = yield* importAll(folder);
      assert.deepInclude(report, { messages: 2 });
      assert.match(
        report.refused[0]?.reason ?? "",
        /^the document ends in the middle, from byte \d+ of line 1 on: import/,
      );
      yield* write(file, text);
      assert.deepInclude(yield* importAll(folder), { messages: 3, refused: [] });
      assert.strictEqual(yield* exported("s"), `${text}\n`);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("larger than what is kept in memory are read piece by piece", () =>
    Effect.gen(function* () {
      const message = (n: number) => ({
        role: n % 2 === 0 ? "user" : "assistant",
        content: `${n} ${"words ".repeat(40_000)}`,
      });
      const messages = Array.from({ length: 300 }, (_, n) => message(n));
      const text = JSON.stringify({ messages, model: "m" });
      assert.isAbove(text.length, 65 * 1024 * 1024);
      const folder = yield* folderOf({ "large.json": text });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 301, messages: 300 });
      const [id = ""] = yield* threads;
      assert.isTrue((yield* exported(id)) === `${text}\n`);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

describe("what is no conversation is passed over with a reason", () => {
  it.live("empty files, text, binaries, other JSON", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({
        "a-empty.jsonl": "",
        "b-README.md": "# Hello\n\nNothing here.\n",
        "c-picture.png": Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0, 0, 1]),
        "d.checkpoint.json": JSON.stringify({ checkpoint_id: "x", session_id: "y" }),
        "e-numbers.json": "[1,2,3]",
        "f-rows.jsonl": '{"a":1}\n{"a":2}\n',
        "g-number.json": "2\n",
        "h-blank.jsonl": "\n\n \n",
        "i-empty.json": "[]",
        "j-tau.json": '{"messages":[]}',
        "k.jsonl": claudeLines("s", 0, 1),
      });
      const report = yield* importAll(folder);
      assert.deepInclude(report, { files: 1, eventsAppended: 1, refused: [] });
      assert.deepStrictEqual(
        report.skipped.map(({ file, reason }) => `${file.slice(folder.length + 1)}: ${reason}`),
        [
          "a-empty.jsonl: it is empty",
          "b-README.md: it is text, and of no conversation format that is known",
          "c-picture.png: it is a PNG picture, which holds no conversation",
          "d.checkpoint.json: a JSON object without messages",
          "e-numbers.json: a JSON array, but not of messages or conversations",
          "f-rows.jsonl: its lines are JSON, but of no conversation format that is known",
          "g-number.json: it is text, and of no conversation format that is known",
          "h-blank.jsonl: it is text, and of no conversation format that is known",
          "i-empty.json: a JSON array, but not of messages or conversations",
          "j-tau.json: a JSON object without messages",
        ],
      );
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("links that lead nowhere, links that lead in a circle, paths that are not there", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const folder = yield* folderOf({ "in/a.jsonl": claudeLines("s", 0, 1) });
      yield* fs.symlink(folder, `${folder}/in/up`);
      yield* fs.symlink(`${folder}/nowhere`, `${folder}/in/dangling`);
      yield* fs.symlink(`${folder}/in/self`, `${folder}/in/self`);
      const report = yield* importAll([folder, `${folder}/missing`]);
      assert.deepInclude(report, { files: 1, eventsAppended: 1 });
      assert.deepStrictEqual(
        report.refused.map(({ file }) => file.slice(folder.length + 1)),
        ["in/dangling", "in/self", "missing"],
      );
      assert.deepStrictEqual(
        report.skipped.map(({ file }) => file.slice(folder.length + 1)),
        ["in/up"],
      );
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("a folder and a file that may not be read are refused, and the rest goes on", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({
        "a/x.jsonl": claudeLines("a", 0, 1),
        "b/y.jsonl": claudeLines("b", 0, 1),
        "c.jsonl": claudeLines("c", 0, 1),
      });
      const fs = yield* FileSystem.FileSystem;
      const denied = (method: string, path: string) =>
        Effect.fail(
          PlatformError.systemError({ _tag: "PermissionDenied", module: "FileSystem", method, pathOrDescriptor: path }),
        );
      const strict: FileSystem.FileSystem = {
        ...fs,
        readDirectory: (path, options) =>
          path.endsWith("/a") ? denied("readDirectory", path) : fs.readDirectory(path, options),
        open: (path, options) => (path.endsWith("y.jsonl") ? denied("open", path) : fs.open(path, options)),
      };
      const report = yield* importAll(folder).pipe(Effect.provideService(FileSystem.FileSystem, strict));
      assert.deepInclude(report, { eventsAppended: 1 });
      assert.deepStrictEqual(
        report.refused.map(({ file, reason }) => [file.slice(folder.length + 1), reason]),
        [
          ["a", "it may not be read (permission denied)"],
          ["b/y.jsonl", "it may not be read (permission denied)"],
        ],
      );
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

it.live("a format that is forced cuts every file by it, and keeps what it does not understand", () =>
  Effect.gen(function* () {
    const folder = yield* folderOf({ "3f2a1c9e-8b7d-4654-8a1b-2c3d4e5f6071.jsonl": '{"what":1}\n{"what":2}\n' });
    assert.deepInclude(yield* importAll(folder), { eventsAppended: 0, files: 0 });
    assert.deepInclude(yield* importAll(folder, { format: "claude-code" }), { eventsAppended: 2, unknown: 2 });
    assert.deepStrictEqual(yield* threads, ["3f2a1c9e-8b7d-4654-8a1b-2c3d4e5f6071"]);
  }).pipe(Effect.scoped, Effect.provide(world)),
);

it.live("every append is within the log's bounds, however large the entries are", () =>
  Effect.gen(function* () {
    const lines = Array.from({ length: 60 }, (_, n) => claude("s", `u${n}`, { pad: "p".repeat(300_000 + n * 15_000) }));
    const folder = yield* folderOf({ "a.jsonl": `${lines.join("\n")}\n` });
    const sizes: Array<number> = [];
    const watch = withLog((log) => ({
      appendAll: (appends) => {
        sizes.push(appends.flatMap(({ events: each }) => each).reduce((sum, { body }) => sum + body.length, 0));
        return log.appendAll(appends);
      },
    }));
    assert.deepInclude(yield* importAll(folder).pipe(watch), { eventsAppended: 60 });
    assert.isAtMost(Math.max(...sizes), 4.1 * 1024 * 1024);
    assert.isAtMost(sizes.length, 15);
  }).pipe(Effect.scoped, Effect.provide(world)),
);

describe("paths", () => {
  it.live("that are not there fail the import when nothing else was named, and are refused beside others", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.jsonl": claudeLines("s", 0, 1) });
      const error = yield* Effect.flip(importAll([`${folder}/nope`, `${folder}/nor this`]));
      assert.deepInclude(error, {
        _tag: "NothingToImport",
        message: `There is nothing at ${folder}/nope, ${folder}/nor this.`,
      });
      const report = yield* importAll([`${folder}/nope`, `${folder}/a.jsonl`, `${folder}/a.jsonl`]);
      assert.deepInclude(report, { eventsAppended: 1, duplicates: 0 });
      assert.deepStrictEqual(report.refused, [{ file: `${folder}/nope`, reason: "there is no such file" }]);
      // An empty folder is there: that nothing is in it is what the report says.
      assert.deepInclude(yield* importAll(yield* folderOf({})), { files: 0, eventsAppended: 0, refused: [] });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("of files that were last written after the year 9999 are read like any other", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.jsonl": `${claude("s", "1", { timestamp: "soon" })}\n` });
      const fs = yield* FileSystem.FileSystem;
      const strange: FileSystem.FileSystem = {
        ...fs,
        stat: (path) => Effect.map(fs.stat(path), (info) => ({ ...info, mtime: Option.some(new Date(8e15)) })),
      };
      const report = yield* importAll(folder).pipe(Effect.provideService(FileSystem.FileSystem, strange));
      assert.deepInclude(report, { eventsAppended: 1, refused: [] });
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

it.live("a tool call whose arguments are nested 50,000 deep stops nothing", () =>
  Effect.gen(function* () {
    const input = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
    const content = `[{"type":"tool_use","id":"t","name":"x","input":${input}}]`;
    const deep = claude("s", "deep", { type: "assistant" }).replace('"content":"deep"', `"content":${content}`);
    const text = `${claude("s", "1")}\n${deep}\n${claude("s", "2")}\n`;
    const folder = yield* folderOf({ "a.jsonl": text });
    assert.deepInclude(yield* importAll(folder), { eventsAppended: 3, refused: [] });
    assert.strictEqual(yield* exported("s"), text);
  }).pipe(Effect.scoped, Effect.provide(world)),
);

it.live(
  "NUL bytes and separators of other alphabets are lines like any other, a mark in the middle hides no record",
  () =>
    Effect.gen(function* () {
      const lines = [
        claude("s", "1"),
        "\u0000".repeat(4096),
        claude("s", "\u2028\u2029\u0085"),
        `\uFEFF${claude("s", "2")}`,
      ];
      const text = `${lines.join("\r\n")}\n`;
      const folder = yield* folderOf({ "a.jsonl": text });
      assert.deepInclude(yield* importAll(folder), { eventsAppended: 5, messages: 3, unknown: 2, refused: [] });
      assert.strictEqual(yield* exported("s"), text);
    }).pipe(Effect.scoped, Effect.provide(world)),
);

describe("records that an accident has hidden", () => {
  it.live(
    "are read behind NULs, before them, and glued behind or before a torn one; the rest is kept, and all goes out again",
    () =>
      Effect.gen(function* () {
        const nul = (count: number) => "\u0000".repeat(count);
        const torn = claude("s", "never").slice(0, 60);
        // What stands inside a torn record is no record.
        const inner = `{"type":"user","sessionId":"s","uuid":"x","message":{"role":"user","content":"half"}`;
        const text = [
          `\uFEFF${claude("s", "1")}`,
          `${claude("s", "2")}${nul(9000)}`,
          `${nul(400)}${claude("s", "3")}`,
          `${torn}${claude("s", "4")}`,
          `${claude("s", "6")}${claude("s", "7")}${torn}${claude("s", "8")}`,
          inner,
          claude("s", "5"),
        ].join("\r\n");
        const folder = yield* folderOf({ "a.jsonl": `${text}\r\n${nul(100_000)}` });
        const report = yield* importAll(folder);
        assert.deepInclude(report, { messages: 8, unknown: 5 });
        assert.deepStrictEqual(
          report.refused.map(({ line, reason }) => [line, reason]),
          [[8, "100000 NUL bytes: its writer lost what was here, as after a power cut"]],
        );
        assert.strictEqual(yield* exported("s"), `${text.slice(1)}\r\n`);
        assert.deepInclude(yield* importAll(folder), { eventsAppended: 0 });
      }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("are read from UTF-16, with a mark or without, in either order of its bytes", () =>
    Effect.gen(function* () {
      const little = Buffer.from(claudeLines("s", 0, 3), "utf16le");
      const big = Buffer.from(little).swap16();
      const folder = yield* folderOf({
        "1.jsonl": Buffer.concat([Buffer.from([0xff, 0xfe]), little]),
        "2.jsonl": Buffer.concat([Buffer.from([0xfe, 0xff]), big]),
        "3.jsonl": little,
        "4.jsonl": big,
      });
      assert.deepInclude(yield* importAll(folder), { files: 4, eventsAppended: 3, duplicates: 9, messages: 3 });
      assert.strictEqual(yield* exported("s"), claudeLines("s", 0, 3));
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("are read from UTF-32 too, across the pieces in which it is read", () =>
    Effect.gen(function* () {
      const text = claudeLines("s", 0, 40).replaceAll('"s-', '"\u{1F30D}-');
      const codes = [...text].map((character) => character.codePointAt(0) ?? 0);
      const wide = (put: (bytes: Buffer, code: number, at: number) => number, all: ReadonlyArray<number>) => {
        const bytes = Buffer.alloc(4 * all.length);
        for (const [index, code] of all.entries()) put(bytes, code, index * 4);
        return bytes;
      };
      const little = (all: ReadonlyArray<number>) => wide((bytes, code, at) => bytes.writeUInt32LE(code, at), all);
      const big = (all: ReadonlyArray<number>) => wide((bytes, code, at) => bytes.writeUInt32BE(code, at), all);
      const files = [[0xfeff, ...codes], codes].flatMap((all) => [little(all), big(all)]);
      const folder = yield* folderOf(Object.fromEntries(files.map((bytes, at) => [`${at}.jsonl`, bytes])));
      assert.deepInclude(yield* importAll(folder), { files: 4, eventsAppended: 40, duplicates: 120, messages: 40 });
      assert.strictEqual(yield* exported("s"), text);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  for (const [ending, pack] of [
    ["gz", gzipSync],
    ["zst", zstdCompressSync],
  ] as const)
    it.live(`are read from a torn .${ending} as far as it goes, and what is wrong with it is said`, () =>
      Effect.gen(function* () {
        // Random, so that half of the bytes are half of the lines.
        const lines = Array.from(
          { length: 400 },
          (_, n) => `${claude("s", `u${n}`, { pad: randomBytes(1500).toString("hex") })}\n`,
        );
        const whole = pack(Buffer.from(lines.join("")));
        const folder = yield* folderOf({ [`a.jsonl.${ending}`]: whole.subarray(0, Math.floor(whole.length * 0.6)) });
        const report = yield* importAll(folder);
        assert.isAbove(report.messages, 150);
        assert.isBelow(report.messages, 260);
        assert.strictEqual(report.refused.at(-1)?.reason, tornReason(ending));
        yield* write(`${folder}/a.jsonl.${ending}`, whole);
        assert.deepInclude(yield* importAll(folder), { messages: 400, refused: [] });
        assert.isTrue((yield* exported("s")) === lines.join(""));
      }).pipe(Effect.scoped, Effect.provide(world)),
    );

  it.live("are read out of a compressed document", () =>
    Effect.gen(function* () {
      const talk = {
        messages: [
          { role: "user", content: "hi" },
          { role: "assistant", content: "ho", tool_calls: [] },
        ],
      };
      const folder = yield* folderOf({ "talk.json.gz": gzipSync(Buffer.from(JSON.stringify(talk, undefined, 2))) });
      assert.deepInclude(yield* importAll(folder), { files: 1, messages: 2, threads: 1 });
      assert.match((yield* threads)[0] ?? "", /^talk\//);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

const tornReason = (ending: string): string =>
  `the compressed file (${ending === "gz" ? "gzip" : "zstd"}) ends in the middle: what comes before its end is read`;

it.live("a compressed file that ends before its first line does is refused as that, not passed over as text", () =>
  Effect.gen(function* () {
    const packed = { gz: gzipSync, zst: zstdCompressSync };
    for (const ending of ["gz", "zst"] as const) {
      const bytes = packed[ending](Buffer.from(claudeLines(`s-${ending}`, 0, 500)));
      const folder = yield* folderOf({ [`talk.jsonl.${ending}`]: bytes.subarray(0, 60) });
      const { refused, skipped } = yield* importAll(folder);
      assert.deepStrictEqual([refused.map(({ reason }) => reason), skipped], [[tornReason(ending)], []]);
    }
  }).pipe(Effect.scoped, Effect.provide(world)),
);

it.live("a file that is no conversation is named by what it is, and whether it can be read", () =>
  Effect.gen(function* () {
    const folder = yield* folderOf({
      "a.zip": Buffer.from("504b0304aabb", "hex"),
      "b.xz": Buffer.from("fd377a585a0000", "hex"),
      "c.bin": Buffer.from("0102030405060700", "hex"),
      "d.log": Buffer.alloc(4096),
    });
    assert.deepStrictEqual(
      (yield* importAll(folder)).skipped.map(({ reason }) => reason),
      [
        "it is a ZIP archive, which is not read here: unpack it and import what was in it",
        "it is compressed by xz, which is not read here: unpack it and import what was in it",
        "it is binary, of a format that is not known (it begins with 01 02 03 04 05 06 07 00)",
        "it is nothing but NUL bytes: its writer lost it, as after a power cut",
      ],
    );
  }).pipe(Effect.scoped, Effect.provide(world)),
);
