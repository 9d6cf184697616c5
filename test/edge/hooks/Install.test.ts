import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Door } from "../http/Knock.ts";

const door = new Door();
const home = door.folder;
const environment = { HOME: home, CLAUDE_CONFIG_DIR: "", CODEX_HOME: "", COPILOT_HOME: "", XDG_CONFIG_HOME: "" };
const script = join(door.data, "hooks", "recollect-hook.mjs");
const settings = '{\n  "model": "opus"\n}\n';

beforeAll(async () => {
  mkdirSync(join(home, ".claude"));
  writeFileSync(join(home, ".claude", "settings.json"), settings, { mode: 0o644 });
  mkdirSync(join(home, ".codex"));
  await door.open();
}, 120_000);
afterAll(() => door[Symbol.asyncDispose]());

const hooks = async (...words: ReadonlyArray<string>) => {
  const { code, err, out } = await door.run(["hooks", ...words, "--json"], environment);
  assert.strictEqual(code, 0, err);
  return JSON.parse(out) as { readonly agents: ReadonlyArray<Record<string, unknown>> };
};

const tokens = async (): Promise<ReadonlyArray<string>> =>
  (
    await door.json<{ readonly tokens: ReadonlyArray<{ readonly name: string }> }>(["access", "token", "list"])
  ).tokens.map(({ name }) => name);

/** Runs the script as an agent does. */
const hook = (
  words: ReadonlyArray<string>,
  payload: unknown,
): Promise<{ code: number | null; out: string; err: string }> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [script, ...words]);
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
    child.once("close", (code) => resolve({ code, out, err }));
    child.stdin.end(JSON.stringify(payload));
  });

const entries = async (thread: string): Promise<number> => {
  const answer = await door.run(["sql", `SELECT count(*) FROM v_events WHERE subject = '${thread}'`, "--csv"]);
  return Number(answer.out.trim().split("\n")[1]);
};

