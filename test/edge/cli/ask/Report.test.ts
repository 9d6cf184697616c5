import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spark } from "../../../../src/edge/cli/ask/Spark.ts";
import { momentInZone } from "../../../../src/edge/cli/ask/ZonedTime.ts";
import { session, Stage } from "../Program.ts";

const stage = new Stage();

beforeAll(async () => {
  const file = join(stage.folder, "talk.jsonl");
  writeFileSync(file, session("5e550000-0000-4000-8000-000000000001", ["one", "two", "three"]));
  const { code, err } = await stage.run(["import", file]);
  assert.strictEqual(code, 0, err);
}, 120_000);

afterAll(() => stage[Symbol.asyncDispose](), 120_000);

interface Answer {
  readonly sections: ReadonlyArray<{
    readonly name: string;
    readonly rows: ReadonlyArray<Readonly<Record<string, unknown>>>;
  }>;
}

describe("recollect report", () => {
  it("answers as a table, as JSON, as CSV and as a page, in the time and zone asked for", async () => {
    assert.match((await stage.run(["report"])).out, /^overview .*\ntools /m);
    const { out } = await stage.run(["report", "overview", "--tz", "UTC"]);
    assert.match(out, /By day\nday +threads +prompts .*\n2026-01-01 +1 +3 /);
    const { sections } = await stage.json<Answer>(["report", "overview", "--section", "totals"]);
    assert.deepInclude(sections[0]?.rows[0], { threads: 1, prompts: 3 });
    const later = await stage.json<Answer>([
      "report",
      "overview",
      "--section",
      "totals",
      "--since",
      "2026-01-02",
      "--tz",
      "UTC",
    ]);
    assert.deepInclude(later.sections[0]?.rows[0], { threads: 0, prompts: 0 });
    const csv = await stage.run(["report", "projects", "--csv"]);
    assert.match(csv.out, /^project,threads,messages,.*\n\/x,1,3,/);
    const page = join(stage.folder, "report.html");
    assert.deepInclude(await stage.run(["report", "tools", "--html", page]), { code: 0 });
    assert.match(readFileSync(page, "utf8"), /^<!doctype html>[^]*Loops[^]*<\/html>\n$/);
    assert.strictEqual((await stage.run(["report", "nothing"])).code, 4);
    for (const wrong of [
      ["--by", "nothing"],
      ["--section", "nothing"],
      ["--since", "nothing"],
      ["--csv", "--json"],
    ])
      assert.strictEqual((await stage.run(["report", "tools", ...wrong])).code, 2, wrong.join(" "));
  }, 120_000);
});

describe("recollect stats", () => {
  it("tells what was said and done in sum, by day of the zone and by agent, as a table and as JSON", async () => {
    const { out } = await stage.run(["stats", "--tz", "UTC"]);
    assert.match(out, /In all\nthreads +prompts .*\n +1 +3 /);
    assert.match(out, /By day\nday .*\n2026-01-01 +1 +3 /);
    assert.match(out, /By agent\nagent .*\nclaude-code +1 +3 /);
    const { sections } = await stage.json<Answer>(["stats", "--tz", "Pacific/Honolulu"]);
    const days = sections.flatMap(({ rows }) => rows.flatMap(({ day }) => day ?? []));
    const threads = sections.flatMap(({ rows }) => rows.flatMap(({ threads: count }) => count ?? []));
    assert.lengthOf(days, 1);
    assert.isTrue(threads.every((count) => count === 1));
    const later = await stage.run(["stats", "--since", "2026-01-02", "--tz", "UTC"]);
    assert.notMatch(later.out, /2026-01-01/);
    assert.strictEqual((await stage.run(["stats", "--since", "nothing"])).code, 2);
  }, 120_000);

  it("has the days of this machine's clock, as lists and searches have", async () => {
    // The first midnight of 2026 in UTC, and ten hours before that in Honolulu.
    for (const words of ["threads --since 2026-01-01", "search two --since 2026-01-01"]) {
      const there = await stage.shell(`TZ=Pacific/Honolulu recollect ${words} --json`);
      const inUtc = await stage.shell(`TZ=Pacific/Honolulu recollect ${words} --utc --json`);
      assert.notInclude(there.out, "5e550000", there.err);
      assert.include(inUtc.out, "5e550000", inUtc.err);
    }
  }, 120_000);
});

