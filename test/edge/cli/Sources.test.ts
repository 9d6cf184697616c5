import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { command } from "../../support/command.ts";

const home = mkdtempSync(join(tmpdir(), "recollect-sources-"));
const projects = join(home, ".claude", "projects", "p");
const sessions = join(home, "codex", "sessions");

const run = (...words: ReadonlyArray<string>) =>
  command([...words, "--data", join(home, "data")], {
    HOME: home,
    CODEX_HOME: join(home, "codex"),
    CLAUDE_CONFIG_DIR: "",
    XDG_CACHE_HOME: process.env["XDG_CACHE_HOME"] ?? join(process.env["HOME"] ?? "", ".cache"),
    XDG_CONFIG_HOME: "",
    XDG_DATA_HOME: "",
  });

const claude = (session: string, n: number): string =>
  `${JSON.stringify({ type: "user", uuid: `u${n}`, sessionId: session, message: { role: "user", content: `${n}` } })}\n`;

beforeAll(() => {
  mkdirSync(projects, { recursive: true });
  mkdirSync(sessions, { recursive: true });
  writeFileSync(join(projects, "a.jsonl"), claude("a", 1));
  const meta = { timestamp: "2026-01-01T00:00:00.000Z", type: "session_meta", payload: { id: "b", cwd: "/x" } };
  writeFileSync(join(sessions, "rollout-b.jsonl"), `${JSON.stringify(meta)}\n`);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

describe("an import without a path", { timeout: 120_000 }, () => {
  it("lists what it found and asks for --yes where there is no terminal", async () => {
    const { code, err } = await run("import");
    assert.strictEqual(code, 2);
    assert.match(err, /Claude Code +1 .* 1 +0 .*projects/);
    assert.match(err, /Codex +1 .* 1 +0 .*sessions/);
    assert.match(err, /Import 2 files, of 2 on this machine\?\n {2}Say --yes/);
  });

  it("takes all of it with --yes, and the next one what has come since", async () => {
    const first = JSON.parse((await run("import", "--yes", "--json")).out);
    assert.deepInclude(first, { files: 2, threads: 2, eventsAppended: 2 });
    writeFileSync(join(projects, "a.jsonl"), `${claude("a", 1)}${claude("a", 2)}`);
    const second = JSON.parse((await run("import", "--yes", "--json")).out);
    assert.deepInclude(second, { eventsAppended: 1 });
  });

  it("shows what is on the disk, and what was imported and is gone from it", async () => {
    rmSync(join(projects, "a.jsonl"));
    const { gone, places } = JSON.parse((await run("sources", "--json")).out);
    assert.deepStrictEqual(
      places.map(({ agent, files }: { agent: string; files: number }) => [agent, files]),
      [["Codex", 1]],
    );
    assert.deepInclude(gone[0], { path: join(projects, "a.jsonl"), threads: 1 });
    const { out } = await run("sources");
    assert.include(out, "Gone from the disk since they were imported");
    const thread = JSON.parse((await run("thread", "a", "--json")).out);
    assert.lengthOf(thread.messages, 2);
  });

  it("ends with 4 where no agent keeps anything", async () => {
    rmSync(sessions, { recursive: true });
    const { code, err } = await run("import", "--yes");
    assert.strictEqual(code, 4);
    assert.match(err, /There are no transcripts where agents keep them/);
  });
});
