/**
 * The promises of `Configuration`, as one suite for every log. Two configurations opened over one log are two processes.
 *
 * Each test has a tenant of its own.
 */
import { assert } from "@effect/vitest";
import { Effect, Fiber, Latch, Result, type Scope, Stream } from "effect";
import * as Configuration from "../../src/coordination/config/Configuration.ts";
import { config } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import { newId } from "../../src/publish/write/NewEvent.ts";

type Tester = (name: string, test: () => Effect.Effect<void, unknown, EventLog | Scope.Scope>) => void;

const ttl = "snapshots.ttlMillis";
const retention = "tasks.retentionMillis";
const search = { per: ["user"], limit: 10, windowMillis: 1_000 };

/** Returns when a process has seen a version. */
const sees = (process: Configuration.Configuration["Service"], version: number) =>
  Stream.runDrain(
    Stream.takeUntil(
      Stream.merge(
        Stream.fromEffect(process.version),
        Stream.map(process.changes, (seen) => seen.version),
      ),
      (seen) => seen >= version,
    ),
  );

/** An event as another version of the program, or another language, could have written it. */
const written = Effect.fnUntraced(function* (tenant: string, data: unknown) {
  const log = yield* EventLog;
  const event = {
    id: yield* newId,
    type: "config.changed",
    schemaVersion: 1,
    occurredAt: 1_000,
    source: "other",
    body: JSON.stringify(data),
  };
  yield* log.append({ history: config("default", tenant), events: [event], expected: "any" });
});

const nested = (levels: number): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
};

