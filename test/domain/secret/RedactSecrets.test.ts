import { assert, describe, it } from "@effect/vitest";
import { Redactor } from "../../../src/domain/secret/RedactSecrets.ts";
import { shapes } from "../../../src/domain/secret/SecretShapes.ts";
import { indexOf } from "../../../src/domain/secret/ShapeMatch.ts";

const redactor = new Redactor({ shapes: indexOf(shapes), key: new Uint8Array(32) });
const shown = (text: string): string => redactor.value(text).replaceAll(/\[redacted:([a-z-]+):[0-9a-f]+\]/g, "[$1]");

describe("a text that is JSON", () => {
  it("is redacted without a change to its numbers, escapes and spaces", () => {
    assert.strictEqual(
      shown('[ "run",  "--password", "hunter2abc9" , 1.0, 1e5, 12345678901234567890, "\\u00e9", "a\\/b" ]'),
      '[ "run",  "--password", "[password]" , 1.0, 1e5, 12345678901234567890, "\\u00e9", "a\\/b" ]',
    );
    assert.strictEqual(
      shown('{"1": 2,  "0": [ {"name":"API_KEY",\n"value":"hunter2hunter2"} ]}'),
      '{"1": 2,  "0": [ {"name":"API_KEY",\n"value":"[named-key]"} ]}',
    );
  });

  it("keeps no secret that stands under a name a second value has", () => {
    const text = '{"name":"API_KEY","value":"hunter2hunter2","value":"x1y2z3a4"}';
    assert.notInclude(shown(text), "hunter2hunter2");
    assert.notInclude(shown(text), "x1y2z3a4");
  });
});

describe("a private key", () => {
  it("ends with its last line, also where that is not whole", () => {
    const key = "-----BEGIN PRIVATE KEY-----\nabc\n-----END";
    assert.strictEqual(shown(`${key} PRIVATE KEY-----\nand more`), "[private-key]\nand more");
    assert.strictEqual(shown(`${key} and then words that are none`), "[private-key] and then words that are none");
    assert.strictEqual(shown(`${key}\nmore of it\n-----\nrest`), "[private-key]\nmore of it\n-----\nrest");
    assert.strictEqual(shown(`${key} PRIVATE KEY--`), "[private-key]");
  });
});
