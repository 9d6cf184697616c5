/**
 * Texts and JSON values without their secrets: each is replaced by its mark, and counted by its rule. Pure but for the counts.
 *
 * Room: domain.
 *
 * Promises: what holds no secret is given back as it is, the same object; redacting twice is redacting once; nothing but
 * secrets is changed.
 */
import { findSecrets, type Finding } from "./FindSecrets.ts";
import { rewritten } from "./JsonText.ts";
import { isPlaceholder, looksSecret, type SecretName, secretName } from "./SecretNames.ts";
import { digestOf, markOf, markStart } from "./SecretMark.ts";

export interface Redacting extends Finding {
  /** Of the keyed digest. */
  readonly key: Uint8Array;
  /** Rules that are off. */
  readonly off?: ReadonlySet<string> | undefined;
  /** Digests of what is no secret, though a rule says so. */
  readonly allowed?: ReadonlySet<string> | undefined;
}

/** Deeper values are not looked into: JSON of that depth is refused before it gets here. */
const deepest = 512;
/** Bytes of files and images, in base64: no text of anybody. */
const longestBase64Head = 64;

/** A secret in a value: which rule, its digest, and where in its text. */
export interface Seen {
  readonly rule: string;
  readonly digest: string;
}

export class Redactor {
  readonly #given: Redacting;
  readonly #counts = new Map<string, number>();
  readonly #seen: ((seen: Seen) => void) | undefined;

  /** `seen` is told of each secret, never the secret itself. */
  constructor(given: Redacting, seen?: (seen: Seen) => void) {
    this.#given = given;
    this.#seen = seen;
  }

  /** Number of replaced secrets so far, by rule. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** Rules that it looks for. */
  get finding(): Finding {
    return this.#given;
  }

  /** Every secret of any JSON, by rule and digest. Counts nothing. */
  found(value: unknown): ReadonlyArray<Seen> {
    const all: Array<Seen> = [];
    new Redactor(this.#given, (seen) => all.push(seen)).value(value);
    return all;
  }

  /** True when a JSON value holds a secret. Counts nothing. */
  holds(value: unknown): boolean {
    return new Redactor(this.#given).value(value) !== value;
  }

  /** A text without its secrets. */
  text(text: string): string {
    return this.textFrom(text, 0);
  }

  /** The text behind `from`, without the secrets of the whole: of one that began before, the mark is there. */
  textFrom(text: string, from: number): string {
    let redacted = "";
    let at = from;
    for (const { end, rule, start } of findSecrets(text, this.#given)) {
      const mark = end <= from ? undefined : this.#mark(rule, text.slice(start, end));
      if (mark === undefined) continue;
      redacted += text.slice(at, Math.max(at, start)) + mark;
      at = end;
    }
    if (at !== from) return redacted + text.slice(at);
    return from === 0 ? text : text.slice(from);
  }

  /** Bytes without their secrets; what is no text stays. The same bytes when there are none. */
  bytes(bytes: Uint8Array): Uint8Array {
    if (bytes.includes(0)) return bytes;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
    const redacted = this.text(text);
    return redacted === text ? bytes : Buffer.from(redacted, "latin1");
  }

  /** Any JSON without its secrets: in texts, and under names of objects. */
  value<T>(value: T): T {
    return this.#any(value, undefined, 0) as T;
  }

  #mark(rule: string, secret: string): string | undefined {
    const { allowed, key, off } = this.#given;
    if (off?.has(rule) === true || secret.startsWith(markStart)) return undefined;
    const digest = digestOf(key, secret);
    if (allowed?.has(digest) === true) return undefined;
    this.#counts.set(rule, (this.#counts.get(rule) ?? 0) + 1);
    this.#seen?.({ rule, digest });
    return markOf(rule, digest);
  }

  #any(value: unknown, name: SecretName | undefined, depth: number): unknown {
    if (typeof value === "string") return name === undefined ? this.#words(value, depth) : this.#under(name, value);
    if (typeof value !== "object" || value === null || depth > deepest) return value;
    return Array.isArray(value)
      ? this.#array(value, name, depth)
      : this.#object(value as Record<string, unknown>, depth);
  }

  /** A text, and if it is JSON in which names stand apart from their values, as JSON. */
  #words(text: string, depth: number): string {
    const redacted = this.text(text);
    if (!isJsonWithPairs(redacted)) return redacted;
    const value = parsed(redacted);
    const shown = this.#any(value, undefined, depth + 1);
    return shown === value ? redacted : rewritten(redacted, value, shown);
  }

