import { assert, it } from "@effect/vitest";
import { Effect } from "effect";
import { join } from "node:path";
import { readModels } from "../../../projections/all.ts";
import { thread } from "../../../src/domain/History.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import * as Projector from "../../../src/projection/Projector.ts";
import { Ask } from "../../../src/query/screens/Ask.ts";
import * as AskSqlite from "../../../src/query/screens/AskSqlite.ts";
import { callBeyond, isAnything } from "../../../src/query/screens/ThreadScreen.ts";
import { event, stubLog } from "../../projection/StubLog.ts";
import { temporaryFolder } from "../../projection/World.ts";

it.live("a thread of nothing but calls is divided by them, both ways", () =>
  Effect.gen(function* () {
    const path = join(yield* temporaryFolder, "recollect.db");
    const calls = Array.from({ length: 20 }, (_, at) =>
      event(at + 1, "thread.tool_called", { callId: `c${at}`, name: "f" }, { in: thread("t") }),
    );
    const projector = yield* Projector.make({ path, projections: readModels }).pipe(
      Effect.provideService(EventLog, stubLog(calls).service),
    );
    yield* projector.awaitSequence(calls.length);
    const ask = yield* AskSqlite.make({ path });
    const key = { threadId: "t", tenant: "default" };
    const found = yield* Effect.all([
      callBeyond(key, { after: 0, most: 5 }),
      callBeyond(key, { after: 6, most: 5 }),
      callBeyond(key, { after: 0, before: 21, most: 5 }),
      callBeyond(key, { after: 0, before: 21, most: 20 }),
      callBeyond(key, { after: 0 }),
      isAnything(key, 1),
      isAnything(key, 0),
    ]).pipe(Effect.provideService(Ask, ask));
    assert.deepStrictEqual(found, [6, 12, 15, undefined, undefined, true, false]);
  }),
);
