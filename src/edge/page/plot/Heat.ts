/**
 * A heat map: weekdays by hours, the darker the more, each cell with its number.
 *
 * Room: edge.
 */
import { count } from "../html/Format.ts";
import { type Html, html } from "../html/Html.ts";

const weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const size = 22;
const left = 36;
const top = 16;

/** `values[weekday][hour]`, Monday first. */
export const heat = (label: string, values: ReadonlyArray<ReadonlyArray<number>>): Html => {
  const most = Math.max(1, ...values.flat());
  /** By the square root, so that little is told from nothing. */
  const shade = (value: number): number => (value === 0 ? 0 : Math.max(1, Math.ceil(4 * Math.sqrt(value / most))));
  return html`<div class="wide" tabindex="0" role="region" aria-label="${label}">
    <svg
      role="img"
      aria-label="${label}"
      width="${left + 24 * size}"
      height="${top + 7 * size}"
      viewBox="0 0 ${left + 24 * size} ${top + 7 * size}"
    >
      ${[0, 6, 12, 18].map((hour) => html`<text x="${left + hour * size}" y="11">${hour}:00</text>`)}
      ${values.map((hours, weekday) => html`<text x="0" y="${top + weekday * size + 15}">${weekdays[weekday]}</text>${hours.map((value, hour) => html`<rect class="h${shade(value)}" x="${left + hour * size}" y="${top + weekday * size}" width="${size - 2}" height="${size - 2}" rx="2"><title>${weekdays[weekday]} ${hour}:00: ${count(value)}</title></rect>`)}`)}
    </svg>
  </div>`;
};
