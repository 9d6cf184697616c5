/**
 * Lines over days or any other order, with their names, values under the pointer, and no colour that says alone which is which.
 *
 * Room: edge.
 */
import { type Html, html } from "../html/Html.ts";

export interface Series {
  readonly name: string;
  /** One for each place of x; null where there is none. */
  readonly values: ReadonlyArray<number | null>;
}

const width = 760;
const height = 190;
const left = 56;
const right = 8;
const top = 8;
const bottom = 22;

/** The next number of 1, 2 or 5 times a power of ten. */
const rounded = (value: number): number => {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power;
};

/** Places of x: days by the calendar, so that a gap is seen as one; others evenly. */
const placesOf = (x: ReadonlyArray<string>): ReadonlyArray<number> => {
  const times = x.map((day) => (/^\d{4}-\d{2}-\d{2}$/.test(day) ? Date.parse(day) : Number.NaN));
  const isCalendar = times.length > 1 && times.every(Number.isFinite);
  const at = isCalendar ? times : x.map((_, index) => index);
  const first = Math.min(...at);
  const span = Math.max(...at) - first || 1;
  return at.map((one) => left + ((one - first) / span) * (width - left - right));
};

export const lines = (options: {
  readonly label: string;
  readonly x: ReadonlyArray<string>;
  readonly series: ReadonlyArray<Series>;
  readonly text: (value: number) => string;
}): Html => {
  const { label, series, text, x } = options;
  if (x.length === 0) return html`<p class="empty">Nothing in this time.</p>`;
  const most = rounded(Math.max(0, ...series.flatMap(({ values }) => values.map((value) => value ?? 0))));
  const places = placesOf(x);
  const y = (value: number): number => top + (1 - value / most) * (height - top - bottom);
  const number = (value: number): string => value.toFixed(1);
  const path = (values: Series["values"]): string =>
    values
      .map((value, index) =>
        value === null
          ? ""
          : `${index === 0 || values[index - 1] === null ? "M" : "L"}${number(places[index] ?? 0)} ${number(y(value))}`,
      )
      .join("");
  const ticks = [0, most / 2, most];
  // The first, the last, and between them the one nearest to the middle, where it has room.
  const middle = places.findIndex((place) => place > (left + width) / 2 - 120 && place < (left + width) / 2 + 120);
  const marks = [...new Set([0, ...(middle < 0 ? [] : [middle]), x.length - 1])];
  const half = (index: number): number => {
    const here = places[index] ?? 0;
    return Math.max(3, Math.min(24, ((places[index + 1] ?? here + 12) - (places[index - 1] ?? here - 12)) / 2));
  };
  return html`<div class="wide" tabindex="0" role="region" aria-label="${label}">
      <svg
        class="chart"
        role="img"
        aria-label="${label}"
        viewBox="0 0 ${width} ${height}"
        width="${width}"
        height="${height}"
      >
        ${ticks.map((tick) => html`<line class="grid" x1="${left}" x2="${width - right}" y1="${number(y(tick))}" y2="${number(y(tick))}" /><text x="${left - 6}" y="${number(y(tick) + 4)}" text-anchor="end">${text(tick)}</text>`)}
        ${marks.map((index) => html`<text x="${number(places[index] ?? 0)}" y="${height - 5}" text-anchor="${index === 0 ? "start" : index === x.length - 1 ? "end" : "middle"}">${x[index]}</text>`)}
        ${series.map(({ values }, index) => html`<path class="curve s${index}" d="${path(values)}" />${values.length < 40 && values.map((value, place) => value !== null && html`<circle class="mark s${index}" cx="${number(places[place] ?? 0)}" cy="${number(y(value))}" r="2.5" />`)}`)}
        ${x.map((day, index) => html`<rect class="touch" x="${number((places[index] ?? 0) - half(index) / 2)}" y="${top}" width="${number(half(index))}" height="${height - top - bottom}"><title>${day}: ${series.map(({ name, values }) => `${name} ${text(values[index] ?? 0)}`).join(", ")}</title></rect>`)}
      </svg>
    </div>
    ${
      series.length > 1 &&
      html`<p class="legend small">
        ${series.map(
          ({ name }, index) =>
            html`<span
              ><svg width="26" height="8" viewBox="0 0 26 8" aria-hidden="true">
                <path class="curve s${index}" d="M1 4H25" />
              </svg>
              ${name}</span
            >`,
        )}
      </p>`
    }`;
};
