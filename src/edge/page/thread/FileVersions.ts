/**
 * The versions of a file that a thread saw, time by time, each with its difference to the time before.
 *
 * Room: edge.
 */
import type { SeenFile, ThreadKey } from "../../../query/screens/ThreadScreen.ts";
import { unified } from "../html/Diff.ts";
import { atMoment, bytes, count } from "../html/Format.ts";
import { code, languageOf } from "../html/Highlight.ts";
import { type Html, html } from "../html/Html.ts";
import { partOf } from "./Call.ts";

/** Of one text; longer ones are compared by their beginnings. */
const mostCompared = 200_000;
const mostShown = 20_000;

/** Without the numbers that agents put before lines: a line that only moved is the same line. */
const withoutNumbers = (text: string): string => text.slice(0, mostCompared).replaceAll(/^ *\d+(?:\t|→|: ?)/gm, "");

const linesOf = ({ fromLine, toLine }: SeenFile): string =>
  fromLine === null && toLine === null ? "the whole file" : `lines ${fromLine ?? 1} to ${toLine ?? "its end"}`;

/** The read before that showed the same lines. */
const earlierOf = (seen: ReadonlyArray<SeenFile>, at: number): SeenFile | undefined =>
  seen.slice(0, at).findLast((one) => one.fromLine === seen[at]?.fromLine && one.toLine === seen[at]?.toLine);

const difference = (one: SeenFile, before: SeenFile | undefined, path: string): Html => {
  const text = one.shown === null ? undefined : withoutNumbers(one.shown);
  if (text === undefined)
    return html`<p class="quiet">
      What was shown is not in the transcript; its SHA-256 is <code>${one.sha256.slice(0, 16)}</code>.
    </p>`;
  if (before?.shown == null) return code(text.slice(0, mostShown), languageOf(path), "As it was");
  const changed = unified(withoutNumbers(before.shown), text);
  if (changed === "") return html`<p class="quiet">The same as at event ${count(before.sequence)}.</p>`;
  return code(changed.slice(0, mostShown), "diff", "Difference to the time before");
};

export const fileVersions = (key: ThreadKey, path: string, seen: ReadonlyArray<SeenFile>): Html =>
  html`<h1 class="mono">${path}</h1>
    <p class="facts">
      <a href="${partOf(key, "", {})}">The thread</a><span>read ${count(seen.length)} times in it</span>
    </p>
    ${seen.map(
      (one, at) =>
        html`<section data-item tabindex="-1">
          <h2>
            <a href="${partOf(key, "", { at: String(one.sequence) })}#m${one.sequence}">Event ${count(one.sequence)}</a>
            <span class="quiet small">${atMoment(one.readAt)} · ${linesOf(one)} · ${bytes(one.bytes)}</span>
          </h2>
          ${difference(one, earlierOf(seen, at), path)}
        </section>`,
    )}`;
