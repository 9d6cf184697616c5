import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { Recollect } from "../../../src/client/Recollect.ts";
import { type Answer, Door } from "./Knock.ts";

const door = new Door();
let up = { end: (_signal?: NodeJS.Signals): Promise<unknown> => Promise.resolve() };
beforeAll(async () => void (up = await door.open()));
afterAll(() => door[Symbol.asyncDispose]());

const bearer = () => ({ authorization: `Bearer ${door.local}` });
const get = (path: string) => door.ask(path, { headers: bearer() });
const post = (path: string, body: unknown = {}) =>
  door.ask(path, {
    method: "POST",
    headers: { ...bearer(), "content-type": "application/json" },
    body: JSON.stringify(body),
  });
const shape = <T>(answer: Answer): T => answer.json() as unknown as T;
interface Claimed {
  readonly taskId: string;
  readonly lease: string;
  readonly token: number;
  readonly attempt: number;
  readonly leaseMillis: number;
  readonly request: { readonly message: string };
}
const submit = async (agentType: string, message: string, more: object = {}) => {
  const answer = await post("/v1/tasks", { request: { agentType, message }, ...more });
  assert.strictEqual(answer.status, 201);
  return shape<{ taskId: string; isNew: boolean; where: string }>(answer);
};
const claim = async (agentType: string): Promise<Claimed> => {
  const answer = await post("/v1/tasks/claim", { agentTypes: [agentType], worker: "curl", waitMillis: 20_000 });
  assert.strictEqual(answer.status, 200, answer.text);
  return shape<Claimed>(answer);
};

