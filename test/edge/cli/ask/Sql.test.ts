import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Stage, until } from "../Program.ts";

const stage = new Stage();
const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

/** Processes of statements that belong to this database. */
const sandboxes = (): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("SandboxProcessSqlite")) return false;
        if (/\nState:\tZ/.test(readFileSync(`/proc/${pid}/status`, "utf8"))) return false;
        return readFileSync(`/proc/${pid}/maps`, "utf8").includes(stage.folder);
      } catch {
        return false;
      }
    });

beforeAll(async () => {
  await (await stage.up()).end();
}, 120_000);

afterAll(() => stage[Symbol.asyncDispose](), 120_000);

describe("recollect sql", () => {
  it("takes the statement from a file or a pipe, with values for its names", async () => {
    const file = join(stage.folder, "question.sql");
    writeFileSync(file, "-- one row\nSELECT :who AS who, typeof(:n) AS n, typeof(:t) AS t, :none AS none;\n");
    const values = ["--param", "who=a=b", "--param", "n=7", "--param", 't="7"', "--param", "none=null"];
    assert.deepStrictEqual(await stage.json(["sql", "--file", file, ...values]), [
      { who: "a=b", n: "integer", t: "text", none: null },
    ]);
    const piped = await stage.shell("echo 'SELECT 1 AS one UNION ALL SELECT 2' | recollect sql --ndjson");
    assert.strictEqual(piped.out, '{"one":1}\n{"one":2}\n');
    const missing = await stage.run(["sql", "SELECT :who"]);
    assert.deepInclude(missing, { code: 2, out: "" });
    assert.match(missing.err, /:who has no value/);
  }, 120_000);

  it("makes a table with units, and a CSV that no spreadsheet runs", async () => {
    const row =
      "SELECT 1234567 AS calls, 12345 AS size_bytes, 90061 AS took_ms, 0 AS said_at, 0.5 AS error_rate, 12.5 AS cost_usd, 1234 AS sequence";
    const { out } = await stage.run(["sql", row]);
    assert.strictEqual(
      out,
      "    calls  size_bytes     took_ms              said_at  error_rate  cost_usd  sequence\n" +
        "1,234,567     12.3 kB  1 min 30 s  1970-01-01 00:00:00      50.0 %    $12.50      1234\n",
    );
    const zone = await stage.run(["sql", "SELECT 0 AS said_at", "--tz", "Asia/Tokyo"]);
    assert.match(zone.out, /1970-01-01 09:00:00/);
    const formulas = `SELECT '=1+1' AS "=a", '+x' AS b, '-x' AS c, '@x' AS d, char(9) || '=x' AS e, -5 AS f, 'a=b' AS g`;
    assert.strictEqual(
      (await stage.run(["sql", formulas, "--csv-safe"])).out,
      "'=a,b,c,d,e,f,g\n'=1+1,'+x,'-x,'@x,'\t=x,-5,a=b\n",
    );
    assert.strictEqual((await stage.run(["sql", "SELECT '=1' AS a", "--csv"])).out, "a\n=1\n");
    assert.strictEqual((await stage.run(["sql", "SELECT 1", "--csv", "--ndjson"])).code, 2);
    const cut = await stage.run(["sql", "VALUES (1), (2)", "--csv", "--max-rows", "1"]);
    assert.deepInclude(cut, { out: "column1\n1\n" });
    assert.match(cut.err, /There are more rows/);
  }, 120_000);

  it("is ended at once by Ctrl-C, by SIGTERM and by a kill, and nothing of it stays", async () => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"] as const) {
      const running = stage.start(["sql", endless]);
      await until(() => sandboxes().length === 1);
      const began = performance.now();
      await running.end(signal);
      await until(() => sandboxes().length === 0);
      assert.isBelow(performance.now() - began, 10_000, signal);
    }
  }, 120_000);

  it("is an audit event of the store that runs, with a mark in the place of a secret, before it is answered", async () => {
    const daemon = await stage.up();
    const token = `ghp_${"a1B2c3D4e5F6g7H8i9J0".repeat(2).slice(0, 36)}`;
    assert.strictEqual((await stage.run(["sql", `SELECT '${token}' AS a, :b AS b`, "--param", "b=7"])).code, 0);
    assert.strictEqual((await stage.run(["sql", "SELECT * FROM nowhere"])).code, 2);
    interface Asked {
      readonly sections: ReadonlyArray<{
        readonly rows: ReadonlyArray<{ readonly door: string; readonly statement: string }>;
      }>;
    }
    let asked: ReadonlyArray<{ readonly door: string; readonly statement: string }> = [];
    for (let tries = 0; asked.length < 2 && tries < 50; tries++) {
      // oxlint-disable-next-line eslint/no-await-in-loop -- until the projector has it
      asked = (await stage.json<Asked>(["report", "audit", "--section", "sql"])).sections[0]?.rows ?? [];
    }
    await daemon.end();
    assert.deepInclude(asked[0], { door: "cli", statement: "SELECT * FROM nowhere" });
    assert.match(asked[1]?.statement ?? "", /^SELECT '\[redacted:/);
    assert.notInclude(JSON.stringify(asked), token);
  }, 120_000);

  it("hands on a result larger than its memory", async () => {
    const large = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 150000) SELECT i, printf('%1000d', i) FROM n`;
    const counted = await stage.shell(
      `export NODE_OPTIONS=--max-old-space-size=100; set -o pipefail; recollect sql "${large}" --csv | wc -c`,
    );
    assert.deepInclude(counted, { code: 0, err: "" });
    assert.isAbove(Number(counted.out), 150_000_000);
  }, 120_000);
});
