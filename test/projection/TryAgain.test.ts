import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { readModels } from "../../projections/all.ts";
import { thread } from "../../src/domain/History.ts";
import type { Projection } from "../../src/projection/Projection.ts";
import { tryAgain } from "../../src/projection/TryAgainSqlite.ts";
import { event, said } from "./StubLog.ts";
import { folded } from "./World.ts";

/** A projection that today refuses what it will take tomorrow. */
const refusing: ReadonlyArray<Projection> = readModels.map((one) =>
  one.name === "threads"
    ? {
        ...one,
        handle: (happened, facts, quoting) => {
          if (happened.type === "thread.renamed") throw new Error("not yet understood");
          return one.handle(happened, facts, quoting);
        },
      }
    : one,
);

describe("a refused event that is tried again", () => {
  it.live("is told whether the projections of today would take it, and nothing of the database changes", () =>
    Effect.gen(function* () {
      const { file, rows } = yield* folded(
        [
          said(1, "hello", { in: thread("a") }),
          said(2, "another", { in: thread("b") }),
          event(3, "thread.renamed", { title: "mine" }, { in: thread("a") }),
          event(4, "thread.message_appended", { neither: "fish nor fowl" }, { in: thread("b") }),
        ],
        refusing,
      );
      const dead = "SELECT sequence, projection FROM v_dead_letters ORDER BY sequence, projection";
      const before = rows(dead);
      assert.include(
        before.map(({ sequence }) => sequence),
        3,
      );
      const try_ = (sequence: number, projections: ReadonlyArray<Projection>) =>
        tryAgain({ path: file, projections, sequence });
      assert.deepStrictEqual(yield* try_(3, readModels), { refusals: [] });
      const still = yield* try_(3, refusing);
      assert.deepStrictEqual(
        still?.refusals.map(({ projection }) => projection),
        ["threads"],
      );
      assert.match(still?.refusals[0]?.reason ?? "", /not yet understood/);
      assert.isAbove((yield* try_(4, readModels))?.refusals.length ?? 0, 0);
      assert.isUndefined(yield* try_(5, readModels));
      assert.deepStrictEqual(rows(dead), before);
      assert.deepStrictEqual(
        readdirSync(dirname(file)).filter((name) => name.includes(".try-")),
        [],
      );
    }).pipe(Effect.scoped),
  );
});
