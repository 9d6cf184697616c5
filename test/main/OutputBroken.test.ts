import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import * as History from "../../src/domain/History.ts";
import { ownLog } from "../../src/publish/drain/SpoolDrainer.ts";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";
import { Stage } from "../edge/cli/Program.ts";

/** Puts a command into the stage's spool that no log can take, with a large part. */
const putImpossible = (stage: Stage) => {
  mkdirSync(stage.data, { recursive: true, mode: 0o700 });
  const body = JSON.stringify({ messageId: "m", role: "user", parts: [{ type: "text", text: "words" }] });
  const event = {
    id: "",
    type: "thread.message_appended",
    schemaVersion: 2,
    occurredAt: Date.UTC(2026, 10, 1),
    source: "test",
    body,
  };
  const blobs = [{ sha256: "0".repeat(64), bytes: new TextEncoder().encode("a large part") }];
  return Effect.runPromise(
    Effect.scoped(
      Effect.flatMap(SpoolSqlite.make({ file: join(stage.data, "spool.db"), target: ownLog }), (spool) =>
        spool.put([{ history: History.thread("spooled thread"), event, blobs }]),
      ),
    ),
  );
};

interface Listed {
  readonly setAside: number;
}

describe.skipIf(!existsSync("/dev/full"))("output onto a full disk", { timeout: 300_000 }, () => {
  it("ends a command with 5 and a sentence, not with a stack", async () => {
    await using stage = new Stage();
    await stage.json(["config", "set", "spool.overdueMillis", "90000"]);
    for (const words of ["config get", "config get --json", "config history", "sql 'SELECT 1'"]) {
      const { code, err } = await stage.shell(`recollect ${words} > /dev/full`);
      assert.strictEqual(code, 5, words);
      assert.strictEqual(
        err.trimEnd().split("\n").at(-1),
        "recollect: The output cannot be written: ENOSPC: no space left on device, write.",
        words,
      );
    }
  });

  it("changes no command whose messages find no room: a daemon lives on", async () => {
    await using stage = new Stage();
    assert.strictEqual((await stage.shell("recollect spool list 2> /dev/full")).code, 0);
    assert.strictEqual((await stage.shell("recollect heal --discard-kept none 2> /dev/full")).code, 4);
  });

  it("keeps what a discard could not print, and what is printed has the large parts, too", async () => {
    await using stage = new Stage();
    await putImpossible(stage);
    await stage.json(["spool", "drain"]);
    for (const words of ["spool discard --all", "spool discard --all --json"]) {
      assert.strictEqual((await stage.shell(`recollect ${words} > /dev/full`)).code, 5, words);
      assert.deepInclude(await stage.json<Listed>(["spool", "list"]), { setAside: 1 });
    }
    const { out } = await stage.run(["spool", "discard", "--all"]);
    const blobs = [{ sha256: "0".repeat(64), base64: Buffer.from("a large part").toString("base64") }];
    assert.deepInclude(JSON.parse(out), { blobs });
    assert.deepInclude(await stage.json<Listed>(["spool", "list"]), { setAside: 0 });
  });
});