describe("tasks over HTTP", { timeout: 120_000 }, () => {
  it("are submitted once, claimed by one worker, kept by heartbeats, reported on and completed", async () => {
    const { taskId } = await submit("build", "make it", { id: "task-1" });
    assert.deepInclude(await submit("build", "make it", { id: "task-1" }), { taskId, isNew: false });
    const { lease, request, ...claimed } = await claim("build");
    assert.deepInclude(claimed, { taskId, attempt: 1 });
    assert.strictEqual(request.message, "make it");
    const none = await post("/v1/tasks/claim", { agentTypes: ["build"], waitMillis: 100 });
    assert.strictEqual(none.status, 204);
    assert.strictEqual((await post("/v1/leases/heartbeat", { lease })).status, 200);
    assert.strictEqual(
      (await post("/v1/leases/progress", { lease, progress: 1, total: 2, message: "half" })).status,
      200,
    );
    assert.deepInclude((await get(`/v1/tasks/${taskId}`)).json(), { status: "running", progress: 1, worker: "curl" });
    const waiting = get(`/v1/tasks/${taskId}?waitMillis=20000`);
    assert.strictEqual((await post("/v1/leases/complete", { lease, output: { ok: [1, 2] } })).status, 200);
    assert.deepInclude((await waiting).json(), { status: "completed", output: { ok: [1, 2] } });
    const late = await post("/v1/leases/fail", { lease, error: { type: "late" } });
    assert.deepInclude(late.json(), { status: 409, code: "leaseLost" });
  });

  it("are deferred at no attempt, log what they say, wait for others, and stop with their queue", async () => {
    const first = await submit("verbs", "first");
    const second = await submit("verbs later", "second", { after: [first.taskId] });
    const early = await claim("verbs");
    assert.strictEqual((await post("/v1/leases/defer", { lease: early.lease })).status, 400);
    await post("/v1/leases/defer", { lease: early.lease, delayMillis: 1, message: "not now" });
    const { attempt, lease } = await claim("verbs");
    assert.strictEqual(attempt, 1);
    assert.strictEqual((await post("/v1/leases/log", { lease, text: "a line\n" })).status, 200);
    await post("/v1/leases/complete", { lease, output: { ok: true } });
    const { logs } = shape<{ logs: ReadonlyArray<{ text: string; attempt: number; stream: string }> }>(
      await get(`/v1/tasks/${first.taskId}/logs`),
    );
    assert.deepInclude(logs[0], { text: "a line\n", attempt: 1, stream: "stderr" });
    const then = await claim("verbs later");
    assert.strictEqual(then.taskId, second.taskId);
    await post("/v1/leases/fail", { lease: then.lease, error: { type: "Bad" } });
    const queue = "/v1/task-queues/verbs%20later";
    assert.deepStrictEqual((await post(queue, { draining: true })).json(), { draining: true });
    const refused = await post("/v1/tasks", { request: { agentType: "verbs later" } });
    assert.strictEqual(refused.status, 422);
    assert.deepStrictEqual((await get("/v1/task-queues")).json(), { queues: { "verbs later": { draining: true } } });
    assert.deepStrictEqual((await post(queue, { draining: null })).json(), {});
  });

  it("are tried again after a failure, given back, cancelled under a worker, and answered when they ask", async () => {
    const failing = await submit("flaky", "try", { maxAttempts: 2, backoffMillis: 1 });
    const first = await claim("flaky");
    assert.strictEqual((await post("/v1/leases/fail", { lease: first.lease })).status, 400);
    await post("/v1/leases/fail", { lease: first.lease, error: { type: "oops", message: "once" } });
    const second = await claim("flaky");
    assert.strictEqual(second.attempt, 2);
    assert.isAbove(second.token, first.token);
    assert.strictEqual((await post("/v1/leases/heartbeat", { lease: first.lease })).status, 409);
    await post("/v1/leases/release", { lease: second.lease });
    const third = await claim("flaky");
    await post(`/v1/tasks/${failing.taskId}/cancel`, { reason: "enough" });
    assert.strictEqual((await post("/v1/leases/heartbeat", { lease: third.lease })).status, 409);
    assert.deepInclude((await get(`/v1/tasks/${failing.taskId}`)).json(), { status: "cancelled" });
    assert.strictEqual((await post(`/v1/tasks/${failing.taskId}/retry`)).status, 201);
    await submit("asker", "which?");
    const asker = await claim("asker");
    const asked = post("/v1/leases/ask", { lease: asker.lease, message: "left or right?", key: "side" });
    for (let at = 0; at < 200; at++) {
      if ((await get(`/v1/tasks/${asker.taskId}`)).json()["status"] === "input_required") break;
    }
    await post(`/v1/tasks/${asker.taskId}/answer`, { message: "left", key: "side" });
    assert.deepInclude((await asked).json(), { answered: true });
    await post("/v1/leases/complete", { lease: asker.lease });
    const dead = shape<{ tasks: ReadonlyArray<{ task_id: string }> }>(await get("/v1/tasks?agentType=asker"));
    assert.lengthOf(dead.tasks, 1);
  });

  it("keep their lease while a request waits for an answer, however long that is", async () => {
    const client = await Recollect.connect({ data: door.data, leaseMillis: 1_500 });
    const worker = client.tasks.work({ agentTypes: ["patient"], run: () => "first" });
    const first = await client.tasks.submit({ agentType: "patient" });
    await client.tasks.result(first.taskId);
    await worker.stop();
    await client.close();
    await submit("patient", "which?");
    const { lease, leaseMillis } = await claim("patient");
    assert.strictEqual(leaseMillis, 1_500);
    const asked = await post("/v1/leases/ask", { lease, message: "left or right?", waitMillis: 5_000 });
    assert.deepStrictEqual(asked.json(), { answered: false });
    const none = await post("/v1/tasks/claim", { agentTypes: ["patient"], waitMillis: 100 });
    assert.strictEqual(none.status, 204, none.text);
    assert.strictEqual((await post("/v1/leases/complete", { lease })).status, 200);
  });

  it("are refused to a forged lease, to another tenant's, and to a token that may not", async () => {
    await submit("guarded", "mine");
    const { lease } = await claim("guarded");
    const [body = "", signature = ""] = lease.split(".");
    const other = Buffer.from(body, "base64url").toString().replace('"guarded"', '"stolen!"');
    const forged = `${Buffer.from(other).toString("base64url")}.${signature}`;
    for (const wrong of [forged, body, "", "x.y"]) {
      assert.deepInclude((await post("/v1/leases/complete", { lease: wrong })).json(), { status: 400, code: "lease" });
    }
    const foreign = await door.ask("/v1/leases/complete", {
      method: "POST",
      headers: { ...bearer(), "content-type": "application/json", "recollect-tenant": "acme" },
      body: JSON.stringify({ lease }),
    });
    assert.strictEqual(foreign.status, 400);
    await post("/v1/leases/complete", { lease });
  });

  it("go on under the same lease when the daemon was started again", async () => {
    await submit("lasting", "long work");
    const { lease, taskId } = await claim("lasting");
    await up.end("SIGKILL");
    up = await door.open();
    assert.strictEqual((await post("/v1/leases/heartbeat", { lease })).status, 200);
    assert.strictEqual((await post("/v1/leases/complete", { lease, output: "done" })).status, 200);
    assert.deepInclude((await get(`/v1/tasks/${taskId}`)).json(), { status: "completed", output: "done" });
  });
});

