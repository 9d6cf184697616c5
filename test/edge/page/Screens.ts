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
  [at(threads.shop, "/file?path=/home/ada/shop/cart.test.ts"), "flaky"],
  ["/search?q=flaky", "hits in"],
  ["/search?q=alert&by=contains", "onerror"],
  ["/tools", "What fills the context"],
  ["/models", "claude-opus-4-5"],
  ["/projects", "When you write"],
  ["/errors", "Calls without an outcome"],
  ["/sessions", "Live now"],
  ["/report/storage", "In a terminal"],
  ["/report/tasks", "Orphaned"],
  ["/calls?tool=Bash&outcome=error", "expected 3, got 2"],
  ["/tasks", "running"],
  ["/task/task-1", "Its life"],
  ["/live", "Recorded"],
  ["/pipeline", "Refused by"],
  ["/audit?meaning=tool_called", "tool called"],
  ["/sql?q=SELECT+tool_name,+calls+FROM+v_tool_stats", "Grep"],
  ["/sql?q=DELETE+FROM+v_tool_stats", "Only"],
  ["/event/1", "SHA-256"],
  ["/as-of", "After event"],
  ["/models?by=model", "stimated"],
  ["/pipeline/try?event=1", "tried again"],
];

/** No answer but 200, what it shows, no violation of axe, no error, no request elsewhere, nothing wider than the window. */
export const everywhere = Effect.fnUntraced(function* (
  view: Browser.View & { readonly every: number; readonly from?: number },
) {
  const { url } = yield* Site.Site;
  const { faults, page } = yield* Browser.open(url, view);
  for (const [path, shows] of screens.filter((_, index) => index % view.every === (view.from ?? 0))) {
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
