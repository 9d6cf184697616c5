/**
 * Chromium for tests of the page: what `RECOLLECT_CHROMIUM` names, else the one that `npm ci` brings.
 *
 * No browser is a failure and never a skip: a page that was not looked at is not known to work.
 */
import type * as Headless from "@sparticuz/chromium";
import { Context, Effect, Layer, Schema } from "effect";
import axe from "axe-core";
import { type Browser as Chromium, chromium, type Page } from "playwright-core";

/** The package is a module of its own kind; its default export has the path. */
const bundled = Effect.promise(async () => {
  const headless = (await import("@sparticuz/chromium")) as unknown as typeof Headless & {
    readonly default: { readonly executablePath: () => Promise<string> };
  };
  return headless.default.executablePath();
});

class NoBrowser extends Schema.TaggedError<NoBrowser>()("NoBrowser", { message: Schema.String }) {}

const missing = (cause: unknown) =>
  new NoBrowser({
    message: `There is no browser to look at the page with, so it is not known to work. npm ci brings one for Linux; elsewhere name one in RECOLLECT_CHROMIUM. (${String(cause)})`,
  });

export class Browser extends Context.Service<Browser, Chromium>()("recollect/test/Browser") {}

const launch = Effect.gen(function* () {
  const given = process.env["RECOLLECT_CHROMIUM"];
  const executablePath = given ?? (yield* bundled);
  return yield* Effect.tryPromise({
    try: () => chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] }),
    catch: missing,
  });
});

export const layer = Layer.effect(
  Browser,
  Effect.acquireRelease(launch, (browser) => Effect.promise(() => browser.close())),
);

/** What went wrong while a page was open. */
export interface Watched {
  readonly page: Page;
  /** Errors of the console and of scripts, and requests to elsewhere. */
  readonly faults: Array<string>;
}

export interface View {
  readonly width: number;
  readonly theme: "light" | "dark";
}

/** A page of its own, which is watched until its scope closes. */
export const open = Effect.fnUntraced(function* (base: string, { theme, width }: View) {
  const browser = yield* Browser;
  const context = yield* Effect.acquireRelease(
    Effect.promise(() => browser.newContext({ viewport: { width, height: 900 }, colorScheme: theme })),
    (one) => Effect.promise(() => one.close()),
  );
  const page = yield* Effect.promise(() => context.newPage());
  // A test says where it waited in vain, before it is itself ended.
  page.setDefaultTimeout(10_000);
  const faults: Array<string> = [];
  page.on("console", (said) => {
    if (said.type() === "error" || said.type() === "warning") faults.push(`console: ${said.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(base) && !request.url().startsWith("data:")) faults.push(`asked ${request.url()}`);
  });
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return { page, faults } satisfies Watched;
});

/** What axe has to say against the page, each as rule and place. */
export const violations = (page: Page): Effect.Effect<ReadonlyArray<string>> =>
  Effect.promise(async () => {
    // By the debugger and not by a tag: the page's policy allows no script of others.
    await page.evaluate(axe.source);
    return page.evaluate(`axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
      violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => id + " at " + target.join(" ") + ": " + failureSummary.replace(/\\s+/g, " ").slice(0, 200))))`);
  });
