import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { request } from "node:http";
import { until } from "../cli/Program.ts";
import { Door } from "./Knock.ts";

const spans: Array<string> = [];
const collector = createServer((asked, answer) => {
  let text = "";
  asked.setEncoding("utf8").on("data", (more: string) => (text += more));
  asked.once("end", () => {
    spans.push(text);
    answer.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
});

const door = new Door();
beforeAll(async () => {
  collector.listen(0, "127.0.0.1");
  await once(collector, "listening");
  const { port } = collector.address() as AddressInfo;
  const traced = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_BSP_SCHEDULE_DELAY: "100" };
  const up = await door.start(["up", "--json"], traced).says('"ready":true');
  door.url = JSON.parse(up.out).http;
});
afterAll(async () => {
  await door[Symbol.asyncDispose]();
  collector.close();
});

const bearer = () => ({ authorization: `Bearer ${door.local}` });
const say = (text: string, headers: Record<string, string> = {}) =>
  door.ask("/v1/threads/seen/messages", {
    method: "POST",
    headers: { ...bearer(), "content-type": "application/json", ...headers },
    body: JSON.stringify({ role: "user", text }),
  });

describe("what the door says of itself", { timeout: 120_000 }, () => {
  it("counts each operation by its status for Prometheus, for those who have a token", async () => {
    await say("hello");
    await door.ask("/v1/threads/nowhere", { headers: bearer() });
    assert.strictEqual((await door.ask("/metrics")).status, 401);
    const { headers, text } = await door.ask("/metrics", { headers: bearer() });
    assert.match(String(headers["content-type"]), /^text\/plain; version=0\.0\.4/);
    assert.match(text, /recollect_http_requests\{[^}]*operation="threads\.say"[^}]*status="201"[^}]*\} 1\n/);
    assert.match(text, /recollect_http_requests\{[^}]*operation="threads\.read"[^}]*status="404"[^}]*\} 1\n/);
    assert.match(text, /recollect_http_request_seconds_bucket\{[^}]*operation="threads\.say"/);
  });

  it("tells its numbers, which are of all tenants, to none that is of one", async () => {
    const authorization = `Bearer ${await door.token("acme", "publisher", "acme")}`;
    const { status, text } = await door.ask("/metrics", { headers: { authorization } });
    assert.deepStrictEqual([status, JSON.parse(text).code], [403, "tenant"]);
  });

  it("describes itself as OpenAPI 3.1, with every operation, and as a page that loads nothing", async () => {
    const spec = (await door.ask("/openapi.json")).json() as {
      openapi: string;
      paths: Record<string, Record<string, { operationId: string }>>;
    };
    assert.strictEqual(spec.openapi, "3.1.0");
    const ids = Object.values(spec.paths).flatMap((item) => Object.values(item).map(({ operationId }) => operationId));
    for (const id of ["threads.say", "threadEvents.append", "tasks.claim", "follow.follow", "sql.sql", "inbox.take"]) {
      assert.include(ids, id);
    }
    const page = await door.ask("/docs");
    assert.match(String(page.headers["content-security-policy"]), /^default-src 'none'; style-src 'sha256-/);
    assert.notMatch(page.text, /<script|<link|<img|https?:\/\/(?!127)/);
    for (const path of Object.keys(spec.paths)) assert.include(page.text, `<code>${path}</code>`);
  });

  it("compresses large answers for those who ask for it, and no stream of events", async () => {
    for (let at = 0; at < 5; at++) await say(`a sentence that comes again and again `.repeat(60));
    const url = `${door.url}/v1/threads/seen`;
    const bytes = await new Promise<{ encoding: string | undefined; body: Buffer }>((resolve, reject) => {
      request(url, { headers: { ...bearer(), "accept-encoding": "gzip, br" } }, (answer) => {
        const chunks: Array<Buffer> = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.once("end", () =>
          resolve({ encoding: answer.headers["content-encoding"], body: Buffer.concat(chunks) }),
        );
      })
        .once("error", reject)
        .end();
    });
    assert.strictEqual(bytes.encoding, "gzip");
    const plain = await door.ask("/v1/threads/seen", { headers: bearer() });
    assert.strictEqual(gunzipSync(bytes.body).toString(), plain.text);
    assert.isBelow(bytes.body.byteLength * 5, plain.text.length);
    const stream = await door.ask("/v1/follow?forSeconds=1", { headers: { ...bearer(), "accept-encoding": "gzip" } });
    assert.notProperty(stream.headers, "content-encoding");
  });

  it("goes on with the trace of a request down to the append, and the event names it", async () => {
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    await say("traced", { traceparent: `00-${traceId}-b7ad6b7169203331-01` });
    await until(() => spans.some((text) => text.includes(traceId) && text.includes("publish.say")));
    const sent = spans.join("");
    assert.match(sent, /"name":"http\.server |"name":"POST|http\.request\.method/);
    assert.notInclude(sent, "a sentence that comes again");
    assert.notInclude(sent, door.local);
    const rows = await door.ask("/v1/sql", {
      method: "POST",
      headers: { ...bearer(), "content-type": "application/json" },
      body: JSON.stringify({ statement: `SELECT type FROM v_events WHERE traceparent LIKE '%${traceId}%'` }),
    });
    assert.deepStrictEqual(JSON.parse(rows.text), [{ type: "thread.message_appended" }]);
  });
});
