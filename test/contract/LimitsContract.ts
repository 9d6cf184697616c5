/** The promises of `Limits`, as one suite for every log and bucket. Each test has a tenant of its own. */
import { assert } from "@effect/vitest";
import { Context, Effect, Layer, type Scope } from "effect";
import { TestClock } from "effect/testing";
import { Buckets } from "../../src/coordination/bucket/Bucket.ts";
import * as Configuration from "../../src/coordination/config/Configuration.ts";
import * as Limits from "../../src/coordination/limits/Limits.ts";
import type { EventLog } from "../../src/log/EventLog.ts";

type Tester = (name: string, test: () => Effect.Effect<void, unknown, Buckets | EventLog | Scope.Scope>) => void;

/** One process with a configuration of its own, and what it does with limits. */
export const process = (tenant: string, limits: Readonly<Record<string, unknown>> = {}) =>
  Effect.gen(function* () {
    const configuration = Configuration.layer({ tenant });
    const built = yield* Layer.build(Limits.layer.pipe(Layer.provideMerge(configuration)));
    const config = Context.get(built, Configuration.Configuration);
    const named = Object.entries(limits).map(([name, limit]) => [`limits.${name}`, limit] as const);
    if (named.length > 0) yield* config.set(Object.fromEntries(named));
    return { config, limits: Context.get(built, Limits.Limits) };
  });

/** How many of so many requests at once are allowed. */
export const allowed = Effect.fnUntraced(function* (
  limits: Limits.Limits["Service"],
  request: Limits.LimitRequest,
  times: number,
) {
  const answers = yield* Effect.all(
    Array.from({ length: times }, () => limits.take(request)),
    { concurrency: "unbounded" },
  );
  return answers.filter((answer) => answer.allowed).length;
});

const minute = 60_000;

