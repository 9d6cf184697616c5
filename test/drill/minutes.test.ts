import { assert, it } from "@effect/vitest";
import { Effect } from "effect";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as Browser from "../edge/page/Browser.ts";
import { Stage } from "../edge/cli/Program.ts";

const dayMillis = 86_400_000;
const session = "5e550000-0000-4000-8000-00000000a1b2";

/** A session of a month ago, as Claude Code writes it, with what it used. */
const lastMonth = (): string => {
  const began = Date.now() - 31 * dayMillis;
  const line = (uuid: string, parentUuid: string | null, at: number, more: object) =>
    `${JSON.stringify({ sessionId: session, cwd: "/home/ada/shop", version: "2.1.0", uuid, parentUuid, timestamp: new Date(began + at).toISOString(), ...more })}\n`;
  const usage = {
    input_tokens: 1200,
    output_tokens: 340,
    cache_read_input_tokens: 50_000,
    cache_creation_input_tokens: 900,
  };
  return [
    line("u1", null, 0, {
      type: "user",
      message: { role: "user", content: "why does the harbour importer drop the tide table?" },
    }),
    line("a1", "u1", 4000, {
      type: "assistant",
      message: {
        id: "msg_1",
        role: "assistant",
        model: "claude-opus-4-5",
        usage,
        content: [{ type: "text", text: "The tide table is dropped because its header names the zone twice." }],
      },
    }),
  ].join("");
};

/** The steps of docs/page.md, "The first two minutes", each clicked; it prints what each took. */
it.live(
  "finds what was said last month, what it cost, and that it is whole, as the page's docs say click by click",
  () =>
    Effect.gen(function* () {
      const stage = yield* Effect.acquireRelease(
        Effect.sync(() => new Stage()),
        (one) => Effect.promise(() => one[Symbol.asyncDispose]()),
      );
      const file = join(stage.folder, "home/.claude/projects/-home-ada-shop", `${session}.jsonl`);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, lastMonth());
      const began = performance.now();
      const lap = (what: string) =>
        Effect.sync(() => console.info(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${what}`));
      yield* Effect.promise(() => stage.up());
      yield* lap("npm start says Ready");
      const imported = yield* Effect.promise(() => stage.run(["import", join(stage.folder, "home")]));
      assert.strictEqual(imported.code, 0, imported.err);
      yield* lap("the agents' files are imported");
      const { out: address } = yield* Effect.promise(() => stage.run(["open", "--print"]));
      const { origin } = new URL(address.split("\n")[0] ?? "");
      const { faults, page } = yield* Browser.open(origin, { width: 1280, theme: "light" });
      yield* Effect.promise(() => page.goto(address.split("\n")[0] ?? ""));
      yield* Effect.promise(() => page.getByText("Recent threads").waitFor());
      yield* lap("the page is open, signed in");
      yield* Effect.promise(() => page.getByRole("searchbox").first().fill("tide table"));
      yield* Effect.promise(() => page.keyboard.press("Enter"));
      yield* Effect.promise(() => page.waitForURL(/\/search\?/));
      const day = (daysAgo: number) => new Date(Date.now() - daysAgo * dayMillis).toISOString().slice(0, 10);
      yield* Effect.promise(() => page.locator("input[name=since]").fill(day(62)));
      yield* Effect.promise(() => page.locator("input[name=until]").fill(day(7)));
      yield* Effect.promise(() => page.locator("#results mark").first().click());
      yield* Effect.promise(() => page.locator("section:target").waitFor());
      assert.include(yield* Effect.promise(() => page.locator("article").innerText()), "names the zone twice");
      yield* lap("what was said last month is read");
      // 1,200 + 50,000 + 900 sent; by the price list, because the transcript does not say what it cost.
      assert.include(yield* Effect.promise(() => page.locator("main").innerText()), "tokens");
      yield* Effect.promise(() => page.getByRole("link", { name: "Models & cost" }).click());
      yield* Effect.promise(() => page.locator("select[name=by]").selectOption("project"));
      yield* Effect.promise(() => page.waitForURL(/by=project/));
      const costs = yield* Effect.promise(() => page.locator("main").innerText());
      assert.match(costs, /ada\/shop|shop/);
      assert.match(costs, /52,100/);
      assert.match(costs, /\$0\.0\d/);
      yield* lap("what it cost is seen, by project");
      yield* Effect.promise(() => page.getByRole("link", { name: "Now", exact: true }).click());
      yield* Effect.promise(() => page.getByRole("link", { name: /^gap/ }).click());
      yield* Effect.promise(() => page.waitForURL(/\/pipeline/));
      const whole = yield* Effect.promise(() => page.locator("main").innerText());
      assert.match(whole, /Nothing\./);
      assert.match(whole, /gap 0/);
      yield* lap("that it is whole is seen: nothing stands in the way, no gap");
      assert.deepStrictEqual(faults, []);
    }).pipe(Effect.scoped, Effect.provide(Browser.layer)),
  180_000,
);
