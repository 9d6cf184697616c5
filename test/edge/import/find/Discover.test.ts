import { assert, describe, it } from "@effect/vitest";
import { ConfigProvider, Effect } from "effect";
import { discover } from "../../../../src/edge/import/find/Discover.ts";
import type { ImportProgress } from "../../../../src/edge/import/Report.ts";
import { folderOf, importAll, world } from "../World.ts";

const seenFrom = (environment: Readonly<Record<string, string>>) =>
  discover.pipe(Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: environment })));

describe("discover", () => {
  it.live("finds the transcripts of every agent where it writes them, largest first, and nothing else", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({
        ".claude/projects/-home-me/a.jsonl": "x".repeat(50),
        ".claude/projects/-home-me/b/subagents/agent-1.jsonl": "x".repeat(50),
        ".claude/projects/-home-me/memory.md": "no transcript",
        ".codex/sessions/2026/01/02/rollout-1.jsonl": "x".repeat(30),
        ".codex/archived_sessions/rollout-2.jsonl": "x".repeat(20),
        ".gemini/tmp/abc/chats/session-1.json": "x".repeat(10),
        ".gemini/tmp/abc/logs.json": "no chat",
      });
      const found = yield* seenFrom({ HOME: folder });
      assert.deepStrictEqual(
        found.map(({ bytes, files, format, path }) => [format, path.slice(folder.length + 1), files, bytes]),
        [
          ["claude-code", ".claude/projects", 2, 100],
          ["codex", ".codex/sessions", 1, 30],
          ["codex", ".codex/archived_sessions", 1, 20],
          ["gemini-cli", ".gemini/tmp", 1, 10],
        ],
      );
    }).pipe(Effect.scoped, Effect.provide(world)),
  );

  it.live("looks where the agents are told to write, too, and finds nothing in an empty home", () =>
    Effect.gen(function* () {
      const home = yield* folderOf({});
      assert.deepStrictEqual(yield* seenFrom({ HOME: home }), []);
      const elsewhere = yield* folderOf({ "claude/projects/p/a.jsonl": "x", "codex/sessions/r.jsonl": "x" });
      const found = yield* seenFrom({
        HOME: home,
        CLAUDE_CONFIG_DIR: `${elsewhere}/claude`,
        CODEX_HOME: `${elsewhere}/codex`,
      });
      assert.deepStrictEqual(found.map(({ path }) => path).toSorted(), [
        `${elsewhere}/claude/projects`,
        `${elsewhere}/codex/sessions`,
      ]);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});

it.live("progress tells files, bytes, rate and what remains, and ends with everything done", () =>
  Effect.gen(function* () {
    const folder = yield* folderOf({ "a.txt": "x".repeat(100), "b.txt": "x".repeat(300) });
    const told: Array<ImportProgress> = [];
    yield* importAll(folder, { onProgress: (progress) => told.push(progress) });
    assert.deepInclude(told.at(-1), { files: 2, totalFiles: 2, bytes: 400, totalBytes: 400 });
  }).pipe(Effect.scoped, Effect.provide(world)),
);
