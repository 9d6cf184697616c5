/**
 * The frame of every screen: head, bar, palette, keys.
 *
 * Room: edge.
 */
import { type Child, type Html, html } from "../html/Html.ts";

/** Screens in the order of the bar; `key` follows `g`. */
export const screens = [
  { path: "/", name: "Now", key: "n" },
  { path: "/threads", name: "Threads", key: "h" },
  { path: "/tools", name: "Tools", key: "t" },
  { path: "/models", name: "Models & cost", key: "m" },
  { path: "/projects", name: "Projects", key: "p" },
  { path: "/tasks", name: "Tasks", key: "k" },
  { path: "/errors", name: "Errors", key: "e" },
  { path: "/sessions", name: "Sessions", key: "s" },
  { path: "/live", name: "Live", key: "l" },
  { path: "/pipeline", name: "Pipeline", key: "i" },
  { path: "/audit", name: "Audit", key: "a" },
  { path: "/sql", name: "SQL", key: "q" },
] as const;

export type ScreenPath = (typeof screens)[number]["path"] | "/search";

/** Preferences of this browser, from cookies. */
export interface Wishes {
  /** Sequence or time whose record is shown; undefined: now. */
  readonly asOf?: string | undefined;
  readonly theme?: "light" | "dark" | undefined;
  readonly keys?: "off" | undefined;
}

export interface Page {
  readonly title: string;
  /** Place in the bar; undefined: none. */
  readonly at: ScreenPath | undefined;
  readonly body: Child;
  readonly wishes: Wishes;
  /** Search words in the bar's field. */
  readonly searched?: string | undefined;
  /** Further entries of the palette: label and address. */
  readonly ways?: ReadonlyArray<readonly [string, string]> | undefined;
}

const keys: ReadonlyArray<readonly [string, string]> = [
  ["/", "Search"],
  [":  or  Ctrl K", "Palette: go to a screen or an action"],
  ["j  k", "Next and previous item"],
  ["o", "Open the item, or unfold its first fold"],
  ["x", "Unfold or fold all of the item"],
  ["n  p", "Next and previous page"],
  ["g, then a letter", "Go to a screen: n now, h threads, t tools, m models …"],
  ["G", "To the end"],
  ["t", "Light or dark"],
  ["Ctrl Enter", "Run, in the SQL editor"],
  ["?", "This list"],
];

const bar = ({ at, searched }: Page) =>
  html`<header class="bar">
    <a class="name" href="/">Recollect</a>
    <nav aria-label="Screens">
      <ul>
        ${screens.map(
          ({ key, name, path }) =>
            html`<li><a href="${path}" data-go="${key}" ${at === path && html` aria-current="page"`}>${name}</a></li>`,
        )}
      </ul>
    </nav>
    ${
      at !== "/" &&
      at !== "/search" &&
      html`<form action="/search" role="search">
        <input
          type="search"
          name="q"
          id="search"
          value="${searched ?? ""}"
          placeholder="Search  /"
          aria-label="Search all threads"
          autocomplete="off"
          spellcheck="false"
        />
      </form>`
    }
    <button type="button" data-palette aria-label="Palette and keys">⌘</button>
    <button type="button" data-themes aria-label="Light or dark">◐</button>
  </header>`;

const palette = (page: Page) =>
  html`<dialog id="palette" aria-label="Palette">
      <input
        role="combobox"
        aria-expanded="true"
        aria-controls="choices"
        aria-label="Where to?"
        placeholder="Where to?"
        autocomplete="off"
        spellcheck="false"
      />
      <ul id="choices" role="listbox" aria-label="Places">
        ${[
          ...(page.ways ?? []),
          ...screens.map(({ name, path }) => [name, path] as const),
          ["As of an earlier moment", "/as-of"] as const,
        ].map(
          ([name, path], index) =>
            html`<li role="none">
              <a id="way-${index}" role="option" aria-selected="false" tabindex="-1" href="${path}"
                ><span>${name}</span></a
              >
            </li>`,
        )}
        <li data-search role="none" hidden>
          <a id="way-search" role="option" aria-selected="false" tabindex="-1" href="/search"><span>Search</span></a>
        </li>
      </ul>
    </dialog>
    <dialog id="keys" aria-label="Keys">
      <dl class="keys">
        ${keys.map(
          ([key, what]) =>
            html`<dt><kbd>${key}</kbd></dt>
              <dd>${what}</dd>`,
        )}
        <dt></dt>
        <dd>
          <label><input type="checkbox" ${page.wishes.keys !== "off" && html` checked`} /> Single keys act</label>
        </dd>
      </dl>
      <form method="dialog" class="keys"><button>Close</button></form>
    </dialog>`;

/** Says that the record is shown as it was. */
const then = ({ asOf }: Wishes): Child =>
  asOf !== undefined &&
  html`<p class="then" role="status">
    As of <strong>${/^\d{1,11}$/.test(asOf) ? html`event ${asOf}` : asOf}</strong>: nothing that came later is shown.
    <a href="/as-of">Another moment</a> <a href="/as-of?at=">Now</a>
  </p>`;

/** The whole document around a body. */
export const layout = (page: Page): Html =>
  html`<html
    lang="en"
    ${page.wishes.theme !== undefined && html` data-theme="${page.wishes.theme}"`}${page.wishes.keys === "off" && html` data-keys="off"`}
  >
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="referrer" content="same-origin" />
      <title>${page.title} · Recollect</title>
      <link rel="stylesheet" href="/page.css" />
      <link rel="icon" href="/icon.svg" type="image/svg+xml" />
      <script src="/page.js" defer></script>
    </head>
    <body>
      <a class="skip" href="#main">To the content</a>
      ${bar(page)} ${then(page.wishes)}
      <main id="main" tabindex="-1">${page.body}</main>
      <div id="said" class="seen" role="status" aria-live="polite"></div>
      ${palette(page)}
    </body>
  </html>`;

/** The sign in the browser's tab. */
export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="M3 3h10M3 6.5h7M3 10h10M3 13.5h5" stroke="#3a86b8" stroke-width="2" stroke-linecap="round"/></svg>`;
