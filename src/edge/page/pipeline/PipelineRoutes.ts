/**
 * The pipeline: what stands in the way with the command that mends it, the stream, projections, integrity, dead letters.
 *
 * Room: edge.
 */
import { Effect, Layer } from "effect";
import { HttpRouter } from "effect/http";
import { EventLog } from "../../../log/EventLog.ts";
import { Query, type ReadModelStatus } from "../../../query/Query.ts";
import { type DeadLetter, deadLetters } from "../../../query/screens/Lists.ts";
import { asked, number } from "../Asked.ts";
import { forOperators } from "../Guarded.ts";
import { atMoment, bytes, count, counted, since } from "../html/Format.ts";
import { type Child, type Html, html } from "../html/Html.ts";
import { wholeness } from "../overview/OverviewRoutes.ts";
import { gapOf, whole, type Wholeness } from "../overview/Whole.ts";
import { part, shown } from "../Shown.ts";

const stream = Effect.flatMap(EventLog, (log) => log.info).pipe(
  Effect.timeout(500),
  Effect.orElseSucceed(() => undefined),
);

/** Commands in a hint, each to be copied. */
const commands = (hint: string): ReadonlyArray<Html> =>
  [...new Set([...hint.matchAll(/recollect [a-z]+(?: --?[\w-]+)*/g)].map(([found]) => found))].map(
    (command) =>
      html`<span class="command"
        ><code>${command}</code><button type="button" data-copy="${command}">Copy</button></span
      >`,
  );

type Condition = NonNullable<ReadModelStatus["condition"]>;

/** Of one name, so many messages; a damaged schema has one for each of its rows. */
const mostOfName = 3;

const trouble = (found: ReadonlyArray<Condition>): Html => {
  const [first] = found;
  if (first === undefined) return html``;
  const { hint, name, stopped } = first;
  const more = found.length - mostOfName;
  return html`<div class="notice${stopped && " bad"}">
    <p><strong>${name}</strong>${stopped && ", and nothing is applied until it is mended"}</p>
    ${found.slice(0, mostOfName).map(({ message }) => html`<p>${message}</p>`)}${more > 0 && html`<p class="quiet">and ${count(more)} more of this kind</p>`}
    <p>${hint}</p>
    ${commands(hint)}
  </div>`;
};

const conditions = ({ condition, integrity }: ReadModelStatus): Html => {
  const all = [
    ...(condition === undefined ? [] : [condition]),
    ...integrity.conditions.filter((one) => one.message !== condition?.message),
  ];
  const byName = [...Map.groupBy(all, ({ name, stopped }) => `${name} ${String(stopped)}`).values()];
  return html`<h2 id="conditions">What stands in the way</h2>
    ${byName.length === 0 ? html`<p>Nothing.</p>` : byName.map(trouble)}`;
};

