/**
 * Secrets in a text: where they begin and end, and by which rule. Pure, one pass, linear in the text's length.
 *
 * Room: domain.
 *
 * The pass knows runs of letters, digits, `_` and `-`. A long run is held against the shapes of well-known tokens
 * (`SecretShapes`); a run before `=` or `:` may be a name (`SecretNames`); `://` may hold a password, and `-----BEGIN` a key.
 * Each look-ahead is bounded, or goes no further than the secret that it finds.
 *
 * Decision: hand-written rather than regular expressions, because it stands in every publish: one pass over characters
 * costs the same whatever the number of rules, and no text makes it slower than linear.
 */
import { markStart } from "./SecretMark.ts";
import { isPlaceholder, longestName, looksSecret, mayEndName, type SecretName, secretName } from "./SecretNames.ts";
import { type ShapeIndex, shapedAt } from "./ShapeMatch.ts";
import {
  bareValue,
  backslash,
  base64End,
  colon,
  dash,
  dot,
  equals,
  isQuote,
  isRun,
  leastRun,
  realStart,
  restOfLine,
  runEnd,
  slash,
  space,
  type Value,
  valueAt,
} from "./TextValues.ts";

export interface Found {
  readonly rule: string;
  /** In UTF-16 units. */
  readonly start: number;
  readonly end: number;
}

export interface Finding {
  readonly shapes: ShapeIndex;
  /** Names beside the built-in ones. */
  readonly isName?: ((name: string) => SecretName | undefined) | undefined;
}

/** Rules that are no shape and no name. */
export const otherRules = [
  "jwt",
  "private-key",
  "url-password",
  "bearer-token",
  "basic-auth",
  "signed-url",
  "slack-webhook",
  "discord-webhook",
] as const;

/** A private key is at most so long, in characters. */
const longestKey = 20_000;
/** The name of a rule and a digest. */
const longestMark = 90;
/** A user name and password in a URL. */
const longestUserInfo = 512;

const scheme = /^(?:bearer|basic|token|apikey|digest|negotiate)\s+/i;

/** The last line of a key, or as much of it as is there. */
const endOfKey = /-----END(?: [A-Z0-9 ]{1,64})?(?:-{1,5})?/y;

const none = Number.POSITIVE_INFINITY;

/** One text, once. */
class Pass {
  readonly found: Array<Found> = [];
  readonly #text: string;
  readonly #shapes: ShapeIndex;
  readonly #isName: Finding["isName"];
  /** Place of the next `-----END`; searched for once for all keys before it. */
  #endOfKey = -2;
  /** End of the long run that was found last. */
  #runEnd = 0;
  /** A line is looked at once for what stands behind `Cookie:`. */
  #noCookieBefore = 0;
  /** Behind the last secret: nothing before it is looked at again. */
  #from = 0;

  constructor(text: string, { isName, shapes }: Finding) {
    this.#text = text;
    this.#shapes = shapes;
    this.#isName = isName;
  }

  run(): ReadonlyArray<Found> {
    let run = this.#nextRun(0);
    let aColon = this.#next(":", 0);
    let anEquals = this.#next("=", 0);
    let aDash = this.#next("-", 0);
    for (;;) {
      const at = Math.min(run, aColon, anEquals, aDash);
      if (at === none) return this.found;
      const end = at === aDash ? this.#dash(at) : at === run ? this.#long(at, this.#runEnd) : this.#separator(at);
      if (run < end || run === at) run = this.#nextRun(run === at && at !== aDash ? Math.max(end, this.#runEnd) : end);
      if (aColon < end) aColon = this.#next(":", end);
      if (anEquals < end) anEquals = this.#next("=", end);
      if (aDash < end) aDash = this.#next("-", end);
    }
  }

