/**
 * The configuration of secrets: replacement on or off, rules in force, and patterns beside the built-in ones.
 *
 * Room: domain.
 */
import { Schema } from "effect";
import { otherRules } from "./FindSecrets.ts";
import { Redactor, type Redacting } from "./RedactSecrets.ts";
import { rulesOfNames, type SecretName } from "./SecretNames.ts";
import { type Alphabet, longest, type Shape, shapes } from "./SecretShapes.ts";
import { indexOf } from "./ShapeMatch.ts";

/** - `redacted`: secrets are replaced by their marks. `kept`: nothing is looked for. */
export const Secrecy = Schema.Literals(["redacted", "kept"]);

const builtIn: ReadonlySet<string> = new Set([...shapes.map(({ rule }) => rule), ...rulesOfNames, ...otherRules]);

/** Every rule by name, in alphabetical order. */
export const rules: ReadonlyArray<string> = [...builtIn].toSorted();

export const RulesOff = Schema.Array(Schema.String.check(Schema.isMaxLength(64))).check(Schema.isMaxLength(200));

/** A digest as a mark has it. */
const Digest = Schema.String.check(Schema.isPattern(/^[0-9a-f]{16}$/));
export const Allowed = Schema.Array(Digest).check(Schema.isMaxLength(500));

/** A name of a field, a flag or a variable, as `x-acme-license`. */
const Name = Schema.String.check(Schema.isPattern(/^[A-Za-z][\w.-]{1,79}$/));
export const Names = Schema.Array(Name).check(Schema.isMaxLength(200));

/**
 * A token of one's own, told by its beginning: `{ prefix: "acme_", alphabet: "alnum", least: 20, most: 64 }`. No regular
 * expression: a shape is decided in time linear in its length, whatever the text.
 */
export const Pattern = Schema.Struct({
  prefix: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{2,64}$/)),
  /** Characters that follow: letters and digits; those and `_-`; hexadecimal; upper case and digits; upper case and 2 to 7. */
  alphabet: Schema.Literals(["alnum", "word", "hex", "upper", "base32"] satisfies ReadonlyArray<Alphabet>),
  /** Characters after the prefix. With the prefix a token has 16 or more: shorter ones are words. */
  least: Schema.Int.check(Schema.isBetween({ minimum: 4, maximum: longest })),
  most: Schema.Int.check(Schema.isBetween({ minimum: 4, maximum: longest })),
}).check(
  Schema.makeFilter(({ least, most, prefix }) => least <= most && prefix.length + least >= 16, {
    message: "least is at most as large as most, and prefix and least are 16 characters or more together",
  }),
);
const PatternName = Schema.String.check(Schema.isPattern(/^[a-z][a-z0-9-]{1,62}$/));
export const Patterns = Schema.Record(PatternName, Pattern);

export interface SecretSettings {
  readonly off: typeof RulesOff.Type;
  readonly names: typeof Names.Type;
  readonly patterns: typeof Patterns.Type;
  readonly allowed: typeof Allowed.Type;
}

export const noSettings: SecretSettings = { off: [], names: [], patterns: {}, allowed: [] };

const index = indexOf(shapes);

const joined = (name: string): string => name.replaceAll(/[-_.]/g, "").toLowerCase();

const named: SecretName = { rule: "configured-name", isStrong: true };

/** Names of the configuration, whatever their case and separators. */
const namesOf = (names: ReadonlyArray<string>): Redacting["isName"] => {
  if (names.length === 0) return undefined;
  const all = new Set(names.map(joined));
  return (name) => (all.has(joined(name)) ? named : undefined);
};

/** Redaction as the settings say, with digests under `key`. */
export const redactingOf = ({ allowed, names, off, patterns }: SecretSettings, key: Uint8Array): Redacting => {
  const own = Object.entries(patterns).map(([rule, pattern]): Shape => ({ rule, ...pattern }));
  return {
    shapes: own.length === 0 ? index : indexOf([...own, ...shapes]),
    isName: namesOf(names),
    key,
    off: off.length === 0 ? undefined : new Set(off),
    allowed: allowed.length === 0 ? undefined : new Set(allowed),
  };
};

export const redactorOf = (settings: SecretSettings, key: Uint8Array): Redactor =>
  new Redactor(redactingOf(settings, key));
