import { assert, describe, it } from "@effect/vitest";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { type Ask, stand, type Verdict } from "../../../src/edge/wrap/Gate.ts";

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

const pass: Verdict = { _tag: "Pass" };

/** Decides about lines that begin with `?`, as soon as it is told what. */
const questions = () => {
  const open: Array<(verdict: Verdict) => void> = [];
  const went: Array<Verdict["_tag"]> = [];
  const ask: Ask = (line) => {
    if (line[0] !== 0x3f) return undefined;
    const { promise, resolve } = Promise.withResolvers<Verdict>();
    open.push(resolve);
    return { verdict: promise, went: ({ _tag }) => went.push(_tag) };
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

describe("wrap, the gate", () => {
  it("passes every byte unchanged, both ways, however it is cut, also lines that are too large to be looked at", async () => {
    const given = Buffer.concat([
      Buffer.from(`one\n${"x".repeat(33 * 1024 * 1024)}\n\n`),
      randomBytes(1_000_000),
      Buffer.from("no last newline"),
    ]);
    const { clientIn, clientOut, seen, serverIn, serverOut } = gate(nothing);
    const both = Promise.all([collected(serverIn), collected(clientIn)]);
    for (let at = 0; at < given.length; at += 777_777) {
      if (!clientOut.write(given.subarray(at, at + 777_777))) await once(clientOut, "drain");
      if (!serverOut.write(given.subarray(at, at + 777_777))) await once(serverOut, "drain");
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
    open[0]?.({ _tag: "Answer", line: "from memory" });
    await turn();
    assert.strictEqual(told(clientIn), "from memory\n");
    assert.strictEqual(told(serverIn), "b\n");
    open[1]?.(pass);
    await turn();
    assert.strictEqual(told(serverIn), "?2\nc\n");
    clientOut.write("?3\nd\n");
    await turn();
    open[2]?.({ _tag: "Refuse", line: "no" });
    await turn();
    assert.deepStrictEqual([told(clientIn), told(serverIn)], ["no\n", "d\n"]);
    assert.deepStrictEqual(went, ["Answer", "Pass", "Refuse"]);
    // Whoever records sees the line that was answered, too, and nothing of the one that was refused.
    assert.strictEqual(Buffer.concat(seen.toServer).toString(), "a\n?1\nb\n?2\nc\nd\n");
    assert.strictEqual(Buffer.concat(seen.toClient).toString(), "from memory\n");
  });

  it("never speaks into a line of the server", async () => {
    const { ask, open } = questions();
    const { clientIn, clientOut, serverOut } = gate(ask);
    serverOut.write("half of");
    await turn();
    clientOut.write("?1\n");
    await turn();
    open[0]?.({ _tag: "Answer", line: "mine" });
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
    clientOut.end("?1\n?last");
    await turn();
    open[0]?.(pass);
    assert.strictEqual(String(await all), "?1\n?last");
    assert.lengthOf(open, 1, "a last line without its end is none");
  });
});
