import type { ThreadFilterName } from "../../../src/query/ThreadFilter.ts";
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http";
import { HttpApiClient } from "effect/http-api";
import { Api } from "../../../src/edge/http/api/Api.ts";
import { Recollect } from "../../../src/client/Recollect.ts";
import { createHash } from "node:crypto";
import { connect } from "node:net";
import { type Answer, type Asking, Door } from "./Knock.ts";

const door = new Door();
beforeAll(async () => void (await door.open()));
afterAll(() => door[Symbol.asyncDispose]());

const bearer = (token = door.local) => ({ authorization: `Bearer ${token}` });
const get = (path: string, headers: Record<string, string> = {}) =>
  door.ask(path, { headers: { ...bearer(), ...headers } });
/** Into the log: on a machine that is busy what is said might wait in the spool, which is another answer. */
const send = (method: string, path: string, body: object, headers: Record<string, string> = {}) =>
  door.ask(path, {
    method,
    headers: { ...bearer(), "content-type": "application/json", ...headers },
    body: JSON.stringify({ durable: "log", ...body }),
  });
const post = (path: string, body: object, headers: Record<string, string> = {}) => send("POST", path, body, headers);

const statusAndCode = (answer: Answer) => ({ status: answer.status, code: answer.json()["code"] });
/** What comes is looked at by the assertions. */
const shape = <T>(answer: Answer): T => answer.json() as unknown as T;

describe("a request over HTTP that lacks what its verb needs", { timeout: 120_000 }, () => {
  it("is answered 400, because the thread is not what is missing", async () => {
    for (const answer of [await post("/v1/threads/lacking/expire", {}), await send("PATCH", "/v1/threads/lacking", {})])
      assert.deepStrictEqual(statusAndCode(answer), { status: 400, code: "schema" });
  });
});

describe("a conversation as it was, over HTTP", { timeout: 120_000 }, () => {
  const path = "/v1/threads/then-1";
  const texts = (answer: Answer) =>
    shape<{ messages: ReadonlyArray<{ text: string }> }>(answer).messages.map(({ text }) => text);
  let second = 0;

  it("is that of then in every form, page by page, and a full last page has no next", async () => {
    await post(`${path}/messages`, { role: "user", text: "one" });
    second = Number((await post(`${path}/messages`, { role: "user", text: "two" })).json()["sequence"]);
    const last = (await post(`${path}/messages`, { role: "user", text: "three" })).json()["sequence"];
    for (;;) if ((await get(`/v1/threads?limit=1`)).json()["isCurrent"] === true) break;
    const then = `${path}/messages?atSequence=${second}`;
    assert.deepStrictEqual(texts(await get(then)), ["one", "two"]);
    assert.notInclude((await get(then, { accept: "application/x-ndjson" })).text, "three");
    const full = await get(`${path}/messages?atSequence=${last}&limit=3`);
    assert.deepStrictEqual([texts(full), full.json()["next"]], [["one", "two", "three"], undefined]);
    const page = await get(`${path}/messages?atSequence=${last}&limit=2`);
    const cursor = page.json()["next"];
    assert.deepStrictEqual(texts(await get(`${path}/messages?atSequence=${last}&cursor=${cursor}`)), ["three"]);
    // A cursor of the one is no place in the other.
    assert.strictEqual((await get(`${path}/messages?cursor=${cursor}`)).status, 400);
    assert.strictEqual((await get(`${path}/messages?atSequence=${last}&cursor=1`)).status, 400);
  });

  it("is as hidden as the thread is, and read by who asks for what is hidden", async () => {
    await post(`${path}/delete`, {});
    for (;;) if ((await get(`/v1/threads?limit=1`)).json()["isCurrent"] === true) break;
    assert.deepStrictEqual(texts(await get(`${path}/messages?atSequence=${second}`)), []);
    assert.deepStrictEqual(texts(await get(`${path}/messages?atSequence=${second}&deleted=true`)), ["one", "two"]);
    // By the whole record of then it was not hidden.
    let then = await get(`${path}/messages?asOf=${second}`);
    while (then.status === 503) then = await get(`${path}/messages?asOf=${second}`);
    assert.deepStrictEqual(texts(then), ["one", "two"], then.text);
  });

  it("has both of two columns of one name, as the command line has them", async () => {
    const answer = await post("/v1/sql", { statement: "SELECT 1 AS n, 2 AS n", durable: undefined });
    assert.deepStrictEqual(JSON.parse(answer.text), [{ n: 1, n_2: 2 }]);
  });
});

