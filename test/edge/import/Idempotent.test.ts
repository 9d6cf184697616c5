import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { SequenceConflict } from "../../../src/log/EventLog.ts";
import { claude, claudeLines, events, exported, folderOf, importAll, threads, withLog, world, write } from "./World.ts";

describe("an entry that the log has", () => {
  it.live("is not appended again when its file grew by lines that another file had brought already", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "1.jsonl": claudeLines("s", 50, 80) });
      yield* importAll(folder);
      // The last event's mark speaks of this second file; the first one's lines come after it in the third.
      yield* importAll(yield* folderOf({ "2.jsonl": claudeLines("s", 0, 50) }));
      const whole = yield* folderOf({ "3.jsonl": claudeLines("s", 0, 90) });
      assert.deepInclude(yield* importAll(whole), { eventsAppended: 10, duplicates: 80, refused: [] });
      assert.deepInclude(yield* importAll(whole), { eventsAppended: 0, duplicates: 90 });
      const ids = (yield* events).map(({ id }) => id);
      assert.strictEqual(ids.length, 90);
      assert.strictEqual(new Set(ids).size, 90);
    }).pipe(Effect.scoped, Effect.provide(world)),
  );
});
