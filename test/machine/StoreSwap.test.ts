/** The journal of a stream's exchange: what cannot be read of it stops nothing and is kept. */
import { assert, describe, it } from "@effect/vitest";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as StoreSwap from "../../src/machine/StoreSwap.ts";

describe("a heal's journal that cannot be read", () => {
  it("is put aside under a name of its own, and is no journal any more", () => {
    const root = mkdtempSync(join(tmpdir(), "recollect-swap-"));
    try {
      for (const text of ["{ not json", "{}", ""]) {
        writeFileSync(join(root, "heal.json"), text);
        assert.isUndefined(StoreSwap.read(root));
        assert.strictEqual(StoreSwap.complete(root), join(root, "heal.json.unreadable"));
        assert.isFalse(existsSync(join(root, "heal.json")));
        assert.strictEqual(readFileSync(join(root, "heal.json.unreadable"), "utf8"), text);
      }
      assert.isUndefined(StoreSwap.complete(root));
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});