describe("agents over HTTP", { timeout: 120_000 }, () => {
  it("are present as long as they are heard, and say what they work on", async () => {
    const registered = await post("/v1/sessions", { id: "agent-1", client: { name: "mine", version: "1" } });
    assert.deepInclude(registered.json(), { id: "agent-1", leaseMillis: 30_000 });
    await post("/v1/sessions/agent-1/join", { thread: "t1" });
    const { sessions } = shape<{ sessions: ReadonlyArray<object> }>(await get("/v1/sessions"));
    assert.deepInclude(sessions[0], { sessionId: "agent-1", threads: ["t1"] });
    assert.strictEqual((await post("/v1/sessions/agent-1/end", { reason: "done" })).status, 200);
    assert.deepInclude((await post("/v1/sessions/agent-1/heartbeat")).json(), { code: "sessionNotHeld" });
    assert.include((await get("/v1/sessions/agent-1/events")).text, '"reason":"done"');
  });

  it("send each other messages, which one takes for a lease, and reply", async () => {
    const sent = await post("/v1/inboxes/bob", { from: "ana", body: { hello: true }, id: "m1" });
    assert.strictEqual(sent.status, 201);
    const taken = await post("/v1/inboxes/bob/take", { waitMillis: 5_000 });
    assert.deepInclude(taken.json(), { id: "m1", from: "ana", body: { hello: true }, attempt: 1 });
    const { receipt } = shape<{ receipt: string }>(taken);
    assert.strictEqual((await post("/v1/inboxes/bob/take")).status, 204);
    for (const acknowledged of [true, false]) {
      assert.deepInclude((await post("/v1/inboxes/bob/acknowledge", { receipt })).json(), { acknowledged });
    }
    assert.strictEqual((await post("/v1/inboxes/bob/reply", { receipt, body: "late" })).status, 404);
    const asked = post("/v1/inboxes/bob", { from: "ana", body: "2 + 2?", replyWithinMillis: 60_000 });
    const question = shape<{ id: string; receipt: string }>(
      await post("/v1/inboxes/bob/take", { waitMillis: 5_000, maxAttempts: 1 }),
    );
    const which = { receipt: question.receipt };
    assert.strictEqual((await post("/v1/inboxes/bob/reply", { ...which, body: 4 })).status, 201);
    assert.deepInclude(shape<{ reply: object }>(await asked).reply, { body: 4, inReplyTo: question.id });
    const extended = shape<{ receipt: string }>(await post("/v1/inboxes/bob/extend", which));
    const failing = { ...extended, failed: "no such file" };
    assert.deepInclude((await post("/v1/inboxes/bob/release", failing)).json(), { released: true });
    const { letters } = shape<{ letters: ReadonlyArray<object> }>(await get("/v1/inboxes/bob/dead"));
    assert.deepInclude(letters[0], { reason: "no such file", attempts: 1 });
    assert.deepInclude((await post("/v1/inboxes/bob/retry")).json(), { messages: 1 });
    assert.lengthOf(shape<{ messages: ReadonlyArray<object> }>(await get("/v1/inboxes/bob")).messages, 1);
  });
});
