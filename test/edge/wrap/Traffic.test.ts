import { assert, describe, it } from "@effect/vitest";
import { Effect, Schema } from "effect";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Lines } from "../../../src/edge/wrap/Lines.ts";
import { type Direction, type Observation, Traffic } from "../../../src/edge/wrap/Traffic.ts";

const at = (millis: number) => ({ epochMillis: 1_000 + millis, monotonicMillis: millis });

/** What is observed when each message passes one millisecond after the one before it. */
const observe = (
  messages: ReadonlyArray<readonly [Direction, unknown]>,
  traffic = new Traffic(),
): ReadonlyArray<Observation> =>
  messages.flatMap(([direction, message], index) => {
    const text = typeof message === "string" ? message : JSON.stringify(message);
    return traffic.see(direction, { _tag: "Whole", text }, at(index));
  });

const call = (id: unknown, name = "echo") =>
  ["toServer", { jsonrpc: "2.0", id, method: "tools/call", params: { name, arguments: {} } }] as const;
const answer = (id: unknown, result: unknown = { content: [] }) =>
  ["toClient", { result, jsonrpc: "2.0", id }] as const;

const returned = (observations: ReadonlyArray<Observation>) =>
  observations.flatMap((one) => (one._tag === "ToolReturned" ? [one] : []));

describe("Lines", () => {
  it.effect.prop(
    "gives the same lines however the bytes are cut",
    [Schema.Array(Schema.String), Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })))],
    ([texts, cuts]) =>
      Effect.sync(() => {
        const bytes = Buffer.from(texts.join("\n"), "utf8");
        const lines = new Lines();
        const found: Array<string> = [];
        const collect = (some: ReturnType<Lines["take"]>) => {
          for (const line of some) if (line._tag === "Whole") found.push(line.text);
        };
        for (let from = 0, index = 0; from < bytes.length; index++) {
          const size = cuts[index % Math.max(1, cuts.length)] ?? 3;
          collect(lines.take(bytes.subarray(from, from + size)));
          from += size;
        }
        const last = lines.end();
        collect(last === undefined ? [] : [last]);
        const expected = bytes
          .toString("utf8")
          .split("\n")
          .filter((line) => line !== "");
        assert.deepStrictEqual(found, expected);
      }),
  );

  it("keeps only the two ends and the size of a line that is too large, whatever its pieces", () => {
    const line = `{"head":${"x".repeat(300_000)}"tail"}`;
    for (const size of [1_000, 16_384, 77_777, 1_000_000]) {
      const lines = new Lines(100_000);
      const found = [];
      const bytes = Buffer.from(`${line}\n{}\n`);
      for (let from = 0; from < bytes.length; from += size)
        found.push(...lines.take(bytes.subarray(from, from + size)));
      const [huge, next] = found;
      assert.deepStrictEqual(huge, {
        _tag: "Huge",
        head: line.slice(0, 16_384),
        tail: line.slice(-16_384),
        bytes: line.length,
      });
      assert.deepStrictEqual(next, { _tag: "Whole", text: "{}" });
    }
  });

  it("drops the line in which something is missing, and no other", () => {
    const lines = new Lines();
    const found = [
      ...lines.take(Buffer.from('{"a":1}\n{"to')),
      ...(lines.gap(), lines.take(Buffer.from('rn"}\n{"b":2}\n'))),
    ];
    assert.deepStrictEqual(
      found.map((line) => (line._tag === "Whole" ? line.text : line)),
      ['{"a":1}', '{"b":2}'],
    );
  });
});

