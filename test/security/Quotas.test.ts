/** Quotas of a tenant: refused by their name at each door, and no other tenant is concerned. */
import { assert, describe, it } from "@effect/vitest";
import { Cause, Context, Effect, Exit } from "effect";
import { writeFileSync } from "node:fs";
import type { Quota } from "../../src/coordination/config/Quota.ts";
import { QuotaCounts } from "../../src/coordination/quotas/QuotaCounts.ts";
import { thread } from "../../src/domain/History.ts";
import { AccessDenied, Recollect } from "../../src/index.ts";
import { type Admit, admitting } from "../../src/log/access/Admission.ts";
import { problemOf } from "../../src/edge/http/handlers/Answer.ts";
import { bytesNamed } from "../../src/log/access/NamedBlobs.ts";
import { deniedIn, EventLog } from "../../src/log/EventLog.ts";
import { create } from "../../src/machine/AccessKeys.ts";
import * as ClosedServer from "../support/ClosedServer.ts";

const noon = Date.UTC(2026, 10, 30, 12);
const minute = 60_000;
const countsOf = (quota: Quota, used: { readonly bytes?: number; readonly threads?: ReadonlyArray<string> } = {}) =>
  new QuotaCounts("acme", quota, { day: Date.UTC(2026, 10, 30), bytes: used.bytes ?? 0, threads: used.threads ?? [] });

describe("the counts of a tenant", () => {
  it("bound the bytes of a day in UTC, beginning with what was written before a restart", () => {
    const counts = countsOf({ bytesPerDay: 100 }, { bytes: 60 });
    assert.isUndefined(counts.take({ bytes: 40, events: 1 }, noon, noon));
    const refused = counts.take({ bytes: 1, events: 1 }, noon, noon);
    assert.deepInclude(refused, { quota: "quotas.acme.bytesPerDay", retryAfterMillis: 12 * 3_600_000 });
    assert.match(refused?.reason ?? "", /100 of 100 bytes of today \(UTC\) are used/);
    assert.isUndefined(counts.take({ bytes: 100, events: 1 }, noon + 12 * 3_600_000, noon + 12 * 3_600_000));
  });

  it("bound the events of a minute, and say when there is room again", () => {
    const counts = countsOf({ eventsPerMinute: 60 });
    assert.isUndefined(counts.take({ bytes: 1, events: 60 }, noon, noon));
    assert.deepInclude(counts.take({ bytes: 1, events: 2 }, noon, noon), {
      quota: "quotas.acme.eventsPerMinute",
      retryAfterMillis: 2_000,
    });
    assert.isUndefined(counts.take({ bytes: 1, events: 2 }, noon + 2_000, noon + 2_000));
    assert.isUndefined(counts.take({ bytes: 1, events: 1_000 }, noon + 10 * minute, noon + 10 * minute));
  });

  it("go by time that passed, not by a clock that is set back", () => {
    const counts = countsOf({ eventsPerMinute: 60 });
    assert.isUndefined(counts.take({ bytes: 1, events: 60 }, noon, 0));
    assert.isUndefined(counts.take({ bytes: 1, events: 60 }, noon - 60 * minute, minute));
  });

  it("bound the threads that begin, never those that go on; a refused write begins none", () => {
    const counts = countsOf({ threads: 2, bytesPerDay: 1_000 }, { threads: ["a"] });
    assert.deepInclude(counts.take({ bytes: 2_000, events: 1, thread: "b" }, noon, noon), {
      quota: "quotas.acme.bytesPerDay",
    });
    assert.isUndefined(counts.take({ bytes: 1, events: 1, thread: "c" }, noon, noon));
    assert.deepInclude(counts.take({ bytes: 1, events: 1, thread: "d" }, noon, noon), { quota: "quotas.acme.threads" });
    for (const known of ["a", "c", undefined])
      assert.isUndefined(counts.take({ bytes: 1, events: 1, thread: known }, noon, noon));
    counts.quota = { threads: 3 };
    assert.isUndefined(counts.take({ bytes: 1, events: 1, thread: "d" }, noon, noon));
  });
});

