/**
 * Users of a store: made, given what they need to come in, and taken out again, while the server runs.
 *
 * Room: log.
 *
 * Promises: what is secret is written to one file of this user alone (0600) and kept nowhere else, but for passwords,
 * which the server must know; a user that is revoked is disconnected at once and refused from then on.
 */
import { Effect, FileSystem, Option, Schema } from "effect";
import { randomBytes } from "node:crypto";
import { isHistory, maxIdBytes } from "../../domain/History.ts";
import { create, ensure } from "../../machine/AccessKeys.ts";
import { folderOf } from "../../machine/KeyFiles.ts";
import * as DataFolder from "../../machine/DataFolder.ts";
import * as Instance from "../../machine/Instance.ts";
import * as NatsProbe from "../../machine/nats/NatsProbe.ts";
import { changing, read, type User, write } from "./AccessList.ts";
import { inboxOf, type Role } from "./Roles.ts";
import * as ServerConf from "./ServerConf.ts";

/** The user cannot be made or taken out. */
export class AccessRefused extends Schema.TaggedError<AccessRefused>()("AccessRefused", {
  message: Schema.String,
  hint: Schema.String,
}) {}

/** No user or token has this name. */
export class NoSuchAccess extends Schema.TaggedError<NoSuchAccess>()("NoSuchAccess", {
  message: Schema.String,
  hint: Schema.String,
}) {}

/** Letters, digits, `-` and `_`: a name is a part of subjects, of file names, and of sentences. */
export const namePattern = /^[A-Za-z0-9_-]{1,64}$/;
/** Refuses what can be no tenant: nothing of it could ever be written. */
export const checkedTenant = (tenant: string): Effect.Effect<void, AccessRefused> =>
  isHistory({ tenant, kind: "thread", id: "x" })
    ? Effect.void
    : Effect.fail(
        new AccessRefused({
          message: `${JSON.stringify(tenant)} is no tenant.`,
          hint: `A tenant is 1 to ${maxIdBytes} bytes of UTF-8.`,
        }),
      );
/** As many bits as a key has: nothing is gained by hashing it. */
const passwordBytes = 24;
const reloadMillis = 5_000;

export interface Added {
  readonly user: User;
  /** File of the user's credentials. */
  readonly file: string;
  /** True when the running server knows the user already; false where none runs. */
  readonly isActive: boolean;
}

const wrapped = (title: string, text: string): string =>
  `-----BEGIN ${title}-----\n${text}\n------END ${title}------\n`;

const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/**
 * A `.creds` file. Our server knows users by their key and looks at no token; the token is there because clients want to
 * find one, and says in plain words who it is.
 */
const credsText = (user: User, seed: string): string => {
  const claims = {
    name: user.name,
    sub: user.nkey,
    iat: Math.floor(user.createdAt / 1000),
    nats: { type: "user", version: 2 },
  };
  const token = `${base64({ typ: "JWT", alg: "ed25519-nkey" })}.${base64(claims)}.${base64("none")}`;
  return [
    `# ${user.name}: ${user.role} of tenant ${user.tenant}`,
    `# inbox-prefix: ${inboxOf(user.name)}`,
    wrapped("NATS USER JWT", token),
    "Keep it secret: every holder of this file is this user.\n",
    wrapped("USER NKEY SEED", seed),
  ].join("\n");
};

const passwordText = (user: User, password: string): string =>
  [
    `# ${user.name}: ${user.role} of tenant ${user.tenant}. Keep it secret: every holder of this file is this user.`,
    `RECOLLECT_NATS_USER=${user.name}`,
    `RECOLLECT_NATS_PASSWORD=${password}`,
    `RECOLLECT_NATS_INBOX_PREFIX=${inboxOf(user.name)}`,
    "",
  ].join("\n");

/**
 * Tells the running server of what was written. Twice, because of a new account's imports the server's first reload makes
 * nothing (2.15.1: the importer is read before the exporter knows it).
 */
