/** The attack list: each row is tried here against one running store, or names the test that shows it. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { attackTable, tableInPage } from "../support/attackPage.ts";
import { World } from "./attacks/Attack.ts";
import { attacks } from "./attacks/all.ts";

const world = new World();
beforeAll(() => world.begin(), 120_000);
afterAll(() => world[Symbol.asyncDispose]());

const testText = (file: string): string => readFileSync(join(import.meta.dirname, "..", file), "utf8");

describe("an attacker", { timeout: 60_000 }, () => {
  for (const [index, { attempt, result, shown, who }] of attacks.entries()) {
    if (typeof shown !== "function") continue;
    it(`${index + 1}: ${who} that tries to ${attempt} gets: ${result}`, () => shown(world));
  }

  it("has at least sixty attempts, and each that is shown elsewhere names a test that there is", () => {
    assert.isAtLeast(attacks.length, 60);
    for (const { attempt, shown } of attacks)
      if (typeof shown !== "function") assert.include(testText(shown.file), shown.title, attempt);
  });

  it("finds the same list in docs/security.md", () => {
    assert.strictEqual(tableInPage(), attackTable(), "node test/support/attackPage.ts writes it anew");
  });
});