describe("the bytes that an event names beside the stream", () => {
  it("are those of its own references and of its parts', and of nothing that looks like one elsewhere", () => {
    const named = (data: unknown) => bytesNamed(Buffer.from(typeof data === "string" ? data : JSON.stringify(data)));
    const blob = (bytes: unknown) => ({ sha256: "0".repeat(64), bytes });
    assert.strictEqual(
      named({
        parts: [
          { type: "text", text: "a", blob: blob(5) },
          { type: "text", text: "b" },
        ],
      }),
      5,
    );
    assert.strictEqual(named({ blob: blob(1), argumentsBlob: blob(10), outputBlob: blob(100) }), 111);
    assert.strictEqual(named({ entry: { blob: blob(7) }, text: '"sha256"' }), 0);
    assert.strictEqual(named({ blob: blob(-5), resultBlob: blob("9") }), 0);
    assert.strictEqual(named('{"sha256"'), 0);
  });
});

describe("a tenant beyond its quota", () => {
  it("is told over HTTP when there is room again, by the quota that refused", () => {
    const refusedBy = (quota: Quota, now = noon) => {
      const counts = countsOf(quota, { threads: ["a"], bytes: 100 });
      const refused =
        counts.take({ bytes: 10, events: 1, thread: "b" }, now, now) ??
        counts.take({ bytes: 10, events: 90 }, now, now);
      const closed = { append: () => Effect.die("it was admitted") } as unknown as EventLog["Service"];
      const log = admitting(closed, () => refused);
      const event = { id: "e", type: "t", schemaVersion: 1, occurredAt: 0, source: "test", body: "{}" };
      const failure = Effect.runSync(
        Effect.flip(log.append({ history: thread("t", "acme"), events: [event], expected: "any" })),
      );
      const denied = failure._tag === "LogUnavailable" ? deniedIn(failure) : undefined;
      const { code, retryAfter, status } = problemOf(denied) ?? {};
      return { code, retryAfter, status };
    };
    assert.deepStrictEqual(refusedBy({ bytesPerDay: 105 }), { code: "quota", status: 429, retryAfter: 12 * 3_600 });
    assert.deepStrictEqual(refusedBy({ eventsPerMinute: 30 }), { code: "quota", status: 429, retryAfter: 2 });
    assert.deepStrictEqual(refusedBy({ threads: 1 }), { code: "quota", status: 429, retryAfter: undefined });
  });

  it.live("is refused by the quota's name, over NATS and by the daemon's own doors; others write on", () =>
    Effect.gen(function* () {
      const [acme, beta, worker] = [create(), create(), create()];
      const users = [
        { name: "acme", role: "publisher", tenant: "acme", nkey: acme.publicKey, createdAt: 0 },
        { name: "beta", role: "publisher", tenant: "beta", nkey: beta.publicKey, createdAt: 0 },
        { name: "worker", role: "worker", tenant: "acme", nkey: worker.publicKey, createdAt: 0 },
      ] as const;
      const server = yield* ClosedServer.make({ users });
      const { root, url } = server;
      const counts = countsOf({ threads: 1, bytesPerDay: 4_000 });
      const admit: Admit = (tenant, written) => (tenant === "acme" ? counts.take(written, noon, noon) : undefined);
      const log = Context.get(yield* ClosedServer.daemon({ ...server, admit }), EventLog);
      const connect = (name: string, seed: string, tenant = name) => {
        writeFileSync(`${root}/${name}.seed`, `${seed}\n`, { mode: 0o600 });
        const access = { nkey: `${root}/${name}.seed`, inboxPrefix: `_INBOX_${name}` };
        return Recollect.connect({ url, data: `${root}/of-${name}`, tenant, access, patienceMillis: 20_000 });
      };
      const one = yield* Effect.promise(() => connect("acme", acme.seed));
      const other = yield* Effect.promise(() => connect("beta", beta.seed));
      const say = (client: Recollect, id: string, text: string) =>
        Effect.exit(Effect.promise(() => client.thread(id).say({ role: "user", text })));
      const permissionOf = (exit: Exit.Exit<unknown, unknown>) => {
        const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined;
        return error instanceof AccessDenied ? error.permission : undefined;
      };
      assert.isTrue(Exit.isSuccess(yield* say(one, "t", "fits")));
      assert.strictEqual(permissionOf(yield* say(one, "another", "fits")), "quotas.acme.threads");
      assert.strictEqual(permissionOf(yield* say(one, "t", "x".repeat(5_000))), "quotas.acme.bytesPerDay");
      const together = yield* Effect.all(
        Array.from({ length: 20 }, (_, index) => say(one, "t", `${index} ${"y".repeat(300)}`)),
        { concurrency: "unbounded" },
      );
      const refused = together.filter((exit) => permissionOf(exit) === "quotas.acme.bytesPerDay");
      assert.isAbove(refused.length, 0);
      assert.deepStrictEqual(
        together.filter((exit) => Exit.isFailure(exit)),
        refused,
      );
      assert.isTrue(Exit.isSuccess(yield* say(other, "another", "x".repeat(5_000))));
      assert.strictEqual((yield* Effect.promise(() => one.waiting())).spooled, 0);
      // A worker writes into the store's own account, and its tenant's quotas hold there as well.
      const third = yield* Effect.promise(() => connect("worker", worker.seed, "acme"));
      assert.strictEqual(permissionOf(yield* say(third, "another", "fits")), "quotas.acme.threads");
      assert.strictEqual(permissionOf(yield* say(third, "t", "x".repeat(5_000))), "quotas.acme.bytesPerDay");
      assert.strictEqual((yield* Effect.promise(() => third.waiting())).spooled, 0);
      // A large text lies beside the stream, with its head in the event: that would fit, and the whole does not.
      counts.quota = { bytesPerDay: 100_000 };
      assert.strictEqual(permissionOf(yield* say(one, "t", "z".repeat(600_000))), "quotas.acme.bytesPerDay");
      assert.isTrue(Exit.isSuccess(yield* say(other, "another", "z".repeat(600_000))));
      // A worker puts it there by itself: it counts when an event names it.
      assert.strictEqual(permissionOf(yield* say(third, "t", "w".repeat(600_000))), "quotas.acme.bytesPerDay");
      counts.quota = { bytesPerDay: 900_000 };
      assert.isTrue(Exit.isSuccess(yield* say(third, "t", "w".repeat(600_000))));
      assert.strictEqual(permissionOf(yield* say(third, "t", "v".repeat(600_000))), "quotas.acme.bytesPerDay");
      assert.isTrue(Exit.isSuccess(yield* say(third, "t", "fits")));
      assert.strictEqual((yield* Effect.promise(() => third.waiting())).spooled, 0);
      counts.quota = { threads: 1 };
      const inside = admitting(log, admit).append({
        history: thread("third", "acme"),
        events: [{ id: "e", type: "t", schemaVersion: 1, occurredAt: 0, source: "test", body: "{}" }],
        expected: "any",
      });
      assert.deepInclude(yield* Effect.flip(inside), { denied: "quotas.acme.threads" });
      counts.quota = { bytesPerDay: 4_000 };
      const bytes = new Uint8Array(5_000);
      assert.deepInclude(yield* Effect.flip(admitting(log, admit).putBlob(bytes, "acme")), {
        denied: "quotas.acme.bytesPerDay",
      });
      assert.strictEqual((yield* admitting(log, admit).putBlob(bytes, "beta")).bytes, 5_000);
      yield* Effect.promise(() => Promise.all([one, other, third].map((client) => client.close())));
    }).pipe(Effect.provide(ClosedServer.machine)),
  );
});
