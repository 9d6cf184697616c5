/**
 * The DuckDB drill: reads the database as its SQLite extension attaches it, every view without a cast, and the Parquet files
 * that `export --parquet` makes.
 *
 * A drill and no test, because DuckDB is 70 MB, and its extension comes from its own server: it is said when either cannot be
 * had, and that part is then not shown.
 */
import { Effect } from "effect";
import { createRequire } from "node:module";
import { join } from "node:path";
import { readModels } from "../../../projections/all.ts";
import { exportParquet } from "../../../src/edge/export/Parquet.ts";
import * as ReadModelSqlite from "../../../src/projection/ReadModelSqlite.ts";
import { Query } from "../../../src/query/Query.ts";
import * as QuerySqlite from "../../../src/query/QuerySqlite.ts";
import { dictionary } from "../../../src/query/Dictionary.ts";
import * as Packed from "../../package/Packed.ts";
import { eventAt, noTruth } from "./Stream.ts";

const version = "1.5.6-r.1";
const events = 8_000;

const types: Readonly<Record<string, string>> = { text: "VARCHAR", integer: "BIGINT", real: "DOUBLE", blob: "BLOB" };

interface Connection {
  readonly run: (sql: string) => Promise<unknown>;
  readonly runAndReadAll: (sql: string) => Promise<{ readonly getRows: () => ReadonlyArray<ReadonlyArray<unknown>> }>;
}
interface Api {
  readonly DuckDBInstance: { readonly create: () => Promise<{ readonly connect: () => Promise<Connection> }> };
}
type Described = ReadonlyArray<readonly [name: string, type: string]>;

const rowsOf = (connection: Connection, sql: string) =>
  Effect.promise(async () => (await connection.runAndReadAll(sql)).getRows());

const described = (connection: Connection, from: string): Effect.Effect<Described> =>
  Effect.map(rowsOf(connection, `DESCRIBE SELECT * FROM ${from}`), (rows) =>
    rows.map((row) => [String(row[0]), String(row[1])] as const),
  );

/** Rows of a view as DuckDB reads them all; a sentence for what it cannot. */
const attached = Effect.fnUntraced(function* (connection: Connection, file: string) {
  const faults: Array<string> = [];
  yield* Effect.promise(() => connection.run(`ATTACH '${file}' AS kept (TYPE sqlite, READ_ONLY)`));
  const query = yield* Query;
  for (const { columns, name } of dictionary()) {
    // Answers words alone.
    if (name === "v_search") continue;
    const found = yield* Effect.result(
      Effect.tryPromise(async () => {
        await connection.runAndReadAll(`SELECT * FROM kept."${name}"`);
        const [row] = (await connection.runAndReadAll(`SELECT count(*) FROM kept."${name}"`)).getRows();
        return Number(row?.[0]);
      }),
    );
    if (found._tag === "Failure") faults.push(`${name} cannot be read: ${String(found.failure.cause).slice(0, 300)}`);
    else {
      const { rows } = yield* query.select(`SELECT count(*) FROM "${name}"`);
      if (Number(rows[0]?.[0]) !== found.success)
        faults.push(`${name} has ${found.success} rows and not ${String(rows[0]?.[0])}`);
      const there = new Map(yield* described(connection, `kept."${name}"`));
      for (const column of columns)
        if (there.get(column.name) !== types[column.type])
          faults.push(`${name}.${column.name} is ${String(there.get(column.name))} and not ${column.type}`);
    }
  }
  return faults;
});

/** Files of a folder of Parquet against the views that they were made of. */
const parquet = Effect.fnUntraced(function* (connection: Connection, folder: string) {
  const query = yield* Query;
  const faults: Array<string> = [];
  yield* exportParquet(folder);
  for (const [view, from] of [
    ["v_threads", "v_threads.parquet"],
    ["v_tasks", "v_tasks.parquet"],
    ["v_messages", "v_messages/*/*.parquet"],
    ["v_tool_calls", "v_tool_calls/*/*.parquet"],
    ["v_token_usage", "v_token_usage/*/*.parquet"],
    ["v_events", "v_events/*/*.parquet"],
  ] as const) {
    const files = `read_parquet('${join(folder, from)}', hive_partitioning = false)`;
    const [[count] = []] = yield* rowsOf(connection, `SELECT count(*) FROM ${files}`);
    const { rows } = yield* query.select(`SELECT count(*) FROM ${view}`);
    if (Number(count) !== Number(rows[0]?.[0]))
      faults.push(`${view} has ${String(count)} rows as Parquet and not ${String(rows[0]?.[0])}`);
    const there = new Map(yield* described(connection, files));
    for (const { name, type } of dictionary().find((one) => one.name === view)?.columns ?? []) {
      const wanted = type === "blob" ? "VARCHAR" : types[type];
      if (there.get(name) !== wanted) faults.push(`${view}.${name} is ${String(there.get(name))} and not ${type}`);
    }
  }
  return faults;
});

/** `missing`: the reason for which nothing could be attached; undefined when it was. */
export const run = Effect.fn("drill.duckdb")(function* (say: (line: string) => void) {
  const folder = Packed.temporaryFolder();
  const app = join(folder, "app");
  say(`fetching DuckDB ${version}`);
  const installed = Packed.install(app, [`@duckdb/node-api@${version}`]);
  if (installed.code !== 0) return { faults: [], folder, missing: `DuckDB cannot be fetched: ${installed.err}` };
  const { DuckDBInstance } = createRequire(join(app, "package.json"))("@duckdb/node-api") as Api;
  const connection = yield* Effect.promise(async () => (await DuckDBInstance.create()).connect());
  const file = join(folder, "record.db");
  const truth = noTruth();
  yield* Effect.acquireUseRelease(
    ReadModelSqlite.open({ file, projections: readModels, durability: "scratch" }),
    (model) => {
      const incoming = Array.from({ length: events }, (_, at) => ({ entry: eventAt(truth, at, events) }));
      return model.apply({ incoming, streamCreated: 1, now: 1 });
    },
    ({ close }) => close,
  );
  const there = process.cwd();
  return yield* Effect.gen(function* () {
    process.chdir(app);
    const faults = [...(yield* parquet(connection, join(folder, "parquet")))];
    say(`Parquet: ${faults.length === 0 ? "each view has its rows and types" : `${faults.length} faults`}`);
    const loaded = yield* Effect.result(Effect.tryPromise(() => connection.run("INSTALL sqlite; LOAD sqlite;")));
    if (loaded._tag === "Failure")
      return {
        faults,
        folder,
        missing: `the SQLite extension cannot be fetched: ${String(loaded.failure.cause).slice(0, 200)}`,
      };
    faults.push(...(yield* attached(connection, file)));
    return { faults, folder, missing: undefined };
  }).pipe(Effect.provide(QuerySqlite.layer({ path: file })), Effect.ensuring(Effect.sync(() => process.chdir(there))));
}, Effect.scoped);
