/**
 * A person's JSON file changed in place: members and elements put in and taken out, every other byte as it was.
 *
 * Room: edge.
 *
 * Comments and trailing commas are read, as some agents allow them in their settings. `JSON.parse` and `JSON.stringify` would
 * write the whole file anew, in another layout and without its comments.
 */

export interface Node {
  readonly start: number;
  readonly end: number;
  readonly kind: "object" | "array" | "other";
  /** The name of a member, and where it begins. */
  readonly key?: string | undefined;
  readonly keyStart?: number | undefined;
  readonly children: ReadonlyArray<Node>;
}

/** Place at which the text stops being JSON. */
export class NoJson extends Error {
  readonly offset: number;
  constructor(offset: number) {
    super(`no JSON at character ${offset + 1}`);
    this.offset = offset;
  }
}

/** Deepest nesting that is read: settings have a dozen levels. */
const mostDepth = 200;

class Reader {
  private at = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
    if (text.startsWith("\uFEFF")) this.at = 1;
  }

  all(): Node {
    const node = this.value(0);
    this.space();
    if (this.at < this.text.length) throw new NoJson(this.at);
    return node;
  }

  private space(): void {
    const blank = /(?:\s|\/\/[^\n]*|\/\*[^]*?\*\/)*/y;
    blank.lastIndex = this.at;
    this.at += blank.exec(this.text)?.[0].length ?? 0;
  }

  private token(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found === undefined) throw new NoJson(this.at);
    this.at += found.length;
    return found;
  }

  private value(depth: number): Node {
    this.space();
    if (depth > mostDepth) throw new NoJson(this.at);
    const start = this.at;
    const first = this.text[start];
    if (first === "{" || first === "[") {
      const children = this.children(first, depth);
      return { start, end: this.at, kind: first === "{" ? "object" : "array", children };
    }
    this.token(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null/y);
    return { start, end: this.at, kind: "other", children: [] };
  }

  private children(open: string, depth: number): ReadonlyArray<Node> {
    const close = open === "{" ? "}" : "]";
    const children: Array<Node> = [];
    this.at++;
    for (;;) {
      this.space();
      if (this.text[this.at] === close) break;
      const keyStart = this.at;
      const key = open === "{" ? (JSON.parse(this.token(/"(?:[^"\\]|\\.)*"/y)) as string) : undefined;
      if (key !== undefined) {
        this.space();
        this.token(/:/y);
      }
      children.push({ ...this.value(depth + 1), key, keyStart: key === undefined ? undefined : keyStart });
      this.space();
      if (this.text[this.at] === ",") this.at++;
      else if (this.text[this.at] !== close) throw new NoJson(this.at);
    }
    this.at++;
    return children;
  }
}

/** The values of a text, with their places. Throws `NoJson`. */
export const read = (text: string): Node => new Reader(text).all();

export const childOf = (node: Node | undefined, key: string): Node | undefined =>
  node?.children.find((child) => child.key === key);

/** The value of a node; a comment inside it counts as white space. */
export const valueOf = (text: string, node: Node): unknown => {
  if (node.kind === "other") return JSON.parse(text.slice(node.start, node.end));
  const values = node.children.map((child) => valueOf(text, child));
  if (node.kind === "array") return values;
  return Object.fromEntries(node.children.map(({ key }, at) => [key, values[at]]));
};

const indentAt = (text: string, offset: number): string => {
  const line = text.lastIndexOf("\n", offset - 1) + 1;
  return /^[ \t]*/.exec(text.slice(line, offset))?.[0] ?? "";
};

/** Indent of members below the line that opens them. */
const unitOf = (text: string): string => /\n([ \t]+)"/.exec(text)?.[1]?.replace(/^( {2}| {4}|\t).*$/, "$1") ?? "  ";

const startOf = (node: Node): number => node.keyStart ?? node.start;

const indented = (value: unknown, unit: string, indent: string): string =>
  JSON.stringify(value, null, unit).replaceAll("\n", `\n${indent}`);

/** The text with one more child at the end of a container. */
export const inserted = (text: string, container: Node, value: unknown, key?: string): string => {
  const unit = unitOf(text);
  const last = container.children.at(-1);
  const isOneLine = last !== undefined && !text.slice(container.start, container.end).includes("\n");
  const around = indentAt(text, container.start);
  const indent = last === undefined || isOneLine ? `${around}${unit}` : indentAt(text, startOf(last));
  const name = key === undefined ? "" : `${JSON.stringify(key)}: `;
  const written = `${name}${indented(value, unit, indent)}`;
  if (last === undefined)
    return `${text.slice(0, container.start + 1)}\n${indent}${written}\n${around}${text.slice(container.end - 1)}`;
  const separator = isOneLine ? ", " : `,\n${indent}`;
  return `${text.slice(0, last.end)}${separator}${written}${text.slice(last.end)}`;
};

/** The text without the nth child of a container, and without the comma that went with it. */
export const removed = (text: string, container: Node, index: number): string => {
  const child = container.children[index];
  if (child === undefined) return text;
  const before = container.children[index - 1];
  if (before !== undefined) return text.slice(0, before.end) + text.slice(child.end);
  const after = container.children[index + 1];
  if (after !== undefined) return text.slice(0, startOf(child)) + text.slice(startOf(after));
  return `${text.slice(0, container.start + 1)}${text.slice(container.end - 1)}`;
};
