/**
 * Bearer tokens of the HTTP door: made, found and revoked while the daemon runs, as one file for each below `http/`.
 *
 * Room: log.
 *
 * Promises: only the SHA-256 of a token is kept (256 random bits: a slower hash would add nothing), as the name of its
 * file; a token that is revoked is refused from the next request on, because the file is what is looked at; a sign-in code
 * works once, because whoever removes its file has it.
 *
 * Plain functions on `node:fs`: a request is checked in some 10 µs, and no process holds a list that another one changes.
 */
import { Effect, Option, Schema } from "effect";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultTenant } from "../../domain/History.ts";
import { folderOf as keysOf, httpTokenOf } from "../../machine/KeyFiles.ts";
import { folderTrouble } from "../../machine/DataFolder.ts";
import * as OwnFile from "../../machine/OwnFile.ts";
import { roles } from "./Roles.ts";
import { AccessRefused, checkedTenant, namePattern, NoSuchAccess } from "./Users.ts";

/** Stored form of a token. Times are epoch milliseconds. */
export const HttpToken = Schema.Struct({
  name: Schema.String,
  role: Schema.Literals(roles),
  tenant: Schema.String,
  /** `page`: the cookie of a browser that was signed in. `hooks`: of agents' hooks, good at `/hooks` and nowhere else. */
  kind: Schema.Literals(["token", "page", "hooks"]),
  createdAt: Schema.Finite,
  expiresAt: Schema.optionalKey(Schema.Finite),
});
export type HttpToken = typeof HttpToken.Type;
export type Grant = Pick<HttpToken, "name" | "role" | "tenant">;

const File = Schema.fromJsonString(HttpToken);
const decode = Schema.decodeUnknownOption(File);
const encode = Schema.encodeSync(File);

/** A token begins so, for those who look for secrets in files. */
const prefix = "rct_";
const secretBytes = 32;
/** The name of this user's own token, which lies in `keys/`. */
export const localName = "local";

const tokensOf = (root: string): string => join(root, "http", "tokens");
const codesOf = (root: string): string => join(root, "http", "codes");
/** This user's own token, as a file that this user alone may read: for programs on this machine. */
export const localFile = httpTokenOf;

const nameOf = (secret: string): string => `${createHash("sha256").update(secret).digest("hex")}.json`;

/**
 * Whole or not at all, also after a power cut: a request that comes meanwhile sees one or the other. No name by the process:
 * in a container each start has the same id, and what a killed one left would be in the way of all after it.
 */
const put = (path: string, text: string): void => {
  const half = `${path}.${randomUUID()}`;
  try {
    writeFileSync(half, text, { mode: 0o600, flag: "wx", flush: true });
    renameSync(half, path);
  } finally {
    rmSync(half, { force: true });
  }
};

const readOne = (path: string): HttpToken | undefined => {
  try {
    return Option.getOrUndefined(decode(OwnFile.readText(path)));
  } catch {
    return undefined;
  }
};

const isOver = ({ expiresAt }: HttpToken, now: number): boolean => expiresAt !== undefined && expiresAt <= now;

/** Tokens that were read from files: a token's file is written once, and then is there or not. */
const known = new Map<string, HttpToken>();
const mostKnown = 10_000;

const readKnown = (path: string): HttpToken | undefined => {
  const there = known.get(path);
  if (there !== undefined) return existsSync(path) ? there : undefined;
  const found = readOne(path);
  if (found === undefined) return undefined;
  if (known.size >= mostKnown) known.clear();
  known.set(path, found);
  return found;
};

/** Files of tokens that were found, in memory alone: a digest and a path for each request cost more than all else here. */
const files = new Map<string, string>();

const fileOf = (root: string, secret: string): string =>
  files.get(`${root} ${secret}`) ?? join(tokensOf(root), nameOf(secret));

/** The holder of a token now; undefined for one that is unknown, revoked or over. */
export const find = (root: string, secret: string, now: number): HttpToken | undefined => {
  const file = fileOf(root, secret);
  const found = readKnown(file);
  if (found === undefined || isOver(found, now)) return undefined;
  if (files.size >= mostKnown) files.clear();
  files.set(`${root} ${secret}`, file);
  return found;
};

/** True when a token that was found a moment ago still holds. */
export const holds = (root: string, secret: string): boolean => existsSync(fileOf(root, secret));

const all = (root: string): ReadonlyArray<{ readonly path: string; readonly token: HttpToken }> => {
  const folder = tokensOf(root);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .flatMap((name) => {
      const path = join(folder, name);
      const token = readOne(path);
      return token === undefined ? [] : [{ path, token }];
    });
};

const attempt = <A>(root: string, act: () => A) =>
  Effect.try({ try: act, catch: (cause) => folderTrouble({ path: join(root, "http"), cause }) });

const write = (folder: string, token: HttpToken): string => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const secret = `${prefix}${randomBytes(secretBytes).toString("base64url")}`;
  put(join(folder, nameOf(secret)), `${encode(token)}\n`);
  return secret;
};

