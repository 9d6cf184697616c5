import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Row } from "../../bench/Harness.ts";
import { choose, inOrder } from "../../bench/Rows.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

const row = (id: string): Row => ({
  id,
  what: "nothing",
  unit: "ms",
  goal: undefined,
  run: Effect.succeed({ skipped: "it is a test" }),
});
const idsOf = (rows: ReadonlyArray<Row>) => rows.map(({ id }) => id);

describe("the rows", () => {
  // A process of its own, as a person starts it: it reads the folder.
  it("are those of every file in their folder, each with an id of its own", { timeout: 120_000 }, () => {
    const listed = execFileSync(process.execPath, ["bench/main.ts", "--list"], { cwd: root, encoding: "utf8" });
    const ids = listed
      .trim()
      .split("\n")
      .map((line) => line.split(" ")[0] ?? "");
    assert.isAtLeast(ids.length, readdirSync(join(root, "bench/rows")).length);
    assert.includeMembers(ids, ["append-one", "append-1024-redis", "flat-redis", "subjects"]);
    assert.strictEqual(new Set(ids).size, ids.length);
  });

  it("are refused when two have one id", () => {
    assert.throws(() => inOrder([row("read-cold"), row("append-one"), row("read-cold")]), /two rows named read-cold/);
  });

  it("come in the order of the goals, numbers as numbers, and a new group last", () => {
    const mixed = ["new", "subjects", "read-cold", "append-1024-redis", "append-256", "append-one", "catch-up"].map(
      row,
    );
    const ordered = ["append-one", "append-256", "append-1024-redis", "read-cold", "catch-up", "subjects", "new"];
    assert.deepStrictEqual(idsOf(inOrder(mixed)), ordered);
  });
});

describe("the words of a command", () => {
  const rows = ["append-one", "append-256", "catch-up", "catch-up-imported", "import"].map(row);
  const chosen = (...words: ReadonlyArray<string>) => idsOf(choose(rows, words).chosen);

  it("name one row by its id, also where others begin with it", () => {
    assert.deepStrictEqual(chosen("catch-up"), ["catch-up"]);
  });

  it("name a group by what its rows begin with", () => {
    assert.deepStrictEqual(chosen("append"), ["append-one", "append-256"]);
    assert.deepStrictEqual(chosen("catch-up*"), ["catch-up", "catch-up-imported"]);
  });

  it("name every row when there are none, and each row once", () => {
    assert.deepStrictEqual(chosen(), idsOf(rows));
    assert.deepStrictEqual(chosen("append", "append-one"), ["append-one", "append-256"]);
  });

  it("come back when they name nothing", () => {
    assert.deepStrictEqual(choose(rows, ["append", "appendix", "imp"]).unknown, ["appendix", "imp"]);
  });
});