describe("events over HTTP", { timeout: 120_000 }, () => {
  it("are appended one by one, and are one event under one id however often they are sent", async () => {
    const event = { type: "x.acme.noted", data: { n: 1 }, id: "once-1", actor: "ana" };
    const first = await post("/v1/threads/events-1/events", event);
    assert.strictEqual(first.status, 201);
    const again = await post("/v1/threads/events-1/events", event);
    assert.deepStrictEqual(again.json(), first.json());
    const read = await get("/v1/threads/events-1/events");
    const { events } = shape<{ events: ReadonlyArray<object> }>(read);
    assert.lengthOf(events, 1);
    assert.deepInclude(events[0], { type: "x.acme.noted", actor: "ana", source: "http/local", data: { n: 1 } });
    const other = await post("/v1/threads/events-1/events", { ...event, data: { n: 2 } });
    assert.deepStrictEqual(statusAndCode(other), { status: 409, code: "idTaken" });
    assert.include(String(other.json()["detail"]), "other content");
    const elsewhere = await post("/v1/threads/events-1-elsewhere/events", event);
    assert.deepStrictEqual(statusAndCode(elsewhere), { status: 409, code: "idTaken" });
    assert.strictEqual(read.headers["etag"], first.headers["etag"]);
  });

  it("are appended several together, all or none, on the sequence that the writer saw", async () => {
    const events = [1, 2, 3].map((n) => ({ type: "x.acme.noted", data: n }));
    const path = "/v1/tasks/events-2/events";
    const first = await post(path, { events, expected: 0 });
    assert.strictEqual(first.status, 201);
    const { eventIds, sequence } = shape<{ eventIds: ReadonlyArray<string>; sequence: number }>(first);
    assert.lengthOf(eventIds, 3);
    const late = await post(path, { events, expected: 0 });
    assert.deepInclude(late.json(), { status: 409, code: "sequenceConflict", expected: 0, actual: sequence });
    const tagged = await post(path, { type: "x.acme.noted", data: 4 }, { "if-match": String(first.headers["etag"]) });
    assert.strictEqual(tagged.status, 201);
    const stale = await post(path, { type: "x.acme.noted", data: 5 }, { "if-match": String(first.headers["etag"]) });
    assert.deepStrictEqual(statusAndCode(stale), { status: 412, code: "sequenceConflict" });
    const bad = await post(path, { events: [...events, { type: "thread.renamed", data: { title: "no" } }] });
    assert.deepStrictEqual(statusAndCode(bad), { status: 422, code: "invalidEvent" });
    const after = shape<{ events: ReadonlyArray<{ data: unknown }> }>(await get(`${path}?after=${sequence}`));
    assert.deepStrictEqual(
      after.events.map(({ data }) => data),
      [4],
    );
    const last = shape<{ events: ReadonlyArray<{ data: unknown }> }>(await get(`${path}?last=2`));
    assert.deepStrictEqual(
      last.events.map(({ data }) => data),
      [3, 4],
    );
    const page = shape<{ events: ReadonlyArray<unknown>; next: number }>(await get(`${path}?limit=2`));
    assert.lengthOf(page.events, 2);
    const rest = shape<{ events: ReadonlyArray<unknown>; next?: number }>(
      await get(`${path}?limit=2&after=${page.next}`),
    );
    assert.lengthOf(rest.events, 2);
    assert.notProperty(rest, "next");
  });
});

