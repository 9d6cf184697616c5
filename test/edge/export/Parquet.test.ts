import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportParquet } from "../../../src/edge/export/Parquet.ts";
import { importedFiles, store } from "../../support/Imported.ts";
import { files } from "../mcp/World.ts";

/** A `duckdb` that writes down what it is asked, with the lines of the file that it is to read. */
const duckdb = `#!/bin/sh
printf '%s\\n' "$3" >> "$RECOLLECT_TEST_ASKED"
file=$(printf '%s' "$3" | sed -n "s/.*read_json('\\([^']*\\)'.*/\\1/p")
if [ -n "$file" ]; then wc -l < "$file" >> "$RECOLLECT_TEST_ASKED"; fi
`;

const inFolder = (work: (folder: string) => Effect.Effect<void, unknown, never>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const folder = mkdtempSync(join(tmpdir(), "recollect-parquet-test-"));
      const before = process.env["PATH"];
      process.env["RECOLLECT_TEST_ASKED"] = join(folder, "asked");
      return { folder, before };
    }),
    ({ folder }) => work(folder),
    ({ before, folder }) =>
      Effect.sync(() => {
        process.env["PATH"] = before;
        delete process.env["RECOLLECT_TEST_ASKED"];
        rmSync(folder, { recursive: true, force: true });
      }),
  );

describe("an export as Parquet", () => {
  it.live("hands every row of the main views to the DuckDB that is installed, with types, by day", () =>
    inFolder((folder) =>
      Effect.gen(function* () {
        writeFileSync(join(folder, "duckdb"), duckdb);
        chmodSync(join(folder, "duckdb"), 0o755);
        process.env["PATH"] = `${folder}:${process.env["PATH"] ?? ""}`;
        yield* importedFiles(files);
        yield* exportParquet(join(folder, "out"));
        const asked = readFileSync(join(folder, "asked"), "utf8");
        assert.match(asked, /'input_tokens': 'BIGINT'/);
        assert.match(asked, /v_messages.ndjson[\s\S]*PARTITION_BY \(day\)/);
        assert.match(asked, /TO '.*\/out\/v_threads.parquet' \(FORMAT parquet\)\n2\n/);
        const refused = yield* Effect.flip(exportParquet(folder));
        assert.match(refused.message, /is not empty/);
        const atFile = yield* Effect.flip(exportParquet(join(folder, "duckdb")));
        assert.strictEqual(atFile._tag, "ParquetRefused");
        assert.match(atFile.message, /a file is in its place/);
      }).pipe(Effect.provide(store)),
    ),
  );

  it.live("says what to install where there is none", () =>
    inFolder((folder) =>
      Effect.gen(function* () {
        process.env["PATH"] = folder;
        const refused = yield* Effect.flip(exportParquet(join(folder, "out")));
        assert.match(`${refused.message} ${refused.hint}`, /DuckDB.*npm install @duckdb\/node-api/);
      }).pipe(Effect.provide(store)),
    ),
  );
});
