import { assert, describe, it } from "@effect/vitest";
import { nkeys } from "@nats-io/transport-node";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, FileSystem, Schema } from "effect";
import { readFileSync, writeFileSync } from "node:fs";
import * as AccessKeys from "../../src/machine/AccessKeys.ts";
import { fileOf } from "../../src/machine/KeyFiles.ts";

describe("a key of the data folder", () => {
  it.prop(
    "answers any challenge as NATS' own library does, and under its own public key alone",
    [Schema.Uint8Array],
    ([nonce]) => {
      const { publicKey, seed } = AccessKeys.create();
      const signer = AccessKeys.signerOf(seed);
      assert.strictEqual(signer?.publicKey, publicKey);
      const signed = signer?.sign(nonce) ?? new Uint8Array();
      assert.deepStrictEqual([...signed], [...nkeys.fromSeed(new TextEncoder().encode(seed)).sign(nonce)]);
      assert.isTrue(nkeys.fromPublic(publicKey).verify(nonce, signed));
      assert.isFalse(nkeys.fromPublic(AccessKeys.create().publicKey).verify(nonce, signed));
    },
    // The library's JavaScript takes 10 ms for each of its steps.
    { arbitrary: { runs: 8 } },
  );

  it("is none where the text is no seed", () => {
    for (const text of ["", "SUA", AccessKeys.create().publicKey, AccessKeys.create().seed.replace(/.$/, "!")])
      assert.isUndefined(AccessKeys.signerOf(text));
  });
});

describe("the keys of a data folder", () => {
  it.live(
    "stay as they are; a damaged one is put aside by a start, and refused with that advice by everything else",
    () =>
      Effect.gen(function* () {
        const root = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped();
        const publicKeys = (keys: AccessKeys.Keys) => [
          keys.daemon.publicKey,
          keys.local.publicKey,
          keys.system.publicKey,
        ];
        const first = publicKeys(yield* AccessKeys.ensure(root, { mends: false }));
        assert.deepStrictEqual(publicKeys(yield* AccessKeys.ensure(root, { mends: true })), first);
        const file = fileOf(root, "daemon");
        const seed = readFileSync(file, "utf8");
        // One flipped bit, and what a power cut leaves of a file that was just made.
        for (const text of [`S${seed.slice(1, 20)}!${seed.slice(21)}`, ""]) {
          writeFileSync(file, text);
          const refused = yield* Effect.flip(AccessKeys.ensure(root, { mends: false }));
          assert.include(refused.hint ?? "", "recollect up");
          const [daemon, ...others] = publicKeys(yield* AccessKeys.ensure(root, { mends: true }));
          assert.notStrictEqual(daemon, first[0]);
          assert.deepStrictEqual(others, first.slice(1));
          assert.strictEqual(readFileSync(`${file}.damaged`, "utf8"), text);
        }
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  );
});