const projections = ({ projections: all }: ReadModelStatus, head: number | undefined, now: number): Html =>
  html`<h2 id="projections">Projections</h2>
    <div class="wide" tabindex="0" role="region" aria-label="Projections">
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col" class="number">Version</th>
            <th scope="col" class="number">Has up to</th>
            <th scope="col" class="number">Gap</th>
            <th scope="col" class="number">Refused</th>
            <th scope="col">Applied</th>
          </tr>
        </thead>
        <tbody>
          ${all.map(
            (one) =>
              html`<tr data-item>
                <th scope="row">${one.name}</th>
                <td class="number">${one.version}</td>
                <td class="number">${count(one.checkpoint)}</td>
                <td class="number">${head === undefined ? "?" : count(Math.max(0, head - one.checkpoint))}</td>
                <td class="number">
                  ${one.deadLetters === 0 ? "0" : html`<a class="bad" href="#dead">${count(one.deadLetters)}</a>`}
                </td>
                <td>${since(one.appliedAt, now)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;

const integrity = ({ history, integrity: found }: ReadModelStatus, now: number): Html => {
  const { kept, scrub, verified } = found;
  return html`<h2 id="integrity">Integrity</h2>
    <p>
      ${verified === undefined ? "It was never verified as a whole." : html`Verified ${since(verified.at, now)}, up to event ${count(verified.sequence)}: every copy is the same.`}
      ${scrub.at === 0 ? "The scrubber has not begun." : html`Scrubbed ${since(scrub.at, now)} to ${count(scrub.sequence)} of ${count(scrub.head)}, ${counted(scrub.passes, "whole pass", "whole passes")}${scrub.mended > 0 && html`, ${counted(scrub.mended, "repair")}`}.`}
    </p>
    <p class="command"><code>recollect verify</code><button type="button" data-copy="recollect verify">Copy</button></p>
    ${kept.length > 0 && html`<p>${counted(kept.length, "replaced file")} kept because nothing else holds what is in them.</p>`}
    ${
      history.length > 0 &&
      html`<h3>What became of the store</h3>
        <ul>
          ${history.map((one) => html`<li>${atMoment(one.occurredAt)}: <a href="/event/${one.sequence}">${one.type}</a>${one.events !== null && `, ${counted(one.events, "event")}`}${one.reason !== null && `: ${one.reason}`}${one.actor !== null && ` (${one.actor})`}</li>`)}
        </ul>`
    }`;
};

const dead = (letters: ReadonlyArray<DeadLetter>, now: number): Html =>
  html`<h2 id="dead">Dead letters</h2>
    ${
      letters.length === 0
        ? html`<p>None: every projection took every event.</p>`
        : html`<p>
              Events that a projection refused; the rest goes on. <em>Try again</em> says whether the projections of
              today would take one; a rebuild makes the read models anew beside the old ones, with what they take:
            </p>
            <p class="command">
              <code>recollect rebuild</code><button type="button" data-copy="recollect rebuild">Copy</button>
            </p>
            <div class="wide" tabindex="0" role="region" aria-label="Dead letters">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Event</th>
                    <th scope="col">Refused by</th>
                    <th scope="col">Why</th>
                    <th scope="col" class="number">Tries</th>
                    <th scope="col">When</th>
                    <td></td>
                  </tr>
                </thead>
                <tbody>
                  ${letters.map(
                    (one): Child =>
                      html`<tr data-item>
                        <td><a href="/event/${one.sequence}">${count(one.sequence)}</a></td>
                        <th scope="row">${one.projection}</th>
                        <td>${String(one["reason"] ?? "")}</td>
                        <td class="number">${String(one["attempts"] ?? "")}</td>
                        <td>${since(Number(one["parkedAt"]), now)}</td>
                        <td>
                          <a class="button" data-more="after" href="/pipeline/try?event=${one.sequence}">Try again</a>
                        </td>
                      </tr>`,
                  )}
                </tbody>
              </table>
            </div>`
    }`;

const streamPart = (
  info:
    | {
        readonly messages: number;
        readonly bytes: number;
        readonly firstSequence: number;
        readonly lastSequence: number;
        readonly created: number;
      }
    | undefined,
  found: Wholeness,
): Html =>
  html`<h2>Stream</h2>
    ${info === undefined ? html`<p class="warn">The log cannot be asked now. Published events wait in spools.</p>` : html`<p>${counted(info.messages, "event")}, ${bytes(info.bytes)}, sequences ${count(info.firstSequence)} to ${count(info.lastSequence)}, since ${atMoment(info.created)}. Read models are ${(gapOf(found) ?? 0) === 0 ? "up to date" : `${counted(gapOf(found) ?? 0, "event")} behind`}.</p>`}`;

const screen = Effect.gen(function* () {
  const { now, viewer, wishes } = yield* asked;
  const found = yield* wholeness(now, viewer.tenant);
  const body = html`<h1>Pipeline</h1>
    ${whole(found, now)}${conditions(found.status)}${streamPart(yield* stream, found)}${projections(found.status, found.head, now)}${integrity(found.status, now)}${dead(yield* deadLetters, now)}`;
  return shown({ title: "Pipeline", at: "/pipeline", body, wishes });
});

/** One refused event, tried by the projections of today. */
const tried = Effect.gen(function* () {
  const { isPart, query, wishes } = yield* asked;
  const sequence = number(query, "event") ?? 0;
  const found = yield* Effect.flatMap(Query, (store) => store.tryAgain(sequence));
  const words =
    found === undefined
      ? html`<span class="bad">The ledger has no event ${sequence}.</span>`
      : found.refusals.length === 0
        ? html`<span class="good">It would be taken now: <code>recollect rebuild</code> brings it in.</span>`
        : html`<span class="bad"
            >Refused still:
            ${found.refusals.map(({ projection, reason }) => `${projection}: ${reason}`).join("; ")}</span
          >`;
  if (isPart) return part(words);
  const body = html`<h1>Event ${count(sequence)}, tried again</h1>
    <p>${words}</p>
    <p><a href="/pipeline#dead">The pipeline</a></p>`;
  return shown({ title: "Tried again", at: "/pipeline", body, wishes });
});

export const layer = Layer.merge(
  HttpRouter.add("GET", "/pipeline", forOperators(screen)),
  HttpRouter.add("GET", "/pipeline/try", forOperators(tried)),
);
