import { assert, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { compactId, idText, storedId } from "../../src/projection/fold/CompactId.ts";

const uuid = "0190aaaa-bbbb-7ccc-8ddd-eeeeffff0001";

describe("an id that is stored", () => {
  it("is read as it was, and found by it, whatever it looks like", () => {
    const db = new Database(":memory:");
    const back = db.prepare<[{ readonly id: string | Uint8Array }], string>(`SELECT ${idText(":id")}`).pluck();
    const stored = db.prepare<[{ readonly id: string }], string | Uint8Array>(`SELECT ${storedId(":id")}`).pluck();
    const looks = [
      uuid,
      uuid.toUpperCase(),
      uuid.replaceAll("-", ""),
      `${uuid}0a`,
      uuid.slice(0, -2),
      `${uuid.slice(0, 8)}${uuid.slice(9)}-`,
      "g190aaaa-bbbb-7ccc-8ddd-eeeeffff0001",
      "msg_01AbC",
      "m1",
      "",
      "é".repeat(36),
    ];
    for (const id of looks) {
      const compact = compactId(id);
      assert.strictEqual(back.get({ id: compact }), id);
      assert.deepStrictEqual(stored.get({ id }), compact, id);
    }
    assert.strictEqual(compactId(uuid).length, 16);
    db.close();
  });
});
