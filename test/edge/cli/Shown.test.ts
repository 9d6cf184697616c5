import { assert, describe, it } from "@effect/vitest";
import { shown, shownJson } from "../../../src/edge/cli/Shown.ts";
import { Stage } from "./Program.ts";

describe("text that others wrote", () => {
  it("is shown as what it is: it moves no cursor, does not turn around and hides nothing", () => {
    assert.strictEqual(shown("a\u001b]0;x\u0007\u009b31mb"), "a\\x1b]0;x\\x07\\x9b31mb");
    assert.strictEqual(shown("\u202Eevil\u202C \u2066x\u2069"), "<U+202E>evil<U+202C> <U+2066>x<U+2069>");
    assert.strictEqual(shown("a\u200Bb\uFEFFc\u00ADd\u{E0041}"), "a<U+200B>b<U+FEFF>c<U+00AD>d<U+E0041>");
    assert.strictEqual(
      shown("hällo\tWelt\n\u{1F468}\u200D\u{1F469} שלום"),
      "hällo\tWelt\n\u{1F468}\u200D\u{1F469} שלום",
    );
  });

  it("says the same in JSON, with an escape for each", () => {
    const value = { text: "a\u202Eb\u009b\u200B" };
    const text = shownJson(JSON.stringify(value));
    assert.notMatch(text, /[\u202E\u009b\u200B]/);
    assert.deepStrictEqual(JSON.parse(text), value);
  });

  it("is shown in errors too, and a statement that never ends is ended by a signal and by the clock", async () => {
    await using stage = new Stage();
    const missing = await stage.run(["thread", "a\u001b]0;x\u0007\u202E"]);
    // oxlint-disable-next-line eslint/no-control-regex -- control characters are what it looks for
    assert.notMatch(missing.err, /[\u001b\u0007\u202E]/);
    const endless = "with recursive c(x) as (select 1 union all select x+1 from c) select count(*) from c";
    const { err } = await stage.run(["sql", endless, "--timeout", "1"]);
    assert.match(err, /There is no store|was ended/);
    await (await stage.up()).end();
    const late = await stage.run(["sql", endless, "--timeout", "1"]);
    assert.match(late.err, /took longer than 1 s and was ended/);
  }, 120_000);
});