const reload = Effect.fnUntraced(function* (root: string) {
  const folder = yield* DataFolder.at(root);
  const running = yield* Instance.find().pipe(
    Effect.provideService(DataFolder.DataFolder, folder),
    Effect.orElseSucceed(Option.none<Instance.Instance>),
  );
  if (Option.isNone(running) || running.value.server !== "own") return false;
  const { hostname: host, port } = new URL(running.value.nats);
  const { system: signer } = yield* ensure(root, { mends: false });
  const subject = ({ server_id }: NatsProbe.ServerInfo) => `$SYS.REQ.SERVER.${server_id}.RELOAD`;
  const once = NatsProbe.request({ host, port: Number(port), signer, subject, timeoutMillis: reloadMillis });
  const [, second] = [yield* once, yield* once];
  if (Option.isNone(second)) return false;
  const said: { readonly error?: { readonly description?: string } } = JSON.parse(second.value.text);
  if (said.error === undefined) return true;
  return yield* new AccessRefused({
    message: `nats-server does not take its new configuration: ${said.error.description ?? "it says no reason"}.`,
    hint: `See ${root}/logs/nats-server.log; the one before stays in force.`,
  });
});

const changed = Effect.fnUntraced(function* (root: string, users: ReadonlyArray<User>) {
  yield* write(root, { users });
  yield* ServerConf.prepare(root);
  return yield* reload(root);
});

export const list = (root: string) => Effect.map(read(root), ({ users }) => users);

interface Adding {
  readonly root: string;
  readonly name: string;
  readonly role: Role;
  readonly tenant: string;
  readonly form: "creds" | "password";
  readonly file?: string | undefined;
  readonly now: number;
}

/** Makes a user. `file` defaults to one in the folder's `keys`, and must not be there yet. */
export const add = (options: Adding) => changing(options.root)(adding(options));

const adding = Effect.fn("log.addUser")(function* (
  options: Adding,
): Effect.fn.Return<
  Added,
  AccessRefused | DataFolder.FolderUnusable,
  FileSystem.FileSystem | Effect.Services<ReturnType<typeof reload>>
> {
  const { form, name, now, role, root, tenant } = options;
  const fs = yield* FileSystem.FileSystem;
  const refused = (message: string, hint: string) => new AccessRefused({ message, hint });
  if (!namePattern.test(name)) {
    return yield* refused(`${JSON.stringify(name)} is no name.`, "Letters, digits, - and _, at most 64 of them.");
  }
  yield* checkedTenant(tenant);
  const { users } = yield* read(root);
  if (users.some((user) => user.name === name)) {
    return yield* refused(
      `There is a user ${name} already.`,
      `Take another name, or first: recollect access revoke ${name}`,
    );
  }
  yield* ensure(root, { mends: false });
  const file = options.file ?? `${folderOf(root)}/${name}.${form === "creds" ? "creds" : "env"}`;
  const about = { name, role, tenant, createdAt: now };
  const { publicKey, seed } = create();
  const password = randomBytes(passwordBytes).toString("base64url");
  const user: User = form === "creds" ? { ...about, nkey: publicKey } : { ...about, password };
  const text = form === "creds" ? credsText(user, seed) : passwordText(user, password);
  yield* fs
    .writeFileString(file, text, { flag: "wx", mode: 0o600 })
    .pipe(
      Effect.mapError((cause) =>
        cause.reason._tag === "AlreadyExists"
          ? refused(`${file} is there already.`, "Name another with --out FILE, or move it away.")
          : DataFolder.folderTrouble({ path: file, cause }),
      ),
    );
  const isActive = yield* changed(root, [...users, user]);
  return { user, file, isActive };
});

interface Revoking {
  readonly root: string;
  readonly name: string;
}

/** Takes a user out: it is disconnected, and refused from then on. */
export const revoke = (options: Revoking) => changing(options.root)(revoking(options));

const revoking = Effect.fn("log.revokeUser")(function* (options: Revoking) {
  const { name, root } = options;
  const fs = yield* FileSystem.FileSystem;
  const { users } = yield* read(root);
  if (!users.some((user) => user.name === name)) {
    return yield* new NoSuchAccess({
      message: `There is no user ${name}.`,
      hint: "See who there is: recollect access list",
    });
  }
  const isActive = yield* changed(
    root,
    users.filter((user) => user.name !== name),
  );
  for (const form of ["creds", "env"]) {
    yield* fs.remove(`${folderOf(root)}/${name}.${form}`, { force: true }).pipe(Effect.ignore);
  }
  return { isActive };
});
