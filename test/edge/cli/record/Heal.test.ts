import { assert, describe, it } from "@effect/vitest";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { exitCodes } from "../../../../src/edge/cli/Failure.ts";
import { flipEvent } from "../../../projection/heal/World.ts";
import { session, Stage } from "../Program.ts";

interface Plan {
  readonly executed: boolean;
  readonly needed: boolean;
  readonly fromLedger: ReadonlyArray<unknown>;
  readonly kept: ReadonlyArray<string> | string | null;
}

describe("recollect heal", { timeout: 120_000 }, () => {
  it("plans, refuses while a daemon has the folder, heals with a reason, and keeps the old files until told", async () => {
    await using stage = new Stage();
    const file = join(stage.folder, "session.jsonl");
    writeFileSync(file, session("s1", ["one", "two", "three", "four"]));
    assert.deepInclude(await stage.run(["import", file]), { code: 0 });
    flipEvent(stage.data, 2);

    const planned = await stage.json<Plan>(["heal"]);
    assert.deepInclude(planned, { executed: false, needed: true, fromLedger: [{ first: 2, last: 2 }] });
    assert.deepInclude(await stage.run(["heal", "--execute"]), { code: exitCodes.usage });
    const named = await stage.run(["heal", "--data", stage.data]);
    assert.include(named.err, ` heal --data ${stage.data} --execute --reason "…"`);

    const daemon = await stage.up();
    const refused = await stage.run(["heal", "--execute", "--reason", "a bit was flipped"]);
    assert.strictEqual(refused.code, exitCodes.unavailable);
    assert.include(refused.err, `kill ${daemon.pid}`);
    await daemon.end();

    const healed = await stage.json<Plan>(["heal", "--execute", "--reason", "a bit was flipped"]);
    assert.deepInclude(healed, { executed: true, fromLedger: [{ first: 2, last: 2 }] });
    assert.deepInclude(await stage.run(["verify"]), { code: 0 });
    const told = await stage.run(["sql", "SELECT data FROM v_events WHERE type = 'recollect.healed'", "--json"]);
    assert.include(told.out, "a bit was flipped");
    const again = await stage.json<Plan>(["heal"]);
    assert.deepInclude(again, { needed: false, kept: [String(healed.kept)] });
    assert.deepInclude(await stage.run(["heal", "--discard-kept", "nothing"]), { code: exitCodes.notFound });
    assert.deepInclude(await stage.run(["heal", "--discard-kept", String(healed.kept)]), { code: 0 });
    assert.deepInclude(await stage.json<Plan>(["heal"]), { kept: [] });
  });
});
