import { assert, layer } from "@effect/vitest";
import { Effect, Fiber, Schedule } from "effect";
import { readdirSync, readFileSync } from "node:fs";
import * as QuerySqlite from "../../../src/query/QuerySqlite.ts";
import { Store, store } from "./World.ts";

const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

/** Processes of statements that this process has started. */
const processes = (): ReadonlyArray<number> =>
  readdirSync("/proc").flatMap((name) => {
    try {
      const parent = / (?:\S) (\d+) /.exec(readFileSync(`/proc/${name}/stat`, "utf8"))?.[1];
      const isOne = readFileSync(`/proc/${name}/cmdline`, "utf8").includes("AsideProcessSqlite");
      return Number(parent) === process.pid && isOne ? [Number(name)] : [];
    } catch {
      return [];
    }
  });

const until = (is: () => boolean) =>
  Effect.suspend(() => (is() ? Effect.void : Effect.fail("not yet"))).pipe(
    Effect.retry(Schedule.spaced("20 millis")),
    Effect.timeout("20 seconds"),
    Effect.orDie,
  );

layer(store, { excludeTestServices: true })("statements that may take long", (it) => {
  const make = Effect.flatMap(Store, ({ path }) => QuerySqlite.make({ path, long: "aside" }));

  it.effect("answer as those in this process do: rows, numbers of any size, bytes, zones, and refusals", () =>
    Effect.gen(function* () {
      const query = yield* make;
      const statements: ReadonlyArray<readonly [string, Record<string, string | number>, string | undefined]> = [
        ["SELECT thread_id, title FROM v_threads ORDER BY 1", {}, undefined],
        ["SELECT 9007199254740993, x'00ff', NULL, 1.5, :a", { a: "é" }, undefined],
        ["SELECT datetime(0, 'unixepoch', 'localtime')", {}, "Asia/Kathmandu"],
        ["SELECT datetime(0, 'unixepoch', 'localtime')", {}, "America/New_York"],
        ["SELECT datetime(0, 'unixepoch', 'localtime')", {}, undefined],
      ];
      for (const [text, values, zone] of statements) {
        const here = yield* query.select(text, values, zone);
        assert.deepStrictEqual(yield* query.selectLong(text, values, zone), here, text);
      }
      for (const wrong of ["SELECT nothing FROM nowhere", "DELETE FROM threads"]) {
        const error = yield* Effect.flip(query.selectLong(wrong));
        assert.deepStrictEqual(error, yield* Effect.flip(query.select(wrong)));
      }
      assert.lengthOf(processes(), 1);
    }).pipe(Effect.scoped),
  );

  it.effect(
    "leave this process its loop, end at once with who asked, and are asked again after their process died",
    () =>
      Effect.gen(function* () {
        const query = yield* make;
        const asked = yield* Effect.forkChild(query.selectLong(endless));
        yield* until(() => processes().length === 1);
        const [first] = processes();
        yield* Fiber.interrupt(asked);
        yield* until(() => processes().length === 0);
        assert.deepStrictEqual((yield* query.selectLong("SELECT 1")).rows, [[1]]);
        const [second] = processes();
        assert.notStrictEqual(second, first);
        process.kill(second ?? 0, "SIGKILL");
        yield* until(() => processes().length === 0);
        assert.deepStrictEqual((yield* query.selectLong("SELECT 2")).rows, [[2]]);
      }).pipe(Effect.scoped, Effect.andThen(until(() => processes().length === 0))),
  );
});
