import { describe, it } from "@effect/vitest";
import { assert } from "vitest";
import { SecretGate } from "../../../src/domain/secret/SecretGate.ts";
import { noSettings, redactorOf } from "../../../src/domain/secret/SecretSettings.ts";
import { planted } from "../../support/secrets.ts";

const redactor = redactorOf(noSettings, new Uint8Array(32));

/** Bits of 1 to `most` characters, the same for the same text. */
const cut = (text: string, most: number): ReadonlyArray<string> => {
  const bits: Array<string> = [];
  for (let at = 0; at < text.length;) {
    const length = 1 + ((at * 7 + text.length) % most);
    bits.push(text.slice(at, at + length));
    at += length;
  }
  return bits;
};

const through = (bits: ReadonlyArray<string>): string => {
  const gate = new SecretGate(redactor);
  return bits.map((bit) => gate.add(bit)).join("") + gate.end();
};

describe("a text that comes bit by bit", () => {
  it("has none of its secrets, whatever they were cut into", () => {
    for (const { rule, secret, text } of planted("cut")) {
      for (const most of [1, 3, 9]) {
        for (const around of [text, `before ${text} and after it more words\n`]) {
          const given = through(cut(around, most));
          assert.notInclude(
            given,
            secret.slice(Math.min(12, secret.length - 6)),
            `${rule} in bits of ${most}: ${given}`,
          );
          assert.include(given, "[redacted:", `${rule}: ${given}`);
        }
      }
    }
  });

  it("that is ordinary is given on at once, and as it was", () => {
    const ordinary =
      "The passing tests: 12 of 12. See src/domain/Event.ts:42, `npm test`, and commit 0a1b2c3d4e5f67890a1b2c3d.";
    const gate = new SecretGate(redactor);
    let given = "";
    for (const bit of cut(ordinary, 4)) {
      given += gate.add(bit);
      assert.isAtMost(ordinary.indexOf(bit) + bit.length - given.length, 24, given);
    }
    assert.strictEqual(given + gate.end(), ordinary);
  });

  it("that promises a key and never ends it is given on all the same, redacted", () => {
    const gate = new SecretGate(redactor);
    let given = gate.add("-----BEGIN RSA PRIVATE KEY-----\n");
    for (let line = 0; line < 1_000; line++) given += gate.add(`${"Ab3".repeat(20)}\n`);
    assert.include(given, "[redacted:private-key:");
    assert.isBelow(given.length, 61_000 - 19_000);
  });
});