describe("threads over HTTP", { timeout: 120_000 }, () => {
  it("are read with the own writes at once, with an ETag that spares reading them again", async () => {
    for (const text of ["hello", "how are you?"]) {
      const said = await post("/v1/threads/t 1/messages".replace(" ", "%20"), { role: "user", text });
      assert.strictEqual(said.status, 201);
    }
    const read = await get("/v1/threads/t%201");
    const thread = shape<{ id: string; messages: ReadonlyArray<{ text: string }> }>(read);
    assert.strictEqual(thread.id, "t 1");
    assert.deepStrictEqual(
      thread.messages.map(({ text }) => text),
      ["hello", "how are you?"],
    );
    const etag = String(read.headers["etag"]);
    assert.strictEqual((await get("/v1/threads/t%201", { "if-none-match": etag })).status, 304);
    const { sequence } = shape<{ sequence: number }>(
      await post("/v1/threads/t%201/messages", { role: "assistant", text: "well" }),
    );
    const newer = await get(`/v1/threads/t%201?atLeast=${sequence}&last=1`, { "if-none-match": etag });
    assert.deepInclude(newer.json(), { omitted: 2, lastSequence: sequence });
    assert.deepStrictEqual(statusAndCode(await get("/v1/threads/nowhere")), { status: 404, code: "notFound" });
  });

  it("take the whole conversation each turn, and append what is new", async () => {
    const messages = ["a", "b", "c"].map((content) => ({ role: "user", content }));
    const first = shape<{ appended: ReadonlyArray<object>; known: number }>(
      await post("/v1/threads/synced/sync", { messages: messages.slice(0, 2) }),
    );
    assert.lengthOf(first.appended, 2);
    for (const known of [2, 3]) {
      const again = shape<{ appended: ReadonlyArray<object>; known: number }>(
        await post("/v1/threads/synced/sync", { messages }),
      );
      assert.strictEqual(again.known, known);
    }
    const page = shape<{ messages: ReadonlyArray<{ text: string }>; next: string }>(
      await get("/v1/threads/synced/messages?limit=2"),
    );
    assert.deepStrictEqual(
      page.messages.map(({ text }) => text),
      ["a", "b"],
    );
    const rest = shape<{ messages: ReadonlyArray<{ text: string }> }>(
      await get(`/v1/threads/synced/messages?limit=2&cursor=${page.next}`),
    );
    assert.deepStrictEqual(
      rest.messages.map(({ text }) => text),
      ["c"],
    );
    const lines = await get("/v1/threads/synced/messages", { accept: "application/x-ndjson" });
    assert.lengthOf(lines.text.trim().split("\n"), 3);
  });

  it("are listed, searched, read as they were, renamed, tagged, forked, deleted and restored", async () => {
    const { sequence } = shape<{ sequence: number }>(
      await post("/v1/threads/whole/messages", { role: "user", text: "the quick brown fox" }),
    );
    await post("/v1/threads/whole/messages", { role: "user", text: "jumps" });
    assert.strictEqual((await send("PATCH", "/v1/threads/whole", { title: "Fox", addTags: ["animal"] })).status, 201);
    const listed = shape<{ threads: ReadonlyArray<{ id: string }>; isCurrent: boolean }>(
      await get("/v1/threads?tag=animal"),
    );
    assert.isTrue(listed.isCurrent);
    assert.deepStrictEqual(
      listed.threads.map(({ id }) => id),
      ["whole"],
    );
    const found = shape<{ threads: ReadonlyArray<{ hits: ReadonlyArray<{ snippet: string }> }> }>(
      await get("/v1/search?q=%22quick%20brown%22"),
    );
    assert.include(found.threads[0]?.hits[0]?.snippet, "quick brown");
    const was = shape<{ messages: ReadonlyArray<{ text: string }> }>(
      await get(`/v1/threads/whole/messages?atSequence=${sequence}`),
    );
    assert.deepStrictEqual(
      was.messages.map(({ text }) => text),
      ["the quick brown fox"],
    );
    const forked = shape<{ threadId: string }>(await post("/v1/threads/whole/fork", { threadId: "branch" }));
    assert.strictEqual(forked.threadId, "branch");
    assert.strictEqual((await post("/v1/threads/whole/delete", { reason: "test" })).status, 201);
    assert.strictEqual((await get("/v1/threads/whole")).status, 404);
    assert.strictEqual((await get("/v1/threads/whole?deleted=true")).status, 200);
    await post("/v1/threads/whole/restore", {});
    assert.deepInclude((await get("/v1/threads/whole")).json(), { title: "Fox", tags: ["animal"] });
  });

  it("are listed by every condition that the terminal knows, together with a tag and page by page", async () => {
    const cwd = "/home/ada/narrow";
    await send("PATCH", "/v1/threads/narrow-1", {
      title: "One",
      addTags: ["narrow"],
      cwd,
      branch: "fix",
      model: "opus-9",
    });
    await send("PATCH", "/v1/threads/narrow-2", {
      title: "Two",
      addTags: ["narrow"],
      cwd,
      tool: "codex",
      branch: "main",
    });
    await send("PATCH", "/v1/threads/narrow-3", {
      parentThreadId: "narrow-2",
      addTags: ["narrow"],
      cwd: `${cwd}/below`,
    });
    await post("/v1/threads/narrow-1/messages", { role: "user", text: "the narrow way" });
    const called = await post("/v1/threads/narrow-2/tool-calls", {
      name: "read_file",
      arguments: { path: "gate.txt" },
    });
    const { callId } = shape<{ callId: string }>(called);
    await post(`/v1/threads/narrow-2/tool-calls/${callId}`, { outcome: "error", result: "none" });
    const listed = async (more: string) =>
      shape<{ threads: ReadonlyArray<{ id: string }> }>(await get(`/v1/threads?tag=narrow&${more}`)).threads.map(
        ({ id }) => id,
      );
    const all = ["narrow-2", "narrow-1", "narrow-3"];
    const cases = {
      project: ["narrow", all],
      branch: ["fix", ["narrow-1"]],
      agent: ["cod", ["narrow-2"]],
      model: ["opus", ["narrow-1"]],
      role: ["user", ["narrow-1"]],
      tool: ["read_file", ["narrow-2"]],
      file: ["gate.txt", ["narrow-2"]],
      hasError: ["true", ["narrow-2"]],
      main: ["true", ["narrow-2", "narrow-1"]],
      since: ["9999999999999", []],
      until: ["1", []],
    } satisfies Record<ThreadFilterName, readonly [string, ReadonlyArray<string>]>;
    for (const [name, [value, ids]] of Object.entries(cases)) {
      assert.deepStrictEqual((await listed(`${name}=${value}`)).toSorted(), ids.toSorted(), name);
    }
    assert.deepStrictEqual(await listed("hasError=false&main=true&branch=fix"), ["narrow-1"]);
    assert.strictEqual((await get("/v1/threads?hasError=perhaps")).status, 400);
    for (const [name, [value]] of Object.entries(cases))
      assert.strictEqual((await get(`/v1/search?q=narrow&${name}=${value}`)).status, 200, name);
  });

  it("record tool calls, with the intent before the outcome, and files that were read", async () => {
    const called = await post("/v1/threads/tools/tool-calls", { name: "read_file", arguments: { path: "a.txt" } });
    const { callId } = shape<{ callId: string }>(called);
    const ended = await post(`/v1/threads/tools/tool-calls/${callId}`, { outcome: "ok", result: "text" });
    assert.strictEqual(ended.status, 201);
    const bytes = Buffer.from("what stood there\n");
    const read = await door.ask("/v1/threads/tools/files?path=/x/a.txt", {
      method: "POST",
      headers: { ...bearer(), "content-type": "application/octet-stream" },
      body: bytes,
    });
    assert.include([201, 202], read.status);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const blob = await get(`/v1/blobs/${sha256}`);
    assert.strictEqual(blob.text, bytes.toString());
    assert.strictEqual(blob.headers["etag"], `"${sha256}"`);
    assert.strictEqual((await get(`/v1/blobs/${"0".repeat(64)}`)).status, 404);
    assert.strictEqual((await get("/v1/blobs/nothing")).status, 400);
    const kept = await door.ask("/v1/blobs", {
      method: "POST",
      headers: { ...bearer(), "content-type": "application/octet-stream" },
      body: bytes,
    });
    assert.deepStrictEqual(kept.json(), { sha256, bytes: bytes.byteLength });
  });
});

