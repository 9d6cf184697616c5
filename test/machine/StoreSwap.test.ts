/** The journal of a stream's exchange: what cannot be read of it stops nothing and is kept. */
import { assert, describe, it } from "@effect/vitest";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

  it("is one that leads out of the folder: nothing is removed or moved there", () => {
    const outside = mkdtempSync(join(tmpdir(), "recollect-swap-"));
    const root = join(outside, "data");
    try {
      mkdirSync(join(root, "nats"), { recursive: true });
      mkdirSync(join(outside, "victim"));
      const journal = { version: 1, reason: "", startedAt: 0, needsRebuild: false, summary: null } as const;
      const inner = { name: "stream-1", built: "nats/healing-1", place: "nats/jetstream", derived: [] } as const;
      for (const [step, change] of [
        ["building", { name: "/../../../victim" }],
        ["verified", { built: "../victim" }],
        ["verified", { place: join(outside, "victim") }],
        ["verified", { derived: ["nats/../../victim"] }],
      ] as const) {
        writeFileSync(join(root, "heal.json"), JSON.stringify({ ...journal, ...inner, step, ...change }));
        assert.strictEqual(StoreSwap.complete(root), join(root, "heal.json.unreadable"));
        assert.isTrue(existsSync(join(outside, "victim")));
      }
    } finally {
      rmSync(outside, { recursive: true, force: true });
    }
  });
});
