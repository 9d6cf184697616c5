/**
 * Small plots that stand in a line of text: bars without axes.
 *
 * Room: edge.
 */
import { type Html, html } from "../html/Html.ts";

const height = 18;
const step = 7;

/** Bars of equal width over time, the last one marked. `label` says in words what they show. */
export const spark = (values: ReadonlyArray<number>, label: string): Html => {
  const most = Math.max(...values, 1e-9);
  const width = values.length * step;
  return html`<svg
    class="spark"
    role="img"
    aria-label="${label}"
    width="${width}"
    height="${height}"
    viewBox="0 0 ${width} ${height}"
  >
    ${values.map((value, index) => {
      const tall = value <= 0 ? 1 : Math.max(1.5, Math.round(((height - 2) * value * 10) / most) / 10);
      return html`<rect
        class="${index === values.length - 1 ? "mark" : "rest"}"
        x="${index * step}"
        y="${(height - tall).toFixed(1)}"
        width="${step - 2}"
        height="${tall}"
      />`;
    })}
  </svg>`;
};
