import { assert, describe, it } from "@effect/vitest";
import { head } from "../../../projections/text.ts";
import { cutText } from "../../../src/domain/secret/CutText.ts";
import { noSettings, redactorOf } from "../../../src/domain/secret/SecretSettings.ts";
import { headOf, jsonBytes } from "../../../src/domain/Truncate.ts";
import { hookEntry } from "../../../src/edge/hooks/HookEntry.ts";
import { planted } from "../../support/secrets.ts";

const redactor = redactorOf(noSettings, new Uint8Array(32));
const before = "What was said before it, some words long, and then: ";

/** Each planted secret in a text, and each place at which a cut would halve it. */
const halved = planted("halved").flatMap(({ rule, secret, text }) => {
  const whole = `${before}\n${text}\nand what was said after it`;
  const start = whole.indexOf(secret);
  const step = Math.max(1, Math.floor(secret.length / 24));
  return start < 0
    ? []
    : Array.from({ length: Math.ceil(secret.length / step) - 1 }, (_, n) => ({
        rule,
        whole,
        start,
        at: start + (n + 1) * step,
      }));
});

describe("a text that is cut", () => {
  it("ends before the secret that the cut would halve, of every kind, wherever it falls", () => {
    assert.isAbove(halved.length, 500);
    for (const { at, rule, start, whole } of halved) {
      const cut = cutText(whole, at);
      assert.isAtMost(cut.length, start, `${rule} at ${at - start}: ${cut.slice(start - 20)}`);
      assert.isTrue(whole.startsWith(cut));
      // By bytes of JSON, in the columns of read models, and in a hook's entry too.
      assert.isAtMost(headOf(whole, jsonBytes(whole.slice(0, at))).length, start, rule);
      assert.strictEqual(head(whole, at), cut);
    }
  });

  it("is cut where it was asked to be when no secret stands there, never into half a character", () => {
    assert.strictEqual(cutText("plain words", 5), "plain");
    assert.strictEqual(cutText("plain words", 50), "plain words");
    assert.strictEqual(cutText("a😀b", 2), "a\ufffd");
    const text = `${redactor.text(planted("marked")[0]?.text ?? "")} and after it`;
    assert.strictEqual(cutText(text, 4), text.slice(0, 4));
  });

  it("of a hook holds no half of a secret at its bound", () => {
    for (const { rule, secret, text } of planted("hooked")) {
      const at = text.indexOf(secret) + Math.floor(secret.length / 2);
      const long = `${"words ".repeat(6_000).slice(0, 32 * 1024 - at - 1)}\n${text}${" more".repeat(1_000)}`;
      const entry = hookEntry("claude-code", { session_id: "s", hook_event_name: "Stop", text: long }, undefined);
      const kept = JSON.stringify(entry);
      assert.notInclude(kept, JSON.stringify(secret.slice(0, Math.floor(secret.length / 2))).slice(1, -1), rule);
    }
  });
});
