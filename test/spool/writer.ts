/** Puts commands into a spool for ever and tells of each one that was kept. Killed by the test. */
import { Effect } from "effect";
import { writeSync } from "node:fs";
import * as History from "../../src/domain/History.ts";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";

const [file = "", name = ""] = process.argv.slice(2);

const program = Effect.gen(function* () {
  const spool = yield* SpoolSqlite.make({ file, target: "x" });
  for (let index = 0; ; index++) {
    const event = { id: `${name}${index}`, type: "t", schemaVersion: 1, occurredAt: 0, source: "test", body: "{}" };
    const put = spool.put([{ history: History.thread(name), event, blobs: [] }]);
    // Three others do nothing but put: on a slow disk the turn may not come within the second that a put waits.
    yield* Effect.retry(put, { while: ({ reason }) => reason === "busy" });
    writeSync(1, `${index}\n`);
  }
});

await Effect.runPromise(Effect.scoped(program));
