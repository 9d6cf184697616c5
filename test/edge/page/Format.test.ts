import { assert, describe, it } from "@effect/vitest";
import { daysLater } from "../../../src/edge/page/html/Format.ts";

describe("days of the page", () => {
  it("end at midnight, also those in which clocks are set", () => {
    const zone = process.env["TZ"];
    process.env["TZ"] = "Europe/Berlin";
    try {
      for (const day of ["2026-03-29", "2026-10-25", "2026-06-01"]) {
        const end = new Date(daysLater(Date.parse(`${day}T00:00:00`), 1));
        assert.deepStrictEqual([end.getHours(), end.getDate()], [0, Number(day.slice(-2)) + 1], day);
        assert.strictEqual(new Date(daysLater(end.getTime(), -1)).getHours(), 0, day);
      }
    } finally {
      if (zone === undefined) delete process.env["TZ"];
      else process.env["TZ"] = zone;
    }
  });
});
