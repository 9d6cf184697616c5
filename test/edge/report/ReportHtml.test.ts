import { assert, describe, it } from "@effect/vitest";
import { reportHtml } from "../../../src/edge/report/ReportHtml.ts";
import type { ReportAnswer } from "../../../src/query/report/RunReport.ts";

const hostile = `</td><script>alert(1)</script><img src=x onerror="alert(2)">\u202Eevil`;

const answer: ReportAnswer = {
  report: "tools",
  title: "Tools",
  doc: "Tools.",
  by: "tool",
  since: null,
  until: null,
  zone: null,
  sequence: 7,
  sections: [
    {
      name: "use",
      title: `Use ${hostile}`,
      doc: "Calls.",
      columns: [
        { name: "tool_name", unit: "text", doc: `A "tool".` },
        { name: "calls", unit: "count", doc: "Calls." },
      ],
      rows: [
        [hostile, 1234],
        [null, 1],
      ],
      plot: { kind: "bars", x: "tool_name", y: ["calls"] },
      trend: {
        unit: "count",
        doc: "Calls by day.",
        stepDays: 1,
        days: ["2026-03-01", "2026-03-02"],
        rows: [[1, 2], []],
      },
      sql: "SELECT 1 < 2",
      parameters: { tenant: hostile },
    },
    {
      name: "days",
      title: "By day",
      doc: "Days.",
      columns: [
        { name: "day", unit: "day", doc: "Day." },
        { name: "data_bytes", unit: "bytes", doc: "Bytes." },
      ],
      rows: [
        ["2026-03-02", 2048],
        ["2026-03-01", 1024],
        [null, 5],
      ],
      plot: { kind: "line", x: "day", y: ["data_bytes"] },
      sql: "SELECT 2",
      parameters: {},
    },
  ],
};

describe("a report as a page", () => {
  const page = reportHtml(answer, "of all times");

  it("shows what others wrote as text, runs nothing and asks nobody else", () => {
    assert.notMatch(page, /<script|<img|<link|<iframe|\sonerror="|javascript:|https?:\/\//i);
    assert.include(page, "&lt;script&gt;");
    assert.include(page, "&lt;U+202E&gt;evil");
    assert.match(page, /Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/);
  });

  it("has a table, a plot and the statement of each section", () => {
    assert.match(page, /1,234/);
    assert.match(page, /2\.0 kB/);
    assert.lengthOf(page.match(/<table>/g) ?? [], 2);
    // Two plots, and a trend for one of two rows.
    assert.lengthOf(page.match(/<svg/g) ?? [], 3);
    assert.match(
      page,
      /<polyline class="l0" points="180\.0,\d+\.\d 540\.0,14\.0"\/>/,
      "from the first to the last day",
    );
    assert.include(page, "SELECT 1 &lt; 2");
  });
});
