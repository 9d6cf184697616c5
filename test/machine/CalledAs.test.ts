import { assert, describe, it } from "@effect/vitest";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { asCalled, calledAs, dataIn } from "../../src/machine/CalledAs.ts";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "recollect-called-")));
afterAll(() => rmSync(folder, { recursive: true }));

/** A place that has a program named `recollect` in it: this one, or a stranger's. */
const place = (name: string, program: string) => {
  const there = join(folder, name);
  mkdirSync(there, { recursive: true });
  symlinkSync(program, join(there, "recollect"));
  return there;
};

const program = join(folder, "package/bin/recollect.mjs");
mkdirSync(join(folder, "package/bin"), { recursive: true });
writeFileSync(program, "");
const stranger = join(folder, "stranger.mjs");
writeFileSync(stranger, "");

describe("a command that is named to a person", () => {
  it("is `recollect` where that is this program", () => {
    const bin = place("global", program);
    assert.strictEqual(calledAs(program, { PATH: `/usr/bin:${bin}` }, folder), "recollect");
  });

  it("is `npx recollect` in and below a folder that has it installed, though npm has put it on its script's PATH", () => {
    const bin = place("app/node_modules/.bin", program);
    const below = join(folder, "app/src");
    mkdirSync(below);
    assert.strictEqual(calledAs(program, { PATH: bin }, below), "npx recollect");
  });

  it("is never a name under which npm or the shell would run another program", () => {
    place("other/node_modules/.bin", stranger);
    const path = place("strange", stranger);
    assert.strictEqual(calledAs(program, { PATH: path }, join(folder, "other")), `node ${program}`);
    assert.strictEqual(calledAs(program, {}, join(folder, "package")), "node bin/recollect.mjs");
  });

  it("names the store that was named to this one, as a shell takes it, and leaves a command alone that names its own", () => {
    const by = { words: "npx recollect", data: "/tmp/it's ü" };
    const store = `--data '/tmp/it'\\''s ü'`;
    assert.strictEqual(
      asCalled('Do it with: recollect heal --execute --reason "…", or (recollect up)', by),
      `Do it with: npx recollect heal ${store} --execute --reason "…", or (npx recollect up ${store})`,
    );
    const own = "recollect verify --data /other; recollect config set x 1, or another folder with --data DIR";
    assert.strictEqual(
      asCalled(own, by),
      `npx recollect verify --data /other; npx recollect config ${store} set x 1, or another folder with --data DIR`,
    );
    assert.strictEqual(
      asCalled("recollect threads --help, recollect hand-over 1", { words: "node x", data: undefined }),
      "node x threads --help, node x hand-over 1",
    );
    assert.strictEqual(
      asCalled("a recollect of yesterday, my-recollect up", by),
      "a recollect of yesterday, my-recollect up",
    );
    assert.strictEqual(asCalled("recollect --help", by), "npx recollect --help");
  });

  it("knows the folder from the words of this program alone", () => {
    assert.strictEqual(dataIn(["heal", "--data", "/a b"]), "/a b");
    assert.strictEqual(dataIn(["--data=/a", "up"]), "/a");
    assert.strictEqual(dataIn(["wrap", "--", "other", "--data", "/b"]), undefined);
  });
});
