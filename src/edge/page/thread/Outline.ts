/**
 * The outline of a thread: its turns, each with calls, files, time and tokens, and where to go.
 *
 * Room: edge.
 */
import type { Effect } from "effect";
import { plainWords } from "../../../domain/thread/MessageKind.ts";
import type { outline as ask, ThreadKey, Turn } from "../../../query/screens/ThreadScreen.ts";
import { atClock, counted, duration, line, short } from "../html/Format.ts";
import { type Child, type Html, html } from "../html/Html.ts";
import { partOf } from "./Call.ts";

export type OutlineData = Effect.Success<ReturnType<typeof ask>>;

interface Summed {
  readonly turn: Turn;
  calls: number;
  errors: number;
  tokens: number;
  until: number | null;
  readonly files: Set<string>;
}

const later = (known: number | null, at: number | null): number | null =>
  at === null ? known : Math.max(known ?? at, at);

/** Sums of the turns: what falls between two belongs to the first of them. */
const summed = ({ called, files, spent, turns }: OutlineData): ReadonlyArray<Summed> => {
  const found = turns.map((turn): Summed => ({ turn, calls: 0, errors: 0, tokens: 0, until: null, files: new Set() }));
  const each = <A extends { readonly sequence: number }>(
    rows: ReadonlyArray<A>,
    add: (sum: Summed, row: A) => void,
  ) => {
    let at = -1;
    for (const row of rows) {
      while (found[at + 1] !== undefined && (found[at + 1]?.turn.sequence ?? 0) <= row.sequence) at += 1;
      const sum = found[at];
      if (sum !== undefined) add(sum, row);
    }
  };
  each(called, (sum, { endedAt, outcome }) => {
    sum.calls += 1;
    if (outcome === "error") sum.errors += 1;
    sum.until = later(sum.until, endedAt);
  });
  each(spent, (sum, { at, tokens }) => {
    sum.tokens += tokens;
    sum.until = later(sum.until, at);
  });
  each(files, (sum, { path }) => {
    sum.files.add(path);
  });
  return found;
};

/** More turns than that around the page are left out. */
const mostShown = 400;

const entry = (key: ThreadKey, { calls, errors, files, tokens, turn, until }: Summed, onPage: boolean): Child => {
  const to = onPage ? `#m${turn.sequence}` : `${partOf(key, "", { at: String(turn.sequence) })}#m${turn.sequence}`;
  const took = turn.at === null || until === null ? 0 : until - turn.at;
  return html`<li${onPage && html` class="here"`}><a href="${to}">${line(plainWords(turn.words ?? ""), 120) || turn.kind}</a><p class="about">${atClock(turn.at)}${calls > 0 && html`<span>${counted(calls, "call")}</span>`}${errors > 0 && html`<span class="bad">${errors} failed</span>`}${files.size > 0 && html`<span>${counted(files.size, "file")}</span>`}${took > 1000 && html`<span>${duration(took)}</span>`}${tokens > 0 && html`<span>${short(tokens)} tokens</span>`}</p></li>`;
};

/** `from` and `to` are what the page shows. */
export const outline = (
  key: ThreadKey,
  data: OutlineData,
  page: { readonly from: number; readonly to: number },
): Html => {
  const all = summed(data);
  const first = all.findIndex(({ turn }) => turn.sequence >= page.from);
  const from = Math.max(0, Math.min(first < 0 ? all.length : first, all.length) - mostShown / 2);
  const shown = all.slice(from, from + mostShown);
  const left = all.length - shown.length;
  return html`<nav class="outline" aria-label="Outline" tabindex="0">
    <h2>${counted(all.length, "turn")}</h2>
    <ol>
      ${shown.map((one) => entry(key, one, one.turn.sequence >= page.from && one.turn.sequence <= page.to))}
    </ol>
    ${left > 0 && html`<p class="quiet">${counted(left, "turn")} further away</p>`}
  </nav>`;
};
