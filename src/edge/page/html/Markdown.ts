/**
 * Markdown of others as HTML, by an allow-list: what it does not name is shown as the text it was.
 *
 * Room: edge.
 *
 * Decision: markdown-it parses, because CommonMark is not a thing to write again, and its renderer is not used: tokens become `Html` here,
 * where only these tags exist and every text is escaped. Raw HTML is text; pictures are links, because a picture from elsewhere tells its
 * server who reads; links go to http, https and mailto and say where.
 */
import MarkdownIt, { type Token } from "markdown-it";
import { code } from "./Highlight.ts";
import { type Html, Html as Markup, html } from "./Html.ts";

const parser = new MarkdownIt({ html: false, linkify: false, breaks: true, typographer: false });

/** Longer texts cost too much to parse while others wait: shown as they are. */
const mostCharacters = 60_000;
/** Deeper nesting is not for readers. */
const maxNesting = 20;
parser.set({ maxNesting });

const address = (href: string): string | undefined => {
  const url = URL.parse(href);
  return url !== null && /^(?:https?|mailto):$/.test(url.protocol) ? url.href : undefined;
};

/** Host that a link shows beside its words, when these do not say where it leads. */
const hostOf = (href: string): string => URL.parse(href)?.host ?? "";

const wrapped: Readonly<Record<string, (inside: Html) => Html>> = {
  paragraph: (inside) => html`<p>${inside}</p>`,
  bullet_list: (inside) =>
    html`<ul>
      ${inside}
    </ul>`,
  ordered_list: (inside) =>
    html`<ol>
      ${inside}
    </ol>`,
  list_item: (inside) => html`<li>${inside}</li>`,
  blockquote: (inside) => html`<blockquote>${inside}</blockquote>`,
  strong: (inside) => html`<strong>${inside}</strong>`,
  em: (inside) => html`<em>${inside}</em>`,
  s: (inside) => html`<s>${inside}</s>`,
  table: (inside) =>
    html`<div class="wide">
      <table>
        ${inside}
      </table>
    </div>`,
  thead: (inside) =>
    html`<thead>
      ${inside}
    </thead>`,
  tbody: (inside) =>
    html`<tbody>
      ${inside}
    </tbody>`,
  tr: (inside) =>
    html`<tr>
      ${inside}
    </tr>`,
  th: (inside) => html`<th>${inside}</th>`,
  td: (inside) => html`<td>${inside}</td>`,
};

/** A thread's own headings are below those of the screen. */
const heading = (tag: string, inside: Html): Html => {
  if (tag === "h1") return html`<h3>${inside}</h3>`;
  if (tag === "h2") return html`<h4>${inside}</h4>`;
  return tag === "h3" ? html`<h5>${inside}</h5>` : html`<h6>${inside}</h6>`;
};

const link = (href: string, inside: Html): Html => {
  const to = address(href);
  if (to === undefined) return inside;
  return html`<a href="${to}" rel="noopener noreferrer nofollow" title="${to}">${inside}</a>`;
};

const image = (token: Token): Html => {
  const source = String(token.attrGet("src") ?? "");
  const name = token.content === "" ? "picture" : token.content;
  return link(source, html`[${name}${hostOf(source) !== "" && html`, at ${hostOf(source)}`}]`);
};

const leaf = (token: Token): Html => {
  switch (token.type) {
    case "text":
    case "text_special":
    case "html_inline":
      return html`${token.content}`;
    case "inline":
      return rendered(token.children ?? []);
    case "softbreak":
    case "hardbreak":
      return html`<br />`;
    case "code_inline":
      return html`<code>${token.content}</code>`;
    case "fence":
      return code(token.content, token.info.trim().split(/\s+/)[0] ?? "");
    case "code_block":
      return code(token.content, "");
    case "hr":
      return html`<hr />`;
    case "image":
      return image(token);
    default:
      return html`<pre class="short">${token.content}</pre>`;
  }
};

interface Open {
  readonly token: Token | undefined;
  readonly parts: Array<Html>;
}

const close = ({ parts, token }: Open): Html => {
  const inside = Markup.joined(parts);
  if (token === undefined) return inside;
  const name = token.type.slice(0, -"_open".length);
  if (name === "heading") return heading(token.tag, inside);
  if (name === "link") return link(String(token.attrGet("href") ?? ""), inside);
  // A list that is set close has no paragraphs.
  if (name === "paragraph" && token.hidden) return inside;
  return wrapped[name]?.(inside) ?? inside;
};

const rendered = (tokens: ReadonlyArray<Token>): Html => {
  const open: Array<Open> = [{ token: undefined, parts: [] }];
  for (const token of tokens) {
    if (token.nesting === 1) open.push({ token, parts: [] });
    else if (token.nesting === 0) open.at(-1)?.parts.push(leaf(token));
    else {
      const done = open.pop();
      if (done !== undefined) open.at(-1)?.parts.push(close(done));
    }
  }
  return Markup.joined(open.map(close));
};

/** A text as it came, its line feeds kept. */
export const plain = (text: string): Html => html`<div class="plain">${text}</div>`;

export const markdown = (text: string): Html =>
  text.length > mostCharacters ? plain(text) : rendered(parser.parse(text, {}));
