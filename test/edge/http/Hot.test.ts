/** The hot path of the HTTP door: what it answers is what the router answers, and what it does not take the router has whole. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { Context, Effect, References, Scope } from "effect";
import { HttpServerRequest, HttpServerResponse } from "effect/http";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HttpDoor, Principal } from "../../../src/edge/http/Guard.ts";
import * as HotPath from "../../../src/edge/http/hot/HotPath.ts";
import type { HotRoute } from "../../../src/edge/http/hot/HotRoutes.ts";
import { TenantClients } from "../../../src/edge/http/TenantClients.ts";
import * as HttpTokens from "../../../src/log/access/HttpTokens.ts";
import { type Answer, ask, Door } from "./Knock.ts";

const json = { "content-type": "application/json" };

describe("the hot path", () => {
  const root = mkdtempSync(join(tmpdir(), "hot-"));
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  let url = "";
  let mine: Record<string, string> = {};
  let readers: Record<string, string> = {};
  const server = createServer();

  /** Stands for the router: says what has reached it. */
  const router = (request: IncomingMessage, response: ServerResponse) => {
    let body = "";
    // As Effect does it: in a later turn of the loop.
    setImmediate(() => {
      request.setEncoding("utf8").on("data", (more: string) => (body += more));
      request.on("end", () => response.end(JSON.stringify({ router: true, body })));
    });
  };

  const route: HotRoute = {
    method: "POST",
    path: /^\/hot\/(\w+)$/,
    needs: "publisher",
    answer: ({ body, id, tenant }) =>
      (body as { readonly isOdd?: boolean } | undefined)?.isOdd === false
        ? Effect.gen(function* () {
            const { name } = yield* Principal;
            const { headers } = yield* HttpServerRequest.HttpServerRequest;
            return HttpServerResponse.jsonUnsafe({ id, body, tenant, name, agent: headers["user-agent"] });
          })
        : undefined,
  };

  beforeAll(async () => {
    const make = (name: string, role: "publisher" | "reader") =>
      Effect.runPromise(HttpTokens.create(root, { name, role, tenant: "acme", now: Date.now() }));
    mine = bearer((await make("writer", "publisher")).secret);
    readers = bearer((await make("reader", "reader")).secret);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const services = Context.make(HttpDoor, { root, url, hosts: [], closing: Effect.never }).pipe(
      Context.add(TenantClients, {
        of: () => Effect.never,
        enter: () => ({ client: Context.empty() as never, leave: () => undefined }),
      }),
      Context.add(References.TracerEnabled, false),
    );
    server.on(
      "request",
      await Effect.runPromise(HotPath.make({ routes: [route], router, services, scope: Scope.makeUnsafe() })),
    );
  });
  afterAll(() => {
    server.close();
    rmSync(root, { recursive: true });
  });

  const post = (body: string, headers: Record<string, string> = {}, path = "/hot/one") =>
    ask(`${url}${path}`, {
      method: "POST",
      body,
      headers: { ...json, ...mine, "content-length": String(Buffer.byteLength(body)), ...headers },
    });

  it("answers a plain request by itself, as its principal", async () => {
    const told = await post('{"isOdd":false}', { "user-agent": "curl" });
    assert.deepStrictEqual(told.json(), {
      id: "one",
      body: { isOdd: false },
      tenant: "acme",
      name: "writer",
      agent: "curl",
    });
    assert.strictEqual(told.headers["x-content-type-options"], "nosniff");
  });

  it("leaves whatever is not plain to the router, with its body", async () => {
    const even = '{"isOdd":false}';
    const large = JSON.stringify({ isOdd: false, text: "x".repeat(70_000) });
    const deep = `{"isOdd":false,"deep":${"[".repeat(600)}${"]".repeat(600)}}`;
    const left: ReadonlyArray<readonly [string, Promise<Answer>, string]> = [
      ["a misfit", post('{"isOdd":true}'), '{"isOdd":true}'],
      ["no JSON", post("{isOdd"), "{isOdd"],
      ["deep JSON", post(deep), deep],
      ["a large body", post(large), large],
      ["another type", post(even, { "content-type": "text/plain" }), even],
      ["a foreign host", post(even, { host: "evil.example" }), even],
      ["a page", post(even, { origin: "http://evil.example" }), even],
      ["no token", post(even, { authorization: "" }), even],
      ["an unknown token", post(even, bearer("rct_none")), even],
      ["a role that may not", post(even, readers), even],
      ["a named tenant", post(even, { "recollect-tenant": "acme" }), even],
      ["a cookie", post(even, { cookie: "a=b" }), even],
      ["a query", post(even, {}, "/hot/one?x=1"), even],
      ["a coded name", post(even, {}, "/hot/o%6Ee"), even],
      ["another address", post(even, {}, "/cold/one"), even],
      ["no body", post(""), ""],
    ];
    for (const [what, answer, body] of left) {
      assert.deepStrictEqual((await answer).json(), { router: true, body }, what);
    }
  });

  it("takes a body that comes in pieces, and gives one that comes in pieces back in order", async () => {
    const raw = (pieces: ReadonlyArray<string>) =>
      new Promise<string>((resolve) => {
        const socket = connect(Number(new URL(url).port), "127.0.0.1")
          .setEncoding("utf8")
          .setNoDelay(true);
        let text = "";
        socket.on("data", (more: string) => (text += more)).on("close", () => resolve(text.split("\r\n\r\n")[1] ?? ""));
        const length = pieces.join("").length;
        socket.write(
          `POST /hot/one HTTP/1.1\r\nhost: ${new URL(url).host}\r\nauthorization: ${mine["authorization"]}\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n`,
        );
        let at = 0;
        const next = () => {
          const piece = pieces[at++];
          if (piece !== undefined) socket.write(piece, () => setImmediate(next));
        };
        next();
      });
    assert.include(await raw(['{"isO', 'dd":', "false}"]), '"name":"writer"');
    assert.include(await raw(['{"isO', 'dd":', "true}"]), JSON.stringify('{"isOdd":true}'));
  });
});

