import { assert, describe, it } from "@effect/vitest";
import { Effect, Layer } from "effect";
import { join } from "node:path";
import { importPaths } from "../../../src/edge/import/Importer.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import { dataRoot } from "../../domain/realEntries.ts";
import { imported, rows, store } from "../../support/Imported.ts";
import { countsOf, sets } from "../../support/RawCounts.ts";

if (dataRoot === undefined)
  console.warn("SKIPPED: the real transcripts are not there; set RECOLLECT_TEST_DATA to their folder");

const pairs = (statement: string) =>
  Effect.map(rows(statement), (found) => Object.fromEntries(found) as Readonly<Record<string, number>>);

/** What SQL says of the whole store. */
const inSql = Effect.gen(function* () {
  const [[threads] = []] = yield* rows("SELECT count(*) FROM v_threads");
  const messages = yield* pairs("SELECT role, count(*) FROM v_messages GROUP BY 1 ORDER BY 1");
  const [[toolCalls] = []] = yield* rows("SELECT count(*) FROM v_tool_calls");
  const outcomes = {
    ok: 0,
    error: 0,
    unknown: 0,
    ...(yield* pairs("SELECT outcome, count(*) FROM v_tool_calls GROUP BY 1")),
  };
  const [[input, output, cacheRead, cacheWrite, reasoning] = []] = yield* rows(
    `SELECT total(input_tokens), total(output_tokens), total(cache_read_tokens), total(cache_write_tokens), total(reasoning_tokens)
     FROM v_token_usage`,
  );
  const tokens = { input, output, cacheRead, cacheWrite, reasoning };
  return { threads, messages, toolCalls, outcomes, tokens };
});

describe.skipIf(dataRoot === undefined)("an import of real transcripts", { timeout: 180_000 }, () => {
  const root = dataRoot ?? "";
  for (const set of sets) {
    it.live(`of ${set} comes out of SQL with the counts of its raw files, and again appends nothing`, () =>
      Effect.gen(function* () {
        const first = yield* imported([join(root, set)]);
        const { lastSequence } = yield* Effect.flatMap(EventLog, (log) => log.info);
        const raw = countsOf(set, root);
        const { toolCallOccurrences: toolCalls, outcomes, threads, tokens } = raw;
        const messages = Object.fromEntries(Object.entries(raw.messages).toSorted());
        assert.deepStrictEqual(yield* inSql, { threads, messages, toolCalls, outcomes, tokens });
        assert.strictEqual(first.eventsAppended, lastSequence);
        assert.deepStrictEqual(first.refused, []);
        const again = yield* importPaths({ paths: [join(root, set)] });
        assert.strictEqual(again.eventsAppended, 0);
      }).pipe(Effect.provide(Layer.fresh(store))),
    );
  }
});
