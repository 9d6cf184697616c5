import { assert, describe, it } from "@effect/vitest";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { begin, between, end, pagesOf } from "../../bench/Docs.ts";
import type { Growth } from "../../bench/Harness.ts";
import { drawn } from "../../bench/Plot.ts";
import { saved } from "../../bench/Saved.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (name: string) => readFileSync(join(root, name), "utf8");

describe("the pages that show figures", () => {
  it("show the saved figures and no others", () => {
    const report = saved();
    if (report === undefined) {
      for (const page of ["README.md", "docs/performance.md"]) assert.include(read(page), `${begin}\n${end}`, page);
      return;
    }
    for (const [name, text] of pagesOf(report)) assert.strictEqual(read(name), text, `npm run bench -- --write-docs`);
  });

  it("keep every word outside the marks", () => {
    const page = `before\n${begin}\nold\n${end}\nafter\n`;
    assert.strictEqual(between(page, "new"), `before\n${begin}\nnew\n${end}\nafter\n`);
    assert.strictEqual(between(between(page, "new"), "newer"), between(page, "newer"));
  });

  it("are refused without the marks, instead of losing the figures", () => {
    assert.throws(() => between("a page", "figures"), /no place for figures/);
    assert.throws(() => between(`${end}\n${begin}`, "figures"), /no place for figures/);
  });
});

describe("a plot", () => {
  const growth: Growth = {
    title: "Cost of <one> & more",
    x: "messages",
    y: "milliseconds",
    curves: [
      {
        name: "ours",
        points: [
          [10, 0.6],
          [10_000, 0.62],
        ],
      },
      {
        name: "theirs",
        points: [
          [10, 1],
          [10_000, 980],
        ],
      },
    ],
  };
  const svg = drawn(growth, "a machine");

  it("names its axes, its curves, its machine and its values", () => {
    for (const text of ["messages", "milliseconds", "ours", "theirs", "a machine", ">980<", ">10,000<", ">0.6<"]) {
      assert.include(svg, text);
    }
  });

  it("is XML whatever the words hold", () => {
    assert.include(svg, "Cost of &lt;one&gt; &amp; more");
    assert.notInclude(svg, "<one>");
  });

  it("draws higher what costs more, and level what is flat", () => {
    const lines = [...svg.matchAll(/points="([^"]+)"/g)].map(([, text = ""]) =>
      text.split(" ").map((point) => Number(point.split(",")[1])),
    );
    const [ours = [], theirs = []] = lines;
    assert.isBelow(Math.abs((ours[0] ?? 0) - (ours[1] ?? 0)), 2);
    assert.isBelow(theirs[1] ?? 0, (theirs[0] ?? 0) - 100);
    for (const top of lines.flat()) assert.isTrue(top >= 116 && top <= 408, String(top));
  });
});