describe("a daemon's answers", () => {
  const door = new Door();
  beforeAll(() => door.open(), 120_000);
  afterAll(() => door[Symbol.asyncDispose]());

  /** Parts that differ from one request to the next. */
  const plain = ({ headers, status, text }: Answer) => {
    const { date: _, etag, "content-length": length, "recollect-kept": _kept, ...kept } = headers;
    if (length !== undefined) assert.strictEqual(Number(length), Buffer.byteLength(text));
    const body = text
      .replaceAll(/"(?:sequence|lastSequence)":\d+/g, '"n":0')
      .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "id");
    return { status, headers: kept, hasTag: etag !== undefined, body };
  };

  it("are the same by the hot path and by the router, those that refuse too", async () => {
    const operator = { authorization: `Bearer ${door.local}` };
    const reader = { authorization: `Bearer ${await door.token("hot-reader", "reader")}` };
    const event = (data: unknown) => JSON.stringify({ type: "x.acme.noted", data });
    const said = JSON.stringify({ role: "user", text: "What did we decide? sk-ant-api03-" + "a".repeat(93) + "AA" });
    const asked: ReadonlyArray<readonly [string, string, Record<string, string>, string?]> = [
      ["POST", "/v1/threads/hot/events", operator, event(1)],
      ["POST", "/v1/threads/hot/messages", operator, said],
      ["POST", "/v1/threads/hot/events", operator, JSON.stringify({ type: "no.such", data: 1 })],
      ["POST", "/v1/threads/hot/events", operator, JSON.stringify({ type: 1 })],
      ["POST", "/v1/threads/hot/messages", operator, "{"],
      ["POST", "/v1/threads/hot/messages", reader, said],
      ["POST", "/hooks/claude-code", operator, JSON.stringify({ session_id: "s", hook_event_name: "Stop" })],
      ["POST", "/hooks/claude-code", operator, JSON.stringify({ nothing: true })],
      ["POST", "/hooks/none", operator, JSON.stringify({ session_id: "s", hook_event_name: "Stop" })],
      ["GET", "/v1/threads/nowhere", reader],
      ["GET", "/v1/threads/hot", {}],
    ];
    for (const [method, path, who, body] of asked) {
      const asking = {
        method,
        headers: {
          ...json,
          ...who,
          ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
        },
        ...(body === undefined ? {} : { body }),
      };
      const router = plain(await door.ask(`${path}?`, asking));
      assert.deepStrictEqual(plain(await door.ask(path, asking)), router, `${method} ${path} ${body ?? ""}`);
    }
    const [hot, router] = [
      await door.ask("/v1/threads/hot", { headers: reader }),
      await door.ask("/v1/threads/hot?", { headers: reader }),
    ];
    assert.deepStrictEqual(plain(hot), plain(router));
    assert.strictEqual(hot.status, 200);
    assert.include(hot.text, "What did we decide?");
    const etag = String(hot.headers["etag"]);
    const known = { ...reader, "if-none-match": etag };
    assert.strictEqual((await door.ask("/v1/threads/hot", { headers: known })).status, 304);
    const { text } = await door.ask("/metrics", { headers: operator });
    assert.match(text, /recollect_http_requests\{[^}]*operation="threads\.read"[^}]*status="304"[^}]*\} 1\n/);
  });
});