describe("Traffic", () => {
  it("joins answers to calls by id, in any order, and tells number ids from string ids", () => {
    const seen = returned(observe([call(1), call("1"), answer("1"), answer(1), answer(1)]));
    assert.deepStrictEqual(
      seen.map((one) => [one.call, one.durationMillis]),
      [
        [2, 1],
        [1, 3],
      ],
    );
  });

  it("tells the outcome: a protocol error, a tool's error, and everything else is ok", () => {
    const seen = returned(
      observe([
        call(1),
        ["toClient", { jsonrpc: "2.0", id: 1, error: { code: -32602, message: "bad", data: { a: 1 } } }],
        call(2),
        answer(2, { isError: true, content: [{ type: "image" }, { type: "text", text: "disk full" }] }),
        call(3),
        answer(3, null),
      ]),
    );
    assert.deepStrictEqual(
      seen.map(({ outcome, error }) => [outcome, error]),
      [
        ["error", { type: "jsonrpc:-32602", message: "bad" }],
        ["error", { type: "tool", message: "disk full" }],
        ["ok", undefined],
      ],
    );
    assert.deepStrictEqual(seen[0]?.result, { a: 1 });
  });

  it("understands batches, cancellations, and ids that the server uses for its own requests", () => {
    const [, first] = call(1);
    const [, second] = call(2);
    const seen = returned(
      observe([
        ["toServer", [first, second]],
        ["toClient", { jsonrpc: "2.0", id: 1, method: "sampling/createMessage", params: {} }],
        ["toServer", { jsonrpc: "2.0", id: 1, result: {} }],
        [
          "toServer",
          { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 2, reason: "too slow" } },
        ],
        ["toClient", [answer(1)[1], answer(2)[1]]],
      ]),
    );
    assert.deepStrictEqual(
      seen.map(({ call: number, outcome, error }) => [number, outcome, error?.type, error?.message]),
      [
        [2, "error", "cancelled", "too slow"],
        [1, "ok", undefined, undefined],
      ],
    );
  });

  it("tells of the session first and once, with what both sides said of themselves", () => {
    const initialize = {
      jsonrpc: "2.0",
      id: 0,
      method: "initialize",
      params: { protocolVersion: "1", clientInfo: { name: "c", version: "2" } },
    };
    const result = { protocolVersion: "0", serverInfo: { name: "s", version: "3", title: "S" } };
    const seen = observe([["toServer", initialize], answer(0, result), call(1), answer(1)]);
    assert.deepStrictEqual(
      seen.map(({ _tag }) => _tag),
      ["SessionStarted", "ToolCalled", "ToolReturned"],
    );
    assert.deepInclude(seen[0], {
      client: { name: "c", version: "2" },
      server: { name: "s", version: "3" },
      protocolVersion: "0",
    });
    assert.deepStrictEqual(
      observe([call(1)]).map(({ _tag }) => _tag),
      ["SessionStarted", "ToolCalled"],
    );
    assert.deepStrictEqual(
      new Traffic().end(at(0)).map(({ _tag }) => _tag),
      ["SessionStarted"],
    );
  });

  it("knows client, server and version of the protocol of 2026-07-28, which says them with each message", () => {
    const said = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientInfo": { name: "c26", version: "2" },
    };
    const request = (id: number, method: string, params: object = {}) =>
      ["toServer", { jsonrpc: "2.0", id, method, params: { ...params, _meta: said } }] as const;
    const serverInfo = { name: "s26", version: "3", title: "A server" };
    const result = { supportedVersions: ["2026-07-28"], _meta: { "io.modelcontextprotocol/serverInfo": serverInfo } };
    const observed = observe([
      request(1, "server/discover"),
      answer(1, result),
      request(2, "tools/call", { name: "a", arguments: {} }),
      answer(2),
    ]);
    assert.deepInclude(observed[0], {
      _tag: "SessionStarted",
      client: { name: "c26", version: "2" },
      server: { name: "s26", version: "3" },
      serverTitle: "A server",
      protocolVersion: "2026-07-28",
    });
    assert.deepInclude(observed[1], { _tag: "ToolCalled", server: "s26" });
    assert.lengthOf(returned(observed), 1);
    // One that is refused is followed by an initialize, and the session begins with that.
    const refused = ["toClient", { jsonrpc: "2.0", id: 1, error: { code: -32601, message: "?" } }] as const;
    assert.deepStrictEqual(observe([request(1, "server/discover"), refused]), []);
  });

  it("goes on from a state that was kept as if it had seen what was before", () => {
    const before = new Traffic();
    observe([call(1), call("x", "slow")], before);
    const after = Traffic.from(JSON.parse(JSON.stringify(before.state)));
    const [slow] = returned(observe([answer("x")], after));
    assert.strictEqual(slow?.call, 2);
    assert.deepStrictEqual(
      after.state.open.map(([key]) => key),
      ["1"],
    );
    const next = observe([call(3)], after);
    assert.deepStrictEqual(
      next.map(({ _tag }) => _tag),
      ["ToolCalled"],
    );
  });

  it("knows whose answer a huge line is, wherever its id stands", () => {
    const body = `"content":[{"text":"${"x".repeat(100_000)}"}]`;
    const texts = [
      `{"jsonrpc":"2.0","id":1,"result":{${body}}}`,
      `{"result":{${body},"isError":true},"jsonrpc":"2.0","id":1}`,
    ];
    for (const [index, text] of texts.entries()) {
      const traffic = new Traffic();
      observe([call(1)], traffic);
      const lines = new Lines(50_000);
      const [line] = lines.take(Buffer.from(`${text}\n`));
      assert.strictEqual(line?._tag, "Huge");
      const [seen] = returned(line === undefined ? [] : traffic.see("toClient", line, at(9)));
      assert.deepStrictEqual([seen?.call, seen?.outcome, seen?.durationMillis], [1, index === 0 ? "ok" : "error", 9]);
    }
    const [huge] = new Lines(50_000).take(
      Buffer.from(
        `{"method":"tools/call","params":{"name":"write","arguments":{"text":"${"y".repeat(100_000)}"}},"jsonrpc":"2.0","id":"q"}\n`,
      ),
    );
    const traffic = new Traffic();
    const seen = huge === undefined ? [] : traffic.see("toServer", huge, at(0));
    assert.deepInclude(seen[1], { _tag: "ToolCalled", name: "write" });
    assert.strictEqual(returned(observe([answer("q")], traffic)).length, 1);
  });

  it.effect.prop("never throws, whatever JSON passes", [Schema.Array(Schema.Json), Schema.Json], ([values, odd]) =>
    Effect.sync(() => {
      const messages = [
        ...values,
        { id: odd, method: "tools/call", params: odd },
        { id: 1, method: "tools/call", params: { name: odd, arguments: odd, _meta: odd } },
        { id: 1, result: odd, error: odd },
        { id: 2, method: "initialize", params: odd },
        { id: 2, result: odd },
        { method: "notifications/cancelled", params: odd },
      ];
      const traffic = new Traffic();
      for (const direction of ["toServer", "toClient"] as const) {
        observe(
          messages.map((message) => [direction, message] as const),
          traffic,
        );
        for (const text of ["", "no json", "{", "[]", "null", '"', "\u0000"]) observe([[direction, text]], traffic);
      }
    }),
  );
});

