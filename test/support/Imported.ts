/** Transcripts on their way into SQL: a log in memory, read models in a temporary file, and questions to them. */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, FileSystem, Layer } from "effect";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import { importPaths } from "../../src/edge/import/Importer.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { Projector } from "../../src/projection/Projector.ts";
import * as Projection from "../../src/projection/Projector.ts";
import { Query } from "../../src/query/Query.ts";
import type { Value } from "../../src/query/Sql.ts";
import { putEmpty } from "../projection/World.ts";
import * as EarlierStores from "../../src/query/earlier/EarlierStoresSqlite.ts";
import * as QuerySqlite from "../../src/query/QuerySqlite.ts";

/** A store of its own. */
export const store = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem;
    const path = join(yield* fs.makeTempDirectoryScoped({ prefix: "recollect-counts-" }), "recollect.db");
    yield* putEmpty(path);
    return Layer.mergeAll(
      Projection.layer({ path, projections: readModels }),
      QuerySqlite.layer({ path }),
      EarlierStores.layer({ path }),
    ).pipe(Layer.provideMerge(EventLogMemory.layer));
  }),
).pipe(Layer.provideMerge(NodeServices.layer));

/** Rows of a question; whole numbers are numbers. */
export const rows = Effect.fnUntraced(function* (statement: string) {
  const query = yield* Query;
  const { rows: found } = yield* query.select(statement);
  return found.map((row) => row.map((cell: Value) => (typeof cell === "bigint" ? Number(cell) : cell)));
});

/** Imports, and waits until it is in SQL. */
export const imported = Effect.fnUntraced(function* (paths: ReadonlyArray<string>) {
  const report = yield* importPaths({ paths });
  const { lastSequence } = yield* Effect.flatMap(EventLog, (log) => log.info);
  yield* Effect.flatMap(Projector, (projector) => projector.awaitSequence(lastSequence));
  return report;
});

/** The same of files that are written for it, by relative path: a file's content is its text, or its lines. */
export const importedFiles = Effect.fnUntraced(function* (
  files: Readonly<Record<string, string | ReadonlyArray<unknown>>>,
) {
  const fs = yield* FileSystem.FileSystem;
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "recollect-imported-" });
  for (const [name, content] of Object.entries(files)) {
    const file = join(folder, name);
    yield* fs.makeDirectory(join(file, ".."), { recursive: true });
    const text = typeof content === "string" ? content : content.map((line) => `${JSON.stringify(line)}\n`).join("");
    yield* fs.writeFileString(file, text);
  }
  return yield* imported([folder]);
}, Effect.scoped);
