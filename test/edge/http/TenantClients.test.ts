/** More tenants than the door keeps clients for. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { Context, Effect, Exit, Scope } from "effect";
import { TestClock } from "effect/testing";
import { request } from "node:http";
import { makeWith, mostInUse, mostKept } from "../../../src/edge/http/TenantClients.ts";
import { until } from "../cli/Program.ts";
import { Door } from "./Knock.ts";

const names = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => `t${from + at}`);

describe("clients of tenants", () => {
  const open = new Set<string>();
  let isBroken = false;
  const clients = makeWith((tenant, scope) =>
    Effect.gen(function* () {
      open.add(tenant);
      yield* Scope.addFinalizer(
        scope,
        Effect.sync(() => open.delete(tenant)),
      );
      return isBroken ? yield* Effect.fail("the folder is gone") : (Context.empty() as never);
    }),
  );

  it.effect("are closed for others when they are not in use, the least recently used first", () =>
    Effect.gen(function* () {
      const { enter, of } = yield* clients;
      const held = yield* Scope.make();
      yield* Scope.provide(of("t1"), held);
      for (const name of names(2, mostKept)) {
        yield* Effect.scoped(of(name));
        yield* TestClock.adjust(1);
      }
      enter("t2")?.leave();
      yield* Effect.scoped(of("new"));
      yield* Effect.scoped(of("newer"));
      assert.deepStrictEqual([...open], ["t1", "t2", ...names(5, mostKept), "new", "newer"]);
      yield* TestClock.adjust(1);
      yield* Scope.close(held, Exit.void);
      yield* TestClock.adjust(1);
      yield* Effect.scoped(Effect.forEach(names(3, mostKept), of));
      assert.isTrue(open.has("t1"));
    }),
  );

  it.effect("are never closed while they are in use, and beyond all that may be one is told when to come again", () =>
    Effect.gen(function* () {
      const { of } = yield* clients;
      const held = yield* Scope.make();
      yield* Scope.provide(Effect.forEach(names(1, mostInUse), of), held);
      assert.strictEqual(open.size, mostInUse);
      const refused = yield* Effect.flip(Effect.scoped(of("late")));
      assert.deepInclude(refused, { status: 503, code: "tenants", retryAfter: 1 });
      yield* Effect.scoped(of("t7"));
      yield* Scope.close(held, Exit.void);
      yield* Effect.scoped(of("late"));
      assert.strictEqual(open.size, mostKept);
    }),
  );

  it.effect("that cannot be made are told so, and are made by the next request", () =>
    Effect.gen(function* () {
      const { of } = yield* clients;
      isBroken = true;
      assert.deepInclude(yield* Effect.flip(Effect.scoped(of("t1"))), { status: 503, code: "store" });
      assert.isFalse(open.has("t1"));
      isBroken = false;
      yield* Effect.scoped(of("t1"));
    }),
  );
});

describe("a daemon that is asked for more tenants than it keeps clients for", { timeout: 300_000 }, () => {
  const door = new Door();
  beforeAll(() => door.open(), 120_000);
  afterAll(() => door[Symbol.asyncDispose]());

  const as = (tenant: string) => ({ authorization: `Bearer ${door.local}`, "recollect-tenant": tenant });
  const say = (tenant: string, text: string) =>
    door.ask("/v1/threads/one/messages", {
      method: "POST",
      headers: { ...as(tenant), "content-type": "application/json" },
      body: JSON.stringify({ role: "user", text }),
    });

  it("answers all of them, in turn and at once, each from its own store, and a stream goes on meanwhile", async () => {
    let heard = "";
    const stream = request(`${door.url}/v1/follow?thread=one`, { headers: as("t1") }, (response) => {
      response.setEncoding("utf8").on("data", (more: string) => (heard += more));
    });
    stream.end();
    await until(() => heard.includes("caughtUp"));
    const all = names(1, 72);
    for (const name of all) assert.strictEqual((await say(name, `of ${name}`)).status, 201, name);
    const told = await Promise.all(all.map((name) => door.ask("/v1/threads/one", { headers: as(name) })));
    for (const [at, name] of all.entries()) {
      const { status, text } = told[at] ?? { status: 0, text: "" };
      assert.strictEqual(status, 200, name);
      assert.deepStrictEqual([...new Set(text.match(/of t\d+/g))], [`of ${name}`]);
    }
    await say("t1", "again");
    await until(() => heard.includes("again"));
    stream.destroy();
  });
});