describe("the store over HTTP", { timeout: 120_000 }, () => {
  it("says how it is, what its views are, and answers SQL from a process of its own that is ended at its time", async () => {
    assert.property((await get("/v1/status")).json(), "projections");
    assert.include((await get("/v1/views")).text, "v_tool_stats");
    const rows = await post("/v1/sql", { statement: "SELECT 1 AS one, 'it''s' AS two" });
    assert.deepStrictEqual(JSON.parse(rows.text), [{ one: 1, two: "it's" }]);
    for (const statement of ["DELETE FROM t_threads", "--json", "SELECT * FROM nowhere"]) {
      assert.deepStrictEqual(statusAndCode(await post("/v1/sql", { statement })), {
        status: 422,
        code: "queryRefused",
      });
    }
    const endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c";
    const ended = await post("/v1/sql", { statement: endless, timeoutSeconds: 1 });
    assert.deepStrictEqual(statusAndCode(ended), { status: 422, code: "queryRefused" });
    const audit = `SELECT DISTINCT actor, json_extract(data, '$.door') AS door FROM v_events WHERE type = 'x.recollect.sql_asked'
      AND json_extract(data, '$.statement') LIKE 'SELECT 1 AS one%'`;
    const asked = await post("/v1/sql", { statement: audit });
    assert.deepStrictEqual(JSON.parse(asked.text), [{ actor: "http/local", door: "http" }]);
  });

  it("takes values for a statement, masks what persons wrote when asked to, and gives rows of any number line by line", async () => {
    const given = { statement: "SELECT :a AS a, :b AS b", parameters: { a: 7, b: "it's" } };
    assert.deepStrictEqual(JSON.parse((await post("/v1/sql", given)).text), [{ a: 7, b: "it's" }]);
    const missing = await post("/v1/sql", { ...given, parameters: { a: 7 } });
    assert.match(missing.text, /:b has no value/);
    await post("/v1/threads/masked/messages", { role: "user", text: "a private word" });
    const words = {
      statement: "SELECT count(text) AS words, count(*) AS messages FROM v_messages WHERE thread_id = 'masked'",
    };
    assert.deepStrictEqual(JSON.parse((await post("/v1/sql", { ...words, personal: "masked" })).text)[0]?.words, 0);
    const many = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 30000) SELECT n FROM c";
    const lines = await post("/v1/sql", { statement: many }, { accept: "application/x-ndjson" });
    const rows = lines.text.trimEnd().split("\n");
    assert.lengthOf(rows, 30_000);
    assert.strictEqual(rows.at(-1), '{"n":30000}');
    const wrong = await post("/v1/sql", { statement: "SELECT * FROM nowhere" }, { accept: "application/x-ndjson" });
    assert.deepStrictEqual(statusAndCode(wrong), { status: 422, code: "queryRefused" });
    // Their places are free again.
    for (let time = 0; time < 3; time++)
      assert.strictEqual(
        (await post("/v1/sql", { statement: "SELECT 1" }, { accept: "application/x-ndjson" })).status,
        200,
      );
  });

  it("gives every report of the caller's tenant, as JSON and as CSV, and says which there are", async () => {
    await post("/v1/threads/only-of-default/messages", { role: "user", text: "count me" });
    const { reports } = shape<{ reports: ReadonlyArray<{ name: string }> }>(await get("/v1/reports"));
    assert.include(
      reports.map(({ name }) => name),
      "cost",
    );
    const other = await door.token("r9", "reader", "nobody");
    for (const { name } of reports) {
      const found = await get(`/v1/reports/${name}?limit=3`);
      assert.strictEqual(found.status, 200, name);
      assert.property(found.json(), "sections");
      assert.notInclude((await get(`/v1/reports/${name}`, bearer(other))).text, "only-of-default", name);
    }
    const csv = await get("/v1/reports/overview?section=totals", { accept: "text/csv" });
    assert.match(csv.text, /^threads,prompts,answers/);
    assert.strictEqual((await get("/v1/reports/nowhere")).status, 404);
    for (const wrong of ["by=nothing", "tz=Nowhere/Land", "section=none"])
      assert.strictEqual((await get(`/v1/reports/tools?${wrong}`)).status, 400, wrong);
  });

  it("answers lists, search, reports and SQL as of an earlier moment, and refuses it where the answer is of now", async () => {
    const first = await post("/v1/threads/early-1/messages", { role: "user", text: "elderberry" });
    await post("/v1/threads/late-1/messages", { role: "user", text: "elderberry" });
    const then = shape<{ sequence: number }>(first).sequence;
    /** A busy machine says that it is still folding. */
    const patiently = async (ask: () => Promise<Answer>): Promise<Answer> => {
      for (let time = 0; ; time++) {
        const answer = await ask();
        if (answer.status !== 503 || time === 10) return answer;
      }
    };
    const listed = await patiently(() => get(`/v1/threads?prefix=&asOf=${then}`));
    assert.strictEqual(listed.status, 200, listed.text);
    assert.include(listed.text, "early-1");
    assert.notInclude(listed.text, "late-1");
    const found = await get(`/v1/search?q=elderberry&asOf=${then}`);
    assert.include(found.text, "early-1");
    assert.notInclude(found.text, "late-1");
    const sql = await post(`/v1/sql?asOf=${then}`, { statement: "SELECT max(sequence) AS last FROM v_events" });
    assert.deepStrictEqual(JSON.parse(sql.text), [{ last: then }]);
    assert.deepInclude((await get(`/v1/reports/overview?asOf=${then}`)).json(), { sequence: then });
    assert.deepStrictEqual(statusAndCode(await get(`/v1/threads/early-1?asOf=${then}`)), { status: 400, code: "asOf" });
    for (const wrong of ["tomorrow", String(then + 1_000_000)])
      assert.deepStrictEqual(statusAndCode(await get(`/v1/threads?asOf=${wrong}`)), {
        status: 400,
        code: "queryRefused",
      });
  });

  it("is configured, and says who changed what", async () => {
    const before = shape<{ version: number }>(await get("/v1/config"));
    const changes = { "tasks.retentionMillis": 86_400_000 };
    const set = await send("PATCH", "/v1/config", { changes, why: "test", expectedVersion: before.version });
    assert.deepInclude(set.json(), { version: before.version + 1 });
    const late = await send("PATCH", "/v1/config", { changes: {}, expectedVersion: before.version });
    assert.strictEqual(late.status, 409);
    const wrong = await send("PATCH", "/v1/config", { changes: { "no.such": 1 } });
    assert.strictEqual(wrong.status, 422);
    assert.include((await get("/v1/config/history")).text, "http/local");
    assert.strictEqual((await post("/v1/config/rollback", { to: before.version })).status, 200);
    assert.deepInclude((await post("/v1/limits/take", { tool: "any" })).json(), { allowed: true });
  });

  it("gives each role its own, and each tenant nothing of another's", async () => {
    await post("/v1/threads/mine/messages", { role: "user", text: "secret of default" });
    const tokens = {
      reader: await door.token("r1", "reader"),
      publisher: await door.token("p1", "publisher"),
      worker: await door.token("w1", "worker"),
      other: await door.token("o1", "publisher", "acme"),
    };
    const as = (token: string, path: string, asking: Asking = {}) =>
      door.ask(path, { ...asking, headers: { ...bearer(token), "content-type": "application/json" } });
    const say = { method: "POST", body: JSON.stringify({ role: "user", text: "hi" }) };
    const sql = { method: "POST", body: JSON.stringify({ statement: "SELECT 1" }) };
    assert.strictEqual((await as(tokens.reader, "/v1/threads/mine")).status, 200);
    assert.deepStrictEqual(statusAndCode(await as(tokens.reader, "/v1/threads/mine/messages", say)), {
      status: 403,
      code: "role",
    });
    assert.strictEqual((await as(tokens.publisher, "/v1/threads/mine/messages", say)).status, 201);
    assert.strictEqual((await as(tokens.publisher, "/v1/limits")).status, 403);
    assert.strictEqual((await as(tokens.worker, "/v1/limits")).status, 200);
    for (const path of ["/v1/sql", "/v1/config/rollback"])
      assert.strictEqual((await as(tokens.worker, path, sql)).status, 403);
    assert.strictEqual((await as(tokens.worker, "/v1/status")).status, 403);
    assert.strictEqual((await as(tokens.other, "/v1/threads/mine")).status, 404);
    assert.strictEqual((await as(tokens.other, "/v1/threads/mine/messages", say)).status, 201);
    assert.notInclude((await as(tokens.other, "/v1/threads/mine")).text, "secret of default");
    assert.notInclude((await as(tokens.other, "/v1/search?q=secret")).text, "secret of default");
    assert.notInclude((await as(tokens.other, "/v1/threads")).text, "secret");
    assert.notInclude((await as(tokens.other, "/v1/follow?forSeconds=1")).text, "secret of default");
  });

  it("shows the quotas of tenants to operators alone", async () => {
    const reader = await door.token("r2", "reader");
    const set = await send("PATCH", "/v1/config", { changes: { "quotas.secretive": { threads: 7 } }, why: "test" });
    assert.strictEqual(set.status, 200, set.text);
    const { version } = shape<{ version: number }>(set);
    const paths = [
      "/v1/config",
      "/v1/config/history",
      `/v1/config/diff?from=0&to=${version}`,
      "/v1/reports/audit",
      "/v1/follow?forSeconds=1",
    ];
    for (const path of paths) {
      // A report is as new as the projector.
      for (let time = 0; time < 100 && !(await get(path)).text.includes("secretive"); time++);
      assert.include((await get(path)).text, "secretive", path);
      const seen = await door.ask(path, { headers: bearer(reader) });
      assert.strictEqual(seen.status, 200, path);
      assert.notInclude(seen.text, "secretive", path);
    }
  });
});

