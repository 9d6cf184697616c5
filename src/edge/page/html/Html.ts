/**
 * HTML as a type of its own: text becomes HTML by being escaped, and in no other way.
 *
 * Room: edge.
 *
 * Decision: not Effect's `Template`, because it joins strings as they are; here a text that was forgotten is text on the
 * page and never markup.
 */
import { visible } from "./VisibleText.ts";

/** Markup. Only this file makes one from a string. */
export class Html {
  readonly markup: string;

  private constructor(markup: string) {
    this.markup = markup;
  }

  /** Of parts that are markup already. */
  static joined(parts: ReadonlyArray<Html>): Html {
    let markup = "";
    for (const part of parts) markup += part.markup;
    return new Html(markup);
  }

  /** Of a template's own strings, and of what was escaped. */
  static template(strings: ReadonlyArray<string>, parts: ReadonlyArray<string>): Html {
    let markup = strings[0] ?? "";
    for (const [index, part] of parts.entries()) markup += part + (strings[index + 1] ?? "");
    return new Html(markup);
  }
}

/** Values of a template: null, undefined and false are nothing at all. */
export type Child = Html | string | number | null | undefined | false | ReadonlyArray<Child>;

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** A text as it may stand between tags and in a quoted attribute; what would act on a terminal or turn the line is made visible. */
const escaped = (text: string): string => visible(text).replaceAll(/[&<>"']/g, (sign) => entities[sign] ?? sign);

const rendered = (child: Child): string => {
  if (child === null || child === undefined || child === false) return "";
  if (typeof child === "string") return escaped(child);
  if (typeof child === "number") return String(child);
  if (child instanceof Html) return child.markup;
  return child.map(rendered).join("");
};

/** Attributes must be quoted in the template: `<a href="${url}">`. */
export const html = (strings: TemplateStringsArray, ...children: ReadonlyArray<Child>): Html =>
  Html.template(strings, children.map(rendered));

/** The items with one between each two. */
export const separated = (items: ReadonlyArray<Child>, between: Child): ReadonlyArray<Child> =>
  items
    .filter((item) => item !== null && item !== undefined && item !== false)
    .flatMap((item, index) => (index === 0 ? [item] : [between, item]));

/** The markup in pieces that a browser takes one after the other. */
export const document = (page: Html): string => `<!doctype html>${page.markup}`;
