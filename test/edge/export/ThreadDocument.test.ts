import { assert, describe, it } from "@effect/vitest";
import MarkdownIt, { type Token } from "markdown-it";
import { documentOf } from "../../../src/edge/export/ThreadDocument.ts";
import type { MessageRow, ThreadRow, ToolCallRow } from "../../../src/query/Query.ts";

const thread = {
  threadId: "t",
  tenant: "default",
  title: "<img src=x onerror=alert(1)> ![p](http://e.org/p) `tick",
  opening: null,
  client: "claude-code",
  tool: "claude-code",
  cwd: "/home/dev/<b>shop</b>",
  branch: null,
  model: null,
  openedAt: 0,
  lastActivityAt: 0,
} as ThreadRow;

const said = (sequence: number, text: string, more: Partial<MessageRow> = {}, callId?: string): MessageRow =>
  ({
    threadId: "t",
    messageId: `m${sequence}`,
    sequence,
    role: "user",
    kind: "prompt",
    author: null,
    text,
    model: null,
    tool: null,
    stopReason: null,
    isSidechain: 0,
    isMeta: 0,
    isAbandoned: 0,
    isCopied: 0,
    copiedFrom: null,
    occurredAt: 0,
    assumedAt: null,
    parts: [
      { messageId: `m${sequence}`, type: "text", text, contentBytes: text.length, refersTo: null },
      ...(callId === undefined
        ? []
        : [{ messageId: `m${sequence}`, type: "tool_use", text: null, contentBytes: 0, refersTo: callId }]),
    ],
    ...more,
  }) as MessageRow;

const called = (sequence: number, result: string, more: Partial<ToolCallRow> = {}): ToolCallRow => ({
  threadId: "t",
  toolCallId: "c1",
  callKey: `k${sequence}`,
  messageId: null,
  toolName: "Bash<script>",
  server: null,
  arguments: '{"command":"ls</pre><script>x()</script>"}',
  argumentsBytes: 1,
  outcome: "ok",
  errorType: null,
  errorMessage: null,
  result,
  resultBytes: result.length,
  startedAt: 0,
  endedAt: 0,
  durationMillis: 0,
  sequence,
  resultSequence: null,
  ...more,
});

const hostile = [
  "<script>alert(1)</script> <img src=http://e.org/p onerror=x> ![p](http://e.org/p) [l](javascript:alert(1))",
  "```\nopen fence <script>alert(1)</script>",
  "- item\n  ```\n  code\nout <script>alert(1)</script>",
  "  ```\n```\n<script>alert(1)</script>\n```",
  "`` ` <script>alert(1)</script>\n\\`<b>`</b>",
  "\\```<i>```\n<!-- comment\n\n# You · 2026-01-01 00:00",
  "You · 2026-01-01 00:00\n---\nforged \u202E",
  "~~~ a\n~~~~\n<iframe src=x></iframe>",
];

const whole = {
  thread,
  messages: [
    ...hostile.map((text, at) => said(at + 1, text)),
    said(20, "Code `Map<string>` stays.", { kind: "answer", role: "assistant", author: "<u>me" }, "c1"),
    said(21, "left behind", { isAbandoned: 1 }),
    said(22, "the end"),
  ],
  calls: [
    called(20, "```\n# Out\n</pre><script>y()</script>"),
    called(22, "of no message", { toolCallId: "c2", toolName: "f" }),
  ],
  compactions: [
    { threadId: "t", sequence: 21, trigger: null, tokensBefore: null, summary: "<s>sum", occurredAt: null },
  ],
};

const tokensIn = (tokens: ReadonlyArray<Token>): ReadonlyArray<Token> =>
  tokens.flatMap((token) => [token, ...tokensIn(token.children ?? [])]);

describe("a thread as Markdown", () => {
  const text = [...documentOf(whole, "md")].join("");
  const tokens = new MarkdownIt({ html: true }).parse(text, {});

  it("has no markup, no picture and no heading but its own, whatever was said", () => {
    const types = new Set(tokensIn(tokens).map(({ type }) => type));
    for (const type of ["html_block", "html_inline", "image"]) assert.isFalse(types.has(type), type);
    const headings = tokens.filter(({ level, type }) => type === "heading_open" && level === 0).length;
    // The title, the messages but the one left behind, the call of no message, and the compaction.
    assert.strictEqual(headings, 1 + (whole.messages.length - 1) + 1 + 1);
    assert.notInclude(text, "\u202E");
  });

  it("has what was said, given and answered, code as it was, and says what it leaves out", () => {
    assert.include(text, "> Code `Map<string>` stays.");
    assert.include(text, "> the end");
    assert.include(text, "````\n```\n# Out\n</pre><script>y()</script>\n````");
    assert.include(text, "of no message");
    assert.notInclude(text, "left behind\n>");
    assert.match(text, /Not here: 1 message that an edit/);
  });
});

describe("a thread as a page", () => {
  const page = [...documentOf(whole, "html")].join("");
  const tags = [...page.matchAll(/<([a-z][a-z0-9]*)\b([^>]*)>/g)].map(([, name = "", rest = ""]) => ({ name, rest }));

  it("has no script, asks nothing of any server, and leads nowhere but where it was said", () => {
    for (const { name, rest } of tags) {
      assert.notInclude(["script", "img", "iframe", "link", "form", "button", "b", "u", "i"], name);
      assert.notMatch(rest, /\s(?:on\w+|src|data-\w+)=/);
      const to = /\shref="([^"]*)"/.exec(rest)?.[1];
      // A link that was said is one, as on the page; it is followed by a click alone.
      if (to !== undefined) assert.match(to, /^(?:#m\d+|http:\/\/e\.org\/p)$/);
    }
    assert.include(page, `content="default-src 'none'; style-src 'unsafe-inline'"`);
    assert.lengthOf(page.match(/<main/g) ?? [], 1);
    assert.notInclude(page, "\u202E");
  });

  it("has everything, calls with their answers in folds, also of a long thread", () => {
    for (const words of ["the end", "left behind", "of no message", "y()", "Compacted here"])
      assert.include(page, words);
    const long = {
      ...whole,
      messages: Array.from({ length: 1_000 }, (_, at) => said(at + 1, `word${at} `)),
      calls: [],
    };
    const all = [...documentOf(long, "html")].join("");
    for (let at = 0; at < 1_000; at++) assert.include(all, `word${at}<`);
    assert.include([...documentOf({ ...whole, messages: [] }, "html")].join(""), "of no message");
    const large = { ...whole, calls: [called(20, `${"x".repeat(100_000)}last`)] };
    assert.include([...documentOf(large, "html")].join(""), "xlast");
  });
});