/** Real traffic of four servers, recorded by goose; not part of the repository. */
const dataSets = process.env["RECOLLECT_TEST_DATA"] ?? resolve(import.meta.dirname, "../../../../shared/data");
const captures = join(dataSets, "mcp-stdio-captures");

describe("Traffic, on recorded sessions of real servers", () => {
  if (!existsSync(captures)) {
    console.warn("SKIPPED: the recorded MCP sessions are not there; set RECOLLECT_TEST_DATA to their folder");
    it("SKIPPED: set RECOLLECT_TEST_DATA to the folder that holds mcp-stdio-captures", ({ skip }) => skip());
    return;
  }
  const names = readdirSync(captures).filter((name) => !/\.|LICENSE|README/.test(name));

  it.each(names)("finds every tool call of %s, its outcome, and who talks", (name) => {
    const text = readFileSync(join(captures, name), "utf8");
    // Messages in which a line stands are counted by their words, not by the code under test.
    const asked = text
      .split("\n")
      .filter((line) => line.startsWith("STDIN:") && line.includes('"method":"tools/call"'));
    const traffic = new Traffic();
    const seen: Array<Observation> = [];
    for (const [index, line] of text.split("\n").entries()) {
      const [, source, message = ""] = /^(STDIN|STDOUT): (.*)$/u.exec(line) ?? [];
      if (source === undefined) continue;
      const direction = source === "STDIN" ? "toServer" : "toClient";
      for (const one of new Lines().take(Buffer.from(`${message}\n`)))
        seen.push(...traffic.see(direction, one, at(index)));
    }
    const called = seen.filter(({ _tag }) => _tag === "ToolCalled");
    assert.strictEqual(called.length, asked.length);
    const resultsFile = join(captures, `${name}.results.json`);
    const results = JSON.parse(readFileSync(resultsFile, "utf8")) as ReadonlyArray<unknown>;
    const answered = returned(seen)
      .filter(({ outcome }) => outcome === "ok")
      .map(({ result }) => (result as { content: unknown }).content);
    assert.isAtMost(answered.length, results.length);
    for (const content of answered) assert.deepInclude(results, content);
    assert.strictEqual(seen[0]?._tag === "SessionStarted" && seen[0].client?.name, "goose");
  });
});

