/** Transcripts for tests of the page: a plain one, a long one, one with a sub-agent, and hostile ones. */

const at = (minute: number): string => new Date(Date.UTC(2026, 10, 29, 9, minute)).toISOString();

interface Said {
  readonly session: string;
  readonly id: string;
  readonly parent: string | null;
  readonly minute: number;
  readonly cwd?: string;
}

const base = ({ cwd = "/home/ada/shop", id, minute, parent, session }: Said) => ({
  uuid: id,
  parentUuid: parent,
  sessionId: session,
  timestamp: at(minute),
  cwd,
  gitBranch: "main",
  version: "2.1.0",
});

export const user = (said: Said, content: unknown) => ({
  ...base(said),
  type: "user",
  message: { role: "user", content },
});

export const model = (said: Said, content: ReadonlyArray<unknown>) => ({
  ...base(said),
  type: "assistant",
  message: {
    id: `msg_${said.id}`,
    role: "assistant",
    model: "claude-opus-4-5",
    content,
    usage: { input_tokens: 120, output_tokens: 40, cache_read_input_tokens: 2000 },
  },
});

const shop = "11111111-1111-4111-8111-111111111111";
const s = (id: string, parent: string | null, minute: number) => ({ session: shop, id, parent, minute });
const plain = [
  user(s("a1", null, 0), "Please fix the flaky test in `cart.test.ts`.\nIt fails one time in ten."),
  model(s("a2", "a1", 1), [
    { type: "thinking", thinking: "The test may depend on the order of keys." },
    { type: "text", text: "I look at the test first." },
    { type: "tool_use", id: "t1", name: "Read", input: { file_path: "/home/ada/shop/cart.test.ts" } },
  ]),
  {
    ...user(s("a3", "a2", 1), [
      { type: "tool_result", tool_use_id: "t1", content: "1\tit('adds', () => {})\n2\t// flaky" },
    ]),
    toolUseResult: {
      type: "text",
      file: {
        filePath: "/home/ada/shop/cart.test.ts",
        content: "it('adds', () => {})\n// flaky",
        numLines: 2,
        startLine: 1,
        totalLines: 2,
      },
    },
  },
  model(s("a4", "a3", 2), [
    {
      type: "tool_use",
      id: "t2",
      name: "Edit",
      input: { file_path: "/home/ada/shop/cart.test.ts", old_string: "a\nb\nc", new_string: "a\nB\nc" },
    },
  ]),
  user(s("a5", "a4", 2), [{ type: "tool_result", tool_use_id: "t2", content: "The file was changed." }]),
  model(s("a6", "a5", 3), [{ type: "tool_use", id: "t3", name: "Bash", input: { command: "npm test" } }]),
  user(s("a7", "a6", 4), [
    { type: "tool_result", tool_use_id: "t3", is_error: true, content: "1 test failed: expected 3, got 2" },
  ]),
  model(s("a8", "a7", 5), [
    {
      type: "text",
      text: "# Done\n\nThe **order** of keys was the cause:\n\n```ts\nconst keys = [...map.keys()].toSorted(); // stable\n```\n\n| before | after |\n|---|---|\n| 9 of 10 | 10 of 10 |\n\n- see [the issue](https://example.org/1)\n- and `cart.ts`",
    },
  ]),
  user(s("a9", "a8", 6), "Thank you. And the checkout?"),
  model(s("a10", "a9", 7), [{ type: "tool_use", id: "t4", name: "Grep", input: { pattern: "checkout", path: "src" } }]),
];

/** What must be text on every screen. `say` would be heard by the test. */
export const payloads = [
  "<script>document.title = 'owned'; alert(1)</script>",
  "<img src=x onerror=\"alert('img')\">",
  '"><svg onload=alert(2)>',
  "</pre></div></section><h1 id=breakout>breakout</h1>",
  "[click](javascript:alert(3)) ![pic](https://elsewhere.example/pixel.png) [d](data:text/html,<script>alert(4)</script>)",
  "\u001b[31mred\u001b[0m \u001b]8;;https://elsewhere.example\u0007link\u001b]8;;\u0007 \u0000 \u0007",
  "user\u202Egnp.exe \u2066isolated\u2069 zero\u200Bwidth",
  "{{constructor.constructor('alert(5)')()}} ${alert(6)} &lt;b&gt; &#x3c;script&#x3e;",
];

