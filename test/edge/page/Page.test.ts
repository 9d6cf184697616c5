import { assert, layer } from "@effect/vitest";
import { Effect, Layer } from "effect";
import type { Page } from "playwright-core";
import { thread } from "../../../src/domain/History.ts";
import * as Browser from "./Browser.ts";
import { at, everywhere } from "./Screens.ts";
import { rows } from "../../support/Imported.ts";
import * as Site from "./Site.ts";
import { payloads, threads } from "./Transcripts.ts";

/** Each screen once, wide and light or narrow and dark; `test/drill/page.test.ts` has each in three widths and both themes. */
const views: ReadonlyArray<Browser.View & { readonly every: number; readonly from: number }> = [
  { width: 1600, theme: "light", every: 2, from: 0 },
  { width: 390, theme: "dark", every: 2, from: 1 },
];

const opened = Effect.fnUntraced(function* (path: string, view: Browser.View = { width: 1280, theme: "light" }) {
  const { url } = yield* Site.Site;
  const watched = yield* Browser.open(url, view);
  yield* Effect.promise(() => watched.page.goto(url + path));
  return watched;
});

const press = (page: Page, ...keys: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    for (const key of keys) await page.keyboard.press(key);
  });

layer(Layer.merge(Site.layer, Browser.layer), { excludeTestServices: true, timeout: 60_000 })("the page", (it) => {
  for (const view of views)
    it.effect(
      `shows ${view.from === 0 ? "every other screen" : "the screens between"} ${view.width} wide and ${view.theme} without a fault: no violation, no error, nothing asked of others`,
      () => everywhere(view),
      120_000,
    );

  it.effect("shows what hostile transcripts say as text, and nothing of it acts", () =>
    Effect.gen(function* () {
      const { faults, page } = yield* opened(at(threads.bad));
      yield* Effect.promise(async () => {
        for (const fold of await page.locator("details:not([open]) > summary").all())
          if (await fold.isVisible()) await fold.click();
        for (const fold of await page.locator(".call").all()) await fold.locator("h4").first().waitFor();
      });
      const seen = yield* Effect.promise(() => page.locator("main").innerText());
      for (const payload of [payloads[0], payloads[1], payloads[3]]) assert.include(seen, payload ?? "");
      assert.include(seen, "⟨RLO⟩");
      assert.notInclude(seen, "\u001b");
      assert.notInclude(seen, "\u202e");
      const made = yield* Effect.promise(() =>
        page.evaluate(
          "document.querySelectorAll('main script, main img, main h1#breakout, main [onload], main [onerror], main a[href^=javascript], main a[href^=data]').length",
        ),
      );
      assert.strictEqual(made, 0);
      assert.notStrictEqual(yield* Effect.promise(() => page.title()), "owned");
      assert.deepStrictEqual(faults, []);
    }).pipe(Effect.scoped),
  );

  it.effect("opens a call with its arguments as a difference, and its result, when asked", () =>
    Effect.gen(function* () {
      const { page } = yield* opened(at(threads.shop));
      const edit = page.locator(".call", { hasText: "Edit" }).first();
      yield* Effect.promise(() => edit.locator("summary").click());
      yield* Effect.promise(() => edit.locator(".add", { hasText: "+B" }).waitFor());
      assert.strictEqual(yield* Effect.promise(() => edit.locator(".del").count()), 1);
      yield* Effect.promise(() => edit.getByText("The file was changed.").waitFor());
    }).pipe(Effect.scoped),
  );

  it.effect("opens a long thread at its end, and has 200 messages a page both ways", () =>
    Effect.gen(function* () {
      const { page } = yield* opened(at(threads.long));
      yield* Effect.promise(() => page.locator("article").getByText("Answer 299", { exact: true }).waitFor());
      assert.strictEqual(yield* Effect.promise(() => page.locator("section.message").count()), 200);
      assert.isAbove(Number(yield* Effect.promise(() => page.evaluate("scrollY"))), 1000);
      yield* Effect.promise(() => page.getByText("200 earlier").click());
      yield* Effect.promise(() => page.locator("article").getByText("Question 100", { exact: true }).waitFor());
      assert.strictEqual(yield* Effect.promise(() => page.locator("section.message").count()), 400);
      yield* Effect.promise(() => page.goto(`${page.url()}?after=0`));
      yield* Effect.promise(() => page.getByText("200 later").click());
      yield* Effect.promise(() => page.getByText("Answer 199", { exact: true }).waitFor());
    }).pipe(Effect.scoped),
  );

  it.effect("is used by the keyboard alone: items, folds, palette, screens, search", () =>
    Effect.gen(function* () {
      const { faults, page } = yield* opened("/");
      yield* press(page, "j", "j");
      assert.strictEqual(yield* Effect.promise(() => page.locator("[data-item].here").count()), 1);
      yield* press(page, "Enter");
      yield* Effect.promise(() => page.waitForURL(/\/thread\//));
      yield* press(page, "Control+k");
      yield* Effect.promise(() => page.keyboard.type("threads"));
      yield* press(page, "Enter");
      yield* Effect.promise(() => page.waitForURL(/\/threads$/));
      yield* press(page, "/");
      yield* Effect.promise(() => page.locator("input[type=search]:focus").waitFor());
      yield* press(page, "Escape", "g", "n");
      yield* Effect.promise(() => page.waitForURL(/\/$/));
      yield* press(page, "?");
      yield* Effect.promise(() => page.locator("#keys[open]").waitFor());
      assert.deepStrictEqual(faults, []);
    }).pipe(Effect.scoped),
  );

  it.effect("finds as one types, and leads to the place", () =>
    Effect.gen(function* () {
      const { faults, page } = yield* opened("/search");
      yield* Effect.promise(() => page.locator("main input[type=search]").pressSequentially('"order of keys"'));
      const hit = page.locator("#results mark").first();
      yield* Effect.promise(() => hit.waitFor());
      assert.include(page.url(), "order");
      yield* Effect.promise(() => hit.click());
      yield* Effect.promise(() => page.waitForURL(/at=\d+#m\d+/));
      yield* Effect.promise(() => page.locator("section:target").waitFor());
      assert.deepStrictEqual(faults, []);
    }).pipe(Effect.scoped),
  );

  it.effect("grows while it is open: what is said is appended, and nothing that stands there is drawn again", () =>
    Effect.gen(function* () {
      const { faults, page } = yield* opened(at("growing"));
      assert.include(yield* Effect.promise(() => page.locator("h1").innerText()), "No such thread");
      faults.length = 0;
      const said = (text: string) =>
        Site.happened(thread("growing"), [
          ["thread.message_appended", { messageId: text, role: "user", content: text }],
        ]);
      yield* said("first");
      yield* Effect.promise(() => page.reload());
      yield* Effect.promise(() => page.evaluate("document.querySelector('section.message').dataset.kept = 'yes'"));
      yield* said("second <b>bold</b>");
      const second = page.locator("article").getByText("second <b>bold</b>", { exact: true });
      yield* Effect.promise(() => second.waitFor());
      assert.strictEqual(yield* Effect.promise(() => page.locator("section.message[data-kept]").count()), 1);
      assert.strictEqual(yield* Effect.promise(() => page.locator("section.message").count()), 2);
      assert.deepStrictEqual(faults, []);
    }).pipe(Effect.scoped),
  );

  it.effect("shows pictures that the store has, of a kind that no browser runs, and none of elsewhere", () =>
    Effect.gen(function* () {
      const { faults, page } = yield* opened(at(threads.pictured));
      const { url } = yield* Site.Site;
      yield* Effect.promise(() => page.locator("figure.picture img").first().waitFor());
      const widths = yield* Effect.promise(() =>
        page.evaluate("[...document.querySelectorAll('figure.picture img')].map((one) => one.naturalWidth)"),
      );
      assert.deepStrictEqual((widths as Array<number>)[0], 1);
      const addresses = yield* Effect.promise(() =>
        page.locator("figure.picture a").evaluateAll((all) => all.map((one) => one.getAttribute("href") ?? "")),
      );
      assert.lengthOf(addresses, 2);
      const answers = yield* Effect.forEach(addresses, (address) => Effect.promise(() => fetch(url + address)));
      assert.deepStrictEqual(
        answers.map(({ headers }) => headers.get("content-type")),
        ["image/png", "image/gif"],
        "no drawing that may hold a script",
      );
      assert.deepStrictEqual(faults, []);
    }).pipe(Effect.scoped),
  );

  it.effect("saves a query from the editor, offers it again, and takes none that cannot be prepared", () =>
    Effect.gen(function* () {
      const { page } = yield* opened("/sql?q=SELECT+count(*)+AS+threads+FROM+v_threads");
      const saving = async (name: string) => {
        await page.locator("input[name=name]").fill(name);
        await page.getByRole("button", { name: "Save" }).click();
      };
      yield* Effect.promise(() => saving("how-many"));
      yield* Effect.promise(() => page.getByRole("link", { name: "how-many", exact: true }).click());
      assert.include(yield* Effect.promise(() => page.locator("textarea").inputValue()), "count(*)");
      yield* Effect.promise(() => page.locator("textarea").fill("SELECT nothing FROM nowhere"));
      yield* Effect.promise(() => saving("broken"));
      yield* Effect.promise(() => page.getByText("Not saved").first().waitFor());
      yield* Effect.promise(() => page.goto(`${page.url().replace(/\/sql.*/, "")}/sql`));
      assert.strictEqual(yield* Effect.promise(() => page.getByRole("link", { name: "broken" }).count()), 0);
    }).pipe(Effect.scoped),
  );

  it.effect("asks a statement that is longer than any address, gives it as CSV, and saves it under an address", () =>
    Effect.gen(function* () {
      const { faults, page } = yield* opened("/sql");
      const statement = `SELECT ${"/* a long thought */ ".repeat(2_000)}42 AS answer`;
      const said = (name: string) => Effect.promise(() => page.getByRole("button", { name, exact: true }).click());
      yield* Effect.promise(() => page.locator("textarea").fill(statement));
      yield* said("Run");
      yield* Effect.promise(() => page.getByRole("columnheader", { name: "answer" }).waitFor());
      assert.strictEqual(new URL(page.url()).search, "");
      const [file] = yield* Effect.promise(() =>
        Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV", exact: true }).click()]),
      );
      assert.strictEqual(file.suggestedFilename(), "result.csv");
      yield* Effect.promise(() => page.locator("input[name=name]").fill("long-thought"));
      yield* said("Save");
      yield* Effect.promise(() => page.waitForURL(/\/sql\?saved=long-thought$/));
      yield* Effect.promise(() => page.getByRole("columnheader", { name: "answer" }).waitFor());
      assert.strictEqual((yield* Effect.promise(() => page.locator("textarea").inputValue())).trim(), statement);
      yield* Effect.promise(() => page.locator("textarea").fill("SELECT 7 AS short"));
      yield* said("Run");
      yield* Effect.promise(() => page.waitForURL(/\/sql\?q=SELECT\+7\+AS\+short$/));
      assert.deepStrictEqual(faults, []);
    }).pipe(Effect.scoped),
  );

  it.effect(
    "shows the record as it was, on every screen until one comes back to now",
    () =>
      Effect.gen(function* () {
        yield* Site.happened(thread("earlier"), [
          ["thread.message_appended", { messageId: "e1", role: "user", content: "the last word of then" }],
        ]);
        const [[then] = []] = yield* rows("SELECT max(sequence) FROM v_events");
        yield* Site.happened(thread("later"), [
          ["thread.message_appended", { messageId: "l1", role: "user", content: "what came after" }],
        ]);
        const { page } = yield* opened("/as-of");
        yield* Effect.promise(() => page.locator("input[name=event]").fill(String(then)));
        yield* Effect.promise(() => page.getByRole("button", { name: "Look" }).last().click({ timeout: 60_000 }));
        // While it is folded the screen asks again by itself.
        yield* Effect.promise(() => page.getByText("Recent threads").waitFor({ timeout: 60_000 }));
        const main = page.locator("main");
        assert.include(yield* Effect.promise(() => page.locator(".then").innerText()), `event ${String(then)}`);
        assert.include(yield* Effect.promise(() => main.innerText()), "the last word of then");
        assert.notInclude(yield* Effect.promise(() => main.innerText()), "what came after");
        yield* Effect.promise(() => page.goto(page.url() + "search?q=after"));
        assert.notInclude(yield* Effect.promise(() => main.innerText()), "what came after");
        yield* Effect.promise(() => page.getByRole("link", { name: "Now", exact: true }).last().click());
        yield* Effect.promise(() => page.getByText("Recent threads").waitFor());
        assert.include(yield* Effect.promise(() => main.innerText()), "what came after");
        assert.strictEqual(yield* Effect.promise(() => page.locator(".then").count()), 0);
      }).pipe(Effect.scoped),
    120_000,
  );

  it.effect(
    "shows a thread as it was, its sub-agents in place, two threads side by side, and how to go on with one",
    () =>
      Effect.gen(function* () {
        const { faults, page } = yield* opened(at(threads.shop));
        const article = page.locator("article");
        const whole = yield* Effect.promise(() => article.innerText());
        // By the keyboard, as far back as it goes: the slider takes effect at once.
        yield* Effect.promise(() => page.locator("#upto").focus());
        yield* press(page, "Home");
        yield* Effect.promise(() => page.waitForURL(/upto=\d+/));
        const then = yield* Effect.promise(() => article.innerText());
        assert.include(then, "Please fix the flaky test");
        assert.notInclude(then, "I look at the test first.");
        assert.include(whole, "I look at the test first.");
        yield* Effect.promise(() => page.goto(page.url().replace(/\?.*/, "")));
        yield* Effect.promise(() => page.getByText("Resume, hand over, copy").click());
        const doings = yield* Effect.promise(() => page.locator(".doings").innerText());
        for (const part of [`claude --resume ${threads.shop}`, "recollect hand-over", "recollect export"])
          assert.include(doings, part);
        const markdown = yield* Effect.promise(() => page.locator(".doings a").getAttribute("href"));
        const { url } = yield* Site.Site;
        const text = yield* Effect.promise(() => fetch(url + (markdown ?? "")).then((answer) => answer.text()));
        assert.include(text, "I look at the test first.");
        yield* Effect.promise(() => page.goto(url + at(threads.parent)));
        yield* Effect.promise(() => page.locator("details.sub > summary").first().click());
        yield* Effect.promise(() =>
          page.locator("details.sub[open]").getByText("Found in cart.ts and pay.ts.").first().waitFor(),
        );
        yield* Effect.promise(() => page.goto(`${url}${at(threads.shop, "/beside")}?other=${threads.parent}`));
        assert.strictEqual(yield* Effect.promise(() => page.locator(".two > section").count()), 2);
        const both = yield* Effect.promise(() => page.locator("main").innerText());
        for (const words of ["I look at the test first.", "Two places call it."]) assert.include(both, words);
        assert.deepStrictEqual(faults, []);
      }).pipe(Effect.scoped),
  );

  it.effect("keeps the theme that was chosen", () =>
    Effect.gen(function* () {
      const { page } = yield* opened("/");
      yield* press(page, "t");
      yield* Effect.promise(() => page.reload());
      assert.strictEqual(yield* Effect.promise(() => page.locator("html").getAttribute("data-theme")), "dark");
    }).pipe(Effect.scoped),
  );

  it.effect("is read without scripts too", () =>
    Effect.gen(function* () {
      const { url } = yield* Site.Site;
      const text = yield* Effect.promise(() => fetch(url + at(threads.shop)).then((answer) => answer.text()));
      assert.include(text, "flaky test");
      assert.notMatch(text, /<script>|<style|style="|onclick=|javascript:/i);
    }),
  );

  it.effect("is small: style and script together under 150 KB", () =>
    Effect.gen(function* () {
      const { url } = yield* Site.Site;
      const sizes = yield* Effect.forEach(["/page.css", "/page.js", "/icon.svg"], (path) =>
        Effect.promise(() => fetch(url + path).then(async (answer) => (await answer.text()).length)),
      );
      assert.isBelow(
        sizes.reduce((sum, size) => sum + size, 0),
        150_000,
      );
    }),
  );
});
