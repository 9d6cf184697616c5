import { assert, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { termFault } from "../../src/projection/verify/FullTextTermsSqlite.ts";

/** An index of many pages and segments, with deletions, as search has one. */
const made = (): Database.Database => {
  const db = new Database(":memory:");
  // FTS5's own tables are changed by hand.
  db.unsafeMode();
  db.exec("CREATE VIRTUAL TABLE fts USING fts5(text, tokenize='unicode61 remove_diacritics 2')");
  const insert = db.prepare("INSERT INTO fts (text) VALUES (?)");
  let seed = 1;
  const word = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return `${seed % 3 === 0 ? "a" : "word"}${(seed % 20_000).toString(36)}`;
  };
  const fill = db.transaction(() => {
    for (let row = 0; row < 1_000; row++) insert.run(Array.from({ length: 20 }, word).join(" "));
  });
  for (let round = 0; round < 5; round++) fill();
  db.exec("DELETE FROM fts WHERE rowid % 7 = 0");
  return db;
};

interface Listed {
  readonly segid: number;
  readonly pgno: number;
  readonly term: Uint8Array;
}

describe("the list of terms of a full-text index", () => {
  it("is right of an index that FTS5 has written, and wrong with any of its terms shortened, lengthened or exchanged", () => {
    const db = made();
    assert.isUndefined(termFault(db, "fts"));
    const all = db
      .prepare<[], Listed>("SELECT segid, pgno, CAST(term AS BLOB) AS term FROM fts_idx WHERE length(term) > 0")
      .all();
    assert.isAbove(all.length, 50);
    const set = db.prepare("UPDATE OR IGNORE fts_idx SET term = ? WHERE segid = ? AND pgno = ?");
    const missed: Array<string> = [];
    for (const [index, { pgno, segid, term }] of all.entries()) {
      if (index % 8 !== 0) continue;
      const changes = {
        // Still a beginning of the first term of its page, and no longer behind the last one of the page before.
        shortened: term.subarray(0, -1),
        lengthened: Buffer.concat([term, Buffer.from("zz")]),
        exchanged: Buffer.from(`!${index}`),
      };
      for (const [how, changed] of Object.entries(changes)) {
        db.exec("BEGIN");
        const isChanged = set.run(changed, segid, pgno).changes > 0;
        if (isChanged && termFault(db, "fts") === undefined) missed.push(`${how}: ${Buffer.from(term).toString()}`);
        db.exec("ROLLBACK");
      }
    }
    assert.deepStrictEqual(missed, []);
  });

  it("is right at every step of a merge: pages that are merged are gone, and the list still has their terms", () => {
    const db = made();
    const leaves = db.prepare<[], { readonly first: number }>(
      "SELECT min(id & 0x7fffffff) AS first FROM fts_data WHERE id >= 1 << 37 AND (id >> 31) & 63 = 0 GROUP BY id >> 37",
    );
    let trimmed = 0;
    for (let step = 0; step < 50; step++) {
      db.exec(`INSERT INTO fts (fts, rank) VALUES ('merge', ${step === 0 ? -1 : 1})`);
      db.exec("INSERT INTO fts (fts) VALUES ('integrity-check')");
      if (leaves.all().some(({ first }) => first > 1)) trimmed++;
      assert.isUndefined(termFault(db, "fts"), `step ${step}`);
    }
    assert.isAbove(trimmed, 10);
  });
});
