import { assert, describe, it } from "@effect/vitest";
import { parse } from "../../../src/edge/wrap/Arguments.ts";
import { cacheToolsOf, callIn } from "../../../src/edge/wrap/CallLine.ts";
import { asking, type Decide, type How } from "../../../src/edge/wrap/InPlace.ts";
import { Refusals } from "../../../src/edge/wrap/Refusals.ts";

const call = (id: unknown, name: unknown = "search") =>
  JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params: { name, arguments: {} } });

/** What is said of each line, in order: the line itself where it goes to the server. */
const verdicts = async (options: Parameters<typeof asking>[0], lines: ReadonlyArray<string>) => {
  const ask = asking(options);
  const all: Array<unknown> = [];
  for (const line of lines) {
    const asked = ask(Buffer.from(line));
    const verdict = (await asked?.verdict) ?? { _tag: "Pass" };
    asked?.went(verdict);
    all.push(verdict._tag === "Pass" ? line : { [verdict._tag]: JSON.parse(verdict.line) as unknown });
  }
  return all;
};

const refuse: Decide = async (tool) => (tool === "search" ? { message: "no", retryAfterMillis: 40 } : undefined);

const error = (id: unknown) => ({
  jsonrpc: "2.0",
  id,
  result: { content: [{ type: "text", text: "no" }], isError: true, _meta: { "recollect/retryAfterMillis": 40 } },
});

const refused = (answer: unknown) => ({ Refuse: answer });

describe("wrap, what is said in the server's place", () => {
  it("is nothing where no call is refused, whatever the line", async () => {
    const asked: Array<string> = [];
    const decide: Decide = async (tool) => void asked.push(tool);
    const lines = [`${call(1)}\r`, "", call("x"), `[${call(2)},null]`, '{"method":"tools/call"}', "not json", "null"];
    assert.deepStrictEqual(await verdicts({ decide }, lines), lines);
    assert.deepStrictEqual(asked, ["search", "search", "search"]);
    assert.deepStrictEqual(await verdicts({}, lines), lines);
  });

  it("is a tool's error that says when, in place of a refused call", async () => {
    const escaped = String.raw`{"id":5,"method":"tools\/call","params":{"name":"search"}}`;
    const ping = '{"jsonrpc":"2.0","id":9,"method":"ping"}';
    const lines = [call(1, "read"), call(2), ping, call("b"), escaped, call(3, "read")];
    assert.deepStrictEqual(await verdicts({ decide: refuse }, lines), [
      lines[0],
      refused(error(2)),
      ping,
      refused(error("b")),
      refused(error(5)),
      lines[5],
    ]);
  });

  it("is for a batch as a whole; a notification that nobody could answer passes", async () => {
    const notification = '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"search"}}';
    assert.deepStrictEqual(await verdicts({ decide: refuse }, [`[${call(1, "read")},${call(2)}]`, notification]), [
      refused([error(1), error(2)]),
      notification,
    ]);
  });

  it("is a refusal for a batch of more calls than a hundred, without asking for any", async () => {
    const batch = `[${Array.from({ length: 101 }, (_, id) => call(id, "read")).join(",")}]`;
    const asked: Array<string> = [];
    const decide: Decide = async (tool) => void asked.push(tool);
    const [said] = (await verdicts({ decide }, [batch])) as [{ readonly Refuse: ReadonlyArray<unknown> }];
    assert.lengthOf(said.Refuse, 101);
    assert.deepStrictEqual(asked, []);
  });

  it("is an earlier answer where there is one, for which no limit is asked", async () => {
    const asked: Array<string> = [];
    const decide: Decide = async (tool) => (asked.push(tool), refuse(tool));
    const went: Array<How> = [];
    const find = (line: Buffer) =>
      line.includes('"id":3')
        ? undefined
        : {
            answer: line.includes('"id":1') ? Promise.resolve('"earlier"') : Promise.reject(new Error("broken")),
            went: (how: How) => void went.push(how),
          };
    const lines = [call(1), call(2), call(3), call(4, "read")];
    assert.deepStrictEqual(await verdicts({ decide, find }, lines), [
      { Answer: "earlier" },
      refused(error(2)),
      refused(error(3)),
      lines[3],
    ]);
    assert.deepStrictEqual(asked, ["search", "search", "read"]);
    assert.deepStrictEqual(went, ["answered", "refused", "made"]);
  });
});

describe("wrap, the tools whose answers are given again", () => {
  it("are seen in calls, and nothing else is", () => {
    const line = (message: unknown) => Buffer.from(JSON.stringify(message));
    const tools = new Set(["search"]);
    const search = { jsonrpc: "2.0", id: "a", method: "tools/call", params: { name: "search", arguments: { q: 1 } } };
    assert.deepStrictEqual(callIn(line(search), tools), { request: '"a"', name: "search", arguments: { q: 1 } });
    const others = [
      { ...search, id: null },
      { ...search, method: "tools/list", params: { cursor: "tools/call" } },
      { ...search, params: { name: "write" } },
      { ...search, params: { name: "search", task: {} } },
      [search],
      null,
    ];
    for (const other of others) assert.isUndefined(callIn(line(other), tools));
    assert.isUndefined(callIn(Buffer.from('{"method":"tools/call"'), tools));
    const large = line({ ...search, params: { name: "search", arguments: { q: "x".repeat(5_000_000) } } });
    assert.isUndefined(callIn(large, tools));
  });

  it("are asked for by name, as often as there are tools, or by the configuration", () => {
    assert.deepStrictEqual(parse(["--cache", "--limits", "--", "server"]), {
      cache: true,
      limits: { user: undefined },
      command: ["server"],
    });
    assert.deepStrictEqual(parse(["--cache-tool", "a", "--cache-tool=b", "--tenant", "t", "--", "server"]), {
      cacheTools: ["a", "b"],
      tenant: "t",
      command: ["server"],
    });
    assert.deepStrictEqual(
      cacheToolsOf(["a", "b=60000"]),
      new Map([
        ["a", undefined],
        ["b", 60_000],
      ]),
    );
    for (const word of ["", "=1", "a=", "a=-1", "a=x", "a=99999999999"]) assert.isUndefined(cacheToolsOf([word]), word);
    assert.isUndefined(parse(["--cache-tool", "a=x", "--", "server"]));
  });
});

describe("refusals", () => {
  it("are gathered by limit and tool, and beyond a hundred of them under one name", () => {
    const refusals = new Refusals();
    for (let at = 1; at <= 500; at++) refusals.add({ at, limit: "busy", tool: "search" });
    for (let at = 0; at < 300; at++) refusals.add({ at: 1_000 + at, limit: "busy", tool: `invented ${at}` });
    const gathered = refusals.take();
    assert.deepStrictEqual(gathered[0], { tool: "search", limit: "busy", count: 500, firstAt: 1, lastAt: 500 });
    assert.lengthOf(gathered, 101);
    assert.deepInclude(gathered.at(-1), { tool: "*", count: 201, lastAt: 1_299 });
    assert.deepStrictEqual(refusals.take(), []);
  });
});
