/**
 * Credentials for the nats-server, in every form it knows, and addresses freed of them.
 *
 * Room: log.
 */
import { type ConnectionOptions, credsAuthenticator } from "@nats-io/transport-node";
import { Data, Effect, Redacted } from "effect";
import { readFileSync } from "node:fs";
import { seedIn, signerOf } from "../../machine/AccessKeys.ts";
import * as Unusable from "./NatsUnusable.ts";

export type Credentials = Data.TaggedEnum<{
  UserPassword: { readonly user: string; readonly password: Redacted.Redacted };
  Token: { readonly token: Redacted.Redacted };
  /** The seed of an nkey, beginning with `SU`. */
  NKey: { readonly seed: Redacted.Redacted };
  /** A file with such a seed, alone or as in a `.creds` file; read again at every dial. */
  NKeyFile: { readonly path: string };
  /** A `.creds` file (JWT and seed). It is read again at every dial, so it may be exchanged while we run. */
  CredentialsFile: { readonly path: string };
}>;
export const Credentials = Data.taggedEnum<Credentials>();

/** The addresses for the client, the same as one line to show to people, and the credentials found in them. */
export const splitUrls = (servers: string | ReadonlyArray<string>) => {
  const written = (typeof servers === "string" ? servers.split(",") : servers)
    .map((text) => text.trim())
    .filter((text) => text !== "");
  let fromUrl: Credentials | undefined;
  const addresses = written.map((text) => {
    const found = /^(\w+:\/\/)?([^@/]*)@(.*)$/.exec(text);
    if (found === null) return text;
    const [, scheme = "", userInfo = "", host = ""] = found;
    const [user = "", password] = userInfo.split(":").map((part) => decodeURIComponent(part));
    // A user without a password in a URL is a token: the convention of every NATS client.
    fromUrl ??=
      password === undefined
        ? Credentials.Token({ token: Redacted.make(user) })
        : Credentials.UserPassword({ user, password: Redacted.make(password) });
    return `${scheme}${host}`;
  });
  return { addresses, url: addresses.join(","), fromUrl };
};

/** The client's options for these credentials. */
export const authenticationOf = Effect.fnUntraced(function* (credentials: Credentials | undefined) {
  if (credentials === undefined) return {} satisfies ConnectionOptions;
  const options = Credentials.$match({
    UserPassword: ({ user, password }): ConnectionOptions => ({ user, pass: Redacted.value(password) }),
    Token: ({ token }): ConnectionOptions => ({ token: Redacted.value(token) }),
    NKey: ({ seed }): ConnectionOptions => signing(() => Redacted.value(seed)),
    NKeyFile: ({ path }): ConnectionOptions => signing(() => seedOf(path)),
    CredentialsFile: ({ path }): ConnectionOptions => ({ authenticator: credsAuthenticator(() => readFileSync(path)) }),
  })(credentials);
  if (credentials._tag === "CredentialsFile" || credentials._tag === "NKeyFile") {
    const { path } = credentials;
    yield* Effect.try({
      try: () => seedOf(path),
      catch: (error) => Unusable.unreadableCredentials(path, error instanceof Error ? error.message : String(error)),
    });
  }
  return options;
});

const noSeed = () => new Error("it holds no seed of a user (SU…)");

/** Throws a sentence that names no secret. */
const seedOf = (path: string): string => {
  const seed = seedIn(readFileSync(path, "utf8"));
  if (seed === undefined) throw noSeed();
  return seed;
};

/** Answers the challenge of each dial. */
const signing = (seedNow: () => string): ConnectionOptions => ({
  authenticator: (nonce = "") => {
    const signer = signerOf(seedNow());
    if (signer === undefined) throw noSeed();
    const sig = nonce === "" ? "" : Buffer.from(signer.sign(Buffer.from(nonce))).toString("base64url");
    return { nkey: signer.publicKey, sig };
  },
});

/** Private inbox of the user in a credentials file of ours; undefined for files of others. */
export const inboxPrefixIn = (credentials: Credentials | undefined): string | undefined => {
  if (credentials?._tag !== "CredentialsFile" && credentials?._tag !== "NKeyFile") return undefined;
  try {
    return /^# inbox-prefix: (\S+)$/m.exec(readFileSync(credentials.path, "utf8"))?.[1];
  } catch {
    return undefined;
  }
};
