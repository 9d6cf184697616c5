/**
 * The record as Parquet files by day, written by a DuckDB that the user has.
 *
 * Room: edge.
 *
 * Rows come out of the sandbox as a file of JSON lines, one view after the other, and DuckDB makes Parquet of it: its SQLite
 * extension would have to be downloaded, and would read the file past all that is shown.
 *
 * Decision: no dependency of ours, because DuckDB is 60 MB and most never ask for it.
 */
import { Effect, FileSystem, Schema, Stream } from "effect";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { folderTrouble } from "../../machine/DataFolder.ts";
import { makeFolder } from "../../machine/MakeFolder.ts";
import { Query } from "../../query/Query.ts";
import type { Value } from "../../query/Sql.ts";

/** Nothing was exported. */
export class ParquetRefused extends Schema.TaggedError<ParquetRefused>()("ParquetRefused", {
  message: Schema.String,
  hint: Schema.String,
}) {}

/** Views, and the column that says the day of a row, in UTC; null: one file. */
const exported: Readonly<Record<string, string | null>> = {
  v_threads: null,
  v_tasks: null,
  v_sessions: null,
  v_messages: "occurred_at",
  v_tool_calls: "started_at",
  v_token_usage: "occurred_at",
  v_files_read: "read_at",
  v_task_transitions: "moved_at",
  v_events: "recorded_at",
};

type RunSql = (sql: string) => Promise<void>;

interface Api {
  readonly DuckDBInstance: {
    readonly create: () => Promise<{
      readonly connect: () => Promise<{ readonly run: (sql: string) => Promise<unknown> }>;
    }>;
  };
}

const library = async (): Promise<RunSql | undefined> => {
  for (const from of [join(process.cwd(), "package.json"), import.meta.url]) {
    try {
      const file = createRequire(from).resolve("@duckdb/node-api");
      // oxlint-disable-next-line eslint/no-await-in-loop -- the second place is looked at when it is not in the first
      const found = (await import(pathToFileURL(file).href)) as Partial<Api> & { readonly default?: Api };
      const { DuckDBInstance } = found.DuckDBInstance === undefined ? (found.default ?? ({} as Api)) : (found as Api);
      // oxlint-disable-next-line eslint/no-await-in-loop -- the same
      const connection = await (await DuckDBInstance.create()).connect();
      return async (sql) => void (await connection.run(sql));
    } catch {
      continue;
    }
  }
  return undefined;
};

const program = async (): Promise<RunSql | undefined> => {
  const run: RunSql = (sql) =>
    new Promise((resolve, reject) =>
      execFile("duckdb", ["-batch", "-c", sql], (error, _, said) =>
        error === null ? resolve() : reject(new Error(said.trim() === "" ? error.message : said.trim())),
      ),
    );
  return run("SELECT 1").then(
    () => run,
    () => undefined,
  );
};

const duckdb = Effect.promise(async () => (await program()) ?? (await library())).pipe(
  Effect.flatMap((found) =>
    found === undefined
      ? Effect.fail(
          new ParquetRefused({
            message: "Parquet is written by DuckDB, and there is none.",
            hint: "Install its program (https://duckdb.org/docs/installation), or run in this folder: npm install @duckdb/node-api",
          }),
        )
      : Effect.succeed(found),
  ),
);

/** SQL of a text. */
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

const types: Readonly<Record<string, string>> = { text: "VARCHAR", integer: "BIGINT", real: "DOUBLE", blob: "VARCHAR" };

const plain = (value: Value): unknown => {
  if (typeof value === "bigint") return String(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
};

const columnsOf = Effect.fnUntraced(function* (view: string) {
  const query = yield* Query;
  const { rows } = yield* query.select(
    `SELECT "column", type FROM v_dictionary WHERE view = :view AND position > 0 ORDER BY position`,
    { view },
  );
  return rows.map(([name, type]) => [String(name), types[String(type)] ?? "VARCHAR"] as const);
});

/** Rows of a view as JSON lines in a file. */
const written = Effect.fnUntraced(function* (view: string, names: ReadonlyArray<string>, file: string) {
  const query = yield* Query;
  const { rows } = yield* query.sql(`SELECT * FROM ${view}`, [], { timeoutMillis: 86_400_000 });
  const fs = yield* FileSystem.FileSystem;
  const out = yield* fs.open(file, { flag: "w", mode: 0o600 });
  let count = 0;
  yield* Stream.runForEach(
    Stream.mapArray(rows, (batch) => [
      batch
        .map(
          (row) => `${JSON.stringify(Object.fromEntries(names.map((name, at) => [name, plain(row[at] ?? null)])))}\n`,
        )
        .join(""),
    ]),
    (lines) => {
      count += 1;
      return out.writeAll(Buffer.from(lines, "utf8"));
    },
  );
  return count;
}, Effect.scoped);

/** Refusal of a path that cannot be used. */
const refusedAt = (path: string, hint: string) => (cause: unknown) =>
  new ParquetRefused({ message: folderTrouble({ path, cause }).message, hint });

const copyOf = (input: {
  readonly file: string;
  readonly to: string;
  readonly at: string | null;
  readonly columns: ReadonlyArray<readonly [name: string, type: string]>;
}): string => {
  const { at, columns, file, to } = input;
  const typed = columns.map(([name, type]) => `${literal(name)}: ${literal(type)}`).join(", ");
  const from = `read_json(${literal(file)}, format = 'newline_delimited', maximum_object_size = 268435456, columns = {${typed}})`;
  return at === null
    ? `COPY (SELECT * FROM ${from}) TO ${literal(`${to}.parquet`)} (FORMAT parquet)`
    : `COPY (SELECT *, coalesce(strftime(make_timestamp(${at} * 1000), '%Y-%m-%d'), 'unknown') AS day FROM ${from})
       TO ${literal(to)} (FORMAT parquet, PARTITION_BY (day), OVERWRITE_OR_IGNORE true)`;
};

/** Writes `DIR/VIEW.parquet`, and `DIR/VIEW/day=YYYY-MM-DD/…` where a row has a time. The folder must be new or empty. */
export const exportParquet = Effect.fn("export.parquet")(function* (folder: string) {
  const run = yield* duckdb;
  const unusable = refusedAt(folder, "Name another folder.");
  const isUsed = yield* Effect.try({
    try: () => existsSync(folder) && readdirSync(folder).length > 0,
    catch: unusable,
  });
  if (isUsed) return yield* new ParquetRefused({ message: `${folder} is not empty.`, hint: "Name a new folder." });
  yield* Effect.try({ try: () => makeFolder(folder), catch: unusable });
  const between = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "recollect-parquet-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
  );
  for (const [view, at] of Object.entries(exported)) {
    const columns = yield* columnsOf(view);
    const file = join(between, `${view}.ndjson`);
    const some = yield* written(
      view,
      columns.map(([name]) => name),
      file,
    ).pipe(Effect.catchTag("PlatformError", (cause) => refusedAt(file, "Is there room on the disk?")(cause)));
    if (some === 0) continue;
    yield* Effect.tryPromise({
      try: () => run(copyOf({ file, to: join(folder, view), at, columns })),
      catch: (cause) =>
        new ParquetRefused({
          message: `DuckDB did not write ${view}: ${cause instanceof Error ? cause.message : String(cause)}`,
          hint: "Is there room on the disk?",
        }),
    });
    yield* Effect.sync(() => rmSync(file, { force: true }));
  }
}, Effect.scoped);
