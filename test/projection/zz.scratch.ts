import { Effect } from "effect";
import { rmSync, statSync } from "node:fs";
import Database from "better-sqlite3";
import * as R from "../../src/projection/ReadModelSqlite.ts";
import { readModels } from "../../projections/all.ts";
import { said } from "./StubLog.ts";
import { thread } from "../../src/domain/History.ts";
const file = "/tmp/p_many.db"; rmSync(file, { force: true });
const m = await Effect.runPromise(R.open({ file, projections: readModels, durability: "scratch" }));
let t0 = performance.now();
for (let i = 0; i < 100_000; i += 500) {
  const incoming = Array.from({ length: 500 }, (_, k) => ({ entry: said(i + k + 1, `word ${k} of ${i} common`, { in: thread(`thread-${(i + k) * 7919 % 100_000}`) }) }));
  await Effect.runPromise(m.apply({ incoming, streamCreated: 1, now: 1 }));
  if (i % 20000 === 19500) { console.log("fold", Math.round(2e7 / (performance.now() - t0)), "events/s"); t0 = performance.now(); }
}
await Effect.runPromise(m.close);
const db = new Database(file, { readonly: true });
const time = (label: string, sql: string) => { const t = performance.now(); const n = db.prepare(sql).all().length; console.log(label, n, (performance.now() - t).toFixed(1), "ms"); };

const hits = `WITH hits AS MATERIALIZED (
  SELECT p.thread_id, p.tenant, min(p.id) AS part, count(*) AS parts FROM message_parts p
  WHERE p.id IN (SELECT rowid FROM message_parts_fts WHERE message_parts_fts MATCH '"common"')
    AND (p.second_hand = 0 OR NOT EXISTS (SELECT 1 FROM messages m
      WHERE m.thread_id = p.thread_id AND m.tenant = p.tenant AND m.second_hand = 0))
  GROUP BY p.thread_id, p.tenant) `;
time("hits", hits + "SELECT * FROM hits");
const q = hits + `SELECT h.part, h.parts FROM hits h CROSS JOIN threads t ON t.thread_id = h.thread_id AND t.tenant = h.tenant ORDER BY t.last_activity_at DESC, t.first_sequence DESC LIMIT 51`;
console.log(db.prepare("EXPLAIN QUERY PLAN " + q).all().map((r: any) => r.detail));
time("page", q);
db.close();
const Q = await import("../../src/query/QuerySqlite.ts");
await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
  const q = yield* Q.make({ path: file });
  for (const f of [{}, { text: "common" }, { text: "49500" }] as const) {
    const t = performance.now(); const p = yield* q.threads(f); console.log(JSON.stringify(f), p.threads.length, (performance.now() - t).toFixed(1), "ms");
  }
})));
