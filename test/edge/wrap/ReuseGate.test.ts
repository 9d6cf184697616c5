import { assert, describe, it } from "@effect/vitest";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { parse } from "../../../src/edge/wrap/Arguments.ts";
import { cacheToolsOf, callIn } from "../../../src/edge/wrap/CallLine.ts";
import { type Ask, stand } from "../../../src/edge/wrap/ReuseGate.ts";

const collected = async (stream: PassThrough): Promise<Buffer> => {
  const chunks: Array<Buffer> = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

/** A gate between four pipes. */
const gate = (ask: Ask) => {
  const [clientOut, clientIn, serverOut, serverIn] = Array.from({ length: 4 }, () => new PassThrough()) as [
    PassThrough,
    PassThrough,
    PassThrough,
    PassThrough,
  ];
  const seen = { toServer: [] as Array<Buffer>, toClient: [] as Array<Buffer> };
  stand({
    client: { from: clientOut, to: clientIn },
    server: { from: serverOut, to: serverIn },
    passed: (direction, chunk) => seen[direction].push(Buffer.from(chunk)),
    ask,
  });
  return { clientOut, clientIn, serverOut, serverIn, seen };
};

const nothing: Ask = () => undefined;

/** Answers lines that begin with `?`, as soon as it is told to. */
const questions = () => {
  const open: Array<(answer: string | undefined) => void> = [];
  const went: Array<boolean> = [];
  const ask: Ask = (line) => {
    if (line[0] !== 0x3f) return undefined;
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    open.push(resolve);
    return { answer: promise, went: (isAnswered) => went.push(isAnswered) };
  };
  return { ask, open, went };
};

/** Everything that has come so far. */
const told = (stream: PassThrough): string => {
  let text = "";
  for (let piece: unknown = stream.read(); piece !== null; piece = stream.read()) text += String(piece);
  return text;
};

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("wrap, the gate for reuse", () => {
  it("passes every byte unchanged, both ways, however it is cut, also lines that are too large to be seen", async () => {
    const given = Buffer.concat([
      Buffer.from(`one\n${"x".repeat(9_000_000)}\n\n`),
      randomBytes(1_000_000),
      Buffer.from("no last newline"),
    ]);
    const { clientIn, clientOut, seen, serverIn, serverOut } = gate(nothing);
    const both = Promise.all([collected(serverIn), collected(clientIn)]);
    for (let at = 0; at < given.length; at += 77_777) {
      if (!clientOut.write(given.subarray(at, at + 77_777))) await once(clientOut, "drain");
      if (!serverOut.write(given.subarray(at, at + 77_777))) await once(serverOut, "drain");
    }
    clientOut.end();
    serverOut.end();
    await once(serverOut, "end");
    clientIn.end();
    const [toServer, toClient] = await both;
    assert.isTrue(toServer.equals(given));
    assert.isTrue(toClient.equals(given));
    assert.isTrue(Buffer.concat(seen.toServer).equals(given));
    assert.isTrue(Buffer.concat(seen.toClient).equals(given));
  });

  it("gives an answer in the server's place, and keeps the order of the lines behind it", async () => {
    const { ask, open, went } = questions();
    const { clientIn, clientOut, seen, serverIn } = gate(ask);
    clientOut.write("a\n?1\nb\n?2\nc\n");
    await turn();
    assert.strictEqual(told(serverIn), "a\n");
    open[0]?.("from memory");
    await turn();
    assert.strictEqual(told(clientIn), "from memory\n");
    assert.strictEqual(told(serverIn), "b\n");
    open[1]?.(undefined);
    await turn();
    assert.strictEqual(told(serverIn), "?2\nc\n");
    assert.deepStrictEqual(went, [true, false]);
    // Whoever records sees the line that was answered, too.
    assert.strictEqual(Buffer.concat(seen.toServer).toString(), "a\n?1\nb\n?2\nc\n");
  });

  it("never speaks into a line of the server", async () => {
    const { ask, open } = questions();
    const { clientIn, clientOut, serverOut } = gate(ask);
    serverOut.write("half of");
    await turn();
    clientOut.write("?1\n");
    await turn();
    open[0]?.("mine");
    await turn();
    assert.strictEqual(told(clientIn), "half of");
    serverOut.write(" a line\nand more");
    await turn();
    assert.strictEqual(told(clientIn), " a line\nmine\nand more");
  });

  it("ends the server's input when the client's has ended and everything has gone its way", async () => {
    const { ask, open } = questions();
    const { clientOut, serverIn } = gate(ask);
    const all = collected(serverIn);
    clientOut.end("?1\nlast");
    await turn();
    open[0]?.(undefined);
    assert.strictEqual(String(await all), "?1\nlast");
  });

  it("sees calls of the tools that were allowed, and nothing else", () => {
    const line = (message: unknown) => Buffer.from(JSON.stringify(message));
    const tools = new Map([["search", undefined]]);
    const call = { jsonrpc: "2.0", id: "a", method: "tools/call", params: { name: "search", arguments: { q: 1 } } };
    assert.deepStrictEqual(callIn(line(call), tools), { request: '"a"', name: "search", arguments: { q: 1 } });
    const others = [
      { ...call, id: null },
      { ...call, method: "tools/list", params: { cursor: "tools/call" } },
      { ...call, params: { name: "write" } },
      { ...call, params: { name: "search", task: {} } },
      [call],
      null,
    ];
    for (const other of others) assert.isUndefined(callIn(line(other), tools));
    assert.isUndefined(callIn(Buffer.from('{"method":"tools/call"'), tools));
  });

  it("is asked for by name, as often as there are tools", () => {
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
