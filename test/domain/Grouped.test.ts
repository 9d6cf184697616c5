import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { grouped } from "../../src/domain/Grouped.ts";

describe("a number in groups of three", () => {
  it.prop("is as Intl writes a whole number", [Schema.Int], ([value]) => {
    assert.strictEqual(grouped(value), new Intl.NumberFormat("en-US").format(value + 0));
  });

  it("has every digit of one that is too large for a float", () => {
    assert.strictEqual(grouped(12_345_678_901_234_567_890n), "12,345,678,901,234,567,890");
    assert.strictEqual(grouped(-1234n), "-1,234");
  });

  it("has as many digits behind the point as are asked for, and no zeros beyond the least", () => {
    assert.strictEqual(grouped(1234567.891, 2), "1,234,567.89");
    assert.strictEqual(grouped(1234.5, 2), "1,234.5");
    assert.strictEqual(grouped(1234.5, 2, 2), "1,234.50");
    assert.strictEqual(grouped(1234, 4), "1,234");
    assert.strictEqual(grouped(-0.12345, 4), "-0.1235");
    assert.strictEqual(grouped(-123456), "-123,456");
  });
});
