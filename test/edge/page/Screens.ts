/** Every screen of the page, and what is held of each. */
import { assert } from "@effect/vitest";
import { Effect } from "effect";
import * as Browser from "./Browser.ts";
import * as Site from "./Site.ts";
import { threads } from "./Transcripts.ts";

export const at = (thread: string, more = ""): string => `/thread/${thread}${more}`;

/** Every screen, with what it shows when it works. */
const screens: ReadonlyArray<readonly [path: string, shows: string]> = [
  ["/", "Recent threads"],
  ["/threads", "Threads"],
  [at(threads.shop), "flaky test"],
  [at(threads.bad), "alert(1)"],
  [at(threads.vast), "the whole entry, as text"],
  ["/search?q=flaky", "hits in"],
  ["/search?q=alert&by=contains", "onerror"],
  ["/event/1", "SHA-256"],
];

/** No answer but 200, what it shows, no violation of axe, no error, no request elsewhere, nothing wider than the window. */
export const everywhere = Effect.fnUntraced(function* (view: Browser.View) {
  const { url } = yield* Site.Site;
  const { faults, page } = yield* Browser.open(url, view);
  for (const [path, shows] of screens) {
    const answer = yield* Effect.promise(() => page.goto(url + path));
    if (answer?.status() !== 200) faults.push(`${path} answered ${answer?.status()}`);
    const text = yield* Effect.promise(() => page.locator("main").innerText());
    if (!text.includes(shows)) faults.push(`${path} does not show: ${shows}`);
    for (const violation of yield* Browser.violations(page)) faults.push(`${path}: ${violation}`);
    const over = yield* Effect.promise(() =>
      page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"),
    );
    if (over !== 0) faults.push(`${path} is ${String(over)} pixels too wide`);
  }
  assert.deepStrictEqual(faults, []);
}, Effect.scoped);
