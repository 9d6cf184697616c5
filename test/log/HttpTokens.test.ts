/** Files of the HTTP door's tokens and keys after a process that was killed, and after a power cut. */
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as HttpTokens from "../../src/log/access/HttpTokens.ts";

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "recollect-http-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true })),
);

describe("the HTTP door's files", () => {
  it.effect("hold a key of 32 bytes, also where a power cut has left none of it or half", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder;
      const file = join(root, "http", "lease.key");
      const first = yield* HttpTokens.leaseKey(root);
      assert.strictEqual(yield* HttpTokens.leaseKey(root), first);
      for (const left of ["", first.slice(0, 20)]) {
        writeFileSync(file, left);
        const mended = yield* HttpTokens.leaseKey(root);
        assert.strictEqual(Buffer.from(mended, "base64url").byteLength, 32);
        assert.strictEqual(yield* HttpTokens.leaseKey(root), mended);
      }
    }).pipe(Effect.scoped),
  );

  it.effect("are made anew beside what a killed process of the same id has left", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder;
      for (const folder of ["http", "keys"]) mkdirSync(join(root, folder), { recursive: true });
      writeFileSync(join(root, "http", `lease.key.${process.pid}`), "half");
      writeFileSync(join(root, "keys", `http.token.${process.pid}`), "half");
      yield* HttpTokens.leaseKey(root);
      const secret = yield* HttpTokens.ensureLocal(root, 1);
      assert.strictEqual(yield* HttpTokens.ensureLocal(root, 1), secret);
      assert.deepStrictEqual(readdirSync(join(root, "keys")).toSorted(), ["http.token", `http.token.${process.pid}`]);
    }).pipe(Effect.scoped),
  );
});
