/**
 * The place in a text where it stops being JSON in UTF-8.
 *
 * Room: edge.
 *
 * V8 says that a text is wrong and not always where. This is asked only of a text that was refused.
 */
import { replaced } from "../../../domain/WrongBytes.ts";

const scalar = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?=[\s,\]}]|$)/y;
const white = /[ \t\r\n]*/y;
// oxlint-disable-next-line eslint/no-control-regex -- JSON has none of these in a string
const plain = /[^"\\\u0000-\u001f]*/y;
const escape = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** The end of a match of the pattern at this place; the place itself where there is none. */
const endOf = (pattern: RegExp, text: string, from: number): number => {
  pattern.lastIndex = from;
  return pattern.test(text) ? pattern.lastIndex : from;
};

/** The end of a string, and whether it is one. */
const stringEnd = (text: string, from: number): readonly [end: number, isString: boolean] => {
  let at = from + 1;
  for (;;) {
    at = endOf(plain, text, at);
    if (text[at] === '"') return [at + 1, true];
    const end = endOf(escape, text, at);
    if (end === at) return [at, false];
    at = end;
  }
};

/** Offset of the first character that no JSON text has there; undefined for a JSON text. One byte is one character. */
const wrongSyntax = (text: string): number | undefined => {
  const open: Array<string> = [];
  let expects: "value" | "first" | "key" | "colon" | "next" = "value";
  let at = endOf(white, text, 0);
  for (; at < text.length; at = endOf(white, text, at)) {
    const character = text[at] ?? "";
    if (expects === "colon" || expects === "next") {
      if (expects === "colon") {
        if (character !== ":") return at;
        expects = "value";
      } else if (character === "," && open.length > 0) expects = open.at(-1) === "}" ? "key" : "value";
      else if (open.pop() !== character) return at;
      at++;
      continue;
    }
    if (expects === "first" && character === open.at(-1)) {
      open.pop();
      expects = "next";
      at++;
      continue;
    }
    const isName: boolean = expects === "key" || (expects === "first" && open.at(-1) === "}");
    if (character === '"') {
      const [end, isString] = stringEnd(text, at);
      if (!isString) return end;
      at = end;
      expects = isName ? "colon" : "next";
      continue;
    }
    if (isName) return at;
    if (character === "{" || character === "[") {
      open.push(character === "{" ? "}" : "]");
      expects = "first";
      at++;
      continue;
    }
    const end = endOf(scalar, text, at);
    if (end === at) return at;
    at = end;
    expects = "next";
  }
  return expects === "next" && open.length === 0 ? undefined : text.length;
};

/** Offset of the first byte that is wrong; undefined for JSON in UTF-8. */
export const firstWrong = (bytes: Buffer): number | undefined => {
  const syntax = wrongSyntax(bytes.toString("latin1"));
  const { first } = replaced(bytes);
  return first === 0 ? syntax : Math.min(first - 1, syntax ?? Infinity);
};

const newline = 0x0a;

/** Line and byte of an offset, both from 1. */
export const placeIn = (bytes: Buffer, offset: number): { readonly line: number; readonly byte: number } => {
  let line = 1;
  let from = 0;
  for (let at = bytes.indexOf(newline); at !== -1 && at < offset; at = bytes.indexOf(newline, from)) {
    line++;
    from = at + 1;
  }
  return { line, byte: offset - from + 1 };
};
