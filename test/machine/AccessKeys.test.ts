import { assert, describe, it } from "@effect/vitest";
import { nkeys } from "@nats-io/transport-node";
import { Schema } from "effect";
import * as AccessKeys from "../../src/machine/AccessKeys.ts";

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
