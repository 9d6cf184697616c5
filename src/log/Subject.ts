/**
 * The subject of a history: `recollect.<tenant>.<kind>.<id>`, reversible for every id; what is said of a history beside
 * the stream goes by the same tokens under another first one.
 *
 * Room: log.
 *
 * One token per part. Letters, digits, `-` and `_` stand for themselves; every other UTF-8 byte is `=` and two
 * hexadecimal digits. `=` is legal in NATS subjects and in KV keys alike, so one encoding serves both.
 */
import { type History, HistoryKind } from "../domain/History.ts";

export const root = "recollect";

/**
 * First token of what workers and operators write: `recollect-by.<user>.<tenant>.<kind>.<id>`. The server lets each name
 * only itself.
 */
export const signedRoot = `${root}-by`;

/** Subjects of the stream: every tenant, kind and id. */
export const streamSubjects = [`${root}.*.*.*`] as const;

const plain = /^[A-Za-z0-9_-]+$/;

/** Spelling of each byte. */
const spelling = Array.from({ length: 256 }, (_, byte) => {
  const char = String.fromCharCode(byte);
  return byte < 0x80 && plain.test(char) ? char : `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
});

export const encodeToken = (text: string): string => {
  if (plain.test(text)) return text;
  let token = "";
  for (const byte of Buffer.from(text, "utf8")) token += spelling[byte];
  return token;
};

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The text of a token, or undefined when no text encodes to exactly this token. */
export const decodeToken = (token: string): string | undefined => {
  if (plain.test(token)) return token;
  if (!/^(?:[A-Za-z0-9_-]|=[0-9A-F]{2})+$/.test(token)) return undefined;
  const bytes = token.replaceAll(/=(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  try {
    const text = utf8.decode(Buffer.from(bytes, "latin1"));
    return encodeToken(text) === token ? text : undefined;
  } catch {
    return undefined;
  }
};

export const subjectOf = ({ tenant, kind, id }: History, under = root): string =>
  `${under}.${encodeToken(tenant)}.${kind}.${encodeToken(id)}`;

/** The history of a subject, or undefined when it is none of ours. `under` is its first token. */
export const historyOf = (subject: string, under = root): History | undefined => {
  const [first, tenantToken, kind, idToken, ...rest] = subject.split(".");
  if (first !== under || tenantToken === undefined || idToken === undefined || rest.length > 0) return undefined;
  const tenant = decodeToken(tenantToken);
  const id = decodeToken(idToken);
  const known = HistoryKind.literals.find((literal) => literal === kind);
  return tenant === undefined || id === undefined || known === undefined ? undefined : { tenant, kind: known, id };
};
