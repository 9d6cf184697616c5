/** Files that their writers change while an import is on its way. */
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rangesOf } from "../../../src/edge/import/find/FileBytes.ts";
import { claudeLines, events, exported, folderOf, importAll, world } from "./World.ts";

const chat = (count: number): string =>
  JSON.stringify({
    sessionId: "grown",
    projectHash: "h",
    messages: Array.from({ length: count }, (_, n) => ({
      id: `m${n}`,
      type: n % 2 === 0 ? "user" : "gemini",
      content: `word ${n}`,
    })),
  });

/** Imports a folder, and changes it once the first of its files is read. */
const importChanging = (folder: string, change: () => void) => {
  let isChanged = false;
  return importAll(folder, {
    onProgress: () => {
      if (!isChanged) change();
      isChanged = true;
    },
  });
};

describe("a file that is changed after it was found", () => {
  it.live("is read as it is now: a document that has grown whole, one that was empty with what it holds", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({
        "a.jsonl": claudeLines("a", 0, 3),
        "b.json": chat(2),
        "c.jsonl": "",
      });
      const report = yield* importChanging(folder, () => {
        writeFileSync(join(folder, "b.json"), chat(40));
        writeFileSync(join(folder, "c.jsonl"), claudeLines("c", 0, 5));
      });
      assert.deepInclude(report, { files: 3, eventsAppended: 3 + 41 + 5, refused: [], kept: [], skipped: [] });
      assert.deepEqual(JSON.parse(yield* exported("grown")), JSON.parse(chat(40)));
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("and is no file any longer is passed over by name", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.jsonl": claudeLines("a", 0, 3), "b.jsonl": claudeLines("b", 0, 3) });
      const path = join(folder, "b.jsonl");
      const report = yield* importChanging(folder, () => {
        rmSync(path);
        mkdirSync(path);
      });
      assert.deepEqual(report.skipped, [{ file: path, reason: "it is no file and no folder" }]);
      assert.lengthOf(yield* events, 3);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

describe("ranges of a large document", () => {
  it.effect("are of one version of it: read from another one they fail", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.json": chat(2) });
      const path = join(folder, "a.json");
      const read = yield* rangesOf(path);
      assert.strictEqual((yield* read(0, 12)).toString("utf8"), '{"sessionId"');
      assert.strictEqual((yield* Effect.flip(read(0, 100_000)))._tag, "FileChanged");
      appendFileSync(path, " ");
      assert.strictEqual((yield* Effect.flip(read(0, 12)))._tag, "FileChanged");
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});
