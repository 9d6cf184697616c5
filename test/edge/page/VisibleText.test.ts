/** What hides in a text, and what does not. */
import { assert, describe, it } from "@effect/vitest";
import { visible } from "../../../src/edge/page/html/VisibleText.ts";

describe("a text on the page", () => {
  it("has no sign that turns the line, hides, or carries letters that cannot be seen", () => {
    const hiding = [
      0xad, 0x61c, 0x115f, 0x1160, 0x180e, 0x200b, 0x200e, 0x200f, 0x2028, 0x2029, 0x202e, 0x2060, 0x2062, 0x2066,
      0x206a, 0x3164, 0xfeff, 0xffa0, 0xfffb, 0xe0041, 0xe0100, 0xe01ef,
    ];
    for (const code of hiding) {
      const seen = visible(`a${String.fromCodePoint(code)}b`);
      assert.match(seen, /^a⟨.+⟩b$/, code.toString(16));
    }
    assert.strictEqual(visible("a\u{202e}b\u{e0048}\u{61c}"), "a⟨RLO⟩b⟨tag H⟩⟨061C⟩");
  });

  it("is left as it is where it only looks foreign", () => {
    for (const text of ["naïve", "👩‍💻 👍🏽", "שלום عربي", "❤️", "日本語\n\tx"]) assert.strictEqual(visible(text), text);
  });
});