describe("recollect hooks", { timeout: 240_000 }, () => {
  it("shows a change without making it, makes it with --yes for the agents that are here, and once", async () => {
    const shown = await door.run(["hooks", "install", "--dry-run"], environment);
    assert.match(shown.out, /Claude Code: .*settings\.json \(changed\)/);
    assert.match(shown.out, /\+ +"hooks": \{/);
    assert.strictEqual(readFileSync(join(home, ".claude", "settings.json"), "utf8"), settings);
    assert.strictEqual((await door.run(["hooks", "install"], environment)).code, 2);
    // Neither a token nor a script is made before the change is wanted.
    assert.deepStrictEqual([existsSync(join(door.data, "keys", "hooks.token")), existsSync(script)], [false, false]);
    assert.notInclude(await tokens(), "hooks");
    const { agents } = await hooks("install", "--yes");
    assert.deepStrictEqual(
      agents.map(({ agent, changed, hooks: count }) => [agent, changed, count]),
      [
        ["claude-code", true, 31],
        ["codex", true, 10],
      ],
    );
    assert.strictEqual(readFileSync(String(agents[0]?.["backup"]), "utf8"), settings);
    // The token is in it now.
    assert.strictEqual(statSync(join(home, ".claude", "settings.json")).mode & 0o777, 0o600);
    const again = await hooks("install", "--yes");
    assert.deepStrictEqual(
      again.agents.map(({ changed }) => changed),
      [false, false],
    );
    const { agents: states } = await hooks("status");
    assert.deepStrictEqual(
      states.map(({ agent, state }) => `${agent} ${state}`),
      ["claude-code installed", "codex installed", "gemini-cli none", "cursor none", "copilot none", "opencode none"],
    );
  });

  it("lets agents speak by HTTP with what stands in their files, by a command, and by a plugin", async () => {
    const { hooks: lists } = JSON.parse(readFileSync(join(home, ".claude", "settings.json"), "utf8")) as {
      readonly hooks: Record<string, ReadonlyArray<{ readonly hooks: ReadonlyArray<Record<string, unknown>> }>>;
    };
    const [handler] = lists["PreToolUse"]?.[0]?.hooks ?? [];
    const { Authorization: authorization = "" } = (handler?.["headers"] ?? {}) as Record<string, string>;
    const payload = { session_id: "by-http", hook_event_name: "PreToolUse", tool_name: "Bash", tool_input: {} };
    const answer = await fetch(String(handler?.["url"]), {
      method: "POST",
      headers: { authorization, "content-type": "application/json" },
      body: JSON.stringify(payload),
    });
    assert.deepStrictEqual([answer.status, await answer.text()], [200, "{}"]);

    const start = { session_id: "by-command", hook_event_name: "SessionStart", cwd: "/x" };
    assert.deepStrictEqual(await hook(["codex"], start), { code: 0, out: "", err: "" });
    await hook(["codex"], { ...start, hook_event_name: "UserPromptSubmit", prompt: "hello there" });
    while ((await entries("by-command")) < 2);
    let out = "";
    while (out === "") ({ out } = await hook(["codex", "--brief"], { ...start, session_id: "by-command-2" }));
    assert.match(JSON.parse(out).hookSpecificOutput.additionalContext, /hello there.*thread by-command/);

    await hooks("install", "opencode", "--yes");
    const file = join(home, ".config", "opencode", "plugins", "recollect.js");
    const { Recollect } = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as {
      readonly Recollect: (
        context: object,
      ) => Promise<Record<string, (...given: ReadonlyArray<unknown>) => Promise<void>>>;
    };
    const plugin = await Recollect({ directory: "/x" });
    const call = { tool: "bash", sessionID: "by-plugin", callID: "c1" };
    await plugin["tool.execute.before"]?.(call, { args: { command: "ls" } });
    await plugin["tool.execute.after"]?.(call, { output: "a" });
    while ((await entries("by-plugin")) < 2);
    assert.deepStrictEqual([await entries("by-http"), await entries("by-command")], [1, 2]);
  });

  it("never fails an agent when the store is away, unless that was asked for", async () => {
    const away = join(home, "away");
    mkdirSync(join(away, "hooks"), { recursive: true });
    const copy = join(away, "hooks", "recollect-hook.mjs");
    writeFileSync(copy, readFileSync(script));
    const run = (...words: ReadonlyArray<string>) =>
      new Promise<number | null>((resolve) => {
        const child = spawn(process.execPath, [copy, ...words], { stdio: ["pipe", "ignore", "ignore"] });
        child.once("close", resolve);
        child.stdin.end("{}");
      });
    // No folder of a store, then one whose port nobody listens on.
    assert.strictEqual(await run("codex"), 0);
    assert.strictEqual(await run("codex", "--fail-closed"), 2);
    mkdirSync(join(away, "keys"));
    writeFileSync(join(away, "keys", "hooks.token"), "rct_none\n");
    writeFileSync(join(away, "http-port"), "1\n");
    assert.strictEqual(await run("codex"), 0);
    assert.strictEqual(await run("codex", "--fail-closed"), 2);
    // Opens that would never return.
    rmSync(join(away, "http-port"));
    execFileSync("mkfifo", [join(away, "http-port")]);
    assert.strictEqual(await run("codex"), 0);
    assert.strictEqual(await run("codex", "--fail-closed"), 2);
  });

  it("takes out what it put in, and its token with the last of them", async () => {
    await hooks("remove", "--yes");
    assert.strictEqual(readFileSync(join(home, ".claude", "settings.json"), "utf8"), settings);
    assert.isFalse(existsSync(join(home, ".codex", "hooks.json")));
    assert.deepStrictEqual(readdirSync(join(home, ".config", "opencode", "plugins")), []);
    assert.isFalse(existsSync(join(door.data, "keys", "hooks.token")));
    const answer = await hook(["codex"], { session_id: "after", hook_event_name: "Stop" });
    assert.strictEqual(answer.code, 0);
    assert.strictEqual(await entries("after"), 0);
  });
});
