import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer";
import { assert, layer } from "@effect/vitest";
import { Context, Effect, FileSystem, Layer, Stream } from "effect";
import { HttpRouter, HttpServer } from "effect/http";
import { createServer } from "node:http";
import { cookieName, HttpDoor } from "../../../src/edge/http/Guard.ts";
import { TenantClients } from "../../../src/edge/http/TenantClients.ts";
import * as Page from "../../../src/edge/page/Page.ts";
import { eventTypes } from "../../../src/domain/Event.ts";
import { task, thread } from "../../../src/domain/History.ts";
import * as HttpTokens from "../../../src/log/access/HttpTokens.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import { newId } from "../../../src/publish/write/NewEvent.ts";
import { Query } from "../../../src/query/Query.ts";
import { shown, shownQuery } from "../../../src/client/Shown.ts";
import { happened, store } from "./Site.ts";

class Address extends Context.Service<Address, { readonly url: string; readonly root: string }>()("test/Address") {}

/** Where the page believes to be: the name of its cookie. */
const doorUrl = "http://127.0.0.1:4280";

/** No test here asks what is recorded: `test/edge/http/Door.test.ts` does, at a daemon. */
const clients = Layer.succeed(TenantClients, { enter: () => undefined, of: () => Effect.die("no client") });

const site = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem;
    const root = yield* fs.makeTempDirectoryScoped({ prefix: "recollect-page-door-" });
    const door = Layer.succeed(HttpDoor, { root, url: doorUrl, hosts: [], closing: Effect.never });
    const address = Layer.effect(
      Address,
      Effect.map(HttpServer.HttpServer, ({ address: at }) => ({
        root,
        url: "port" in at ? `http://127.0.0.1:${at.port}` : "",
      })),
    );
    const served = HttpRouter.serve(Page.layer, { disableLogger: true, disableListenLog: true });
    return Layer.merge(served.pipe(Layer.provide([door, clients])), address);
  }),
).pipe(Layer.provide(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })), Layer.provideMerge(store));

/** What a browser is answered that was signed in as this one; undefined: that was not. */
const answer = Effect.fnUntraced(function* (
  path: string,
  who?: { readonly role: "reader" | "operator"; readonly tenant: string },
) {
  const { root, url } = yield* Address;
  const now = Date.now();
  let cookie = "";
  if (who !== undefined) {
    const code = yield* HttpTokens.createCode(root, { name: "browser", ...who, now, livesMillis: 60_000 });
    const used = HttpTokens.useCode(root, code, { now, livesMillis: 60_000 });
    cookie = `${cookieName(doorUrl)}=${used?.secret ?? ""}`;
  }
  const response = yield* Effect.promise(() => fetch(url + path, { headers: { cookie } }));
  return { status: response.status, text: yield* Effect.promise(() => response.text()) };
});

const said = (text: string, tenant: string) =>
  happened(thread(`in-${tenant}`, tenant), [
    ["thread.message_appended", { messageId: text, role: "user", content: text }],
  ]);