export const suite = (test: Tester) => {
  test("allows what concerns no limit", () =>
    Effect.gen(function* () {
      const { limits } = yield* process("none", { "none-a": { per: ["user"], limit: 1, windowMillis: minute } });
      for (const request of [{}, { tool: "search" }]) {
        assert.deepStrictEqual(yield* limits.take(request), { allowed: true, limits: [], countedHere: [] });
      }
    }));

  test("counts each combination of what a limit is for apart, and only what it is about", () =>
    Effect.gen(function* () {
      const { limits } = yield* process("apart", {
        "apart-user": { per: ["user"], limit: 5, windowMillis: minute },
        "apart-search": { per: ["user", "tool"], only: { tool: "search" }, limit: 2, windowMillis: minute },
      });
      assert.strictEqual(yield* allowed(limits, { user: "ana", tool: "search" }, 10), 2);
      assert.strictEqual(yield* allowed(limits, { user: "ana", tool: "read" }, 10), 3);
      assert.strictEqual(yield* allowed(limits, { user: "bob", tool: "read" }, 10), 5);
      assert.strictEqual(yield* allowed(limits, { user: "a".repeat(5_000) }, 10), 5);
      assert.strictEqual(yield* allowed(limits, { user: `${"a".repeat(5_000)}b` }, 10), 5);
      assert.strictEqual(yield* allowed(limits, { user: "" }, 10), 5);
    }));

  test("goes on over what another program wrote in place of its state", () =>
    Effect.gen(function* () {
      const { limits } = yield* process("strange", {
        "strange-user": { per: ["user"], limit: 2, windowMillis: minute },
      });
      const bucket = yield* Effect.flatMap(Buckets, ({ open }) => open(Limits.bucketSettings));
      for (const text of ["no JSON", "7", '{"taken":7}', "[7]", '[[1,"x"]]', "[[1,null]]", "[1,2]"]) {
        yield* limits.take({ user: text });
        const entries = yield* bucket.entries(">");
        yield* bucket.put(entries.at(-1)?.key ?? "", Buffer.from(text, "utf8"));
        yield* limits.uses;
        assert.strictEqual(yield* allowed(limits, { user: text }, 3), 2, text);
      }
    }));

  test("says which limit refused and when to ask again, and allows it then", () =>
    Effect.gen(function* () {
      const { limits } = yield* process("again", { "again-tool": { per: ["tool"], limit: 2, windowMillis: minute } });
      assert.strictEqual(yield* allowed(limits, { tool: "search" }, 2), 2);
      yield* TestClock.adjust(20_000);
      const refused = yield* limits.take({ tool: "search" });
      assert.isFalse(refused.allowed);
      assert.deepInclude(refused, { limit: "again-tool", reason: "exceeded", retryAfterMillis: 40_000 });
      yield* TestClock.adjust(40_000);
      assert.deepStrictEqual(yield* limits.take({ tool: "search" }), {
        allowed: true,
        limits: [{ limit: "again-tool", remaining: 1, resetAfterMillis: minute }],
        countedHere: [],
      });
    }));

  test("gives a rested token bucket all at once, and then one after another", () =>
    Effect.gen(function* () {
      const { limits } = yield* process("bucket", {
        "bucket-tool": { per: ["tool"], limit: 10, windowMillis: 1_000, algorithm: "token-bucket" },
      });
      assert.strictEqual(yield* allowed(limits, { tool: "t" }, 20), 10);
      yield* TestClock.adjust(300);
      assert.strictEqual(yield* allowed(limits, { tool: "t" }, 20), 3);
    }));

  test("uses nothing up of the other limits when one refuses", () =>
    Effect.gen(function* () {
      const { limits } = yield* process("back", {
        "back-user": { per: ["user"], limit: 10, windowMillis: minute },
        "back-tool": { per: ["tool"], limit: 3, windowMillis: minute },
        "back-all": { per: [], limit: 100, windowMillis: minute, algorithm: "token-bucket" },
      });
      assert.strictEqual(yield* allowed(limits, { user: "ana", tool: "search" }, 50), 3);
      assert.strictEqual(yield* allowed(limits, { user: "ana", tool: "read" }, 3), 3);
      assert.strictEqual(yield* allowed(limits, { user: "ana", tool: "write" }, 3), 3);
      const used = (yield* limits.uses)
        .filter(({ limit }) => limit.startsWith("back-"))
        .map(({ limit, most, of, used: count }) => [limit, ...of, count, most].join(" "))
        .toSorted();
      assert.deepStrictEqual(used, [
        "back-all 9 100",
        "back-tool read 3 3",
        "back-tool search 3 3",
        "back-tool write 3 3",
        "back-user ana 9 10",
      ]);
    }));

  test("counts limits of two tenants apart, also under one name", () =>
    Effect.gen(function* () {
      const same = { same: { per: [], limit: 2, windowMillis: minute } };
      const one = yield* process("one tenant", same);
      const two = yield* process("two\u0000tenant", same);
      assert.strictEqual(yield* allowed(one.limits, {}, 5), 2);
      assert.strictEqual(yield* allowed(two.limits, {}, 5), 2);
      assert.deepStrictEqual(yield* one.limits.uses, [{ limit: "same", of: [], used: 2, most: 2 }]);
      assert.deepStrictEqual(yield* two.limits.uses, [{ limit: "same", of: [], used: 2, most: 2 }]);
    }));

  test("goes by the limit that the configuration says now", () =>
    Effect.gen(function* () {
      const { config, limits } = yield* process("live", { "live-a": { per: [], limit: 2, windowMillis: minute } });
      assert.strictEqual(yield* allowed(limits, {}, 5), 2);
      yield* config.set({ "limits.live-a": { per: [], limit: 4, windowMillis: minute } });
      assert.strictEqual(yield* allowed(limits, {}, 5), 2);
      yield* config.set({ "limits.live-a": { per: [], limit: 1, windowMillis: minute } });
      assert.strictEqual(yield* allowed(limits, {}, 5), 0);
      yield* config.set({ "limits.live-a": undefined });
      assert.strictEqual(yield* allowed(limits, {}, 5), 5);
    }));

  test("refuses tokens that cannot be, and more than a limit ever gives", () =>
    Effect.gen(function* () {
      const { limits } = yield* process("tokens", { "tokens-a": { per: [], limit: 3, windowMillis: minute } });
      for (const tokens of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 4]) {
        assert.strictEqual((yield* Effect.flip(limits.take({ tokens })))._tag, "LimitRefused");
      }
      const all = yield* limits.take({ tokens: 3 });
      assert.deepStrictEqual(all.allowed && all.limits.map(({ remaining }) => remaining), [0]);
    }));

  test("gives many processes together what one would have got", () =>
    Effect.gen(function* () {
      yield* process("many", {
        "many-tool": { per: ["tool"], limit: 50, windowMillis: minute },
        "many-user": { per: ["user"], limit: 200, windowMillis: minute },
      });
      const processes = yield* Effect.forEach(Array.from({ length: 5 }), () => process("many"));
      const counts = yield* Effect.forEach(processes, ({ limits }) => allowed(limits, { tool: "t", user: "u" }, 30), {
        concurrency: "unbounded",
      });
      assert.strictEqual(
        counts.reduce((sum, count) => sum + count, 0),
        50,
      );
      const [use] = (yield* processes[0]?.limits.uses ?? Effect.succeed([])).filter(
        ({ limit }) => limit === "many-user",
      );
      assert.strictEqual(use?.used, 50);
    }));
};
