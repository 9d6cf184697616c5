import { assert, it } from "@effect/vitest";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program } from "../support/program.ts";

it("an uncaught error is told with its stack, and without the line of the source that threw", () => {
  const folder = mkdtempSync(join(tmpdir(), "recollect-uncaught-"));
  try {
    const planted = join(folder, "planted.mjs");
    const longLine = `/* ${"x".repeat(30_000)} */`;
    const raise = `() => { throw new Error("planted"); }`;
    // Without a handler of ours it is thrown at the end.
    const handled = `process.on("newListener", (name) => name === "uncaughtException" && setImmediate(${raise}))`;
    writeFileSync(planted, `${handled}; process.once("exit", (code) => code === 1 || (${raise})()); ${longLine}`);
    const { status, stderr } = spawnSync(process.execPath, ["--import", planted, program, "status"], {
      encoding: "utf8",
      env: { ...process.env, RECOLLECT_DATA: join(folder, "data") },
    });
    assert.strictEqual(status, 1);
    assert.match(stderr, /Error: planted\n {4}at .*planted\.mjs/);
    assert.isBelow(stderr.length, 2_000);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
