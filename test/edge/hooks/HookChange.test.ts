import { assert, describe, it } from "@effect/vitest";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, FileSystem } from "effect";
import { execFileSync } from "node:child_process";
import { agentHooks, type HookOptions } from "../../../src/edge/hooks/install/AgentHooks.ts";
import { countOf, installed, NoHooks, uninstalled } from "../../../src/edge/hooks/install/HookChange.ts";
import * as HookFiles from "../../../src/edge/hooks/install/HookFiles.ts";
import { NoJson, read, valueOf } from "../../../src/edge/hooks/install/JsonText.ts";
import { diffLines } from "../../../src/edge/hooks/install/LineDiff.ts";

const options: HookOptions = {
  url: "http://127.0.0.1:4280",
  token: "rct_0123456789abcdef",
  script: "/home/ana/.local/share/recollect/hooks/recollect-hook.mjs",
  node: "/usr/bin/node",
  isBriefed: false,
  isClosed: false,
};

const inFiles = agentHooks.filter(({ how }) => how.kind === "entries");

/** What people have in their settings: laid out in ways of their own. */
const files: Readonly<Record<string, string>> = {
  plain: '{\n  "model": "opus",\n  "permissions": { "allow": ["Bash(ls:*)"] }\n}\n',
  tabs: '{\n\t"a": [1, 2,\n\t\t3],\n\t"b": {}\n}',
  "one line": '{"a":1,"b":[true]}',
  "with hooks": `{
    "hooks": {
        "Stop": [
            { "matcher": "", "hooks": [{ "type": "command", "command": "say done" }] }
        ],
        "PreToolUse": [{"hooks":[{"type":"command","command":"guard"}]}],
        "beforeSubmitPrompt": [{"command":"mine"}]
    },
    "z": "\\u00e9"
}
`,
  comments: '{\n  // mine\n  "a": 1, /* two */\n  "hooks": {\n    "Stop": [{ "command": "x" }], // mine\n  },\n}\n',
  windows: '\uFEFF{\r\n  "a": 1\r\n}\r\n',
};

describe("an install of hooks", () => {
  it("is done once, and gone after a removal byte for byte, in files of every layout", () => {
    for (const hooks of inFiles)
      for (const [name, text] of Object.entries(files)) {
        const after = installed(hooks, text, options);
        const about = `${hooks.agent}, ${name}`;
        assert.notStrictEqual(after, text, about);
        assert.strictEqual(installed(hooks, after, options), after, about);
        const hooksIn = countOf(hooks, after);
        assert.isAbove(hooksIn, 7, about);
        assert.strictEqual(uninstalled(hooks, after, false), text, about);
        // With another port and another wish ours are replaced, not doubled.
        const moved = installed(hooks, after, {
          ...options,
          url: "http://127.0.0.1:9",
          isClosed: true,
          isBriefed: true,
        });
        assert.strictEqual(countOf(hooks, moved), hooksIn, about);
        assert.strictEqual(uninstalled(hooks, moved, false), uninstalled(hooks, after, false), about);
      }
  });

  it("leaves every value of others as it is, and adds beside it", () => {
    const [claude] = inFiles;
    assert.isDefined(claude);
    if (claude === undefined) return;
    const text = files["with hooks"] ?? "";
    const after = installed(claude, text, options);
    const value = valueOf(after, read(after)) as {
      readonly hooks: Record<string, ReadonlyArray<unknown>>;
      readonly z: string;
    };
    assert.strictEqual(value.z, "é");
    assert.deepStrictEqual(value.hooks["Stop"]?.[0], {
      matcher: "",
      hooks: [{ type: "command", command: "say done" }],
    });
    assert.strictEqual(value.hooks["Stop"]?.length, 2);
    assert.deepStrictEqual(value.hooks["beforeSubmitPrompt"], [{ command: "mine" }]);
    // A handler of ours that a person moved beside another one goes alone.
    const url = "http://127.0.0.1:4280/hooks/claude-code";
    const beside = `{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"say done"},{"type":"http","url":"${url}"}]}]}}`;
    assert.strictEqual(
      uninstalled(claude, beside, false),
      '{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"say done"}]}]}}',
    );
  });

  it("begins a file that was not there, and takes it away when nothing else came in", () => {
    for (const hooks of agentHooks) {
      const text = installed(hooks, undefined, options);
      assert.isAbove(countOf(hooks, text), 0);
      assert.strictEqual(installed(hooks, text, options), text);
      assert.isUndefined(uninstalled(hooks, text, true));
    }
  });

  it("asks Claude Code for no event whose hook takes the place of what the agent does", () => {
    const [claude] = inFiles;
    const text = claude === undefined ? "" : installed(claude, undefined, { ...options, isClosed: true });
    for (const event of ["WorktreeCreate", "MessageDisplay", "FileChanged"]) assert.notInclude(text, event);
    // Refused is only what was about to run.
    assert.strictEqual(text.split('"onFailure": "block"').length, 2);
    assert.notInclude(text, "--fail-closed");
  });

  it("refuses a file whose hooks are no object of lists, in place of writing what is no JSON", () => {
    const [claude] = inFiles;
    assert.isDefined(claude);
    if (claude === undefined) return;
    for (const text of ["null", "[]", '"x"', '{"hooks":null}', '{"hooks":[]}', '{"hooks":{"PreToolUse":null}}'])
      assert.throws(() => installed(claude, text, options), NoHooks, undefined, text);
    // A list of hooks that is not one of ours is no matter.
    assert.isAbove(countOf(claude, installed(claude, '{"hooks":{"Other":null}}', options)), 7);
  });

  it("names its script so that a shell takes every sign of its path as it is", () => {
    const path = '/home/a$HOME/it\'s `here` \\"now"/recollect-hook.mjs';
    for (const hooks of inFiles) {
      const text = installed(hooks, undefined, { ...options, script: path });
      const command = /"command": ("(?:[^"\\]|\\.)*")/.exec(text)?.[1] ?? "";
      const line = JSON.parse(command) as string;
      const words = execFileSync("sh", ["-c", line.replace(options.node, "printf '%s\\n'")], { encoding: "utf8" });
      assert.strictEqual(words.split("\n")[0], path);
      assert.strictEqual(installed(hooks, text, { ...options, script: path }), text);
    }
  });

  it.live("writes nothing over what an agent or a person wrote after the change was shown", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const root = yield* fs.makeTempDirectoryScoped({ prefix: "recollect-hooks-" });
      const file = `${root}/settings.json`;
      yield* fs.writeFileString(file, '{"allowed":"meanwhile"}');
      for (const before of ["{}", undefined]) {
        const writing = HookFiles.writeFile({ root, agent: "codex", file, before, after: '{"hooks":{}}' });
        assert.instanceOf(yield* Effect.flip(writing), HookFiles.HookFileTrouble);
      }
      assert.strictEqual(yield* fs.readFileString(file), '{"allowed":"meanwhile"}');
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  );

  it("refuses a file that is none, and shows what changes without the token", () => {
    for (const torn of ["{", '{"a":1,,}', "[1 2]", "{'a':1}", '{"a":1}x']) assert.throws(() => read(torn), NoJson);
    const before = '{\n  "a": 1,\n  "b": 2,\n  "c": 3,\n  "d": 4\n}\n';
    const after = before.replace('"d": 4', '"d": 4,\n  "t": "rct_0123456789abcdef"');
    assert.deepStrictEqual(diffLines(before, after), [
      "…",
      '    "b": 2,',
      '    "c": 3,',
      '-   "d": 4',
      '+   "d": 4,',
      '+   "t": "rct_…"',
      "  }",
    ]);
  });
});
