import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { spawnSync } from "node:child_process";
import { cpSync } from "node:fs";
import { join } from "node:path";
import * as StoreSwap from "../../../src/machine/StoreSwap.ts";
import { programOf } from "../../support/programs.ts";
import { temporaryFolder } from "../World.ts";
import * as World from "./World.ts";

/** Before the exchange: what was begun is thrown away. In it: whoever takes the folder next completes it. */
const before = ["journal begun", "built"] as const;
const verified = "journal verified";
const within = ["old stream kept", "new stream placed", "derived kept", "journal swapped"] as const;

const killedAt = (root: string, step: string) => {
  const child = programOf("test/projection/heal/heal-child.ts");
  const { signal, stderr } = spawnSync(process.execPath, [child, root, step], { encoding: "utf8", timeout: 60_000 });
  assert.strictEqual(signal, "SIGKILL", stderr);
  assert.isDefined(StoreSwap.read(root), step);
};

const copied = (root: string) =>
  Effect.map(temporaryFolder, (folder) => {
    const copy = join(folder, "data");
    cpSync(root, copy, { recursive: true, verbatimSymlinks: true });
    return copy;
  });

const assertHealed = (found: Effect.Success<ReturnType<typeof World.whole>>, events: World.Events) => {
  assert.deepInclude(found.verified, { ok: true, differing: 0 });
  assert.deepStrictEqual(World.shapes(found.after.slice(0, events.length)), World.shapes(events));
  assert.lengthOf(found.after, events.length + 1);
};

describe("a heal that is killed", { timeout: 120_000 }, () => {
  it.live("is done by the next one, whatever step it had reached, and nothing is missing or there twice", () =>
    Effect.gen(function* () {
      const { before: events, root: damaged } = yield* World.folderWith(30);
      World.flipEvent(damaged, 7);
      World.changeRow(damaged, 12);
      for (const step of before) {
        const root = yield* copied(damaged);
        killedAt(root, step);
        StoreSwap.complete(root);
        assert.isUndefined(StoreSwap.read(root), step);
        assert.isTrue((yield* World.plan(root)).needed, step);
        assert.deepStrictEqual(StoreSwap.kept(root), [], step);
        if (step === "built") assertHealed(yield* World.heal(root), events);
      }
      const ready = yield* copied(damaged);
      killedAt(ready, verified);
      for (const step of within) {
        const root = yield* copied(ready);
        killedAt(root, step);
        StoreSwap.complete(root);
        assert.strictEqual(StoreSwap.read(root)?.step, "swapped", step);
        assert.lengthOf(StoreSwap.kept(root), 1, step);
        const planned = yield* World.plan(root);
        assert.deepInclude(planned, { needed: false, needsRebuild: true, lost: [] }, step);
        assert.strictEqual(planned.copies.stream?.last, events.length + 1, step);
        if (step === "old stream kept") assertHealed(yield* World.whole(root, true), events);
      }
    }),
  );
});
