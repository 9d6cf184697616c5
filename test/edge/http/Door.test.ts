import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { connect, createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { Door } from "./Knock.ts";

const door = new Door();
beforeAll(async () => void (await door.open()));
afterAll(() => door[Symbol.asyncDispose]());

/** Status of a request whose target no client library would send. */
const raw = async (port: number, target: string, headers: Readonly<Record<string, string>>): Promise<number> => {
  const socket = connect(port, "127.0.0.1");
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET ${target} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n${lines.join("")}\r\n`);
  let text = "";
  for await (const piece of socket) text += String(piece);
  return Number(text.slice(9, 12));
};

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe("the HTTP door of a daemon", { timeout: 120_000 }, () => {
  it("is where the instance file says, and says that it is alive and ready to whoever asks", async () => {
    assert.deepInclude(door.instance(), { http: door.url });
    assert.deepInclude(await door.ask("/healthz"), { status: 200, text: "ok\n" });
    assert.deepInclude(await door.ask("/readyz"), { status: 200, text: "ok\n" });
  });

  it("answers a problem of RFC 9457 where there is nothing", async () => {
    const answer = await door.ask("/nothing/here");
    assert.strictEqual(answer.status, 404);
    assert.strictEqual(answer.headers["content-type"], "application/problem+json");
    assert.deepInclude(answer.json(), { type: "urn:recollect:problem:route", status: 404, title: "Not found" });
  });

  it("gives a request that asks for a WebSocket the answer that it gives without one, and serves the next", async () => {
    const upgrade = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" };
    const headers = { ...upgrade, "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" };
    for (const [path, status] of [
      ["/healthz", 200],
      ["/v1/threads", 401],
      ["/nothing/here", 404],
    ] as const) {
      const plain = await door.ask(path);
      assert.strictEqual(plain.status, status, path);
      assert.deepInclude(await door.ask(path, { headers }), { status, text: plain.text }, path);
    }
    assert.strictEqual((await door.ask("/healthz")).status, 200);
  });

  it("says that an address is too long, where to put what is long, and serves the next request", async () => {
    const long = await door.ask(`/sql?q=${"x".repeat(20_000)}`, { headers: bearer(door.local) });
    assert.strictEqual(long.status, 431);
    assert.match((JSON.parse(long.text) as { detail: string }).detail, /larger than 16 KiB/);
    assert.strictEqual((await door.ask("/healthz")).status, 200);
  });

  it("shows a browser a screen with a way home where there is nothing, also where it is not signed in", async () => {
    for (const path of ["/nothing/here", "/v1/nothing", "/<b>x"]) {
      const answer = await door.ask(path, { headers: { accept: "text/html,application/xhtml+xml,*/*;q=0.8" } });
      assert.strictEqual(answer.status, 404, path);
      assert.match(String(answer.headers["content-type"]), /^text\/html/, path);
      assert.include(answer.text, '<a href="/">');
      assert.notInclude(answer.text, "<b>x");
    }
  });

  it("takes a target that is no URL as an address where nothing is, or something", async () => {
    const { port } = new URL(door.url);
    for (const path of ["//", "///", "http://[/", "http://%/", "//[", "//sign-in?code=%"]) {
      const answer = await raw(Number(port), path, bearer(door.local));
      assert.oneOf(answer, [200, 401, 404], path);
    }
  });

  it("refuses JSON that is nested too deep to be read, at every door, before anything reads it", async () => {
    const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
    const post = (path: string, body: string) =>
      door.ask(path, { method: "POST", headers: { ...bearer(door.local), "content-type": "application/json" }, body });
    const event = (levels: number) => `{"type":"x.acme.deep","data":${deep(levels)}}`;
    assert.strictEqual((await post("/v1/threads/deep/events", event(400))).status, 201);
    for (const levels of [600, 5_000, 100_000]) {
      for (const [path, body] of [
        ["/v1/threads/deep/events", event(levels)],
        ["/v1/threads/deep/sync", `{"messages":[{"role":"user","content":${deep(levels)}}]}`],
        ["/hooks/claude-code", `{"hook_event_name":"PreToolUse","session_id":"d","tool_input":${deep(levels)}}`],
        ["/mcp", `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${deep(levels)}}}`],
      ] as const) {
        const answer = await post(path, body);
        assert.deepInclude(answer.json(), { status: 400, code: "tooDeep" }, `${path} ${levels}`);
      }
    }
    assert.strictEqual((await door.ask("/v1/threads/deep/events", { headers: bearer(door.local) })).status, 200);
  });

  it("stores an entry of a transcript that comes over HTTP without its secrets", async () => {
    const secret = `ghp_${"k3Jq".repeat(9)}`;
    const entry = { type: "user", message: { role: "user", content: `use ${secret}` } };
    const body = JSON.stringify({ type: "thread.entry_recorded", data: { format: "claude-code", entry } });
    const headers = { ...bearer(door.local), "content-type": "application/json" };
    assert.strictEqual((await door.ask("/v1/threads/entry/events", { method: "POST", headers, body })).status, 201);
    const { text } = await door.ask("/v1/threads/entry/events", { headers: { ...headers, "recollect-raw": "true" } });
    assert.match(text, /use \[redacted:github-token:[0-9a-f]{16}\]/);
    assert.notInclude(text, secret);
  });

  it("records a statement of the page's editor as an audit event, and runs two at a time with those of the API", async () => {
    const headers = bearer(door.local);
    assert.strictEqual((await door.ask("/sql?q=SELECT+40%2B2+AS+answer&p.x=", { headers })).status, 200);
    assert.include((await door.ask("/sql?q=SELECT+40%2B2+AS+answer", { headers })).text, "42");
    for (const number of ["-9007199254740991", "9007199254740993", "123456789012345677"]) {
      const { text } = await door.ask(`/sql?q=SELECT+'it+is+'||:n&p.n=${number}`, { headers });
      assert.include(text, `it is ${number}`);
    }
    const audit = `SELECT DISTINCT actor, json_extract(data, '$.door') AS door FROM v_events WHERE type = 'x.recollect.sql_asked'
      AND json_extract(data, '$.statement') = 'SELECT 40+2 AS answer'`;
    const body = JSON.stringify({ statement: audit });
    const post = { method: "POST", headers: { ...headers, "content-type": "application/json" } };
    const asked = await door.ask("/v1/sql", { ...post, body });
    assert.deepStrictEqual(JSON.parse(asked.text), [{ actor: "page/local", door: "page" }]);
    const endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";
    const slow = JSON.stringify({ statement: endless, timeoutSeconds: 3 });
    const running = [1, 2].map(() => door.ask("/v1/sql", { ...post, body: slow }));
    const page = () => door.ask(`/sql?q=${encodeURIComponent("SELECT 'fits' AS it")}`, { headers });
    let { text } = await page();
    while (!text.includes("running already")) ({ text } = await page());
    await Promise.all(running);
    assert.include((await page()).text, "fits");
  });

  it("knows its own names only, so that a foreign name that leads here reaches nothing", async () => {
    const port = new URL(door.url).port;
    for (const host of ["evil.example", `evil.example:${port}`, "127.0.0.1.evil.example", "localhost.evil.example"]) {
      const answer = await door.ask("/healthz", { headers: { host } });
      assert.strictEqual(answer.status, 421, host);
    }
    for (const host of [
      `localhost:${port}`,
      `127.0.0.1:${port}`,
      `[::1]:${port}`,
      "recollect.localhost",
      "LOCALHOST",
    ]) {
      assert.strictEqual((await door.ask("/healthz", { headers: { host } })).status, 200, host);
    }
    // One that stands between may have gone by the other.
    for (const host of ["127.0.0.1", "evil.example"]) {
      assert.strictEqual(await raw(Number(port), "/healthz", { Host: host }), 400, host);
      assert.strictEqual(await raw(Number(port), "/v1/threads", { Host: host, ...bearer(door.local) }), 400, host);
    }
    assert.strictEqual(await raw(Number(port), "/healthz", {}), 200);
  });

  it("serves pages of its own origin only, and sends no CORS header", async () => {
    const port = new URL(door.url).port;
    for (const origin of [
      "https://evil.example",
      "null",
      `https://127.0.0.1:${port}`,
      "http://127.0.0.1:1",
      "http://localhost",
    ]) {
      const answer = await door.ask("/healthz", { headers: { origin } });
      assert.strictEqual(answer.status, 403, origin);
      assert.deepInclude(answer.json(), { code: "origin" });
    }
    for (const site of ["cross-site", "same-site"]) {
      const picture = { "sec-fetch-site": site, "sec-fetch-mode": "no-cors" };
      assert.strictEqual((await door.ask("/sql?q=SELECT+1", { headers: picture })).status, 403, site);
      const link = { "sec-fetch-site": site, "sec-fetch-mode": "navigate" };
      assert.strictEqual((await door.ask("/healthz", { headers: link })).status, 200, site);
    }
    const own = await door.ask("/healthz", { headers: { origin: door.url } });
    assert.strictEqual(own.status, 200);
    assert.notInclude(Object.keys(own.headers).join(), "access-control");
  });

  it("takes the token of this user, and no other one, in place of a browser's cookie or the other way round", async () => {
    const who = (headers: Record<string, string>) => door.ask("/v1/principal", { headers });
    assert.deepStrictEqual((await who(bearer(door.local))).json(), {
      name: "local",
      role: "operator",
      tenant: "default",
      via: "bearer",
    });
    for (const headers of [
      {},
      bearer("rct_nothing"),
      bearer("../../../keys/local.nk"),
      { authorization: `Basic ${door.local}` },
      { cookie: `recollect_${new URL(door.url).port}=${door.local}` },
    ]) {
      const answer = await who(headers as Record<string, string>);
      assert.strictEqual(answer.status, 401, JSON.stringify(headers));
      assert.strictEqual(answer.headers["www-authenticate"], 'Bearer realm="recollect"');
    }
  });

  it("keeps the digest of a token only, shows it once, and refuses it from the next request on when it is revoked", async () => {
    const token = await door.token("ci", "publisher", "acme");
    const who = () => door.ask("/v1/principal", { headers: bearer(token) });
    assert.deepInclude((await who()).json(), { name: "ci", role: "publisher", tenant: "acme" });
    const folder = join(door.data, "http", "tokens");
    for (const name of readdirSync(folder)) {
      assert.notInclude(name + readFileSync(join(folder, name), "utf8"), token);
      assert.strictEqual(statSync(join(folder, name)).mode & 0o077, 0);
    }
    const again = await door.run(["access", "token", "create", "ci", "--role", "reader"]);
    assert.match(again.err, /There is a token ci already/);
    const { out } = await door.run(["access", "token", "list"]);
    assert.match(out, /ci +token +publisher +acme/);
    assert.notInclude(out, token);
    await door.run(["access", "token", "revoke", "ci"]);
    assert.strictEqual((await who()).status, 401);
    assert.strictEqual((await door.run(["access", "token", "revoke", "ci"])).code, 4);
  });

  it("lets an operator name a tenant, and nobody else", async () => {
    const token = await door.token("reader", "reader", "acme");
    const named = { "recollect-tenant": "other" };
    const of = (secret: string) => door.ask("/v1/principal", { headers: { ...bearer(secret), ...named } });
    assert.deepInclude((await of(door.local)).json(), { tenant: "other" });
    const refused = await of(token);
    assert.strictEqual(refused.status, 403);
    assert.deepInclude(refused.json(), { code: "tenant" });
  });

  it("takes no name for a tenant that none can have, and expects nothing but that a body may follow", async () => {
    for (const name of ["", "a".repeat(500)]) {
      const headers = { ...bearer(door.local), "recollect-tenant": name };
      const { json, status } = await door.ask("/v1/principal", { headers });
      assert.deepStrictEqual([status, json()["code"]], [400, "tenant"]);
    }
    const expecting = { ...bearer(door.local), expect: "a-miracle" };
    const { json, status } = await door.ask("/v1/principal", { method: "POST", headers: expecting, body: "{}" });
    assert.deepStrictEqual([status, json()["code"]], [417, "expectation"]);
  });

  it("signs a browser in by an address that works once, with a cookie that pages and programs cannot take", async () => {
    const { address } = await door.json<{ readonly address: string }>(["open", "--role", "reader", "--tenant", "acme"]);
    const path = address.slice(door.url.length);
    assert.isTrue(address.startsWith(door.url));
    const signed = await door.ask(`${path}&to=${encodeURIComponent("/threads?a=b")}`);
    assert.strictEqual(signed.status, 303);
    assert.strictEqual(signed.headers["location"], "/threads?a=b");
    const set = String(signed.headers["set-cookie"]);
    assert.match(set, /; HttpOnly/);
    assert.match(set, /; SameSite=Strict/);
    const [cookie = ""] = set.split(";");
    const who = (headers: Record<string, string>) => door.ask("/v1/principal", { headers });
    assert.deepInclude((await who({ cookie })).json(), { role: "reader", tenant: "acme", via: "cookie" });
    assert.strictEqual((await who(bearer(cookie.split("=")[1] ?? ""))).status, 401);
    assert.strictEqual((await door.ask(path)).status, 401);
    assert.strictEqual((await door.ask("/sign-in")).status, 401);
    await door.ask("/sign-out", { method: "POST", headers: { cookie } });
    assert.strictEqual((await who({ cookie })).status, 401);
  });

  it("never sends a browser elsewhere after signing it in", async () => {
    for (const to of [
      "https://evil.example",
      "//evil.example",
      "/\\evil.example",
      "/\t/evil.example",
      "/.//evil.example",
      "/\n/evil.example",
      "javascript:alert(1)",
    ]) {
      const { address } = await door.json<{ readonly address: string }>(["open"]);
      const signed = await door.ask(`${address.slice(door.url.length)}&to=${encodeURIComponent(to)}`);
      assert.strictEqual(signed.headers["location"], "/", to);
    }
  });
});

