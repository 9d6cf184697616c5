/** The proxy in front of an HTTP server: what is told of calls that are never answered. */
import { assert, describe, it } from "@effect/vitest";
import { once } from "node:events";
import { createServer, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { listen } from "../../../src/edge/wrap/HttpProxy.ts";
import { until } from "../cli/Program.ts";
import { ask } from "../http/Knock.ts";

const call = (id: number) => JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params: { name: "pay" } });

describe("a call over streamable HTTP that is never answered", () => {
  it("is told once, whether its server broke off, its client went away or it was answered after all", async () => {
    const told: Array<string> = [];
    let isHanging = false;
    const server = createServer((asked: IncomingMessage, answer) => {
      asked.resume().once("end", () => {
        if (asked.headers["x-answer"] !== undefined) return answer.end("{}");
        if (asked.headers["x-hang"] === undefined) return asked.socket.destroy();
        isHanging = true;
        return answer;
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const target = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);
    const proxy = await listen(target, 0, (_, line) => void told.push(Buffer.from(line).toString("utf8").trim()));
    const post = (id: number, headers: Record<string, string> = {}) =>
      ask(proxy.url, { method: "POST", body: call(id), headers });
    assert.strictEqual((await post(1)).status, 502);
    assert.strictEqual((await post(2, { "x-answer": "yes" })).status, 200);
    const gone = request(proxy.url, { method: "POST", headers: { "x-hang": "yes" }, agent: false });
    gone.on("error", () => undefined);
    gone.end(call(3));
    await until(() => isHanging);
    gone.destroy();
    await until(() => told.filter((line) => line.includes("tools/call")).length === 3);
    await proxy.close();
    server.closeAllConnections();
    server.close();
    const asked = told.map((line) => JSON.parse(line) as { readonly id?: string; readonly method?: string });
    // Its session, which is none here, stands before each id.
    assert.deepStrictEqual(
      asked.flatMap(({ id, method }) => (method === "tools/call" ? [id] : [])),
      [" 1", " 2", " 3"],
    );
  });
});
