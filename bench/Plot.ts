/**
 * Draws how a cost grows as an SVG file: both axes logarithmic, so that what is proportional is a straight line, what
 * is flat is level, and a curve that bends upwards is one to worry about.
 *
 * Written by hand because two axes and a few lines need no library.
 */
import type { Curve, Growth } from "./Harness.ts";

const width = 760;
const height = 470;
const plot = { left: 86, right: width - 28, top: 116, bottom: height - 62 } as const;

/** Told apart by colour and by the shape of the marks, so that a copy in grey can be read too. */
const styles = [
  { colour: "#0b6e99", mark: (x: number, y: number) => `<circle cx="${x}" cy="${y}" r="4.5"/>` },
  { colour: "#c2571a", mark: (x: number, y: number) => `<rect x="${x - 4.5}" y="${y - 4.5}" width="9" height="9"/>` },
  { colour: "#5b7f2b", mark: (x: number, y: number) => `<path d="M${x} ${y - 5.5}l5.5 9.5h-11z"/>` },
] as const;

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const shown = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(2)));

const at = (value: number): number => Number(value.toFixed(1));

interface Axis {
  readonly ticks: ReadonlyArray<number>;
  /** Where a value stands, pixels. */
  readonly place: (value: number) => number;
}

/** Over more decades than this only powers of ten get a tick, over fewer also 2 and 5. */
const manyDecades = 2.5;

/** A little more than the values take, so that no mark stands on a frame. */
const axisOf = (values: ReadonlyArray<number>, from: number, to: number, air: number): Axis => {
  const [least, most] = [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))];
  const margin = Math.max(air * (most - least), air);
  const [low, high] = [least - margin, most + margin];
  const steps = high - low > manyDecades ? [1] : [1, 2, 5];
  const decades = Array.from({ length: Math.ceil(high) - Math.floor(low) + 1 }, (_, index) => Math.floor(low) + index);
  const ticks = decades.flatMap((decade) => steps.map((step) => step * 10 ** decade));
  return {
    ticks: ticks.filter((tick) => Math.log10(tick) >= low && Math.log10(tick) <= high),
    place: (value) => at(from + ((Math.log10(value) - low) / (high - low)) * (to - from)),
  };
};

const grid = (x: Axis, y: Axis): ReadonlyArray<string> => [
  ...x.ticks.flatMap((tick) => [
    `<line class="grid" x1="${x.place(tick)}" y1="${plot.top}" x2="${x.place(tick)}" y2="${plot.bottom}"/>`,
    `<text x="${x.place(tick)}" y="${plot.bottom + 20}" text-anchor="middle">${shown(tick)}</text>`,
  ]),
  ...y.ticks.flatMap((tick) => [
    `<line class="grid" x1="${plot.left}" y1="${y.place(tick)}" x2="${plot.right}" y2="${y.place(tick)}"/>`,
    `<text x="${plot.left - 10}" y="${y.place(tick) + 4}" text-anchor="end">${shown(tick)}</text>`,
  ]),
  `<path class="axis" d="M${plot.left} ${plot.top}V${plot.bottom}H${plot.right}"/>`,
];

const labelsOf = (growth: Growth): ReadonlyArray<string> => {
  const middle = (plot.top + plot.bottom) / 2;
  return [
    `<text x="${(plot.left + plot.right) / 2}" y="${height - 18}" text-anchor="middle">${escaped(growth.x)}</text>`,
    `<text transform="translate(22 ${middle}) rotate(-90)" text-anchor="middle">${escaped(growth.y)}</text>`,
  ];
};

/** Values stand above the points of the highest curve and below those of the others, where they cover no line. */
const lineOf = (curve: Curve, index: number, x: Axis, y: Axis, isHighest: boolean): string => {
  const style = styles[index % styles.length] ?? styles[0];
  const points = curve.points.map(([across, up]) => ({ left: x.place(across), top: y.place(up), value: up }));
  const marks = points.map(({ left, top }) => style.mark(left, top)).join("");
  const values = points.map(
    ({ left, top, value }) =>
      `<text x="${left}" y="${at(top + (isHighest ? -11 : 20))}" text-anchor="middle">${shown(value)}</text>`,
  );
  const path = points.map(({ left, top }) => `${left},${top}`).join(" ");
  return `<g fill="${style.colour}"><polyline fill="none" stroke="${style.colour}" stroke-width="2" points="${path}"/>${marks}${values.join("")}</g>`;
};

const legend = (curves: ReadonlyArray<Curve>): ReadonlyArray<string> =>
  curves.map(({ name }, index) => {
    const { colour, mark } = styles[index % styles.length] ?? styles[0];
    const top = 64 + index * 19;
    return `<g fill="${colour}"><path stroke="${colour}" stroke-width="2" d="M${plot.left} ${top}h26"/>${mark(plot.left + 13, top)}<text x="${plot.left + 36}" y="${top + 4}">${escaped(name)}</text></g>`;
  });

/** The whole file. `machine` says on what, and when, it was measured. */
export const drawn = (growth: Growth, machine: string): string => {
  const points = growth.curves.flatMap((curve) => curve.points);
  const x = axisOf(
    points.map(([across]) => across),
    plot.left,
    plot.right,
    0.06,
  );
  const y = axisOf(
    points.map(([, up]) => up),
    plot.bottom,
    plot.top,
    0.12,
  );
  const last = (curve: Curve): number => curve.points.at(-1)?.[1] ?? 0;
  const highest = growth.curves.toSorted((left, right) => last(right) - last(left))[0];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, 'DejaVu Sans', sans-serif" font-size="13" fill="#24292f">`,
    `<title>${escaped(growth.title)}</title>`,
    `<style>.grid{stroke:#d8dee4}.axis{stroke:#57606a;fill:none}</style>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<text x="${plot.left}" y="26" font-size="17" font-weight="600">${escaped(growth.title)}</text>`,
    `<text x="${plot.left}" y="45" font-size="11" fill="#57606a">${escaped(machine)}</text>`,
    ...legend(growth.curves),
    ...grid(x, y),
    ...labelsOf(growth),
    ...growth.curves.map((curve, index) => lineOf(curve, index, x, y, curve === highest)),
    "</svg>",
    "",
  ].join("\n");
};