  /** A text under a name that says it is secret. */
  #under(name: SecretName, text: string): string {
    const redacted = this.text(text);
    if (redacted !== text || text.includes(markStart)) return redacted;
    const said = name.rule === "authorization" ? text.replace(/^\w+ /, "") : text;
    const isSecret = name.isStrong ? !isPlaceholder(said) : looksSecret(said) && !/\s/.test(said);
    if (!isSecret) return text;
    const mark = this.#mark(name.rule, said);
    return mark === undefined ? text : text.slice(0, text.length - said.length) + mark;
  }

  /** Behind a flag (`--password`), or the second of a pair (`["authorization", …]`), a text is what that names. */
  #array(values: ReadonlyArray<unknown>, name: SecretName | undefined, depth: number): unknown {
    let copy: Array<unknown> | undefined;
    for (let at = 0; at < values.length; at++) {
      const value = values[at];
      const before = values[at - 1];
      const said = typeof before === "string" && typeof value === "string" ? flagOrName.exec(before) : null;
      const isNamed = said !== null && (said[1] !== "" || (values.length === 2 && at === 1));
      const its = isNamed ? this.#named(said[2] ?? "") : name;
      const redacted = this.#any(value, its, depth + 1);
      if (redacted !== value) (copy ??= [...values])[at] = redacted;
    }
    return copy ?? values;
  }

  #named(name: string): SecretName | undefined {
    return secretName(name) ?? this.#given.isName?.(name);
  }

  /** A file or an image in base64; in one that is a text secrets are replaced. */
  #file(object: Record<string, unknown>, base64: string): string {
    const type = typeOf(object);
    if (type === undefined || !/^text\/|json|ya?ml|xml|script|toml|x-sh/.test(type)) return base64;
    const bytes = Buffer.from(base64, "base64");
    const redacted = this.bytes(bytes);
    return redacted === bytes ? base64 : Buffer.from(redacted).toString("base64");
  }

  #object(object: Record<string, unknown>, depth: number): unknown {
    let copy: Record<string, unknown> | undefined;
    const type = typeOf(object);
    // `{ name: "API_KEY", value: … }`, as environments and headers are listed.
    const listed = object["name"] ?? object["key"];
    const itsName = typeof listed === "string" && "value" in object ? this.#named(listed) : undefined;
    for (const key of Object.keys(object)) {
      const value = object[key];
      const name = key === "value" && itsName !== undefined ? itsName : this.#named(key);
      const redacted = isBytes(key, value, type !== undefined)
        ? this.#file(object, value)
        : this.#any(value, name, depth + 1);
      const newKey = key.length < 16 ? key : this.text(key);
      if (redacted === value && newKey === key) continue;
      copy ??= { ...object };
      if (newKey !== key) delete copy[key];
      // A field of that name is data here, and no prototype.
      Object.defineProperty(copy, newKey, { value: redacted, enumerable: true, writable: true, configurable: true });
    }
    return copy ?? object;
  }
}

/** `--password`, `-token`, `x-api-key`. */
const flagOrName = /^(-{0,2})([A-Za-z][\w-]{1,79})$/;

/** A larger one is an answer that holds data; it is looked at as a text all the same. */
const longestJson = 256 * 1024;

/** A list of flags or pairs, or of `{ name, value }`: what a text's own rules do not see. */
const isJsonWithPairs = (text: string): boolean =>
  text.length <= longestJson && /^\s*[[{]/.test(text) && /"--?[A-Za-z]|\[\s*"|"(?:name|key)"\s*:/.test(text);

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

const typeOf = (object: Record<string, unknown>): string | undefined => {
  const type = object["mediaType"] ?? object["mimeType"] ?? object["media_type"];
  return typeof type === "string" ? type : undefined;
};

/** The bytes of an image or a file, in base64. */
const isBytes = (key: string, value: unknown, isTyped: boolean): value is string =>
  typeof value === "string" &&
  value.length > (isTyped ? 16 : 256) &&
  (key === "data" || key === "blob") &&
  /^[A-Za-z0-9+/]+={0,2}$/.test(value.slice(0, longestBase64Head));
