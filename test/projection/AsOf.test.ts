import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { existsSync } from "node:fs";
import { readModels } from "../../projections/all.ts";
import { asOf } from "../../src/projection/AsOf.ts";
import * as ReadModelSqlite from "../../src/projection/ReadModelSqlite.ts";
import { conversation } from "./Conversation.ts";
import { applyAll, ask, folded } from "./World.ts";

const count = 120;
/** In the middle of threads, calls and tasks. */
const then = 71;

describe("the read models as of an earlier moment", () => {
  it.live("say what they would have said then: every table is that of a fold that ended there", () =>
    Effect.gen(function* () {
      const events = conversation(count);
      const { file } = yield* folded(events);
      const early = yield* folded(events.slice(0, then));
      const { file: earlier, sequence } = yield* asOf({
        path: file,
        projections: readModels,
        moment: { sequence: then },
      });
      assert.strictEqual(sequence, then);
      const model = yield* Effect.acquireRelease(
        ReadModelSqlite.open({ file: earlier, projections: readModels, durability: "scratch" }),
        ({ close }) => close,
      );
      assert.deepStrictEqual(yield* model.digests, yield* early.model.digests);
      const views = ask(
        file,
        "SELECT name FROM sqlite_schema WHERE type = 'view' AND name GLOB 'v_*' AND name <> 'v_search'",
      ).map(({ name }) => String(name));
      for (const view of views.filter((name) => !/dead_letters|health|open_tasks|task_state|checkpoints/.test(name)))
        assert.deepStrictEqual(ask(earlier, `SELECT * FROM ${view}`), early.rows(`SELECT * FROM ${view}`), view);
      assert.notDeepEqual(ask(file, "SELECT * FROM v_threads"), early.rows("SELECT * FROM v_threads"));
    }).pipe(Effect.scoped),
  );

  it.live("take a time of the log, refuse what has not come yet, and leave no file behind", () =>
    Effect.gen(function* () {
      const events = conversation(count);
      const { file, model } = yield* folded(events.slice(0, count - 20));
      const recordedAt = events[then - 1]?.recordedAt ?? 0;
      const made = yield* Effect.scoped(
        Effect.gen(function* () {
          const found = yield* asOf({ path: file, projections: readModels, moment: { time: recordedAt } });
          assert.isTrue(existsSync(found.file));
          // What comes meanwhile is not in it.
          yield* applyAll(model, events.slice(count - 20));
          assert.deepStrictEqual(ask(found.file, "SELECT max(sequence) AS last FROM v_events"), [{ last: then }]);
          return found;
        }),
      );
      assert.strictEqual(made.sequence, then);
      assert.isFalse(existsSync(made.file));
      const before = yield* asOf({ path: file, projections: readModels, moment: { time: 0 } });
      assert.strictEqual(before.sequence, 0);
      const refused = yield* Effect.flip(
        asOf({ path: file, projections: readModels, moment: { sequence: count + 1 } }),
      );
      assert.strictEqual(refused.message, `There is no event ${count + 1} yet: the database ends at ${count}.`);
    }).pipe(Effect.scoped),
  );
});
