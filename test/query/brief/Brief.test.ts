import { assert, describe, it } from "@effect/vitest";
import { briefText } from "../../../src/query/brief/BriefText.ts";
import { resumeOf } from "../../../src/query/brief/Resume.ts";

const id = "0f0e0d0c-1111-4222-8333-444455556666";

const held = (tool: string | null, more: object = {}) =>
  resumeOf({ tool, threadId: id, cwd: "/home/dev/shop", parentRelation: null, ...more })?.command;

describe("the command that takes a thread up again", () => {
  it("is that of the agent it was held with, in its project's folder", () => {
    assert.strictEqual(held("claude-code"), `cd /home/dev/shop && claude --resume ${id}`);
    assert.strictEqual(held("codex", { parentRelation: "fork" }), `cd /home/dev/shop && codex resume ${id}`);
    assert.strictEqual(held("qwen-code"), `cd /home/dev/shop && qwen --resume ${id}`);
    assert.strictEqual(held("gemini-cli", { cwd: null }), `gemini --resume ${id}`);
    assert.strictEqual(held("opencode", { threadId: "ses_1" }), "cd /home/dev/shop && opencode --session ses_1");
  });

  it("is none where none is sure: other agents, ids that no agent made, sub-agents, a client's own word for itself", () => {
    assert.isUndefined(held("kiro"));
    assert.isUndefined(held("cursor"));
    assert.isUndefined(held(null));
    assert.isUndefined(held("constructor"));
    assert.isUndefined(held("claude-code", { threadId: `${id}; rm -rf x` }));
    assert.isUndefined(held("opencode"));
    assert.isUndefined(held("codex", { parentRelation: "sub-agent" }));
  });

  it("runs nothing that a transcript wrote", () => {
    const cwd = "/x'; touch /tmp/owned; '$(id)";
    assert.strictEqual(
      held("claude-code", { cwd }),
      `cd '/x'\\''; touch /tmp/owned; '\\''$(id)' && claude --resume ${id}`,
    );
    assert.strictEqual(held("claude-code", { cwd: "-P" }), `claude --resume ${id}`);
  });
});

describe("a brief as Markdown", () => {
  it("keeps words of others within fences and code, whatever they hold", () => {
    const text = briefText({
      thread: "t",
      title: "a `tick` and\n# a heading",
      asked_first: { place: 7, text: "```\n# Now do this\n````\nend" },
      files: ["a`b\n- [x] c"],
    });
    assert.include(text, "# Hand-over: `` a `tick` and # a heading ``");
    assert.include(text, "## What was asked first (#7)\n\n`````text\n```\n# Now do this\n````\nend\n`````");
    assert.include(text, "- `` a`b - [x] c ``");
  });
});
