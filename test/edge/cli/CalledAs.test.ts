import { assert, describe, it } from "@effect/vitest";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { calledAs } from "../../../src/edge/cli/CalledAs.ts";

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
});
