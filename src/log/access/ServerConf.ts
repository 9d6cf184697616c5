/**
 * The configuration that nats-server runs with in a data folder: the repository's, and who may speak to it.
 *
 * Room: log.
 *
 * The store has an account of its own, each tenant for whom a user was made has one that reaches the store through
 * service imports, and health is asked in the system account. No other connection is accepted: there is no user without a key.
 */
import { Effect, FileSystem } from "effect";
import { createRequire } from "node:module";
import { type Keys, ensure } from "../../machine/AccessKeys.ts";
import { folderTrouble } from "../../machine/DataFolder.ts";
import * as Listen from "../../machine/Listen.ts";
import { type AccessList, read, replace, type User } from "./AccessList.ts";
import {
  accountOf,
  isTenantRole,
  localDenied,
  type Permissions,
  permissionsOf,
  servicesOf,
  storeAccount,
  systemAccount,
} from "./Roles.ts";

/** A word of nats-server's configuration that may hold anything. */
const quoted = (text: string): string => JSON.stringify(text);
const list = (words: ReadonlyArray<string>): string => `[${words.map(quoted).join(", ")}]`;

const sideOf = (side: Permissions["publish"]): string =>
  [
    ...(side.allow === undefined ? [] : [`allow: ${list(side.allow)}`]),
    ...(side.deny === undefined ? [] : [`deny: ${list(side.deny)}`]),
  ].join(", ");

const permissionsText = ({ answers, publish, subscribe }: Permissions): string =>
  `permissions: { publish: { ${sideOf(publish)} }, subscribe: { ${sideOf(subscribe)} }${answers === true ? ', allow_responses: { max: 1, expires: "10s" }' : ""} }`;

const userText = (user: User): string => {
  const who =
    user.password === undefined
      ? `nkey: ${quoted(user.nkey ?? "")}`
      : `user: ${quoted(user.name)}, password: ${quoted(user.password)}`;
  return `      { ${who}, ${permissionsText(permissionsOf(user))} }`;
};

const exportsOf = (tenant: string): ReadonlyArray<string> =>
  servicesOf(tenant).map(
    ({ subject }) =>
      `      { service: ${quoted(subject)}, response_type: stream, accounts: [${quoted(accountOf(tenant))}] }`,
  );

const importOf = ({ isShared, subject, to }: ReturnType<typeof servicesOf>[number]): string => {
  const renamed = to === undefined ? "" : `, to: ${quoted(to)}`;
  const shared = isShared === true ? ", share: true" : "";
  return `      { service: { account: ${storeAccount}, subject: ${quoted(subject)} }${renamed}${shared} }`;
};

const tenantText = (tenant: string, users: ReadonlyArray<User>): string =>
  [
    `  ${quoted(accountOf(tenant))} {`,
    "    users: [",
    ...users.map(userText),
    "    ]",
    "    imports: [",
    ...servicesOf(tenant).map(importOf),
    "    ]",
    "  }",
  ].join("\n");

/** The accounts of a store, as nats-server reads them. */
export const accountsText = (keys: Keys, { users }: AccessList): string => {
  const ofTenants = users.filter(({ role }) => isTenantRole(role));
  const tenants = [...new Set(ofTenants.map(({ tenant }) => tenant))];
  const denied = permissionsText({ publish: { deny: localDenied }, subscribe: {} }).replace(", subscribe: {  }", "");
  return [
    "accounts {",
    `  ${systemAccount} { users: [ { nkey: ${keys.system.publicKey} } ] }`,
    `  ${storeAccount} {`,
    "    jetstream: enabled",
    "    users: [",
    `      { nkey: ${keys.daemon.publicKey} }`,
    `      { nkey: ${keys.local.publicKey}, ${denied} }`,
    ...users.filter(({ role }) => !isTenantRole(role)).map(userText),
    "    ]",
    "    exports: [",
    ...tenants.flatMap(exportsOf),
    "    ]",
    "  }",
    ...tenants.map((tenant) =>
      tenantText(
        tenant,
        ofTenants.filter((user) => user.tenant === tenant),
      ),
    ),
    "}",
    `system_account: ${systemAccount}`,
    "",
  ].join("\n");
};

/** The name is here too: a reload that does not find in the file what a flag said refuses the file (2.15.1). */
const head =
  "# Written by `recollect up` and `recollect access` whenever who may changes: changes made here are lost.\n\n";

/** Every connection speaks TLS then, this user's own programs too: nats-server has one door. */
const tlsText = (listen: Listen.Listen | undefined): string =>
  listen === undefined
    ? ""
    : `tls { cert_file: ${quoted(listen.certFile)}, key_file: ${quoted(listen.keyFile)}, timeout: 5 }\n`;

export interface Prepared {
  /** For nats-server's `--config`. */
  readonly configFile: string;
  readonly keys: Keys;
  readonly account: string;
  /** Address that the server listens on; undefined: loopback. */
  readonly host?: string | undefined;
}

/**
 * Keys and configuration of a data folder, made where they are missing and written anew. Only at a start of the server are
 * damaged keys made anew: one that runs knows the old ones.
 */
export const prepare = Effect.fn("log.prepareAccess")(function* (
  root: string,
  options: { readonly isStart: boolean } = { isStart: false },
) {
  const fs = yield* FileSystem.FileSystem;
  const keys = yield* ensure(root, { mends: options.isStart });
  const users = yield* read(root);
  const base = createRequire(import.meta.url).resolve("#nats-server.conf");
  const text = yield* fs.readFileString(base).pipe(Effect.mapError((cause) => folderTrouble({ path: base, cause })));
  const configFile = `${root}/nats-server.conf`;
  const listen = Listen.read(root);
  const all = `${head}server_name: recollect\n${text}\n${tlsText(listen)}${accountsText(keys, users)}`;
  yield* replace(configFile, all);
  return { configFile, keys, account: storeAccount, host: listen?.address } satisfies Prepared;
});
