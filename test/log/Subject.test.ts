import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { HistoryKind } from "../../src/domain/History.ts";
import { decodeToken, encodeToken, historyOf, subjectOf } from "../../src/log/Subject.ts";

/** Texts that have broken subjects and keys before, beside whatever is generated. */
const nasty = [
  "a.b",
  "*",
  ">",
  "a b",
  "\u0000",
  "\r\n",
  "😀",
  "é",
  "=",
  "=2E",
  "%2E",
  "/etc/passwd",
  "C:\\x",
  "a..b",
  ".",
  "-",
  "_",
  "İ",
];

describe("Subject", () => {
  it.prop("gives back every text from its token", [Schema.String], ([text]) => {
    const id = text.toWellFormed();
    assert.strictEqual(decodeToken(encodeToken(`x${id}`)), `x${id}`);
  });

  it("gives back every nasty text from its token, and gives no two the same", () => {
    for (const text of nasty) assert.strictEqual(decodeToken(encodeToken(text)), text);
    assert.strictEqual(new Set(nasty.map(encodeToken)).size, nasty.length);
  });

  it.prop("makes tokens that are legal in a subject and in a KV key", [Schema.String], ([text]) => {
    assert.match(encodeToken(`${text}x`), /^[-=_a-zA-Z0-9]+$/);
  });

  it.prop(
    "gives back every history from its subject of four tokens",
    { tenant: Schema.String, id: Schema.String, kind: HistoryKind },
    ({ id, kind, tenant }) => {
      const history = { tenant: `${tenant.toWellFormed()}.`, kind, id: `${id.toWellFormed()} ` };
      assert.deepEqual(historyOf(subjectOf(history)), history);
      assert.lengthOf(subjectOf(history).split("."), 4);
    },
  );

  it("knows no history in a subject that nobody encodes to", () => {
    const foreign = [
      "recollect.a.thread",
      "recollect.a.thread.b.c",
      "other.a.thread.b",
      "recollect.a.nothing.b",
      "recollect..thread.b",
      "recollect.a.thread.=zz",
      "recollect.a.thread.=6",
      // These decode to text, but not to text that encodes to them: two subjects for one history must not be.
      "recollect.a.thread.=61",
      "recollect.a.thread.=2e",
      // Bytes that are no UTF-8.
      "recollect.a.thread.=FF",
    ];
    for (const subject of foreign) assert.isUndefined(historyOf(subject), subject);
  });
});