describe("the HTTP address", { timeout: 120_000 }, () => {
  it("is that of last time, also after a start while it was taken; one that was asked for and is taken is an error", async () => {
    await using other = new Door();
    const first = await other.open();
    const { url } = other;
    await first.end();
    const again = await other.open();
    assert.strictEqual(other.url, url);
    await again.end();
    const taken = createServer().listen(Number(new URL(url).port), "127.0.0.1");
    await once(taken, "listening");
    const { port } = new URL(url);
    const refused = await other.run(["up", "--http-port", port]);
    assert.strictEqual(refused.code, 5);
    assert.match(refused.err, new RegExp(`port ${port} .* is taken`));
    const third = await other.open();
    taken.close();
    assert.notStrictEqual(other.url, url);
    assert.include(third.err, `port ${port} is taken`);
    assert.strictEqual((await other.ask("/healthz")).status, 200);
    await third.end();
    await other.open();
    assert.strictEqual(other.url, url);
  });

  it("is none with --no-http, and `open` says so", async () => {
    await using other = new Door();
    await other.open("--no-http");
    assert.strictEqual(other.url, "");
    const opened = await other.run(["open"]);
    assert.strictEqual(opened.code, 4);
    assert.match(opened.err, /No daemon serves HTTP/);
  });
});