describe("the typed client", { timeout: 120_000 }, () => {
  it("is made of the same definition, and knows answers and problems", async () => {
    const used = Effect.gen(function* () {
      const client = yield* HttpApiClient.make(Api, {
        baseUrl: door.url,
        transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(door.local)),
      });
      const params = { id: "typed" };
      const payload = { role: "user", text: "typed", durable: "log" } as const;
      const said = yield* client.threads.say({ params, payload });
      const { messages } = yield* client.threads.read({ params, query: {}, headers: {} });
      const missing = yield* Effect.flip(client.threads.read({ params: { id: "nowhere" }, query: {}, headers: {} }));
      return { said, texts: messages.map(({ text }) => text), code: "code" in missing ? missing.code : missing };
    });
    const { code, said, texts } = await Effect.runPromise(Effect.provide(used, FetchHttpClient.layer));
    assert.strictEqual(said.outcome, "appended");
    assert.deepStrictEqual(texts, ["typed"]);
    assert.strictEqual(code, "notFound");
  });
});

describe("following over HTTP", { timeout: 120_000 }, () => {
  const lines = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await get(path, { accept: "application/x-ndjson", ...headers });
    return answer.text
      .split("\n")
      .filter((line) => line !== "")
      .map(
        (line) => JSON.parse(line) as { readonly event?: string; readonly sequence: number; readonly data: unknown },
      );
  };

  it("gives history first, then live, each event once, and goes on behind the last id that was seen", async () => {
    for (const n of [1, 2, 3]) await post("/v1/threads/followed/events", { type: "x.acme.noted", data: n });
    const whole = lines("/v1/follow?thread=followed&forSeconds=2");
    const recollect = await Recollect.connect({ data: door.data });
    await recollect.history({ thread: "followed" }).publish({ type: "x.acme.noted", data: 4 });
    await recollect.close();
    await post("/v1/threads/elsewhere/events", { type: "x.acme.noted", data: "no" });
    const seen = await whole;
    assert.deepStrictEqual(
      seen.filter(({ event }) => event === undefined).map(({ data }) => data),
      [1, 2, 3, 4],
    );
    assert.isTrue(seen.some(({ event }) => event === "caughtUp"));
    const second = seen.find(({ data }) => data === 2)?.sequence ?? 0;
    const rest = await lines("/v1/follow?thread=followed&forSeconds=1", { "last-event-id": String(second) });
    assert.deepStrictEqual(
      rest.filter(({ event }) => event === undefined).map(({ data }) => data),
      [3, 4],
    );
    const events = await get("/v1/follow?thread=followed&forSeconds=1", { "last-event-id": String(second) });
    assert.strictEqual(events.headers["content-type"], "text/event-stream");
    assert.match(events.text, new RegExp(`id: ${second + 1}\\ndata: \\{"sequence":${second + 1},`));
  });

  it("gives stop reason and tokens of each message: in a read, in all messages, and as it was", async () => {
    const usage = { input: 5, output: 2, cacheRead: 90 };
    const parts = [{ type: "text", text: "Yes." }];
    const answer = { messageId: "a", role: "assistant", parts, stopReason: "end_turn", usage };
    await post("/v1/threads/spent/messages", { role: "user", text: "Rain?" });
    const appended = await post("/v1/threads/spent/events", { type: "thread.message_appended", data: answer });
    const { sequence } = shape<{ sequence: number }>(appended);
    type Read = { readonly messages: ReadonlyArray<{ readonly stopReason?: string; readonly usage?: object }> };
    const messages = async (path: string) => shape<Read>(await get(`/v1/threads/spent${path}`)).messages;
    const asItWas = `/messages?atSequence=${sequence}`;
    while ((await messages(asItWas)).length < 2);
    for (const path of ["", "/messages", asItWas]) {
      assert.deepStrictEqual(
        (await messages(path)).map((message) => [message.stopReason, message.usage]),
        [
          [undefined, undefined],
          ["end_turn", { input: 95, output: 2, cacheRead: 90 }],
        ],
        path,
      );
    }
  });

  it("says a thread as AG-UI events: runs, messages, tool calls and thoughts, whole, with a place to go on from", async () => {
    const parts = [
      { type: "thinking", text: "Look it up." },
      { type: "text", text: "One mo" },
    ];
    const answer = { messageId: "a", role: "assistant", stopReason: "unfinished", parts };
    const appended = "thread.message_appended";
    const whole = { ...answer, stopReason: "end_turn", parts: [parts[0], { type: "text", text: "One moment." }] };
    for (const event of [
      { type: appended, data: { messageId: "q", role: "user", parts: [{ type: "text", text: "Rain?" }] } },
      { type: appended, data: answer },
      { type: "thread.tool_called", data: { callId: "c", name: "forecast", arguments: { city: "Ghent" } } },
      { type: "thread.tool_returned", data: { callId: "c", outcome: "ok", result: "yes" } },
      { type: appended, data: whole },
      { type: "x.acme.noted", data: 1 },
    ]) {
      assert.strictEqual((await post("/v1/threads/drawn/events", event)).status, 201);
    }
    const { text } = await get("/v1/follow?thread=drawn&format=ag-ui&forSeconds=1");
    const blocks = text.split("\n\n").filter((block) => block.includes("data: "));
    const said = blocks.map((block) => JSON.parse(block.slice(block.indexOf("data: ") + 6)) as Record<string, unknown>);
    assert.deepStrictEqual(
      said.map(({ content, delta, name, role, toolCallName, type }) =>
        [type, role ?? toolCallName ?? name, delta ?? content].filter((word) => word !== undefined).join(" "),
      ),
      [
        "RUN_STARTED",
        "TEXT_MESSAGE_START user",
        "TEXT_MESSAGE_CONTENT Rain?",
        "TEXT_MESSAGE_END",
        "REASONING_START",
        "REASONING_MESSAGE_START reasoning",
        "REASONING_MESSAGE_CONTENT Look it up.",
        "REASONING_MESSAGE_END",
        "REASONING_END",
        "TEXT_MESSAGE_START assistant",
        "TEXT_MESSAGE_CONTENT One mo",
        "TOOL_CALL_START forecast",
        'TOOL_CALL_ARGS {"city":"Ghent"}',
        "TOOL_CALL_END",
        "TOOL_CALL_RESULT tool yes",
        "TEXT_MESSAGE_CONTENT ment.",
        "TEXT_MESSAGE_END",
        "CUSTOM x.acme.noted",
        "CUSTOM recollect.caughtUp",
        "RUN_FINISHED",
      ],
    );
    // A place stands behind the last event of a stored one only.
    const places = blocks.flatMap((block) => /^id: (\d+)/.exec(block)?.[1] ?? []);
    assert.strictEqual(new Set(places).size, 6);
    const rest = await get("/v1/follow?thread=drawn&format=ag-ui&forSeconds=1", { "last-event-id": places[4] ?? "" });
    assert.notInclude(rest.text, "TEXT_MESSAGE");
    assert.include(rest.text, "x.acme.noted");
    assert.deepStrictEqual(statusAndCode(await get("/v1/follow?format=ag-ui")), { status: 400, code: "format" });
  });

  it("refuses what is no place and no single target", async () => {
    const beyond = await get("/v1/follow?forSeconds=1", { "last-event-id": "9999999999999999" });
    assert.strictEqual(beyond.status, 400);
    const wrong = await get("/v1/follow?forSeconds=1", { "last-event-id": "../x" });
    assert.deepStrictEqual(statusAndCode(wrong), { status: 400, code: "lastEventId" });
    assert.strictEqual((await get("/v1/follow?thread=a&task=b")).status, 400);
  });

  it("ends when its token is revoked", async () => {
    const token = await door.token("leaver", "reader");
    // Its head has come before the token is revoked, and its body ends by that.
    const open = await fetch(`${door.url}/v1/follow`, { headers: bearer(token) });
    assert.strictEqual(open.status, 200);
    await door.run(["access", "token", "revoke", "leaver"]);
    await open.text();
  });
});