describe("recollect query", () => {
  it("saves a statement by a name, runs it with values, and has one for each part of each report", async () => {
    const statement = "SELECT cwd, count(*) AS threads FROM v_threads GROUP BY 1 LIMIT :n";
    assert.deepInclude(
      await stage.run(["query", "save", "busiest", statement, "--description", "Where most is done"]),
      {
        code: 0,
      },
    );
    assert.deepStrictEqual(await stage.json(["query", "run", "busiest", "--param", "n=5"]), [
      { cwd: "/x", threads: 1 },
    ]);
    assert.match((await stage.run(["query", "show", "busiest"])).out, /^-- Where most is done\nSELECT cwd/);
    const listed = await stage.json<ReadonlyArray<{ readonly [field: string]: unknown; readonly shipped: boolean }>>([
      "query",
      "list",
    ]);
    assert.deepInclude(listed[0], { name: "busiest", doc: "Where most is done", shipped: false, parameters: ["n"] });
    assert.isAbove(listed.filter(({ shipped }) => shipped).length, 30);
    const [totals] = await stage.json<ReadonlyArray<object>>(["query", "run", "overview.totals"]);
    assert.deepInclude(totals, { threads: 1, prompts: 3 });
    for (const [code, words] of [
      [2, ["save", "busiest", "SELECT 1"]],
      [0, ["save", "busiest", statement, "--replace"]],
      [2, ["save", "wrong", "DELETE FROM events"]],
      [2, ["save", "wrong", "SELECT absent FROM v_threads"]],
      [2, ["save", "../wrong", "SELECT 1"]],
      [2, ["run", "busiest"]],
      [4, ["run", "nothing"]],
      [4, ["run", "tools.nothing"]],
      [0, ["remove", "busiest"]],
      [4, ["remove", "busiest"]],
    ] as const)
      assert.strictEqual((await stage.run(["query", ...words])).code, code, words.join(" "));
  }, 120_000);
});

describe("recollect cost", () => {
  it("says in one line what was spent, and of the session that an agent names", async () => {
    assert.strictEqual(
      (await stage.run(["cost"])).out,
      "today 0 in, 0 out · 7 days 0 in, 0 out · 30 days 0 in, 0 out\n",
    );
    const line = await stage.shell(`echo '{"session_id":"x","cwd":"/y"}' | recollect cost --statusline`);
    assert.deepStrictEqual(line, { code: 0, err: "", out: "0 in, 0 out · today 0 in, 0 out\n" });
    // An agent may leave its pipe open, name no session, or say what is no JSON.
    const left = await stage.shell(
      `(echo '{"session_id":"x"}'; sleep 3) | recollect cost --statusline --tenant default`,
    );
    assert.deepStrictEqual(left, line);
    for (const input of ["", "{}", "null", "no JSON", '{"session_id":7}'])
      assert.deepStrictEqual(await stage.shell(`echo '${input}' | recollect cost --statusline`), {
        code: 0,
        err: "",
        out: "today 0 in, 0 out\n",
      });
    // What it does not know is the full command's, with its words.
    assert.include((await stage.shell("recollect cost --statusline --nothing < /dev/null")).err, "--nothing");
    assert.include((await stage.shell("recollect cost --statusline --data /nowhere < /dev/null")).err, "no store");
    assert.deepInclude(await stage.json<object>(["cost", "--session", "x"]), {
      session: { inputTokens: 0, outputTokens: 0, costUsd: null },
    });
  }, 120_000);
});

describe("a day on the command line", () => {
  it("begins where it does in its zone, also when the clock was changed that day", () => {
    assert.strictEqual(momentInZone("2026-03-29", 0, "UTC"), Date.UTC(2026, 2, 29));
    assert.strictEqual(momentInZone("2026-03-29", 0, "Europe/Berlin"), Date.UTC(2026, 2, 28, 23));
    assert.strictEqual(momentInZone("2026-03-30", 0, "Europe/Berlin"), Date.UTC(2026, 2, 29, 22));
    assert.strictEqual(momentInZone("2026-03-29", 0, "Asia/Kathmandu"), Date.UTC(2026, 2, 28, 18, 15));
    assert.strictEqual(momentInZone("2026-03-29T10:00Z", 0, "Asia/Kathmandu"), Date.UTC(2026, 2, 29, 10));
    assert.strictEqual(momentInZone("1h", 3_600_000, "Asia/Kathmandu"), 0);
    assert.isUndefined(momentInZone("x", 0, "UTC"));
  });
});

describe("a sparkline", () => {
  it("is a character for each number, from nothing to the largest", () => {
    assert.strictEqual(spark([0, 1, 4, 8]), " ▁▄█");
    assert.strictEqual(spark([]), "");
    assert.strictEqual(spark([0, 0]), "  ");
  });
});