const bad = "22222222-2222-4222-8222-222222222222";
const h = (id: string, parent: string | null, minute: number) => ({
  session: bad,
  id,
  parent,
  minute,
  cwd: "/home/<b>ada</b>/\"quoted\" & 'shop'",
});
const hostile = [
  user(h("b1", null, 10), payloads.join("\n\n")),
  ...payloads.flatMap((payload, index) => [
    model(h(`c${index}`, index === 0 ? "b1" : `r${index - 1}`, 11 + index), [
      { type: "thinking", thinking: payload },
      { type: "text", text: payload },
      {
        type: "tool_use",
        id: `bad${index}`,
        name: index === 0 ? "<b>Tool</b>" : "Bash",
        input: { command: payload, old: payload },
      },
    ]),
    user(h(`r${index}`, `c${index}`, 11 + index), [
      { type: "tool_result", tool_use_id: `bad${index}`, is_error: index % 2 === 1, content: payload },
    ]),
  ]),
  { type: "summary", summary: payloads[0], leafUuid: `r${payloads.length - 1}` },
];

const vast = "33333333-3333-4333-8333-333333333333";
const v = (id: string, parent: string | null, minute: number) => ({ session: vast, id, parent, minute });
const fiveMegabytes = "0123456789abcdef".repeat(5 * 65_536);
const large = [
  user(v("d1", null, 30), fiveMegabytes),
  model(v("d2", "d1", 31), [
    { type: "text", text: `An answer of one line: ${fiveMegabytes}` },
    { type: "tool_use", id: "v1", name: "Bash", input: { command: "cat large" } },
  ]),
  user(v("d3", "d2", 32), [{ type: "tool_result", tool_use_id: "v1", content: fiveMegabytes }]),
];

const long = "44444444-4444-4444-8444-444444444444";
const lengthy = Array.from({ length: 300 }, (_, index) => {
  const one = { session: long, minute: 40 + Math.floor(index / 10) };
  const parent = index === 0 ? null : `m${index - 1}`;
  return [
    user({ ...one, id: `p${index}`, parent }, `Question ${index}`),
    model({ ...one, id: `m${index}`, parent: `p${index}` }, [{ type: "text", text: `Answer ${index}` }]),
  ];
}).flat();

const parent = "55555555-5555-4555-8555-555555555555";
const p = (id: string, before: string | null, minute: number) => ({ session: parent, id, parent: before, minute });
const delegating = [
  user(p("e1", null, 20), "Find out who calls checkout."),
  model(p("e2", "e1", 21), [
    {
      type: "tool_use",
      id: "k1",
      name: "Task",
      input: { description: "Search callers", prompt: "Search for callers", subagent_type: "explore" },
    },
  ]),
  user(p("e3", "e2", 24), [{ type: "tool_result", tool_use_id: "k1", content: "Two callers." }]),
  model(p("e4", "e3", 25), [{ type: "text", text: "Two places call it." }]),
];
const a = (id: string, before: string | null, minute: number) => ({ ...p(id, before, minute), session: parent });
const agent = [
  { ...user(a("f1", null, 22), "Search for callers"), isSidechain: true, agentId: "abc123" },
  {
    ...model(a("f2", "f1", 23), [{ type: "text", text: "Found in cart.ts and pay.ts." }]),
    isSidechain: true,
    agentId: "abc123",
  },
];

const pictured = "66666666-6666-4666-8666-666666666666";
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const drawing = Buffer.from("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(7)'/>").toString("base64");
const seen = [
  user({ session: pictured, id: "g1", parent: null, minute: 45 }, [
    { type: "text", text: "What is wrong on this screen?" },
    { type: "image", source: { type: "base64", media_type: "image/png", data: pixel } },
    { type: "image", source: { type: "base64", media_type: "image/svg+xml", data: drawing } },
    { type: "image", source: { type: "url", url: "https://elsewhere.example/pixel.png" } },
  ]),
];

export const threads = { shop, bad, vast, long, parent, pictured };

export const files: Readonly<Record<string, ReadonlyArray<unknown>>> = {
  [`projects/shop/${shop}.jsonl`]: plain,
  [`projects/bad/${bad}.jsonl`]: hostile,
  [`projects/vast/${vast}.jsonl`]: large,
  [`projects/long/${long}.jsonl`]: lengthy,
  [`projects/shop/${pictured}.jsonl`]: seen,
  [`projects/parent/${parent}.jsonl`]: delegating,
  [`projects/parent/${parent}/subagents/agent-abc123.jsonl`]: agent,
};