/** Tokens and browsers that hold now, in the order in which they were made. Expired ones are removed. */
export const list = Effect.fn("log.listHttpTokens")(function* (root: string, now: number) {
  return yield* attempt(root, () => {
    const found = all(root);
    for (const { path, token } of found) if (isOver(token, now)) rmSync(path, { force: true });
    return found
      .flatMap(({ token }) => (isOver(token, now) ? [] : [token]))
      .toSorted((one, other) => one.createdAt - other.createdAt);
  });
});

/** Makes a token; the answer is the only place where it stands. Fails with `AccessRefused` for a name that is taken. */
export const create = Effect.fn("log.createHttpToken")(function* (
  root: string,
  options: Grant & {
    readonly now: number;
    readonly expiresAt?: number | undefined;
    /** Default: good at every address. */
    readonly kind?: "token" | "hooks";
  },
) {
  const { expiresAt, kind = "token", name, now, role, tenant } = options;
  if (!namePattern.test(name)) {
    return yield* new AccessRefused({
      message: `${JSON.stringify(name)} is no name.`,
      hint: "Letters, digits, - and _, at most 64 of them.",
    });
  }
  yield* checkedTenant(tenant);
  if ((yield* list(root, now)).some((token) => token.name === name)) {
    return yield* new AccessRefused({
      message: `There is a token ${name} already.`,
      hint: `Take another name, or first: recollect access token revoke ${name}`,
    });
  }
  const about = { name, role, tenant, kind, createdAt: now };
  const token = expiresAt === undefined ? about : { ...about, expiresAt };
  return yield* attempt(root, () => ({ token, secret: write(tokensOf(root), token) }));
});

/** Ends one cookie or token by itself: whoever has it may. */
export const forget = (root: string, secret: string): void => {
  rmSync(join(tokensOf(root), nameOf(secret)), { force: true });
};

/** Removes every token and browser of that name; refused from the next request on. */
export const revoke = Effect.fn("log.revokeHttpToken")(function* (root: string, name: string) {
  const removed = yield* attempt(root, () => {
    const found = all(root).filter(({ token }) => token.name === name);
    for (const { path } of found) rmSync(path, { force: true });
    return found.length;
  });
  if (removed > 0) return removed;
  return yield* new NoSuchAccess({
    message: `There is no token ${name}.`,
    hint: "See which there are: recollect access token list",
  });
});

/** This user's own token in `keys/http.token`, made where there is none: operator of the store. */
export const ensureLocal = Effect.fn("log.ensureLocalHttpToken")(function* (root: string, now: number) {
  return yield* attempt(root, () => {
    const file = localFile(root);
    const kept = existsSync(file) ? OwnFile.readText(file).trim() : "";
    if (kept !== "" && holds(root, kept)) return kept;
    const grant = { name: localName, role: "operator", tenant: defaultTenant } as const;
    const secret = write(tokensOf(root), { ...grant, kind: "token", createdAt: now });
    mkdirSync(keysOf(root), { recursive: true, mode: 0o700 });
    rmSync(file, { force: true });
    put(file, `${secret}\n`);
    return secret;
  });
});

/**
 * Signing key of handles given out over HTTP: made once, and kept with the folder. A file that holds less than a key is
 * replaced, because handles signed with nothing could be made by their holders.
 */
export const leaseKey = Effect.fn("log.httpLeaseKey")(function* (root: string) {
  return yield* attempt(root, () => {
    const file = join(root, "http", "lease.key");
    mkdirSync(join(root, "http"), { recursive: true, mode: 0o700 });
    const kept = existsSync(file) ? OwnFile.readText(file).trim() : "";
    if (Buffer.from(kept, "base64url").byteLength >= secretBytes) return kept;
    put(file, randomBytes(secretBytes).toString("base64url"));
    return OwnFile.readText(file);
  });
});

/** A code that signs one browser in, once. */
export const createCode = Effect.fn("log.createSignInCode")(function* (
  root: string,
  options: Grant & { readonly now: number; readonly livesMillis: number },
) {
  const { livesMillis, name, now, role, tenant } = options;
  const about = { name, role, tenant, kind: "page", createdAt: now, expiresAt: now + livesMillis } as const;
  return yield* attempt(root, () => write(codesOf(root), about));
});

/** Exchanges a code for the secret of a cookie; undefined for one that was used, is over or was never made. */
export const useCode = (
  root: string,
  code: string,
  { livesMillis, now }: { readonly now: number; readonly livesMillis: number },
): { readonly secret: string; readonly token: HttpToken } | undefined => {
  const path = join(codesOf(root), nameOf(code));
  const found = readOne(path);
  if (found === undefined) return undefined;
  try {
    unlinkSync(path);
  } catch {
    return undefined;
  }
  if (isOver(found, now)) return undefined;
  const token = { ...found, createdAt: now, expiresAt: now + livesMillis };
  return { token, secret: write(tokensOf(root), token) };
};
