import { assert, layer } from "@effect/vitest";
import { Effect, Layer, Stream } from "effect";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { cloudEventLine, cloudEvents } from "../../../src/edge/export/CloudEvents.ts";
import { Query } from "../../../src/query/Query.ts";
import { known, Store, store } from "../../query/report/World.ts";
import { ask } from "../../projection/World.ts";

const whole = Layer.fresh(store);

layer(whole, { excludeTestServices: true })("an export of everything", (it) => {
  it.effect("gives each event as CloudEvents in JSON, in order, with its data as it is stored", () =>
    Effect.gen(function* () {
      const text = yield* Stream.mkString(cloudEvents({ tenant: "default", after: 0 }));
      const lines = text.trimEnd().split("\n");
      assert.lengthOf(lines, known.entries.length);
      for (const [at, line] of lines.entries()) {
        const entry = known.entries[at] ?? assert.fail();
        assert.deepInclude(JSON.parse(line), {
          specversion: "1.0",
          id: entry.id,
          type: entry.type,
          source: entry.source,
          subject: entry.history.id,
          time: new Date(entry.occurredAt).toISOString(),
          sequence: String(entry.sequence),
          kind: entry.history.kind,
        });
        assert.isTrue(line.endsWith(`,"data":${Buffer.from(entry.body).toString()}}`));
      }
      const some = yield* Stream.mkString(cloudEvents({ tenant: "default", after: 100, thread: "t3" }));
      const wanted = known.entries.filter(({ history, sequence }) => sequence > 100 && history.id === "t3");
      assert.lengthOf(some.trimEnd().split("\n"), wanted.length);
      assert.strictEqual(yield* Stream.mkString(cloudEvents({ tenant: "other", after: 0 })), "");
    }),
  );

  it.effect("keeps a body of several lines on one, and one that is no JSON as text or bytes", () =>
    Effect.sync(() => {
      const row = (data: string | Uint8Array | null) => [...Array.from({ length: 16 }, () => null), data];
      const of = (data: string | Uint8Array | null) =>
        JSON.parse(cloudEventLine(row(data))) as Readonly<Record<string, unknown>>;
      assert.deepInclude(of('{\n  "a": "x\\ny",\r\n "n": 1e400}'), { datacontenttype: "application/json" });
      assert.include(cloudEventLine(row('{"n":12345678901234567890}')), '"data":{"n":12345678901234567890}');
      assert.notInclude(cloudEventLine(row('{\n"a":1}')), "\n");
      assert.strictEqual(of("no json\n")["data"], "no json\n");
      assert.strictEqual(of(new Uint8Array([255, 0]))["data_base64"], "/wA=");
      assert.notProperty(of(null), "data");
    }),
  );

  it.effect("copies the database as it is into one file, whole or not at all, and over none that is there", () =>
    Effect.gen(function* () {
      const { path } = yield* Store;
      const query = yield* Query;
      const copy = join(dirname(path), "copy.db");
      yield* query.copyInto(copy);
      assert.deepStrictEqual(ask(copy, "SELECT count(*) AS n FROM v_events"), [{ n: known.entries.length }]);
      assert.deepStrictEqual(ask(copy, "PRAGMA integrity_check"), [{ integrity_check: "ok" }]);
      const again = yield* Effect.flip(query.copyInto(copy));
      assert.match(again.message, /is there already/);
      const nowhere = yield* Effect.flip(query.copyInto(join(dirname(path), "nowhere", "x.db")));
      assert.match(nowhere.message, /cannot be written/);
      assert.isFalse(existsSync(join(dirname(path), "nowhere")));
      assert.deepStrictEqual(
        readdirSync(dirname(path)).filter((name) => name.includes("unfinished")),
        [],
      );
    }),
  );
});
