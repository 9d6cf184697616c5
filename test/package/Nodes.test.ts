import { assert, describe, it } from "@effect/vitest";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll } from "vitest";
import { root } from "../support/flow.ts";
import { nodeOf } from "./NodePrograms.ts";
import * as Packed from "./Packed.ts";

const folder = Packed.temporaryFolder();
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const bin = path.join(root, "bin/recollect.mjs");

/** The newest line's own is the one that runs this; `npm run drill -- nodes` tries the newest of each as well. */
describe.each(["22.19.0", "24.0.0"])("a command on Node %s", (version) => {
  it("starts, and answers, as it was built and from its sources", { timeout: 120_000 }, ({ skip }) => {
    const node = nodeOf(version, folder);
    if (node === undefined) return skip();
    for (const source of ["", "1"]) {
      const env = { RECOLLECT_DATA: path.join(folder, `data-${version}${source}`), RECOLLECT_SOURCE: source };
      const run = (...words: ReadonlyArray<string>) => Packed.run([node, bin, ...words], { cwd: folder, env });
      const none = run("threads");
      assert.strictEqual(none.code, 4, none.err);
      assert.match(none.err, /^recollect: There is no store in /);
      // The other requirements of running the sources are the same for every command.
      if (source !== "") continue;
      const help = run("threads", "--help");
      assert.deepStrictEqual([help.code, help.err], [0, ""]);
      const wrapped = run("wrap", "--", node, "-e", "process.exitCode = 7");
      assert.strictEqual(wrapped.code, 7, wrapped.err);
    }
  });
});