describe("hostile requests", { timeout: 120_000 }, () => {
  it("are told what is wrong and where, and nothing falls over", async () => {
    const path = "/v1/threads/hostile/messages";
    const raw = (body: string | Uint8Array, type = "application/json") =>
      door.ask(path, { method: "POST", headers: { ...bearer(), "content-type": type }, body });
    assert.deepStrictEqual(statusAndCode(await raw("{bad")), { status: 400, code: "schema" });
    assert.deepStrictEqual(statusAndCode(await raw("")), { status: 400, code: "schema" });
    assert.deepStrictEqual(statusAndCode(await raw(Buffer.from([0xff, 0xfe]))), { status: 400, code: "schema" });
    assert.deepStrictEqual(statusAndCode(await raw("a=b", "text/plain")), { status: 415, code: "mediaType" });
    assert.deepStrictEqual(statusAndCode(await raw('{"role":1}')), { status: 400, code: "schema" });
    assert.include((await raw('{"role":1}')).text, "role");
    assert.deepStrictEqual(statusAndCode(await raw('{"role":"user"}')), { status: 422, code: "invalidEvent" });
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    assert.strictEqual((await raw(`{"role":"user","text":"x","metadata":{"a":${deep}}}`)).status < 500, true);
    assert.strictEqual((await get(`/v1/threads/${"x".repeat(5_000)}`)).status < 500, true);
    assert.strictEqual((await get("/v1/threads/%ff%fe")).status < 500, true);
    assert.strictEqual((await get("/v1/threads?limit=1e9")).status, 400);
    assert.strictEqual((await get("/v1/threads?cursor=elsewhere")).status, 400);
    assert.strictEqual((await send("DELETE", "/v1/threads/a", {})).status, 404);
    assert.strictEqual((await door.ask("/healthz")).status, 200);
  });

  it("of 40 MB are refused before they are read, and a connection that is cut leaves nothing behind", async () => {
    const url = new URL(door.url);
    const head = (length: number) =>
      `POST /v1/threads/hostile/messages HTTP/1.1\r\nHost: ${url.host}\r\nAuthorization: Bearer ${door.local}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;
    const answered = (text: string, body = "") =>
      new Promise<string>((resolve) => {
        let got = "";
        const socket = connect(Number(url.port), url.hostname, () => socket.write(text + body));
        socket.setEncoding("utf8").on("data", (more: string) => (got += more));
        socket.on("error", () => resolve(got)).on("close", () => resolve(got));
        setTimeout(() => socket.destroy(), 3_000).unref();
      });
    const huge = await answered(head(40_000_000), "x".repeat(1_000));
    assert.match(huge, /^HTTP\/1\.1 413 /);
    await new Promise<void>((resolve) => {
      const socket = connect(Number(url.port), url.hostname, () => {
        socket.write(`${head(1_000)}{"role":`, () => socket.destroy());
      });
      socket.on("close", () => resolve());
    });
    assert.match(await answered("nonsense\r\n\r\n"), /^HTTP\/1\.1 400 /);
    assert.strictEqual((await get("/v1/threads/hostile")).status, 404);
  });
});
