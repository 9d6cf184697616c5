/**
 * Names under which secrets stand (`password`, `GITHUB_TOKEN`, `clientSecret`, `x-api-key`), and values that are none all
 * the same: placeholders, code, words.
 *
 * Room: domain.
 */

/** - `strong`: whatever stands under it is secret. `weak`: what looks like a token is (`token`). */
export interface SecretName {
  readonly rule: string;
  readonly isStrong: boolean;
}

const password: SecretName = { rule: "password", isStrong: true };
const key: SecretName = { rule: "named-key", isStrong: true };
const secret: SecretName = { rule: "named-secret", isStrong: true };
const token: SecretName = { rule: "named-token", isStrong: false };
const authorization: SecretName = { rule: "authorization", isStrong: true };
const cookie: SecretName = { rule: "cookie", isStrong: true };

export const rulesOfNames = [password, key, secret, token, authorization, cookie].map(({ rule }) => rule);

/** Names of one word or more, as they end; without separators, lower case. */
const endings: ReadonlyArray<readonly [ending: string, name: SecretName]> = [
  ["password", password],
  ["passwd", password],
  ["passphrase", password],
  ["passcode", password],
  ["apikey", key],
  ["accesskey", key],
  ["secretkey", key],
  ["privatekey", key],
  ["signingkey", key],
  ["encryptionkey", key],
  ["accountkey", key],
  ["sharedkey", key],
  ["masterkey", key],
  ["authkey", key],
  ["servicekey", key],
  ["secret", secret],
  ["securitytoken", secret],
  ["token", token],
  ["authorization", authorization],
];

/** Only the whole name, or its last word. */
const words: ReadonlyMap<string, SecretName> = new Map([
  ["pwd", password],
  ["pass", password],
  ["pw", password],
  ["credential", secret],
  ["credentials", secret],
  ["cookie", cookie],
  ["auth", token],
]);

/** `nextPageToken`, `eos_token`, `progressToken` name places and signs. */
const noToken =
  /(?:progress|next|prev|previous|page|continuation|sync|cancel|cancellation|resume|change|eos|bos|pad|unk|sep|cls|mask|stop|end|start|special|first|last|max|min|per|new|each|every|unknown|control|image|text|word|sub)[_-]?token$/i;

export const longestName = 80;
const cache = new Map<string, SecretName | undefined>();
/** Names are few; keys of objects that are data are not kept beyond this. */
const mostNames = 4_096;

const decide = (name: string): SecretName | undefined => {
  const joined = name.replaceAll(/[-_.\s]/g, "").toLowerCase();
  const ending = endings.find(([one]) => joined.endsWith(one))?.[1];
  if (ending === token && noToken.test(name)) return undefined;
  if (ending !== undefined) return ending;
  const last = /(?:^|[-_.\s]|(?<=[a-z]))([A-Z]?[a-z]+|[A-Z]+)$/.exec(name)?.[1];
  return last === undefined ? undefined : words.get(last.toLowerCase());
};

/** The last two letters of all endings and words: they tell most other names apart. */
const lasts = new Set(
  [...endings.map(([ending]) => ending), ...words.keys()].map(
    (name) => name.charCodeAt(name.length - 2) * 128 + name.charCodeAt(name.length - 1),
  ),
);

/** True when a name that ends at `end` of a text, exclusive, can be one: its last two letters, whatever their case. */
export const mayEndName = (text: string, end: number): boolean =>
  lasts.has((text.charCodeAt(end - 2) | 32) * 128 + (text.charCodeAt(end - 1) | 32));

/** Kind of a name whose value is a secret; undefined for an ordinary one. */
export const secretName = (name: string): SecretName | undefined => {
  if (name.length < 2 || name.length > longestName || !mayEndName(name, name.length)) return undefined;
  if (cache.has(name)) return cache.get(name);
  const found = decide(name);
  if (cache.size < mostNames) cache.set(name, found);
  return found;
};

const ordinary =
  /^(?:null|none|nil|true|false|undefined|string|str|number|boolean|text|any|object|required|optional|redacted|hidden|secret|token|password|passwd|apikey|api[_-]key|authorization|bearer|basic|example|changeme|placeholder|empty|unset|default)$/i;
const placeholder =
  /^(?:[<$%{*#?]|\[?redacted|your|my[_-]|process\.env|os\.environ|env[.[]|secrets?\.|vars\.)|example|xxxx|\*\*\*|\.\.\.|…|<<|\{\{|\$\{/i;

/** True when a value only stands for one. */
export const isPlaceholder = (value: string): boolean =>
  value.length < 4 || ordinary.test(value) || placeholder.test(value) || isOneCharacter(value);

const isOneCharacter = (value: string): boolean => {
  for (let at = 1; at < value.length; at++) if (value.charCodeAt(at) !== value.charCodeAt(0)) return false;
  return true;
};

const path = /^(?:\.{0,2}\/|~\/|[A-Za-z]:[\\/]|[a-z][a-z0-9+.-]*:\/\/)/;
const code = /[()[\]{};]|^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+$|=>|::/;
const plainNumber = /^[-+]?[\d.,_]+(?:[a-z]{1,3}|%)?$/i;
const file = /\.(?:ts|js|tsx|jsx|py|go|rs|json|ya?ml|toml|txt|md|pem|key|crt|sh|html?|css)$/i;

/** A key in base64 has some 3,300 characters. */
const longestLooked = 4_096;

/** True when a value in a text looks like something made to be secret, and not like a word, a number, a path or code. */
export const looksSecret = (value: string): boolean => {
  if (value.length > longestLooked) return false;
  if (value.length < 8 || isPlaceholder(value) || path.test(value) || code.test(value)) return false;
  return /[A-Za-z]/.test(value) && /\d/.test(value) && !plainNumber.test(value) && !file.test(value);
};
