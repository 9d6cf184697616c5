import { assert, describe, layer } from "@effect/vitest";
import { Context, Effect, Layer } from "effect";
import { fromContent } from "../../../src/domain/EventId.ts";
import * as History from "../../../src/domain/History.ts";
import { mostAtOnce, sqlAtOnce, tooManyStatements } from "../../../src/edge/http/SqlAtOnce.ts";
import { protocols } from "../../../src/edge/mcp/Server.ts";
import { threadFilterNames } from "../../../src/query/ThreadFilter.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import { Projector } from "../../../src/projection/Projector.ts";
import { Publisher } from "../../../src/publish/Publisher.ts";
import { ThreadViews } from "../../../src/publish/thread/ThreadViews.ts";
import { tokensIn } from "../../../src/query/brief/Tokens.ts";
import { importedFiles, store } from "../../support/Imported.ts";
import { client, files, first, long, second, who } from "./World.ts";

interface Found {
  readonly threads: ReadonlyArray<{
    readonly thread: string;
    readonly hits: ReadonlyArray<{ readonly place: number; readonly kind: string; readonly text: string }>;
  }>;
  readonly total: number;
  readonly truncated: boolean;
  readonly next?: Readonly<Record<string, unknown>>;
}

interface Read {
  readonly messages: ReadonlyArray<{
    readonly place: number;
    readonly text?: string;
    readonly calls?: ReadonlyArray<Readonly<Record<string, unknown>>>;
  }>;
  readonly total: number;
  readonly truncated: boolean;
  readonly previous?: { readonly before: number };
  readonly next?: { readonly after: number };
}

/** More than one answer looks at. */
const many = 900;

/** A thread of so many events in a tenant of its own, numbered from 1. */
const filledThread = Effect.fnUntraced(function* (
  id: string,
  event: (at: number) => readonly [type: string, data: object],
) {
  const log = yield* EventLog;
  for (let at = 1; at <= many; at += 300) {
    const events = Array.from({ length: 300 }, (_, more) => {
      const [type, data] = event(at + more);
      const body = JSON.stringify(data);
      return { id: fromContent(id, body), type, schemaVersion: 1, occurredAt: Date.now(), source: "test", body };
    });
    yield* log.append({ history: History.thread(id, "long"), events, expected: "any" });
  }
  const { lastSequence } = yield* log.info;
  yield* Effect.flatMap(Projector, (projector) => projector.awaitSequence(lastSequence));
});

const world = Layer.effectDiscard(importedFiles(files)).pipe(Layer.provideMerge(store));

