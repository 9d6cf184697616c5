import { assert, describe, it } from "@effect/vitest";
import * as Output from "../../../src/edge/cli/Output.ts";
import { columnsOf, layoutOf } from "../../../src/edge/cli/ask/Grid.ts";

describe("numbers for a person", () => {
  it("are of the next unit where they round to it", () => {
    assert.deepStrictEqual([999, 1000, 99_949, 99_950, 999_499, 999_500, 999_999, 1_000_000].map(Output.bytes), [
      "999 B",
      "1.0 kB",
      "99.9 kB",
      "100 kB",
      "999 kB",
      "1.0 MB",
      "1.0 MB",
      "1.0 MB",
    ]);
    assert.deepStrictEqual([999.4, 999.6, 59_949, 59_960, 3_599_600].map(Output.duration), [
      "999 ms",
      "1.0 s",
      "59.9 s",
      "1 min 0 s",
      "1 h 0 min",
    ]);
  });
});

describe("a text that is cut", () => {
  it("takes no more cells than it may, and no character is divided", () => {
    for (const text of [
      "漢字かな交じり文の題名",
      "한국어 제목입니다 아주 긴 제목",
      "👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦",
      "e\u0301".repeat(20),
      "plain words that are long",
    ])
      for (const width of [1, 4, 7, 12]) {
        const cut = Output.clip(text, width);
        assert.isAtMost(Output.widthOf(cut), width, cut);
        assert.isFalse(cut.endsWith("\u200D…"), cut);
        if (cut !== "…") assert.isTrue(text.startsWith(cut.slice(0, -1)), cut);
      }
    assert.strictEqual(Output.clip("漢字", 4), "漢字");
  });

  it("leaves the columns of a table at their places on a narrow terminal", () => {
    const rows = [
      ["漢字かな交じり文の長い題名がここにある", 12],
      ["short", 3],
    ];
    const cells = rows.map((row) => row.map(String));
    const { line } = layoutOf(columnsOf(["title", "messages"]), rows, cells, 30);
    for (const row of cells) assert.strictEqual(Output.widthOf(line(row)), 30);
  });
});
