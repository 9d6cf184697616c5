/** A record of two conversations in memory, and the MCP server over it. */
import { Effect, Layer } from "effect";
import { McpTest } from "effect/ai";
import type { Role, Who } from "../../../src/edge/mcp/Caller.ts";
import * as Desk from "../../../src/edge/mcp/Desk.ts";
import { protocols, registrations } from "../../../src/edge/mcp/Server.ts";
import { EarlierStores } from "../../../src/query/earlier/EarlierStores.ts";
import { Query } from "../../../src/query/Query.ts";

const line = (id: string, number: number, message: object, more: object = {}) => ({
  type: (message as { readonly role?: string }).role ?? "user",
  uuid: `${id}-${number}`,
  parentUuid: number === 0 ? null : `${id}-${number - 1}`,
  sessionId: id,
  timestamp: new Date(Date.UTC(2026, 0, 1, 10, number)).toISOString(),
  cwd: "/home/dev/shop",
  gitBranch: "main",
  message,
  ...more,
});

/** Where a long text hides what is asked for. It begins with signs, each of which costs more than a letter. */
export const long = `${'"'.repeat(2_000)} ${"The cart is recalculated for every line. ".repeat(400)}The reason is a missing memo in totals.ts.`;

const usage = { input_tokens: 100, output_tokens: 20, cache_read_input_tokens: 1_000, cache_creation_input_tokens: 0 };

/** A session in which a test fails, a file is edited, and a question stays. */
export const shop = (id: string) => [
  line(id, 0, { role: "user", content: "Why is the checkout slow?" }),
  line(id, 1, {
    role: "assistant",
    id: `msg-${id}-1`,
    model: "claude-opus-4-6",
    usage,
    content: [
      { type: "text", text: "I look at the tests first." },
      { type: "tool_use", id: `${id}-t1`, name: "Bash", input: { command: "npm test -- checkout" } },
    ],
  }),
  line(id, 2, {
    role: "user",
    content: [{ type: "tool_result", tool_use_id: `${id}-t1`, is_error: true, content: "ECONNREFUSED 127.0.0.1:6543" }],
  }),
  line(id, 3, {
    role: "assistant",
    id: `msg-${id}-3`,
    model: "claude-opus-4-6",
    usage,
    content: [
      { type: "text", text: long },
      {
        type: "tool_use",
        id: `${id}-t2`,
        name: "Edit",
        input: { file_path: "/home/dev/shop/totals.ts", old_string: "a", new_string: "b" },
      },
    ],
  }),
  line(id, 4, { role: "user", content: [{ type: "tool_result", tool_use_id: `${id}-t2`, content: "edited" }] }),
  line(id, 5, { role: "user", content: "And the zebra crossing?" }),
  line(id, 6, {
    role: "assistant",
    id: `msg-${id}-6`,
    model: "claude-opus-4-6",
    usage,
    content: [{ type: "text", text: "There is none: the totals are memoised now." }],
  }),
];

export const first = "11111111-aaaa-4aaa-8aaa-000000000001";
export const second = "22222222-bbbb-4bbb-8bbb-000000000002";

export const files = { [`p/${first}.jsonl`]: shop(first), [`p/${second}.jsonl`]: shop(second) };

export const who = (role: Role, more: Partial<Who> = {}): Who => ({
  role,
  tenant: "default",
  thread: undefined,
  ...more,
});

const away = new (class extends Error {
  readonly _tag = "LogUnavailable";
  readonly hint = "Start one with: recollect up";
})("No instance is running.");

/** A client of the server over this record; nothing can be written where no `writing` is given. */
export const client = Effect.fnUntraced(function* (
  asker: Who,
  protocolVersion: (typeof protocols)[number]["protocolVersion"] = "2025-11-25",
  writing: Layer.Layer<Desk.Writing, Desk.Obstacle> = Layer.effectContext(Effect.fail(away)),
) {
  const query = Layer.succeed(Query, yield* Query);
  const earlier = Layer.succeed(EarlierStores, yield* EarlierStores);
  const desk = Desk.layerLazy({ query, writing, earlier });
  const made = yield* McpTest.makeClient(registrations(asker).pipe(Layer.provide(desk)), {
    protocols,
    protocolVersion,
    clientInfo: { name: "a test", version: "1" },
  });
  const say = Effect.fnUntraced(function* (
    name: string,
    args: Readonly<Record<string, unknown>> = {},
    meta?: Readonly<Record<string, unknown>>,
  ) {
    const result = yield* made.callTool({ name, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) });
    const [block] = result.content;
    return {
      text: block instanceof Object && block.type === "text" ? block.text : "",
      isError: result.isError === true,
      result,
    };
  });
  /** What a tool answers; the caller says which shape it looks at. */
  const ask = Effect.fnUntraced(function* <A>(
    name: string,
    args: Readonly<Record<string, unknown>> = {},
    meta?: Readonly<Record<string, unknown>>,
  ) {
    const { isError, text } = yield* say(name, args, meta);
    if (isError) return yield* Effect.die(new Error(`${name} ${JSON.stringify(args)}: ${text}`));
    return JSON.parse(text) as A;
  });
  return { ...made, say, ask };
});
