import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../support/flow.ts";
import { cutting } from "./CutProxy.ts";
import { Door } from "./Knock.ts";
import { clientFolder as folder, findInterpreter, python } from "./Python.ts";

const door = new Door();
beforeAll(async () => {
  await door.open();
  await findInterpreter(door);
}, 120_000);
afterAll(() => door[Symbol.asyncDispose]());

/** A program beside the client, and the JSON that it prints. */
const told = async <A>(program: string, url?: string): Promise<A> =>
  JSON.parse(await python(door, ["-c", `import json\nfrom recollect import *\nstore = Recollect()\n${program}`], url));

describe("the Python client", { timeout: 120_000 }, () => {
  it("is one file of the standard library, and its examples are ten lines that do what they say", async () => {
    const imports = `import ast, json, sys
tree = ast.parse(open(${JSON.stringify(join(folder, "recollect.py"))}).read())
names = [n for node in ast.walk(tree) if isinstance(node, ast.Import) for n in [a.name for a in node.names]]
names += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
print(json.dumps([n for n in names if n.split(".")[0] not in sys.stdlib_module_names]))`;
    assert.strictEqual(await python(door, ["-c", imports]), "[]");
    const says: Readonly<Record<string, RegExp>> = {
      "say.py": /^user Will it rain in Ghent\?\nassistant Yes\.$/,
      "worker.py": /^\[1, 2, 3\]$/,
      "follow.py": /^\d+ user\n\d+ assistant\nlive$/,
    };
    assert.sameMembers(
      readdirSync(folder).filter((name) => name.endsWith(".py") && name !== "recollect.py"),
      Object.keys(says),
    );
    const page = readFileSync(join(root, "docs/http.md"), "utf8");
    for (const [name, said] of Object.entries(says)) {
      assert.match(await python(door, [join(folder, name)]), said, name);
      const lines = readFileSync(join(folder, name), "utf8").split("\n").slice(2);
      assert.isAtMost(lines.filter((line) => line !== "").length, 14, name);
      assert.include(page, `examples/python/${name}`);
    }
  });

  it("raises what was refused by its code, with what to do", async () => {
    const codes = await told<ReadonlyArray<unknown>>(`
thread = store.thread("refused")
first = thread.append_all([{"type": "x.acme.noted", "data": 1}], expected=0)
def code(act):
    try:
        act()
    except Problem as problem:
        return [type(problem).__name__, problem.code, problem.status]
print(json.dumps([
    code(lambda: thread.append_all([{"type": "x.acme.noted", "data": 2}], expected=0)),
    code(lambda: thread.append("thread.renamed", {})),
    code(lambda: Recollect(token="wrong").threads()),
    code(lambda: Recollect(url="http://127.0.0.1:9", patience=0.1).threads()),
    store.thread("never").read(),
    [event["data"] for event in thread.events()],
]))`);
    assert.deepStrictEqual(codes, [
      ["Conflict", "sequenceConflict", 409],
      ["Problem", "invalidEvent", 422],
      ["Problem", "token", 401],
      ["Unavailable", "unreachable", 0],
      null,
      [1],
    ]);
  });

  it("writes each event once, in order, over connections that break before the answer", async () => {
    await using proxy = await cutting(door.url, 4);
    const numbers = await told<ReadonlyArray<number>>(
      `
thread = store.thread("cut")
for at in range(40):
    thread.append("x.acme.counted", at)
call = thread.tool_called("count")
thread.tool_returned(call, "done")
print(json.dumps([event["data"] for event in Recollect(url="${door.url}").thread("cut").events(types=["x.acme.counted"])]))`,
      proxy.url,
    );
    assert.deepStrictEqual(
      numbers,
      Array.from({ length: 40 }, (_, at) => at),
    );
    assert.isAbove(proxy.cuts(), 5);
  });

  it("follows over connections that break, without a gap and without a duplicate", async () => {
    await using proxy = await cutting(door.url, 3);
    const { numbers, live } = await told<{ readonly numbers: ReadonlyArray<number>; readonly live: boolean }>(
      `
import threading
direct = Recollect(url="${door.url}").thread("followed")
for at in range(20):
    direct.append("x.acme.counted", at)
numbers, live = [], False
def write():
    for at in range(20, 40):
        direct.append("x.acme.counted", at)
for seen in store.follow(thread="followed"):
    if seen.kind == "caughtUp" and not live:
        live = True
        threading.Thread(target=write).start()
    elif seen.kind == "event":
        numbers.append(seen.data["data"])
    if len(numbers) == 40:
        break
print(json.dumps({"numbers": numbers, "live": live}))`,
      proxy.url,
    );
    assert.isTrue(live);
    assert.deepStrictEqual(
      numbers,
      Array.from({ length: 40 }, (_, at) => at),
    );
    assert.isAbove(proxy.cuts(), 2);
  });

  it("keeps a lease by heartbeats, hears that it was lost, and tells a failure of its function as the task's", async () => {
    const said = await told<Record<string, unknown>>(`
import threading
beats = []
class Counting(Recollect):
    def ask(self, method, path, *rest, **more):
        answer = super().ask(method, path, *rest, **more)
        if path.endswith("/claim") and answer:
            answer["leaseMillis"] = 150
        if path.endswith("/heartbeat"):
            beats.append(path)
        return answer
store = Counting()
task = store.submit("long", "work")["taskId"]
stop = threading.Event()
def cancelled(lease):
    while len(beats) < 3:
        threading.Event().wait(0.01)
    store.ask("POST", f"/v1/tasks/{task}/cancel", {"reason": "no longer wanted"})
    stop.set()
    assert lease.lost.wait(30)
    return "too late"
store.work(["long"], cancelled, stop=stop)
failing = store.submit("wrong", "work", maxAttempts=1)["taskId"]
stop.clear()
def fails(lease):
    stop.set()
    raise ValueError("no such city")
store.work(["wrong"], fails, stop=stop)
ended = store.task(failing, wait=10)
print(json.dumps({"status": store.task(task)["status"], "failed": [ended["status"], ended["error"]]}))`);
    assert.deepStrictEqual(said, {
      status: "cancelled",
      failed: ["failed", { type: "ValueError", message: "no such city" }],
    });
  });
});
