/** Wrong or missing rights: an error that says what is missing, within a second; never a silent spool. */
import { assert, describe, it } from "@effect/vitest";
import { Effect, Result } from "effect";
import { existsSync, writeFileSync } from "node:fs";
import { Recollect, AccessDenied } from "../../src/index.ts";
import { create } from "../../src/machine/AccessKeys.ts";
import * as ClosedServer from "../support/ClosedServer.ts";

const seedFile = (root: string, name: string, seed: string): string => {
  const path = `${root}/${name}.seed`;
  writeFileSync(path, `${seed}\n`, { mode: 0o600 });
  return path;
};

/** Outcome of a first message. The patience suits a busy machine: `publish/Delivery` has the default. */
const say = async (options: Parameters<typeof Recollect.connect>[0]) => {
  const recollect = await Recollect.connect({ patienceMillis: 20_000, ...options });
  const said = await recollect
    .thread("t")
    .say({ role: "user", text: "hello" })
    .then(
      (published) => Result.succeed(published),
      (error: unknown) => Result.fail(error),
    );
  const waiting = await recollect.waiting();
  await recollect.close();
  return { said, spooled: waiting.spooled };
};

const assertDenied = (outcome: Awaited<ReturnType<typeof say>>, permission: RegExp) => {
  if (Result.isSuccess(outcome.said)) return assert.fail(`it was ${outcome.said.success._tag}`);
  const error = outcome.said.failure;
  assert.instanceOf(error, AccessDenied);
  assert.match(error instanceof AccessDenied ? error.permission : "", permission);
  assert.strictEqual(outcome.spooled, 0);
};

describe("a program that the server does not let", () => {
  it.live("is told so, be its credentials missing, wrong, or without a right, and nothing is spooled", () =>
    Effect.gen(function* () {
      const key = create();
      const users = [{ name: "acme", role: "reader", tenant: "acme", nkey: key.publicKey, createdAt: 0 }] as const;
      const server = yield* ClosedServer.make({ users });
      const { root, url } = server;
      yield* ClosedServer.daemon(server);
      const elsewhere = { url, data: `${root}/elsewhere`, tenant: "acme" };
      const nkey = (seed: string) => ({ access: { nkey: seedFile(root, "user", seed), inboxPrefix: "_INBOX_acme" } });
      const outcomes = yield* Effect.promise(async () => [
        await say(elsewhere),
        await say({ ...elsewhere, ...nkey(create().seed) }),
        await say({ ...elsewhere, access: { user: "acme", password: "wrong" } }),
        await say({ ...elsewhere, url: url.replace("//", "//acme:wrong@") }),
      ]);
      for (const outcome of outcomes) assertDenied(outcome, /^connect$/);
      assert.isFalse(existsSync(`${root}/elsewhere/spool.db`));
      const own = yield* Effect.promise(() => say({ url, data: root }));
      assert.isTrue(Result.isSuccess(own.said) && own.said.success._tag === "Appended");
    }).pipe(Effect.provide(ClosedServer.machine)),
  );

  it.live("is told which right its user lacks", () =>
    Effect.gen(function* () {
      const key = create();
      const users = [{ name: "w", role: "worker", tenant: "acme", nkey: key.publicKey, createdAt: 0 }] as const;
      const server = yield* ClosedServer.make({ users });
      const { root, url } = server;
      yield* ClosedServer.daemon(server);
      const access = { nkey: seedFile(root, "w", key.seed), inboxPrefix: "_INBOX_w" };
      const mine = yield* Effect.promise(() => say({ url, data: `${root}/w`, tenant: "acme", access }));
      assert.isTrue(Result.isSuccess(mine.said), String(mine.said));
      const others = yield* Effect.promise(() => say({ url, data: `${root}/w`, tenant: "beta", access }));
      assertDenied(others, /^publish to recollect-by\.w\.beta\.thread\.t$/);
    }).pipe(Effect.provide(ClosedServer.machine)),
  );
});
