import { assert, describe, it } from "@effect/vitest";
import { Effect, Schema } from "effect";
import { quoting } from "../../src/projection/fold/Quote.ts";
import { event, said } from "../projection/StubLog.ts";
import { folded } from "../projection/World.ts";

const long = (text: string) => `${text} ${"and so on ".repeat(10)}`;
const stored = "SELECT text, quoted_in IS NOT NULL AS quoted FROM message_parts ORDER BY id";

describe("texts of messages", () => {
  it.live("lie once, in the event that spells them; short ones in their row", () =>
    Effect.gen(function* () {
      const { rows } = yield* folded([said(1, long("a")), said(2, "short")]);
      assert.deepStrictEqual(rows(stored), [
        { text: null, quoted: 1 },
        { text: "short", quoted: 0 },
      ]);
      const shown = [{ text: long("a") }, { text: "short" }];
      assert.deepStrictEqual(rows("SELECT text FROM v_messages ORDER BY sequence"), shown);
      assert.deepStrictEqual(rows("SELECT text FROM v_message_parts ORDER BY sequence"), shown);
    }),
  );

  it.effect.prop(
    "are what was said, whatever characters they have",
    [Schema.Array(Schema.String)],
    ([texts]) =>
      Effect.gen(function* () {
        const given = ["\0", '\\"', "\u2028é𝄞", "\n\t\u0001", ...texts].map(long);
        const { rows } = yield* folded(given.map((text, index) => said(index + 1, text)));
        const shown = rows("SELECT text FROM v_message_parts ORDER BY sequence").map(({ text }) => text);
        assert.deepStrictEqual(
          shown,
          given.map((text) => text.toWellFormed()),
        );
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 20 } },
  );

  it.live("are kept in their row where the event spells them otherwise", () =>
    Effect.gen(function* () {
      const text = long("é");
      const { body } = said(1, text);
      const escaped = Buffer.from(body).toString().replaceAll("é", "\\u00e9");
      const { rows } = yield* folded([event(1, "thread.message_appended", escaped)]);
      assert.deepStrictEqual(rows(stored), [{ text, quoted: 0 }]);
      assert.deepStrictEqual(rows("SELECT text FROM v_messages"), [{ text }]);
    }),
  );

  it.live("follow the latest event that tells of their message", () =>
    Effect.gen(function* () {
      const again = (sequence: number, text: string) =>
        event(sequence, "thread.message_appended", { messageId: "m", role: "user", parts: [{ type: "text", text }] });
      const texts = [long("first"), long("second"), "third", long("fourth")];
      const { rows } = yield* folded(texts.map((text, index) => again(index + 1, text)));
      assert.deepStrictEqual(rows("SELECT text, sequence FROM v_message_parts"), [{ text: texts[3], sequence: 1 }]);
      assert.deepStrictEqual(rows(stored), [{ text: null, quoted: 1 }]);
    }),
  );
});

describe("a quote", () => {
  it("is found wherever it stands, also before the one that was found last", () => {
    const [one, two] = [long("one"), long("two")];
    const body = Buffer.from(JSON.stringify([one, two]));
    const find = quoting(body);
    for (const text of [two, one, one, two]) {
      const { at, bytes } = find(text) ?? assert.fail(`no ${text}`);
      assert.strictEqual(JSON.parse(body.subarray(at, at + bytes).toString()), text);
    }
    assert.isUndefined(find(long("three")));
  });
});
