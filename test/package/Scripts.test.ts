import { assert, describe, it } from "@effect/vitest";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll } from "vitest";
import { root } from "../support/flow.ts";
import * as Packed from "./Packed.ts";

const folder = Packed.temporaryFolder();
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** How each script is tried: as it is, or with what makes it say only what it would do. */
const forms: Readonly<Record<string, { readonly words: ReadonlyArray<string>; readonly says: RegExp }>> = {
  start: { words: ["--help"], says: /recollect up/ },
  flow: { words: [], says: /^domain/m },
  bench: { words: ["--help"], says: /bench/ },
  drill: { words: ["--help"], says: /drill/ },
  demo: { words: [], says: /Done\. Next:/ },
};
/** Tried by every run of the suite or of the checks, and by the test that packs. */
const triedElsewhere = ["test", "check", "format", "build", "prepack"];

describe("a script of package.json", () => {
  it("is tried here, or by those who run the suite", () => {
    const { scripts } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
    assert.sameMembers(Object.keys(scripts), [...Object.keys(forms), ...triedElsewhere]);
  });

  it("that names a program runs it through the set-up, whose Node is the right one", () => {
    const { scripts } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
    for (const [name, line] of Object.entries<string>(scripts))
      assert.notMatch(line, /&& node /, `${name}: a shell remembers where the first node was`);
  });

  it("works the first time in a fresh clone, whichever Node the shell finds", { timeout: 240_000 }, () => {
    const clone = Packed.copyOfCheckout(folder);
    for (const [name, { says, words }] of Object.entries(forms)) {
      const ended = Packed.run(["npm", "run", "--silent", name, "--", ...words], { cwd: clone });
      assert.strictEqual(ended.code, 0, `${name}: ${ended.err}`);
      assert.match(`${ended.out}${ended.err}`, says, name);
    }
  });
});
