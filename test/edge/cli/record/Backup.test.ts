import { assert, describe, it } from "@effect/vitest";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exitCodes } from "../../../../src/edge/cli/Failure.ts";
import { session, Stage, until } from "../Program.ts";

interface Restored {
  readonly executed: boolean;
  readonly lacks?: number;
  readonly lastSequence: number;
}

describe("recollect backup and restore", { timeout: 120_000 }, () => {
  it("backs up, proves, says what the backup lacks, restores into an empty folder, and refuses a damaged one", async () => {
    await using stage = new Stage();
    const into = join(stage.folder, "backup");
    const back = join(stage.folder, "rest ored ü");
    const file = join(stage.folder, "session.jsonl");
    writeFileSync(file, session("s1", ["one", "two", "three"]));
    assert.deepInclude(await stage.run(["import", file]), { code: 0 });
    const made = await stage.json<{ readonly lastSequence: number; readonly added: number }>(["backup", into]);
    assert.strictEqual(made.added, made.lastSequence);
    assert.deepInclude(await stage.run(["backup", "verify", into]), { code: 0 });

    writeFileSync(file, session("s1", ["one", "two", "three", "four", "five"]));
    assert.deepInclude(await stage.run(["import", file]), { code: 0 });
    const planned = await stage.json<Restored>(["restore", into]);
    assert.deepInclude(planned, { executed: false, lacks: 2 });
    assert.deepInclude(await stage.run(["restore", into, "--execute"]), { code: exitCodes.usage });

    assert.deepInclude(await stage.json<Restored>(["restore", into, "--into", back]), { executed: false });
    const restored = await stage.run(["restore", into, "--into", back, "--execute"]);
    assert.deepInclude(restored, { code: 0 });
    assert.include(restored.out, ` verify --data '${back}'`);
    assert.deepInclude(await stage.run(["verify"], { RECOLLECT_DATA: back }), { code: 0 });

    const damaged = join(into, readdirSync(into).find((name) => name.startsWith("files-")) ?? "", "recollect.db");
    writeFileSync(damaged, readFileSync(damaged).fill(0, 4096, 8192));
    const found = await stage.run(["backup", "verify", into]);
    assert.deepInclude(found, { code: exitCodes.different });
    assert.include(found.out, "recollect.db");
  });

  it("says, when it is interrupted, what is kept and how to go on", async () => {
    await using stage = new Stage();
    const into = join(stage.folder, "backup");
    await stage.json(["config", "set", "spool.overdueMillis", "90000"]);
    // Each is synced: time in which the interruption comes.
    mkdirSync(join(stage.data, "queries"), { recursive: true });
    for (let n = 0; n < 500; n++) writeFileSync(join(stage.data, "queries", `q${n}.sql`), "SELECT 1");
    const running = stage.start(["backup", into]);
    await until(() => existsSync(into) && readdirSync(into).some((name) => name.startsWith("files-")));
    const { code, err } = await running.end();
    assert.strictEqual(code, exitCodes.interrupted);
    assert.match(err, /Interrupted\. What an earlier run has backed up in .*backup is as it was/);
    assert.deepInclude(await stage.run(["backup", into]), { code: 0 });
  });
});
