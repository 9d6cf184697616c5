import { assert, describe, it } from "@effect/vitest";
import { CliOutput } from "effect/cli";
import { when, wrapped } from "../../../../src/edge/cli/Screen.ts";
import { threadLines } from "../../../../src/edge/cli/threads/ThreadRows.ts";
import type { ThreadRow } from "../../../../src/query/Query.ts";

const now = Date.UTC(2026, 10, 30, 12);

const row = (given: Partial<ThreadRow>): ThreadRow =>
  ({
    threadId: "768de5d6-1111-4222-8333-444455556666",
    title: null,
    opening: "Please fix my unit test issue",
    tool: "claude-code",
    client: null,
    cwd: "/home/me/shop",
    lastActivityAt: now - 3 * 3_600_000,
    prompts: 1,
    answers: 2,
    toolCalls: 2,
    ...given,
  }) as ThreadRow;

const screen = (columns: number) => ({ isTerminal: true, columns, isColored: false });

describe("lines of threads", () => {
  it("say id, when, agent, project, how much was said, and title", () => {
    const [line] = threadLines([row({})], { short: ["768de5d6"], screen: screen(80), now, utc: false });
    assert.strictEqual(line, "768de5d6  3 h ago  claude  shop  1 you, 2 tools  Please fix my unit test issue");
  });

  it("are no wider than the terminal, whatever they hold", () => {
    const rows = [
      row({}),
      row({ title: "長い題名".repeat(30), cwd: null, lastActivityAt: null, tool: null }),
      row({ title: "x".repeat(300), tool: "an-agent-of-a-long-name", cwd: `/a/${"b".repeat(90)}`, toolCalls: 12_345 }),
      row({ title: "\u001b[31mred" }),
    ];
    for (const columns of [25, 40, 60, 80, 120]) {
      const lines = threadLines(rows, { short: ["768de5d6", "a", "b", "c"], screen: screen(columns), now, utc: false });
      for (const line of lines) assert.isAtMost(CliOutput.displayWidth(line), columns, line);
      assert.notInclude(lines.join(""), "\u001b");
    }
  });
});

describe("a time in a list", () => {
  it("is relative on the day, then a date, and nothing where nobody said one", () => {
    assert.strictEqual(when(now - 30_000, now), "just now");
    assert.strictEqual(when(now - 5 * 60_000, now), "5 min ago");
    assert.strictEqual(when(Date.UTC(2026, 1, 6, 12), now), "Feb 6");
    assert.strictEqual(when(Date.UTC(2024, 1, 6, 12), now), "2024-02-06");
    assert.strictEqual(when(Date.UTC(2099, 1, 6, 12), now), "2099-02-06");
    assert.strictEqual(when(null, now), "-");
  });
});

describe("text on a terminal", () => {
  it("is broken at words to its width with the indent of the line, and whole in a pipe", () => {
    const text = `  ${"word ".repeat(30)}end`;
    const lines = wrapped(text, screen(40)).split("\n");
    for (const line of lines) assert.match(line, /^ {2}\S.{0,37}$/);
    assert.strictEqual(lines.map((line) => line.trim()).join(" "), text.trim());
    assert.strictEqual(wrapped(text, { ...screen(40), isTerminal: false }), text);
    const wide = wrapped(`  ${"数据库".repeat(30)}`, screen(40)).split("\n");
    for (const line of wide) assert.isAtMost(CliOutput.displayWidth(line), 40);
    assert.lengthOf(wide, 5);
  });
});