export const suite = (test: Tester) => {
  test("reads what its history told, so that a change which expects that version loses no other", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      const tenant = "told";
      const ahead = yield* Configuration.make({ tenant });
      // This process hears of nothing by itself.
      const deaf = EventLog.of({ ...log, follow: () => Stream.never });
      const behind = yield* Effect.provideService(Configuration.make({ tenant }), EventLog, deaf);
      yield* ahead.set({ [ttl]: 4_000 });
      assert.strictEqual(yield* behind.version, 0);
      const versions = yield* behind.history;
      assert.strictEqual(yield* behind.get(ttl), 4_000);
      const expectedVersion = versions.at(-1)?.version ?? 0;
      yield* behind.set({ [ttl]: (yield* behind.get(ttl)) + 1 }, { expectedVersion });
      yield* sees(ahead, 2);
      assert.strictEqual(yield* ahead.get(ttl), 4_001);
    }));

  test("refuses a version that is none, and a change that expects one, in words", () =>
    Effect.gen(function* () {
      const { diff, rollback, set } = yield* Configuration.make({ tenant: "no versions" });
      for (const version of [-1, 1.5, 7, Number.NaN, Number.POSITIVE_INFINITY]) {
        assert.strictEqual((yield* Effect.flip(rollback(version)))._tag, "NoSuchVersion");
        assert.strictEqual((yield* Effect.flip(diff(0, version)))._tag, "NoSuchVersion");
        const conflict = yield* Effect.flip(set({ [ttl]: 4_000 }, { expectedVersion: version }));
        assert.strictEqual(conflict._tag, "ConfigConflict");
      }
    }));

  test("has the default of every field, under it a file's value, then the environment's, then what was set", () =>
    Effect.gen(function* () {
      const tenant = "layers";
      const plain = yield* Configuration.make({ tenant });
      assert.strictEqual(yield* plain.get(ttl), 86_400_000);
      const file = { [ttl]: 2_000, [retention]: 120_000, "limits.search": search };
      const environment = { RECOLLECT_SNAPSHOTS_TTL_MILLIS: "3000", RECOLLECT_NATS_URL: "nats://u:p@h", OTHER: "x" };
      const layered = yield* Configuration.make({ tenant, file, environment });
      assert.strictEqual(yield* layered.get(retention), 120_000);
      assert.strictEqual(yield* layered.get(ttl), 3_000);
      yield* layered.set({ [ttl]: 4_000 });
      assert.strictEqual(yield* layered.get(ttl), 4_000);
      const layers = (yield* layered.explain()).map(({ field, layer, value }) => [field, layer, value]);
      // Every field is there; here those that somebody has set.
      assert.includeDeepMembers(layers, [["cache.files.maxBytes", "default", 1024 ** 3]]);
      const said = layers.filter(([, layer]) => layer !== "default");
      assert.deepStrictEqual(said, [
        ["limits.search", "file", search],
        // A secret is used and never shown.
        ["nats.url", "environment", undefined],
        [ttl, "runtime", 4_000],
        [retention, "file", 120_000],
      ]);
      assert.strictEqual(yield* layered.get("nats.url"), "nats://u:p@h");
      yield* layered.set({ [ttl]: undefined });
      assert.strictEqual(yield* layered.get(ttl), 3_000);
      assert.deepStrictEqual([...(yield* layered.family("limits")).keys()], ["search"]);
    }));

  test("does not begin with a file or an environment that says what cannot be, and names the field", () =>
    Effect.gen(function* () {
      const file = yield* Effect.flip(Configuration.make({ file: { [ttl]: "soon" } }));
      assert.deepInclude(file, { _tag: "ConfigRefused", field: ttl, layer: "file" });
      const secret = yield* Effect.flip(Configuration.make({ file: { "nats.url": "nats://u:p@h" } }));
      assert.deepInclude(secret, { _tag: "ConfigRefused", field: "nats.url", layer: "file" });
      const environment = yield* Effect.flip(
        Configuration.make({ environment: { RECOLLECT_TASKS_RETENTION_MILLIS: "1" } }),
      );
      assert.deepInclude(environment, { _tag: "ConfigRefused", field: retention, layer: "environment" });
    }));

  test("refuses a value that cannot be, before anything changes, and names the field", () =>
    Effect.gen(function* () {
      const configuration = yield* Configuration.make({ tenant: "refuses" });
      const loop: { self?: unknown } = {};
      loop.self = loop;
      const bad: ReadonlyArray<readonly [string, unknown]> = [
        [ttl, "4000"],
        [ttl, 1.5],
        [ttl, 999],
        [ttl, { a: 1 }],
        ["no.such.field", 1],
        ["limits.", search],
        ["limits.a.b", search],
        ["limits.a b", search],
        ["limits.search", { ...search, limit: 0 }],
        ["limits.search", { ...search, windowMilis: 7 }],
        ["limits.search", { ...search, per: ["user", "user"] }],
        ["limits.search", { ...search, per: ["planet"] }],
        ["limits.search", { ...search, only: { tool: "x".repeat(20_000) } }],
        ["cache.responses.tools.", {}],
        ["cache.responses.tools.a b", {}],
        ["cache.responses.tools.search", { ttlMillis: 1 }],
        ["cache.responses.tools.search", 60_000],
        ["nats.url", "nats://user:password@host"],
        ["constructor", 1],
        [ttl, () => 4_000],
        [ttl, 4_000n],
        [ttl, Symbol("4000")],
        ["limits.search", loop],
        ["limits.search", { ...search, only: nested(20_000) }],
      ];
      for (const [field, value] of bad) {
        const refused = yield* Effect.flip(configuration.set({ [retention]: 120_000, [field]: value }));
        assert.deepInclude(refused, { _tag: "ConfigRefused", field, layer: "runtime" });
      }
      assert.strictEqual(yield* configuration.version, 0);
      assert.deepStrictEqual(yield* configuration.history, []);
      const many = Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`limits.n${at}`, search]));
      assert.strictEqual((yield* Effect.flip(configuration.set(many)))._tag, "ConfigRefused");
      const why = "x".repeat(1_001);
      assert.strictEqual((yield* Effect.flip(configuration.set({ [ttl]: 4_000 }, { why })))._tag, "ConfigRefused");
    }));

  test("that has as many names as it may takes no more, and can still be changed and made smaller", () =>
    Effect.gen(function* () {
      const names = Array.from({ length: 1_000 }, (_, at) => `limits.n${at}`);
      const file = Object.fromEntries(names.map((name) => [name, search]));
      const configuration = yield* Configuration.make({ tenant: "names", file });
      const refused = yield* Effect.flip(configuration.set({ "limits.one-more": search }));
      assert.deepInclude(refused, { _tag: "ConfigRefused", field: "limits.one-more" });
      yield* configuration.set({ [ttl]: 4_000, "limits.n1": { ...search, limit: 11 } });
      assert.strictEqual(yield* configuration.get(ttl), 4_000);
      yield* configuration.set({ "limits.n1": undefined });
      assert.strictEqual(yield* configuration.version, 2);
    }));

  test("says of a secret where it belongs", () =>
    Effect.gen(function* () {
      const configuration = yield* Configuration.make({ tenant: "secret" });
      const refused = yield* Effect.flip(configuration.set({ "nats.url": "nats://user:password@host" }));
      assert.match(
        `${"message" in refused ? refused.message : ""} ${"hint" in refused ? refused.hint : ""}`,
        /never stored.*RECOLLECT_NATS_URL/,
      );
      const log = yield* EventLog;
      const events = yield* Stream.runCollect(log.read({ history: config("default", "secret") }));
      assert.deepStrictEqual(events, []);
    }));

  test("adds one version for one change of several fields, with who, when and why, and none for what is so already", () =>
    Effect.gen(function* () {
      const configuration = yield* Configuration.make({ tenant: "versions", who: "program" });
      const by = { who: "ana", why: "disks are full" };
      const first = yield* configuration.set({ [ttl]: 4_000, "limits.search": search }, by);
      assert.deepStrictEqual(first, { version: 1, changed: [ttl, "limits.search"] });
      const same = { windowMillis: 1_000, limit: 10, per: ["user"] };
      assert.deepStrictEqual(yield* configuration.set({ [ttl]: 4_000, "limits.search": same }), {
        version: 1,
        changed: [],
      });
      assert.deepStrictEqual(yield* configuration.set({ [ttl]: 5_000 }), { version: 2, changed: [ttl] });
      const history = yield* configuration.history;
      assert.deepStrictEqual(
        history.map(({ changes, version, who, why }) => ({ changes, version, who, why })),
        [
          {
            version: 1,
            ...by,
            changes: [
              { field: ttl, value: 4_000 },
              { field: "limits.search", value: search },
            ],
          },
          { version: 2, who: "program", why: undefined, changes: [{ field: ttl, value: 5_000 }] },
        ],
      );
    }));

  test("makes exactly one of two changes that expect the same version, and both of two that expect none", () =>
    Effect.gen(function* () {
      const tenant = "race";
      const one = yield* Configuration.make({ tenant });
      const two = yield* Configuration.make({ tenant });
      const change = (process: typeof one, millis: number, expectedVersion?: number) =>
        Effect.result(process.set({ [ttl]: millis }, { expectedVersion }));
      const race = yield* Effect.all([change(one, 4_000, 0), change(two, 5_000, 0)], { concurrency: "unbounded" });
      const [lost, ...others] = race.filter(Result.isFailure);
      assert.lengthOf(others, 0);
      assert.deepInclude(lost?.failure, { _tag: "ConfigConflict", expectedVersion: 0, actualVersion: 1 });
      const free = yield* Effect.all([change(one, 6_000), change(two, 7_000), change(one, 8_000)], {
        concurrency: "unbounded",
      });
      assert.isTrue(free.every(Result.isSuccess));
      assert.strictEqual((yield* two.history).length, 4);
      const future = yield* Effect.flip(one.set({ [ttl]: 9_000 }, { expectedVersion: 9 }));
      assert.deepInclude(future, { _tag: "ConfigConflict", actualVersion: 4 });
    }));

  test("is seen by every other process, and by one that starts later", () =>
    Effect.gen(function* () {
      const tenant = "everywhere";
      const processes = yield* Effect.forEach([1, 2, 3], () => Configuration.make({ tenant }));
      const [writer] = processes;
      yield* writer?.set({ [ttl]: 4_000, "limits.search": search }) ?? Effect.void;
      yield* Effect.forEach(processes, (process) => sees(process, 1));
      const late = yield* Configuration.make({ tenant });
      for (const process of [...processes, late]) {
        assert.strictEqual(yield* process.get(ttl), 4_000);
        assert.deepStrictEqual((yield* process.family("limits")).get("search") as unknown, search);
      }
      const elsewhere = yield* Configuration.make({ tenant, scope: "other" });
      assert.strictEqual(yield* elsewhere.get(ttl), 86_400_000);
    }));

  test("tells those who watch a family its values, and each change of them, and nothing of other fields", () =>
    Effect.gen(function* () {
      const tenant = "watch family";
      const watching = yield* Configuration.make({ tenant });
      const writer = yield* Configuration.make({ tenant });
      const seen: Array<ReadonlyArray<unknown>> = [];
      const see = Stream.runForEach(watching.watchFamily("cache.responses.tools"), (values) =>
        Effect.sync(() => seen.push([...values].map(([name, { ttlMillis }]) => [name.length, ttlMillis]))),
      );
      yield* Effect.forkScoped(see);
      /** Of changes that come quickly only the last is told. */
      const toldOf = (count: number) =>
        Effect.gen(function* () {
          while (seen.length < count) yield* Effect.yieldNow;
        });
      yield* toldOf(1);
      const longest = `cache.responses.tools.mcp__a.b/${"c".repeat(119)}`;
      yield* writer.set({ "cache.responses.tools.search": {}, [longest]: { ttlMillis: 1_000 } });
      yield* toldOf(2);
      const before = yield* writer.family("cache.responses.tools");
      yield* writer.set({ "limits.search": search, [ttl]: 4_000 });
      assert.strictEqual(yield* writer.family("cache.responses.tools"), before);
      yield* writer.set({ [longest]: undefined });
      yield* toldOf(3);
      yield* writer.set({ "cache.responses.tools.search": { ttlMillis: 2_000 } });
      yield* toldOf(4);
      assert.deepStrictEqual(seen, [
        [],
        [
          [6, undefined],
          [128, 1_000],
        ],
        [[6, undefined]],
        [[6, 2_000]],
      ]);
    }));

  test("tells those who watch a field its value, and each other one, and nothing of other fields", () =>
    Effect.gen(function* () {
      const tenant = "watch";
      const watching = yield* Configuration.make({ tenant });
      const writer = yield* Configuration.make({ tenant });
      const begun = yield* Latch.make();
      const seen = yield* watching.watch(ttl).pipe(
        Stream.tap(() => begun.open),
        Stream.take(3),
        Stream.runCollect,
        Effect.forkChild,
      );
      yield* begun.await;
      yield* writer.set({ [ttl]: 4_000 });
      yield* writer.set({ [retention]: 120_000 });
      yield* writer.set({ [ttl]: undefined });
      assert.deepStrictEqual(yield* Fiber.join(seen), [86_400_000, 4_000, 86_400_000]);
    }));

  test("says where two versions differ, and goes back to one as one more version", () =>
    Effect.gen(function* () {
      const configuration = yield* Configuration.make({ tenant: "rollback" });
      yield* configuration.set({ [ttl]: 4_000 });
      yield* configuration.set({ [ttl]: 5_000, "limits.search": search });
      yield* configuration.set({ [retention]: 120_000 });
      assert.deepStrictEqual(yield* configuration.diff(1, 3), [
        { field: "limits.search", before: undefined, after: search },
        { field: ttl, before: 4_000, after: 5_000 },
        { field: retention, before: undefined, after: 120_000 },
      ]);
      const back = yield* configuration.rollback(1, { who: "ana", why: "too slow" });
      assert.deepStrictEqual(back, { version: 4, changed: ["limits.search", ttl, retention] });
      assert.strictEqual(yield* configuration.get(ttl), 4_000);
      assert.strictEqual(yield* configuration.get(retention), 7 * 86_400_000);
      assert.deepStrictEqual(yield* configuration.diff(1, 4), []);
      assert.deepInclude((yield* configuration.history).at(-1), { version: 4, rolledBackTo: 1, why: "too slow" });
      yield* configuration.rollback(0);
      assert.strictEqual(yield* configuration.get(ttl), 86_400_000);
      for (const version of [-1, 6]) {
        assert.strictEqual((yield* Effect.flip(configuration.rollback(version)))._tag, "NoSuchVersion");
        assert.strictEqual((yield* Effect.flip(configuration.diff(0, version)))._tag, "NoSuchVersion");
      }
    }));

  test("keeps and reports what another version or language wrote, lets it not hold, and lets it be removed", () =>
    Effect.gen(function* () {
      const tenant = "foreign";
      yield* written(tenant, { changes: [{ field: ttl, value: "soon" }] });
      yield* written(tenant, { changes: [{ field: "of.tomorrow", value: [1] }], why: "new" });
      yield* written(tenant, { changes: "none" });
      const configuration = yield* Configuration.make({ tenant });
      assert.strictEqual(yield* configuration.version, 2);
      assert.strictEqual(yield* configuration.get(ttl), 86_400_000);
      const problems = (yield* configuration.explain()).filter(({ problem }) => problem !== undefined);
      assert.deepStrictEqual(
        problems.map(({ field }) => field),
        ["of.tomorrow", ttl],
      );
      yield* configuration.set({ [ttl]: 4_000, "of.tomorrow": undefined });
      assert.strictEqual(yield* configuration.get(ttl), 4_000);
      assert.isEmpty((yield* configuration.explain()).filter(({ problem }) => problem !== undefined));
    }));
};
