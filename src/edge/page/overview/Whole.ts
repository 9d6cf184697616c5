/**
 * Is it whole? One line: events, last verified and scrubbed, gap, dead letters, calls without an outcome.
 *
 * Room: edge.
 */
import type { ReadModelStatus } from "../../../query/Query.ts";
import { count, counted, since } from "../html/Format.ts";
import { type Html, html } from "../html/Html.ts";

export interface Wholeness {
  readonly status: ReadModelStatus;
  /** Last sequence of the stream; undefined while the log cannot be asked. */
  readonly head: number | undefined;
  readonly callsWithoutOutcome: number;
}

/** The least that all projections have. */
const checkpointOf = ({ projections }: ReadModelStatus): number =>
  Math.min(...projections.map(({ checkpoint }) => checkpoint), Number.MAX_SAFE_INTEGER);

export const deadLettersOf = ({ projections }: ReadModelStatus): number =>
  Math.max(0, ...projections.map(({ deadLetters }) => deadLetters));

export const gapOf = ({ head, status }: Wholeness): number | undefined =>
  head === undefined || status.projections.length === 0 ? undefined : Math.max(0, head - checkpointOf(status));

/** `whole` is a claim about what was looked at, so nothing that was never looked at is called so. */
const verdict = (found: Wholeness): readonly [className: string, sign: string, word: string] => {
  const { condition, integrity } = found.status;
  if (condition?.stopped === true || integrity.conditions.length > 0) return ["ill", "✕", "Not whole"];
  if (deadLettersOf(found.status) > 0) return ["ill", "✕", "Events refused"];
  if (found.head === undefined) return ["unsure", "?", "The log cannot be asked"];
  if ((gapOf(found) ?? 0) > 0) return ["unsure", "…", "Catching up"];
  if (integrity.verified === undefined && integrity.scrub.finishedAt === 0) return ["unsure", "?", "Not verified yet"];
  return ["", "✓", "Whole"];
};

/** `sees`: a tenant's reader is told whether it is whole, and no number of the whole store nor a way to its screens. */
export const whole = (found: Wholeness, now: number, sees: "store" | "tenant" = "store"): Html => {
  const { events, integrity } = found.status;
  const { scrub, verified } = integrity;
  const [className, sign, word] = verdict(found);
  const gap = gapOf(found);
  const dead = deadLettersOf(found.status);
  const isVerified = verified === undefined ? "never verified" : html`verified ${since(verified.at, now)}`;
  const scrubbed = html`scrubbed ${since(scrub.finishedAt, now)}`;
  return html`<p class="whole ${className}">
    <strong><span aria-hidden="true">${sign}</span> ${word}</strong>
    ${
      sees === "tenant"
        ? html`<span>${isVerified}</span> ${scrub.finishedAt !== 0 && html`<span>${scrubbed}</span>`}`
        : html`<a href="/audit">${counted(events, "event")}</a>
            <a href="/pipeline#integrity">${isVerified}</a>
            <a href="/pipeline#integrity"
              >${scrub.finishedAt === 0 ? html`scrubbed to ${count(scrub.sequence)} of ${count(scrub.head)}` : scrubbed}</a
            >
            <a href="/pipeline#projections">${gap === undefined ? "gap unknown" : `gap ${count(gap)}`}</a>
            <a href="/pipeline#dead">${dead === 0 ? "no dead letters" : counted(dead, "dead letter")}</a>`
    }
    <a href="/errors#tools-cut"
      >${found.callsWithoutOutcome === 0 ? "every call has an outcome" : `${counted(found.callsWithoutOutcome, "call")} without an outcome`}</a
    >
  </p>`;
};
