import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { formatOfLine, formatsOfLine } from "../../../../src/edge/import/formats/LineFormats.ts";
import { countsOf, describedAs, factsByThread } from "../counts.ts";
import { everyLine, fixtures } from "../LineFixtures.ts";
import { claudeLines, exported, folderOf, importAll, threads, world, write } from "../World.ts";

const textOf = (lines: ReadonlyArray<unknown>): string => lines.map((line) => `${JSON.stringify(line)}\n`).join("");

describe("a wrong reader is worse than none", () => {
  it("no line of any format's fixture is of another format, and one of each says what it is", () => {
    for (const { format, lines } of everyLine) {
      const claims = lines.flatMap((line) => formatsOfLine(line));
      assert.deepStrictEqual([...new Set(claims)], [format], format);
      for (const line of lines) assert.isAtMost(formatsOfLine(line).length, 1, JSON.stringify(line));
    }
  });

  it.live("every fixture is read as its own format, and what only looks like one is passed over by name", () =>
    Effect.gen(function* () {
      for (const { format, lines } of everyLine) {
        const folder = yield* folderOf({ "file.jsonl": textOf(lines) });
        const report = yield* importAll(folder);
        assert.deepStrictEqual(Object.keys(report.formats), [format], format);
      }
      const unknown = {
        type: "user",
        uuid: "u",
        parentUuid: null,
        sessionId: "s",
        message: { role: "user", words: "?" },
      };
      const report = yield* importAll(yield* folderOf({ "strange.jsonl": textOf([unknown, unknown]) }));
      assert.strictEqual(formatOfLine(unknown), "claude-code");
      assert.deepInclude(report, { files: 0, eventsAppended: 0 });
      assert.match(report.skipped[0]?.reason ?? "", /look like claude-code, .* no words/);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

for (const { counts, cwd, format, lines, path, thread, title } of fixtures) {
  describe(format, () => {
    it.live("is found by content, counted as its lines say, given back as it came, and again adds nothing", () =>
      Effect.gen(function* () {
        const folder = yield* folderOf({ [path]: textOf(lines) });
        const report = yield* importAll(folder);
        assert.deepInclude(report, { files: 1, eventsAppended: lines.length, refused: [], skipped: [], unknown: 0 });
        assert.deepStrictEqual(yield* threads, [thread]);
        const facts = (yield* factsByThread).get(thread) ?? [];
        assert.deepStrictEqual(countsOf(facts), counts);
        const about = describedAs(facts);
        if (title !== undefined) assert.strictEqual(about["title"], title);
        if (cwd !== undefined) assert.strictEqual(about["cwd"], cwd);
        assert.strictEqual(yield* exported(thread, format), textOf(lines));
        assert.deepInclude(yield* importAll(folder), { eventsAppended: 0, duplicates: lines.length });
      }).pipe(Effect.scoped, Effect.provide(world)),
    );

    it.live("goes on where a file that grows was left, plain or compressed", () =>
      Effect.gen(function* () {
        const head = Math.ceil(lines.length / 2);
        const folder = yield* folderOf({ [path]: textOf(lines.slice(0, head)) });
        yield* importAll(folder);
        yield* write(`${folder}/${path}`, textOf(lines));
        assert.deepInclude(yield* importAll(folder), { eventsAppended: lines.length - head, duplicates: head });
        const packed = yield* folderOf({
          [`${path}.zst`]: zstdCompressSync(Buffer.from(textOf(lines))),
          [`${path}.gz`]: gzipSync(Buffer.from(textOf(lines))),
        });
        assert.deepInclude(yield* importAll(packed), { files: 2, eventsAppended: 0, duplicates: 2 * lines.length });
      }).pipe(Effect.scoped, Effect.provide(world)),
    );
  });
}

describe("what a second witness tells", () => {
  it.live("counts nothing where the transcript itself is there, whichever was imported first", () =>
    Effect.gen(function* () {
      const history = { display: "s-0", pastedContents: {}, timestamp: 1, project: "/x", sessionId: "s" };
      const folder = yield* folderOf({ "a.jsonl": textOf([history]), "b.jsonl": claudeLines("s", 0, 3) });
      assert.deepInclude(yield* importAll(folder), { threads: 1, messages: 3, eventsAppended: 4 });
      assert.deepStrictEqual(countsOf((yield* factsByThread).get("s") ?? []).messages, { user: 3 });
      assert.strictEqual(yield* exported("s"), claudeLines("s", 0, 3));
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("of Kimi is the context beside its wire: one thread, one count", () =>
    Effect.gen(function* () {
      const kimi = fixtures.find(({ format }) => format === "kimi");
      const context = [
        { role: "user", content: "look around" },
        { role: "assistant", content: "Looking." },
      ];
      const folder = yield* folderOf({
        "s/one/context.jsonl": textOf(context),
        "s/one/wire.jsonl": textOf(kimi?.lines ?? []),
      });
      assert.deepInclude(yield* importAll(folder), { files: 2, threads: 1, messages: 4 });
      assert.deepStrictEqual(countsOf((yield* factsByThread).get("one") ?? []), kimi?.counts);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});
