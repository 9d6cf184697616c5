import { assert, describe, it } from "@effect/vitest";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { Writable } from "node:stream";
import { Answers, type Decide, Gate } from "../../../src/edge/wrap/Gate.ts";
import { Refusals } from "../../../src/edge/wrap/Refusals.ts";

const call = (id: unknown, name: unknown = "search") =>
  JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params: { name, arguments: {} } });

/** A client that reads what it gets. */
const reading = () => {
  const heard: Array<string> = [];
  const client = new Writable({
    decodeStrings: false,
    write: (line, _, done) => {
      heard.push(String(line));
      done();
    },
  });
  return { client, heard };
};

/** What goes to the server, and what is said to the client, when the client's bytes come in pieces of that size. */
const through = async (options: { readonly given: Buffer; readonly size: number; readonly decide: Decide }) => {
  const { client, heard } = reading();
  const gate = new Gate(options.decide, new Answers(client));
  const toServer: Array<Buffer> = [];
  gate.on("data", (chunk: Buffer) => toServer.push(chunk));
  for (let at = 0; at < options.given.length; at += options.size) {
    gate.write(options.given.subarray(at, at + options.size));
  }
  gate.end();
  await once(gate, "end");
  return { toServer: Buffer.concat(toServer), answers: heard.map((line): unknown => JSON.parse(line)) };
};

const refuse: Decide = async (tool) => (tool === "search" ? { message: "no", retryAfterMillis: 40 } : undefined);

const error = (id: unknown) => ({
  jsonrpc: "2.0",
  id,
  result: { content: [{ type: "text", text: "no" }], isError: true, _meta: { "recollect/retryAfterMillis": 40 } },
});

describe("the gate", () => {
  it("lets every byte through unchanged when nothing is refused, however it is cut", async () => {
    const given = Buffer.concat([
      Buffer.from(`${call(1)}\r\n\n${call("x")}\n[${call(2)},null]\n{"method":"tools/call"}\nnot json\n`),
      randomBytes(100_000),
      Buffer.from(`${call(3)}`),
    ]);
    for (const size of [1, 7, 4_096, given.length]) {
      const asked: Array<string> = [];
      const decide: Decide = async (tool) => void asked.push(tool);
      const { answers, toServer } = await through({ given, size: size === 1 ? 97 : size, decide });
      assert.isTrue(toServer.equals(given), `cut at ${size}`);
      assert.deepStrictEqual(answers, []);
      // The last one is no line.
      assert.deepStrictEqual(asked, ["search", "search", "search"]);
    }
  });

  it("answers a refused call in the server's place with a tool's error that says when, and passes on the rest", async () => {
    const kept = [call(1, "read"), '{"jsonrpc":"2.0","id":9,"method":"ping"}', call(3, "read")];
    const lines = [
      kept[0],
      call(2),
      kept[1],
      call("b"),
      String.raw`{"id":5,"method":"tools\/call","params":{"name":"search"}}`,
      kept[2],
    ];
    const given = Buffer.from(lines.map((line) => `${line}\n`).join(""));
    const { answers, toServer } = await through({ given, size: 50, decide: refuse });
    assert.strictEqual(toServer.toString(), kept.map((line) => `${line}\n`).join(""));
    assert.deepStrictEqual(answers, [error(2), error("b"), error(5)]);
  });

  it("refuses a batch as a whole, and lets a notification pass that nobody could answer", async () => {
    const notification = '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"search"}}';
    const given = Buffer.from(`[${call(1, "read")},${call(2)}]\n${notification}\n`);
    const { answers, toServer } = await through({ given, size: 1_000, decide: refuse });
    assert.deepStrictEqual(answers, [[error(1), error(2)]]);
    assert.strictEqual(toServer.toString(), `${notification}\n`);
  });

  it("refuses a batch of more calls than a hundred without asking for any", async () => {
    const batch = `[${Array.from({ length: 101 }, (_, id) => call(id, "read")).join(",")}]\n`;
    const asked: Array<string> = [];
    const decide: Decide = async (tool) => void asked.push(tool);
    const { answers, toServer } = await through({ given: Buffer.from(batch), size: 10_000, decide });
    assert.lengthOf(answers[0] as ReadonlyArray<unknown>, 101);
    assert.strictEqual(toServer.length, 0);
    assert.deepStrictEqual(asked, []);
  });

  it("passes on what is too large to be looked at, and looks at what follows", async () => {
    const huge = `${"x".repeat(33 * 1024 * 1024)}\n`;
    const given = Buffer.from(`${huge}${call(1)}\n`);
    const { answers, toServer } = await through({ given, size: 1_000_000, decide: refuse });
    assert.strictEqual(toServer.length, huge.length);
    assert.deepStrictEqual(answers, [error(1)]);
  });

  it("says its answers between two lines of the server, never within one", () => {
    const { client, heard } = reading();
    const answers = new Answers(client);
    const serverSays = (text: string) => {
      client.write(text);
      answers.passed(Buffer.from(text));
    };
    answers.say(1);
    serverSays("ab");
    answers.say(2);
    serverSays("c\nd");
    serverSays("\n");
    answers.say(3);
    assert.deepStrictEqual(heard, ["1\n", "ab", "c\nd", "\n", "2\n", "3\n"]);
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