  #next(character: string, from: number): number {
    const at = this.#text.indexOf(character, from);
    return at < 0 ? none : at;
  }

  /** Start of the next long run. Of 16 characters one is looked at, unless it is of a run. */
  #nextRun(from: number): number {
    const text = this.#text;
    const { length } = text;
    // Before the character that is looked at stand fifteen: the run cannot have begun earlier.
    for (let at = from + leastRun - 1; at < length;) {
      if (!isRun(text.charCodeAt(at))) {
        at += leastRun;
        continue;
      }
      let start = at;
      while (start > from && isRun(text.charCodeAt(start - 1))) start--;
      const end = runEnd(text, at + 1);
      if (end - start >= leastRun) {
        this.#runEnd = end;
        return start;
      }
      at = end + leastRun;
    }
    return none;
  }

  /** Behind what was found. */
  #take(rule: string, start: number, end: number): number {
    this.found.push({ rule, start, end });
    this.#from = end;
    return end;
  }

  /** A dash may begin a flag or a key; gives where to go on. */
  #dash(at: number): number {
    const text = this.#text;
    if (text.startsWith("-----BEGIN ", at)) return this.#key(at, at + 10);
    if (text.charCodeAt(at + 1) === dash) {
      let end = at + 2;
      if (text.charCodeAt(end) === dash) {
        // A line of dashes; a key's begins with five of them.
        while (text.charCodeAt(end) === dash) end++;
        return text.startsWith("-----BEGIN ", end - 5) ? end - 5 : end;
      }
      end = runEnd(text, end);
      return text.charCodeAt(end) === space ? this.#flag(at + 2, end) : at + 2;
    }
    return text.charCodeAt(at + 1) === 117 && text.charCodeAt(at + 2) === space
      ? this.#userAndPassword(at + 2)
      : at + 1;
  }

  /** A long run; gives where to go on. */
  #long(start: number, end: number): number {
    const text = this.#text;
    const from = realStart(text, start);
    if (end - from < leastRun) return end;
    if (text.startsWith("eyJ", from) && text.charCodeAt(end) === dot) return this.#jwt(from, end);
    const shaped = shapedAt(this.#shapes, text, from, end);
    if (shaped !== undefined && shaped.start >= this.#from) return this.#take(shaped.rule, shaped.start, shaped.end);
    const before = text.charCodeAt(start - 1);
    if (before === space) return this.#behindScheme(start, end);
    return before === slash ? this.#webhook(start, end) : end;
  }

  /** Header, claims and signature; or the five parts of an encrypted one. */
  #jwt(start: number, headerEnd: number): number {
    const text = this.#text;
    let end = headerEnd;
    let parts = 1;
    while (parts < 5 && text.charCodeAt(end) === dot) {
      const next = runEnd(text, end + 1);
      parts++;
      end = next;
      if (next === end + 1 && parts > 3) break;
    }
    const isClaims = parts === 3 && text.startsWith("eyJ", headerEnd + 1);
    return isClaims || parts === 5 ? this.#take("jwt", start, end) : headerEnd;
  }

  #behindScheme(start: number, end: number): number {
    const text = this.#text;
    const before = text.slice(Math.max(0, start - 7), start).toLowerCase();
    const isBasic = before.endsWith("basic ");
    if (!isBasic && before !== "bearer ") return end;
    const to = base64End(text, start);
    const value = text.slice(start, to);
    // Words stand behind `bearer` too, but no word is the base64 of a name and a password.
    if (isPlaceholder(value) || !(isBasic ? isUserAndPassword(value) : /\d/.test(value))) return end;
    return this.#take(isBasic ? "basic-auth" : "bearer-token", start, to);
  }

  #webhook(start: number, end: number): number {
    const text = this.#text;
    const before = text.slice(Math.max(0, start - 64), start);
    if (/hooks\.slack\.com\/(?:services|workflows)\/[\w/]*$/.test(before))
      return this.#take("slack-webhook", start, end);
    if (end - start >= 50 && /discord(?:app)?\.com\/api\/webhooks\/\d+\/$/.test(before))
      return this.#take("discord-webhook", start, end);
    return end;
  }

  #key(start: number, end: number): number {
    const text = this.#text;
    const label = text.slice(end, end + 64);
    if (!/^ (?:[A-Z0-9 ]+ )?(?:PRIVATE KEY(?: BLOCK)?|NKEY SEED)-----/.test(label)) return end;
    if (this.#endOfKey !== -1 && this.#endOfKey < start) this.#endOfKey = text.indexOf("-----END", start);
    const close = this.#endOfKey;
    if (close !== -1 && close - start <= longestKey) {
      endOfKey.lastIndex = close;
      return this.#take("private-key", start, close + (endOfKey.exec(text)?.[0].length ?? 0));
    }
    // Cut off: all that can be of the key.
    let at = end + label.indexOf("-----") + 5;
    const last = Math.min(text.length, at + longestKey);
    while (at < last) {
      const code = text.charCodeAt(at);
      if (!isRun(code) && code !== 43 && code !== slash && code !== equals && code !== backslash && code > space) break;
      at++;
    }
    return this.#take("private-key", start, at);
  }

  /** `--password VALUE`, `--user USER:PASSWORD`; `start` and `end` are those of the flag's name. */
  #flag(start: number, end: number): number {
    if (end - start === 4 && this.#text.startsWith("user", start)) return this.#userAndPassword(end);
    const name = this.#named(start, end);
    return name === undefined ? end : this.#value(name, end, end);
  }

  #userAndPassword(from: number): number {
    const value = valueAt(this.#text, from);
    if (value === undefined) return from;
    const said = this.#text.slice(value.start, value.end);
    const at = said.indexOf(":") + 1;
    const isOne = at > 1 && /^[\w.@+-]+:\S+$/.test(said) && !isPlaceholder(said.slice(at));
    return isOne ? this.#take("password", value.start + at, value.end) : from;
  }

  /** Behind a mark, which names a rule and holds no secret. */
  #mark(from: number): number {
    const end = this.#text.slice(from, from + longestMark).indexOf("]");
    return end < 0 ? from : from + end + 1;
  }

  #named(start: number, end: number): SecretName | undefined {
    const text = this.#text;
    if (end - start > longestName) return undefined;
    const name = text.slice(start, end);
    return secretName(name) ?? this.#isName?.(name);
  }

  /** At `=` or `:`; gives where to go on. */
  #separator(at: number): number {
    const text = this.#text;
    const code = text.charCodeAt(at);
    const next = text.charCodeAt(at + 1);
    if (code === colon && next === slash && text.charCodeAt(at + 2) === slash) return this.#url(at + 3);
    if (code === colon && text.startsWith(markStart, at - markStart.length + 1)) return this.#mark(at + 1);
    const isAssignment = code === colon && next === equals;
    if (!isAssignment && (next === equals || next === colon || (code === equals && next === 62))) return at + 2;
    // Between a name and its separator: a quote, as JSON has it, and some spaces.
    let end = at;
    while (end > at - 3 && text.charCodeAt(end - 1) === space) end--;
    if (isQuote(text.charCodeAt(end - 1))) end--;
    while (text.charCodeAt(end - 1) === backslash) end--;
    if (code === colon && this.#isName === undefined && !mayEndName(text, end)) return at + 1;
    let start = end;
    const least = Math.max(this.#from, end - longestName - 1);
    while (start > least && isRun(text.charCodeAt(start - 1))) start--;
    if (end - start < 2) return at + 1;
    const from = realStart(text, start);
    const name = this.#named(from, end);
    if (name !== undefined) return this.#value(name, isAssignment ? at + 2 : at + 1, at + 1);
    return code === equals && this.#isSignature(from, end) ? this.#signature(at + 1) : at + 1;
  }

  /** End of the secret under a name; `otherwise` when there is none. */
  #value(name: SecretName, from: number, otherwise: number): number {
    const text = this.#text;
    const value = valueAt(text, from);
    if (value === undefined || value.end <= value.start) return otherwise;
    if (name.rule === "cookie") return this.#cookie(value, otherwise);
    const start = name.rule === "authorization" ? this.#behind(value.start) : value.start;
    const end = start > value.start && !value.isQuoted ? bareValue(text, start).end : value.end;
    const said = text.slice(start, end);
    const isSecret = looksSecret(said) || (value.isQuoted && name.isStrong && isPassword(said));
    if (!isSecret) return otherwise;
    const shaped = this.#shapeOf(start, end);
    return this.#take(shaped ?? name.rule, start, end);
  }

  /** The rule of a token that is all of a value. */
  #shapeOf(start: number, end: number): string | undefined {
    const text = this.#text;
    const to = runEnd(text, start);
    if (text.startsWith("eyJ", start) && /^[\w-]+\.eyJ[\w-]*\.[\w-]*$/.test(text.slice(start, end))) return "jwt";
    if (to - start < leastRun) return undefined;
    const shaped = shapedAt(this.#shapes, text, start, to);
    return shaped !== undefined && shaped.start === start && shaped.end === end ? shaped.rule : undefined;
  }

  /** Behind `Bearer ` and the like. */
  #behind(start: number): number {
    const said = scheme.exec(this.#text.slice(start, start + 16));
    return said === null ? start : start + said[0].length;
  }

  #cookie({ isQuoted, start, end }: Value, otherwise: number): number {
    if (start < this.#noCookieBefore) return otherwise;
    const to = isQuoted ? end : restOfLine(this.#text, start);
    this.#noCookieBefore = to;
    const said = this.#text.slice(start, to);
    return /=[^;\s]{8,}/.test(said) && !isPlaceholder(said) ? this.#take("cookie", start, to) : otherwise;
  }

  /** `X-Amz-Signature=…`, `&sig=…`. */
  #isSignature(start: number, end: number): boolean {
    const text = this.#text;
    if (end - start === 3) return text.startsWith("sig", start) && /[?&;]/.test(text[start - 1] ?? "");
    return /^X-(?:Amz|Goog)-Signature$/.test(text.slice(start, end));
  }

  #signature(from: number): number {
    const { end, start } = bareValue(this.#text, from);
    return end - start >= 32 ? this.#take("signed-url", start, end) : from;
  }

  /** Behind `://`: the password of `user:password@host`, or a token in the user's place. */
  #url(from: number): number {
    const text = this.#text;
    const last = Math.min(text.length, from + longestUserInfo);
    let split = -1;
    // The last `@` before the host: a password may hold one.
    let at = -1;
    for (let next = from; next < last; next++) {
      const code = text.charCodeAt(next);
      if (code === 64) at = next;
      if (code === colon && split < 0 && at < 0) split = next;
      if (
        code <= space ||
        code === slash ||
        code === 63 ||
        code === 35 ||
        isQuote(code) ||
        code === 60 ||
        code === 62 ||
        code === backslash
      )
        break;
    }
    if (at <= from || text.startsWith(markStart, from)) return from;
    const start = split < 0 ? from : split + 1;
    const said = text.slice(start, at);
    if (split < 0 ? said.length < 20 || !looksSecret(said) : said === "" || isStandIn(said)) return from;
    return this.#take(this.#shapeOf(start, at) ?? "url-password", start, at);
  }
}

const isStandIn = (password: string): boolean =>
  /^(?:[<$%{*[]|x+$|\.+$|…|pass(?:word|wd)?$|pw$|secret$|token$|your)/i.test(password);

/** Under a name that leaves no doubt, and in quotes: anything without spaces that is more than a plain word. */
const isPassword = (value: string): boolean =>
  value.length >= 6 &&
  !isPlaceholder(value) &&
  !/[\s()${}<>]/.test(value) &&
  /[\d!@#%^&*+=~?]/.test(value) &&
  /[A-Za-z]/.test(value);

const isUserAndPassword = (value: string): boolean => {
  const said = Buffer.from(value, "base64").toString("latin1");
  return /^[\x20-\x7e]+:[\x20-\x7e]+$/.test(said);
};

/** Every secret of a text, in order, without overlap. */
export const findSecrets = (text: string, finding: Finding): ReadonlyArray<Found> =>
  text.length < 8 ? [] : new Pass(text, finding).run();