describe("what is exchanged beside tool calls", () => {
  const exchanged = (observations: ReadonlyArray<Observation>) =>
    observations.flatMap((one) => (one._tag === "Exchanged" ? [one] : []));

  it("is told of when it is answered: who asked what, what came, and how long it took", () => {
    const tools = { tools: [{ name: "echo", inputSchema: {} }] };
    const seen = observe([
      ["toServer", { id: 1, method: "tools/list", params: {} }],
      // The server's own question has the same id.
      ["toClient", { id: 1, method: "sampling/createMessage", params: { maxTokens: 5 } }],
      ["toClient", { id: 1, result: tools }],
      ["toServer", { id: 1, error: { code: -1, message: "no" } }],
      ["toServer", { id: 2, method: "ping" }],
      ["toClient", { id: 2, result: {} }],
    ]);
    assert.strictEqual(seen[0]?._tag, "SessionStarted");
    const [listed, sampled, ...more] = exchanged(seen);
    assert.deepInclude(listed, {
      method: "tools/list",
      from: "client",
      outcome: "ok",
      result: tools,
      durationMillis: 2,
    });
    const refused = {
      method: "sampling/createMessage",
      from: "server",
      outcome: "error",
      params: { maxTokens: 5 },
    } as const;
    assert.deepInclude(sampled, { ...refused, error: { code: -1, message: "no" }, durationMillis: 2 });
    assert.deepStrictEqual(more, []);
  });

  it("goes on from a state, and what nobody has answered is told of at the end", () => {
    const before = new Traffic();
    observe([["toServer", { id: 7, method: "resources/read", params: { uri: "a:b" } }]], before);
    const state = JSON.parse(JSON.stringify(before.state));
    const [read] = exchanged(observe([["toClient", { id: 7, result: { contents: [] } }]], Traffic.from(state)));
    assert.deepInclude(read, { exchange: 1, method: "resources/read", outcome: "ok" });
    const [left] = exchanged(Traffic.from(state).end(at(9)));
    assert.deepInclude(left, { method: "resources/read", outcome: "unanswered", params: { uri: "a:b" } });
  });

  it("stands with its size and its beginning where it is large", () => {
    const text = "x".repeat(300_000);
    const [got] = exchanged(
      observe([
        ["toServer", { id: 1, method: "prompts/get", params: { name: "p" } }],
        ["toClient", { id: 1, result: { text } }],
      ]),
    );
    assert.deepInclude(got?.result, { notRecorded: "300011 bytes" });
  });
});
