/**
 * Credentials and trust for a nats-server: as given, else the environment, else the data folder's own key.
 *
 * Room: log.
 *
 * A data folder's key opens the data folder's own server and no other: a foreign server gets what was given for
 * it, or nothing. Files are read at each dial, so a key may be exchanged while a program runs.
 */
import { Effect, Redacted } from "effect";
import { readFileSync } from "node:fs";
import { fileOf } from "../../machine/KeyFiles.ts";
import * as Listen from "../../machine/Listen.ts";
import * as OwnFile from "../../machine/OwnFile.ts";
import { variable } from "../../machine/UserFolders.ts";
import { Credentials, splitUrls } from "./NatsCredentialsNats.ts";

/** Files in PEM. With none of them a server that asks for TLS is trusted by the system's own authorities. */
export interface TlsFiles {
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** True where `caFile` is the server's own certificate: that one is trusted, under whatever name it is reached. */
  readonly isPinned?: boolean | undefined;
}

export interface ServerAccess {
  readonly credentials?: Credentials | undefined;
  /** For users who may only listen below a prefix of their own; a credentials file of `recollect access add` says its own. */
  readonly inboxPrefix?: string | undefined;
  readonly tls?: TlsFiles | undefined;
}

/** Finds the access for an address. */
export type Find = (servers: string) => Effect.Effect<ServerAccess>;

/** As a program or a command line gives it: names of files, no secrets. */
export interface Given {
  /** A `.creds` file. */
  readonly creds?: string | undefined;
  /** A file with the seed of an nkey. */
  readonly nkey?: string | undefined;
  /** For clients that cannot sign. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly inboxPrefix?: string | undefined;
  readonly tls?: TlsFiles | undefined;
}

const credentialsOf = ({ creds, nkey, password, user }: Given): Credentials | undefined => {
  if (creds !== undefined) return Credentials.CredentialsFile({ path: creds });
  if (nkey !== undefined) return Credentials.NKeyFile({ path: nkey });
  if (user === undefined) return undefined;
  return Credentials.UserPassword({ user, password: Redacted.make(password ?? "") });
};

const present = (text: string): string | undefined => (text === "" ? undefined : text);

const passwordFrom = (file: string): string | undefined => {
  try {
    return readFileSync(file, "utf8").trimEnd();
  } catch {
    return undefined;
  }
};

/** `RECOLLECT_NATS_CREDS`, `_NKEY`, `_USER` with `_PASSWORD` or `_PASSWORD_FILE`, `_INBOX_PREFIX`, `_TLS_CA`, `_TLS_CERT`, `_TLS_KEY`. */
const fromEnvironment: Effect.Effect<Given> = Effect.gen(function* () {
  const of = (name: string) => Effect.map(variable(`RECOLLECT_NATS_${name}`), present);
  const tls = { caFile: yield* of("TLS_CA"), certFile: yield* of("TLS_CERT"), keyFile: yield* of("TLS_KEY") };
  const passwordFile = yield* of("PASSWORD_FILE");
  const password = (yield* of("PASSWORD")) ?? (passwordFile === undefined ? undefined : passwordFrom(passwordFile));
  return {
    creds: yield* of("CREDS"),
    nkey: yield* of("NKEY"),
    user: yield* of("USER"),
    password,
    inboxPrefix: yield* of("INBOX_PREFIX"),
    ...(Object.values(tls).some((file) => file !== undefined) ? { tls } : {}),
  };
});

const textOf = (file: string): string => {
  try {
    return OwnFile.readText(file);
  } catch {
    return "";
  }
};

/** The address that this folder's own server has, or had last. */
const ownHosts = (root: string): ReadonlyArray<string> => {
  const port = textOf(`${root}/port`).trim();
  const found: Array<string> = port === "" ? [] : [`127.0.0.1:${port}`];
  const listen = port === "" ? undefined : Listen.read(root);
  if (listen !== undefined) found.push(`${Listen.dialled(listen.address)}:${port}`);
  try {
    const { nats, server }: { readonly nats?: string; readonly server?: string } = JSON.parse(
      textOf(`${root}/instance.json`),
    );
    if (server === "own" && nats !== undefined) found.push(...hostsOf(nats));
  } catch {
    // None is running.
  }
  return found;
};

const hostsOf = (servers: string): ReadonlyArray<string> =>
  splitUrls(servers).addresses.map((text) => text.replace(/^\w+:\/\//, "").replace(/^localhost(?=:|$)/, "127.0.0.1"));

/** True when these addresses are those of the folder's own server. */
export const isOwn = (root: string, servers: string): boolean => {
  const own = ownHosts(root);
  const asked = hostsOf(servers);
  return asked.length > 0 && asked.every((host) => own.includes(host));
};

/** The folder's own server is known by its certificate, whoever has signed that. */
const ownTls = (root: string | undefined, servers: string): TlsFiles | undefined => {
  const listen = root === undefined || !isOwn(root, servers) ? undefined : Listen.read(root);
  return listen === undefined ? undefined : { caFile: listen.certFile, isPinned: true };
};

/** Finder of the access for an address. `root` is its data folder; undefined: it has none. */
export const finder =
  (options: { readonly root?: string | undefined; readonly given?: Given | undefined } = {}): Find =>
  (servers) =>
    Effect.gen(function* () {
      const { given = {}, root } = options;
      const around = yield* fromEnvironment;
      const inboxPrefix = given.inboxPrefix ?? around.inboxPrefix;
      const tls = given.tls ?? around.tls ?? ownTls(root, servers);
      const said = credentialsOf(given) ?? splitUrls(servers).fromUrl ?? credentialsOf(around);
      const mayOpen = said === undefined && root !== undefined && isOwn(root, servers);
      const key = mayOpen ? fileOf(root, "local") : undefined;
      const credentials =
        said ?? (key !== undefined && textOf(key) !== "" ? Credentials.NKeyFile({ path: key }) : undefined);
      return { credentials, inboxPrefix, tls };
    });