describe("the tools of the MCP server", () => {
  layer(world, { excludeTestServices: true })((it) => {
    it.effect("are at most ten, described for a model, the same in all five versions of the protocol", () =>
      Effect.gen(function* () {
        for (const { protocolVersion } of protocols) {
          const { tools } = yield* (yield* client(who("operator"), protocolVersion)).listTools();
          assert.isAtMost(tools.length, 10);
          for (const { description = "", inputSchema, name } of tools) {
            assert.isAbove(description.length, 80, name);
            for (const [parameter, schema] of Object.entries(inputSchema.properties ?? {})) {
              assert.isAbove(JSON.stringify(schema).split('"description"').length, 1, `${name}.${parameter}`);
            }
          }
        }
      }).pipe(Effect.scoped),
    );

    it.effect("take an empty text for one that is left out, so that none is written or looked for", () =>
      Effect.gen(function* () {
        const { ask, say } = yield* client(who("publisher"));
        for (const [tool, input] of [
          ["append", { text: "" }],
          ["append", { thread: first, text: "" }],
          ["search", { query: "" }],
          ["read_thread", { thread: "" }],
        ] as const)
          assert.match((yield* say(tool, input)).text, /Missing key/, tool);
        assert.strictEqual((yield* ask<Found>("list_threads", { branch: "", title: "" })).total, 2);
        // A sentence ends before its remedy begins.
        const { text } = yield* (yield* client(who("operator"))).say("query", { sql: "DROP TABLE threads" });
        assert.match(text, /DROP TABLE threads\. One SELECT/);
      }).pipe(Effect.scoped),
    );

    it.effect("answer as of an earlier moment, each that only asks, and say what is no moment", () =>
      Effect.gen(function* () {
        const { say } = yield* client(who("operator"));
        /** A busy machine says that it is still folding. */
        const patiently = (name: string, args: Readonly<Record<string, unknown>>) =>
          say(name, args).pipe(
            Effect.repeat({
              until: ({ text }: { readonly text: string }) => !text.includes("being folded"),
              times: 10,
            }),
          );
        const last = "SELECT max(sequence) AS last FROM v_events";
        assert.include((yield* patiently("query", { sql: last, as_of: "3" })).text, '"rows":[[3]]');
        assert.include((yield* patiently("list_threads", { as_of: "3" })).text, '"total":1');
        assert.include((yield* patiently("list_threads", {})).text, '"total":2');
        assert.match((yield* say("read_thread", { thread: second, as_of: "3" })).text, /There is no thread/);
        assert.match((yield* say("usage", { by: "model", as_of: "yesterday" })).text, /neither a sequence nor a time/);
        assert.match((yield* say("append", { thread: first, text: "x", as_of: "3" })).text, /has no parameter as_of/);
      }).pipe(Effect.scoped),
    );

    it.effect("are listed and callable only as far as the caller's role goes", () =>
      Effect.gen(function* () {
        const listed = (role: "reader" | "publisher" | "worker") =>
          Effect.flatMap(client(who(role)), (made) =>
            Effect.map(made.listTools(), ({ tools }) => tools.map(({ name }) => name)),
          );
        assert.notIncludeMembers(yield* listed("reader"), ["append", "fork", "task"]);
        assert.notIncludeMembers(yield* listed("publisher"), ["task", "query"]);
        assert.include(yield* listed("publisher"), "append");
        assert.include(yield* listed("worker"), "task");
        const reader = yield* client(who("reader"));
        const refused = yield* Effect.flip(reader.callTool({ name: "append", arguments: { text: "x" } }));
        assert.match(refused.message, /append/);
      }).pipe(Effect.scoped),
    );

    it.effect("list and search threads by every condition that the terminal knows", () =>
      Effect.gen(function* () {
        const { ask, listTools } = yield* client(who("reader"));
        const { tools } = yield* listTools();
        const inTools = threadFilterNames.map((name) => (name === "hasError" ? "has_error" : name));
        for (const name of ["search", "list_threads"]) {
          const { inputSchema } = tools.find((tool) => tool.name === name) ?? {};
          assert.includeMembers(Object.keys(inputSchema?.properties ?? {}), inTools, name);
        }
        const count = (more: Readonly<Record<string, unknown>>) =>
          Effect.map(ask<Found>("list_threads", more), ({ total }) => total);
        assert.strictEqual(yield* count({}), 2);
        for (const here of [
          { project: "shop" },
          { branch: "main" },
          { agent: "claude" },
          { model: "opus" },
          { role: "assistant" },
          { tool: "Bash" },
          { file: "totals.ts" },
          { has_error: true },
          { main: true },
          { since: "2026-01-01" },
        ])
          assert.isAtLeast(yield* count(here), 1, JSON.stringify(here));
        for (const nowhere of [
          { project: "elsewhere" },
          { branch: "other" },
          { agent: "codex" },
          { model: "gpt" },
          { role: "developer" },
          { tool: "Fetch" },
          { file: "nowhere.ts" },
          { since: "2026-06-01" },
          { until: "2025-01-01" },
          { parent: first },
          { title: "what no title has" },
        ])
          assert.strictEqual(yield* count(nowhere), 0, JSON.stringify(nowhere));
        const page = yield* ask<Found>("list_threads", { limit: 1, skip: 1 });
        assert.lengthOf(page.threads, 1);
        assert.deepInclude(page, { total: 2, truncated: false });
      }).pipe(Effect.scoped),
    );

    it.effect("find what was said, given to tools and answered, each with a place that can be read", () =>
      Effect.gen(function* () {
        const { ask } = yield* client(who("reader"));
        const found = yield* ask<Found>("search", { query: "ECONNREFUSED", kinds: ["result"] });
        assert.sameMembers(
          found.threads.map(({ thread }) => thread),
          [first, second],
        );
        assert.strictEqual(found.total, 2);
        const [best] = found.threads;
        const read = yield* ask<Read>("read_thread", { thread: best?.thread, around: best?.hits[0]?.place });
        assert.include(JSON.stringify(read.messages), "ECONNREFUSED 127.0.0.1:6543");
      }).pipe(Effect.scoped),
    );

    it.effect("leave out the conversation in which the question is asked, unless it is wanted", () =>
      Effect.gen(function* () {
        const { ask } = yield* client(who("reader", { thread: first }));
        const threads = (found: Found) => found.threads.map(({ thread }) => thread);
        assert.deepStrictEqual(threads(yield* ask<Found>("search", { query: "zebra" })), [second]);
        assert.sameMembers(threads(yield* ask<Found>("search", { query: "zebra", include_own: true })), [
          first,
          second,
        ]);
        const other = yield* client(who("reader"));
        // As Claude Code says it: by its own tool use.
        const byUse = yield* other.ask<Found>("search", { query: "zebra" }, { "claudecode/toolUseId": `${second}-t1` });
        assert.deepStrictEqual(threads(byUse), [first]);
        const byName = yield* other.ask<Found>(
          "search",
          { query: "zebra" },
          { "x-codex-turn-metadata": { session_id: first } },
        );
        assert.deepStrictEqual(threads(byName), [second]);
      }).pipe(Effect.scoped),
    );

    it.effect("read one turn, the end, or around a place, and say how to read on in both directions", () =>
      Effect.gen(function* () {
        const { ask } = yield* client(who("reader"));
        const turn = yield* ask<Read>("read_thread", { thread: first.slice(0, 6), turn: -1 });
        assert.deepStrictEqual(
          turn.messages.map(({ text }) => text),
          ["And the zebra crossing?", "There is none: the totals are memoised now."],
        );
        const end = yield* ask<Read>("read_thread", { thread: first, tail: 1 });
        assert.lengthOf(end.messages, 1);
        assert.isTrue(end.truncated);
        const before = yield* ask<Read>("read_thread", { thread: first, ...end.previous });
        assert.isTrue(before.messages.every(({ place }) => place < (end.previous?.before ?? 0)));
        const calls = before.messages.flatMap(({ calls: made = [] }) => made);
        assert.deepInclude(calls[0], { tool: "Bash", outcome: "error", error: "ECONNREFUSED 127.0.0.1:6543" });
        const all = yield* ask<Read>("read_thread", { thread: first, after: 0 });
        assert.isFalse(all.truncated);
        assert.isUndefined(all.next);
      }).pipe(Effect.scoped),
    );

    it.effect("ask in SQL as often at once as all doors together may, and say so beyond it", () =>
      Effect.gen(function* () {
        const { say } = yield* client(who("operator"));
        const busy = yield* sqlAtOnce.withPermits(mostAtOnce)(say("query", { sql: "SELECT 1" }));
        assert.deepInclude(busy, { isError: true, text: `${tooManyStatements} Ask again when one of them has ended.` });
        assert.isFalse((yield* say("query", { sql: "SELECT 1" })).isError);
      }).pipe(Effect.scoped),
    );

    it.effect("write into the thread that is named, also where a longer id that begins so is listed before it", () =>
      Effect.gen(function* () {
        const beginning = first.slice(0, 8);
        const into: Array<string> = [];
        const views = { get: (id: string) => Effect.succeed(id === beginning ? {} : undefined) };
        const publisher = {
          tenant: "default",
          policy: () => ({}),
          publish: ({ history }: { readonly history: { readonly id: string } }) =>
            Effect.sync(() => {
              into.push(history.id);
              return { _tag: "Appended", eventId: "e", sequence: 1 };
            }),
        };
        const writing = Layer.succeedContext(
          Context.make(ThreadViews, views as never).pipe(Context.add(Publisher, publisher as never)),
        );
        const { ask } = yield* client(who("publisher"), undefined, writing as never);
        yield* ask("append", { thread: beginning, text: "a note" });
        yield* ask("append", { thread: second.slice(0, 8), text: "a note" });
        assert.deepStrictEqual(into, [beginning, second]);
      }).pipe(Effect.scoped),
    );

    it.effect("stay within the tokens that are asked for, and lead to the rest of what they cut", () =>
      Effect.gen(function* () {
        const { ask, say } = yield* client(who("operator"));
        for (const [name, args] of [
          ["search", { query: "cart" }],
          ["read_thread", { thread: first }],
          ["hand_over", { thread: first }],
          ["query", { sql: "SELECT * FROM v_dictionary" }],
          ["list_threads", {}],
          ["usage", { by: "tool" }],
        ] as const) {
          const { isError, text } = yield* say(name, { ...args, max_tokens: 300 });
          assert.isFalse(isError, text);
          assert.isAtMost(tokensIn(text), 300, name);
          assert.property(JSON.parse(text), "total", name);
          assert.property(JSON.parse(text), "truncated", name);
        }
        const cut = yield* ask<Found>("search", { query: "memo in totals.ts", thread: first });
        const place = cut.threads[0]?.hits.find(({ kind }) => kind === "said")?.place;
        let text = "";
        for (let from = 0, rounds = 0; rounds < 100; rounds++) {
          const page = yield* ask<{ readonly text: string; readonly next?: { readonly from_character: number } }>(
            "read_thread",
            {
              thread: first,
              around: place,
              full: true,
              from_character: from,
              max_tokens: 800,
            },
          );
          text += page.text;
          if (page.next === undefined) break;
          from = page.next.from_character;
        }
        assert.include(text, long);
      }).pipe(Effect.scoped),
    );

    it.effect("stay within their tokens whatever the message and the columns that stand first", () =>
      Effect.gen(function* () {
        const { ask, say } = yield* client(who("operator"));
        const found = yield* ask<Found>("search", { query: "memo in totals.ts", thread: first });
        const place = found.threads[0]?.hits.find(({ kind }) => kind === "said")?.place ?? 0;
        const name = "n".repeat(5_000);
        for (const [tool, args] of [
          ["read_thread", { thread: first, before: place + 1 }],
          ["read_thread", { thread: first, after: place - 1 }],
          ["read_thread", { thread: first, around: place }],
          ["query", { sql: `SELECT 1 AS ${name}` }],
        ] as const) {
          const { isError, text } = yield* say(tool, { ...args, max_tokens: 400 });
          assert.isFalse(isError, text);
          assert.isAtMost(tokensIn(text), 400, `${tool} ${JSON.stringify(args).slice(0, 80)}`);
        }
      }).pipe(Effect.scoped),
    );

    it.effect("say data once: an answer has one text and no structured copy beside it", () =>
      Effect.gen(function* () {
        const { say } = yield* client(who("reader"));
        const { result } = yield* say("list_threads");
        assert.lengthOf(result.content, 1);
        assert.isUndefined(result.structuredContent);
      }).pipe(Effect.scoped),
    );

    it.effect("brief another agent with places: what was asked, what failed, what was changed, what came of it", () =>
      Effect.gen(function* () {
        const { ask, getPrompt } = yield* client(who("reader"));
        const brief = yield* ask<Readonly<Record<string, unknown>>>("hand_over", { thread: first });
        assert.nestedPropertyVal(brief, "asked_first.text", "Why is the checkout slow?");
        assert.nestedPropertyVal(brief, "asked_then[0].text", "And the zebra crossing?");
        assert.nestedPropertyVal(brief, "answered_last.text", "There is none: the totals are memoised now.");
        assert.deepStrictEqual(brief["files"], ["/home/dev/shop/totals.ts"]);
        assert.nestedPropertyVal(brief, "failures[0].error", "ECONNREFUSED 127.0.0.1:6543");
        const { messages } = yield* getPrompt({ name: "hand_over", arguments: { thread: first } });
        assert.include(JSON.stringify(messages), "asked_first");
      }).pipe(Effect.scoped),
    );

    it.effect("count tokens, calls and whatever SQL asks, and say why they refuse", () =>
      Effect.gen(function* () {
        const { ask, say } = yield* client(who("operator"));
        const spent = yield* ask<{ readonly sum: object; readonly rows: ReadonlyArray<object> }>("usage", {
          by: "model",
        });
        assert.deepInclude(spent.rows[0], { model: "claude-opus-4-6", output_tokens: 120 });
        const calls = yield* ask<{ readonly rows: ReadonlyArray<object> }>("usage", { by: "tool" });
        assert.deepInclude(calls.rows[0], { tool: "Bash", calls: 2, errors: 2 });
        const days = yield* ask<{ readonly sum: object; readonly rows: ReadonlyArray<object> }>("usage", {
          by: "day",
          project: "shop",
          since: "2026-01-01",
        });
        assert.deepInclude(days.rows[0], { day: "2026-01-01", output_tokens: 120, cache_hit_rate: 0.9091 });
        assert.deepInclude(days.sum, { output_tokens: 120 });
        assert.deepInclude(yield* ask("usage", { by: "agent", project: "nowhere" }), { rows: [], total: 0 });
        const counted = yield* ask("query", { sql: "SELECT count(*) AS n FROM v_threads" });
        assert.deepStrictEqual(counted, { columns: ["n"], rows: [[2]], total: 1, truncated: false });
        for (const sql of [
          "DELETE FROM threads",
          "SELECT nothing FROM nowhere",
          "PRAGMA journal_mode",
          "SELECT 1; SELECT 2",
        ]) {
          const { isError, text } = yield* say("query", { sql });
          assert.isTrue(isError, sql);
          assert.match(text, /v_dictionary/);
        }
      }).pipe(Effect.scoped),
    );

    it.effect("stand beside a dictionary that lists views, then explains one, each within the usual budget", () =>
      Effect.gen(function* () {
        const { readResource, complete } = yield* client(who("operator"));
        const read = Effect.fnUntraced(function* (uri: string) {
          const { contents } = yield* readResource({ uri });
          const [content] = contents;
          const text = content !== undefined && "text" in content ? content.text : "";
          assert.isAtMost(tokensIn(text), 6_000, uri);
          return JSON.parse(text) as ReadonlyArray<Readonly<Record<string, string>>>;
        });
        const views = yield* read("recollect://dictionary");
        assert.include(
          views.map(({ view }) => view),
          "v_tool_calls",
        );
        for (const { columns = "", view } of views) assert.isNotEmpty(yield* read(columns), view);
        const { completion } = yield* complete({
          ref: { type: "ref/resource", uri: "recollect://dictionary/{view}" },
          argument: { name: "view", value: "v_tool" },
        });
        assert.include(completion.values, "v_tool_calls");
      }).pipe(Effect.scoped),
    );

    it.effect("answer hostile and mistaken arguments with a sentence", () =>
      Effect.gen(function* () {
        const { say } = yield* client(who("operator"));
        const mistakes: ReadonlyArray<readonly [string, Readonly<Record<string, unknown>>, RegExp]> = [
          ["search", { qury: "x" }, /no parameter qury.*It takes: query/],
          ["search", {}, /query/],
          ["search", { query: '"' }, /./],
          ["search", { query: "[", by: "regex" }, /regular expression|Invalid/i],
          ["search", { query: "x", since: "yesterday" }, /no time/],
          ["search", { query: "x".repeat(100_000) }, /length|characters/i],
          ["read_thread", { thread: "no-such" }, /no thread no-such/],
          ["read_thread", { thread: first, turn: 0 }, /no turn 0/],
          ["read_thread", { thread: first, turn: 99 }, /has 2 turns/],
          ["read_thread", { thread: first, turn: 1, tail: 1 }, /Give one/],
          ["read_thread", { thread: "' OR 1=1 --" }, /no thread/],
          ["hand_over", { thread: "\u0000" }, /no thread/],
          ["usage", { by: "moon" }, /day/],
          ["task", { action: "get" }, /Which task/],
          ["task", { action: "submit", message: "x" }, /agent_type/],
          ["append", { text: "x" }, /No instance is running.*recollect up/],
          ["query", { sql: 42 }, /string/i],
          ["list_threads", { limit: 1e9 }, /200/],
          ["list_threads", { max_tokens: 1 }, /300/],
        ];
        for (const [name, args, expected] of mistakes) {
          const { isError, text } = yield* say(name, args);
          if (name === "search" && args["query"] === '"') continue;
          assert.isTrue(isError, `${name} ${JSON.stringify(args).slice(0, 80)}: ${text}`);
          assert.match(text, expected);
          assert.notMatch(text, /\n {4}at /, "no stack trace");
        }
      }).pipe(Effect.scoped),
    );

    it.effect("keep tenants apart, and SQL, which sees all, for operators", () =>
      Effect.gen(function* () {
        const { ask, callTool, say } = yield* client(who("worker", { tenant: "acme" }));
        assert.strictEqual((yield* ask<Found>("search", { query: "zebra" })).total, 0);
        assert.strictEqual((yield* ask<Found>("list_threads")).total, 0);
        assert.isTrue((yield* say("read_thread", { thread: first })).isError);
        assert.isTrue((yield* say("hand_over", { thread: first })).isError);
        const sql = yield* Effect.flip(callTool({ name: "query", arguments: { sql: "SELECT 1" } }));
        assert.match(sql.message, /not found/);
        assert.deepInclude(yield* ask("usage", { by: "model" }), { rows: [], total: 0 });
        // A tool use of another tenant names no thread of this one.
        const byUse = yield* ask<object>("search", { query: "zebra" }, { "claudecode/toolUseId": `${second}-t1` });
        assert.notInclude(JSON.stringify(byUse), second);
      }).pipe(Effect.scoped),
    );

    it.effect(
      "lead to every call of a thread that has nothing but calls, and to every one of many short messages",
      () =>
        Effect.gen(function* () {
          yield* filledThread("calls", (at) => [
            "thread.tool_called",
            { callId: `c${at}`, name: "look", arguments: { at } },
          ]);
          yield* filledThread("words", (at) => [
            "thread.message_appended",
            { messageId: `m${at}`, role: "user", content: `${at}` },
          ]);
          const { ask } = yield* client(who("reader", { tenant: "long" }));
          const read = (more: object) => ask<Read>("read_thread", { max_tokens: 20_000, ...more });
          const end = yield* read({ thread: "calls", tail: 5 });
          assert.include(JSON.stringify(end.messages.at(-1)), String.raw`{\"at\":${many}}`);
          const { place = 0 } = end.messages.at(-1) ?? {};
          const around = yield* read({ thread: "calls", around: place - 100 });
          assert.include(
            around.messages.map((one) => one.place),
            place - 100,
          );
          for (const thread of ["calls", "words"]) {
            const places = new Set<number>();
            let after: number | undefined = 0;
            while (after !== undefined) {
              const page: Read = yield* read({ thread, after });
              for (const one of page.messages) places.add(one.place);
              after = page.next?.after;
            }
            assert.strictEqual(places.size, many, thread);
          }
        }).pipe(Effect.scoped),
    );
  });
});