layer(site, { excludeTestServices: true, timeout: 60_000 })("the page at its door", (it) => {
  it.effect("shows nothing to a browser that is not signed in, but how to sign in", () =>
    Effect.gen(function* () {
      yield* said("a secret of acme", "acme");
      for (const path of [
        "/",
        "/threads",
        "/search?q=secret",
        "/thread/in-acme?tenant=acme",
        "/event/1",
        "/sql?q=SELECT+1",
      ]) {
        const found = yield* answer(path);
        assert.strictEqual(found.status, 401, path);
        assert.include(found.text, "recollect open");
        assert.notInclude(found.text, "a secret of acme");
      }
    }),
  );

  it.effect("shows a reader their own tenant alone, whatever the address says, and no screen of the whole store", () =>
    Effect.gen(function* () {
      yield* said("a secret of acme", "acme");
      yield* said("hello from home", "home");
      const reader = { role: "reader", tenant: "home" } as const;
      for (const path of [
        "/",
        "/threads",
        "/search?q=secret",
        "/thread/in-acme?tenant=acme",
        "/event/1",
        "/audit",
        "/live",
      ])
        assert.notInclude((yield* answer(path, reader)).text, "a secret of", path);
      assert.include((yield* answer("/thread/in-home", reader)).text, "hello from home");
      const first = (yield* answer("/", reader)).text;
      assert.notMatch(first, /\d events?<|gap \d|dead letter/, "no number of the whole store");
      const operator = { role: "operator", tenant: "home" } as const;
      assert.match((yield* answer("/", operator)).text, /\d events?<[^]*gap \d/);
      const reports = ["/report/storage", "/report/audit"] as const;
      for (const path of reports) {
        assert.notMatch((yield* answer(path, reader)).text, /id="(?:storage-pipeline|audit-store)"/, path);
        assert.match((yield* answer(path, operator)).text, /id="(?:storage-pipeline|audit-store)"/, path);
      }
      for (const path of ["/sql?q=SELECT+1", "/pipeline"])
        assert.strictEqual((yield* answer(path, reader)).status, 403, path);
    }),
  );

  it.effect("counts the prompts of weekdays and hours up to the day that is asked", () =>
    Effect.gen(function* () {
      yield* said("a prompt of today", "hours");
      const operator = { role: "operator", tenant: "hours" } as const;
      const counted = (text: string) => [...text.matchAll(/\d+:00: ([1-9]\d*)</g)].map(([, count]) => count);
      assert.deepStrictEqual(counted((yield* answer("/projects?tenant=hours", operator)).text), ["1"]);
      assert.deepStrictEqual(counted((yield* answer("/projects?tenant=hours&until=2020-01-01", operator)).text), []);
    }),
  );

  it.effect("shows no secret that a transcript has, on any screen, as text or as CSV", () =>
    Effect.gen(function* () {
      const secret = `ghp_${"k3Jq".repeat(9)}`;
      yield* said(`use ${secret}`, "leaky");
      const log = yield* EventLog;
      const { lastSequence } = yield* log.info;
      const operator = { role: "operator", tenant: "leaky" } as const;
      const statement = "SELECT text FROM v_messages WHERE tenant = 'leaky'";
      for (const path of [
        "/thread/in-leaky?tenant=leaky",
        "/thread/in-leaky/markdown?tenant=leaky",
        `/event/${lastSequence}`,
        `/event/${lastSequence}?text=1`,
        "/search?q=use",
        "/threads",
      ]) {
        const { text } = yield* answer(path, operator);
        assert.notInclude(text, secret, path);
        assert.match(text, /\[redacted:github-token:[0-9a-f]{16}\]/, path);
      }
      const columns = ["text", "text AS x, 1 AS x", "1 AS x, text AS x", "text AS x, text AS x"];
      const redacting = shownQuery(yield* Query, yield* shown());
      for (const sql of columns.map((names) => `SELECT ${names} FROM v_messages WHERE tenant = 'leaky'`)) {
        const { rows: all } = yield* redacting.select(sql);
        assert.notInclude(JSON.stringify(all), secret, sql);
        assert.strictEqual(all[0]?.includes(1), sql.includes("1"), sql);
      }
      const { rows } = yield* Effect.flatMap(Query, (query) => query.sql(statement)).pipe(
        Effect.flatMap((asked) => Stream.runCollect(asked.rows).pipe(Effect.map((all) => ({ rows: all })))),
        Effect.scoped,
      );
      assert.include(JSON.stringify(rows), secret);
    }),
  );

  it.effect("shows a reader their own task, and nothing of one that has its id elsewhere", () =>
    Effect.gen(function* () {
      for (const tenant of ["early", "late"])
        yield* happened(task("shared", tenant), [
          ["task.submitted", { request: { agentType: "a", description: `work of ${tenant}` } }],
          ["task.claimed", { worker: `hands of ${tenant}` }],
        ]);
      for (const [tenant, other] of [
        ["early", "late"],
        ["late", "early"],
      ] as const) {
        const { text } = yield* answer("/task/shared", { role: "reader", tenant });
        assert.include(text, `hands of ${tenant}`);
        assert.notInclude(text, `hands of ${other}`);
        assert.notInclude(text, `work of ${other}`);
      }
    }),
  );

  it.effect("shows a reader their tasks however many later ones others have", () =>
    Effect.gen(function* () {
      const submitted = ["task.submitted", { request: { agentType: "a", description: "work of the quiet" } }] as const;
      yield* happened(task("quiet-1", "quiet"), [submitted]);
      for (let at = 0; at < 201; at++) yield* happened(task(`loud-${at}`, "loud"), [submitted]);
      const reader = { role: "reader", tenant: "quiet" } as const;
      for (const path of ["/tasks", "/tasks?status=pending"])
        assert.include((yield* answer(path, reader)).text, "/task/quiet-1", path);
    }),
  );

  it.effect("lists every call of a tool on its pages, also those of one event at a page's end", () =>
    Effect.gen(function* () {
      const called = (id: string) => ({ type: "tool_use", callId: id, name: "Many", arguments: { id } });
      const log = yield* EventLog;
      for (let at = 0; at < 70; at++) {
        const parts = [0, 1, 2].map((more) => called(`many-${at}-${more}`));
        const body = JSON.stringify({ messageId: `m${at}`, role: "assistant", parts });
        const type = "thread.message_appended";
        const about = { type, schemaVersion: eventTypes[type].version, occurredAt: Date.now(), source: "test" };
        const history = thread("of-many", "many");
        yield* log.append({ history, events: [{ ...about, id: yield* newId, body }], expected: "any" });
      }
      yield* happened(thread("of-many", "many"), [["thread.renamed", { title: "many" }]]);
      const reader = { role: "reader", tenant: "many" } as const;
      const found: Array<string> = [];
      let next: string | undefined = "/calls?tool=Many";
      while (next !== undefined) {
        const { text }: { readonly text: string } = yield* answer(next, reader);
        found.push(...(text.match(/many-\d+-\d/g) ?? []));
        next = /href="([^"]+)">Older/.exec(text)?.[1]?.replaceAll("&amp;", "&");
      }
      assert.lengthOf(new Set(found), 210);
    }),
  );

  it.effect("gives as Markdown also the calls that no message asked for", () =>
    Effect.gen(function* () {
      const called = (id: string) =>
        ["thread.tool_called", { callId: id, name: "measure", arguments: { id } }] as const;
      const asked = ["thread.message_appended", { messageId: "m", role: "user", content: "How long is it?" }] as const;
      yield* happened(thread("only-calls", "calls"), [called("early"), called("late")]);
      yield* happened(thread("with-words", "calls"), [called("early"), asked, called("late")]);
      const reader = { role: "reader", tenant: "calls" } as const;
      for (const id of ["only-calls", "with-words"]) {
        const { text } = yield* answer(`/thread/${id}/markdown`, reader);
        assert.match(text, /early[^]*late/, id);
      }
    }),
  );

  it.effect("answers what is no CSV with the status of a failure", () =>
    Effect.gen(function* () {
      const operator = { role: "operator", tenant: "home" } as const;
      assert.strictEqual((yield* answer("/tools?csv=neither.nor", operator)).status, 404);
      assert.strictEqual((yield* answer("/tools?csv=tools.nothing", operator)).status, 400);
    }),
  );

  it.effect("shows an operator every tenant", () =>
    Effect.gen(function* () {
      yield* said("a secret of acme", "acme");
      const operator = { role: "operator", tenant: "home" } as const;
      assert.include((yield* answer("/thread/in-acme?tenant=acme", operator)).text, "a secret of acme");
      assert.strictEqual((yield* answer("/pipeline", operator)).status, 200);
    }),
  );
});
