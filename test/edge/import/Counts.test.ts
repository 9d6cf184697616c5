import * as NodeServices from "@effect/platform-node/NodeServices";
import { assert, describe, it } from "@effect/vitest";
import { Effect, FileSystem, Layer, Stream } from "effect";
import { join } from "node:path";
import { readModels } from "../../../projections/all.ts";
import { importPaths } from "../../../src/edge/import/Importer.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import * as EventLogMemory from "../../../src/log/EventLogMemory.ts";
import { Projector } from "../../../src/projection/Projector.ts";
import * as Projection from "../../../src/projection/Projector.ts";
import { Query } from "../../../src/query/Query.ts";
import * as QuerySqlite from "../../../src/query/QuerySqlite.ts";
import { dataRoot } from "../../domain/realEntries.ts";
import { countsOf, sets } from "../../support/RawCounts.ts";

if (dataRoot === undefined)
  console.warn("SKIPPED: the real transcripts are not there; set RECOLLECT_TEST_DATA to their folder");

/** A store of its own for one set: log in memory, read models in a temporary file. */
const store = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem;
    const path = join(yield* fs.makeTempDirectoryScoped({ prefix: "recollect-counts-" }), "recollect.db");
    return Layer.merge(Projection.layer({ path, projections: readModels }), QuerySqlite.layer({ path })).pipe(
      Layer.provideMerge(EventLogMemory.layer),
    );
  }),
).pipe(Layer.provideMerge(NodeServices.layer));

const rows = Effect.fnUntraced(function* (statement: string) {
  const query = yield* Query;
  const { rows: found } = yield* query.sql(statement);
  return [...(yield* Stream.runCollect(found))].map((row) =>
    row.map((cell) => (typeof cell === "string" ? cell : Number(cell))),
  );
}, Effect.scoped);

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
    `SELECT sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens), sum(reasoning_tokens)
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
        const first = yield* importPaths({ paths: [join(root, set)] });
        const { lastSequence } = yield* Effect.flatMap(EventLog, (log) => log.info);
        yield* Effect.flatMap(Projector, (projector) => projector.awaitSequence(lastSequence));
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
