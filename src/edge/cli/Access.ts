/**
 * `recollect access`: who else may speak to the store, and with which rights.
 *
 * Room: edge.
 */
import { Clock, Effect, FileSystem, Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { roles } from "../../log/access/Roles.ts";
import * as ServerConf from "../../log/access/ServerConf.ts";
import * as Users from "../../log/access/Users.ts";
import * as DataFolder from "../../machine/DataFolder.ts";
import { Attach } from "./Attach.ts";
import { json, tenant, where } from "./Flags.ts";
import { token } from "./http/Tokens.ts";
import * as Output from "./Output.ts";

/** The folder, made where there is none: users may be made before the first start. */
const root = Effect.gen(function* () {
  const attach = yield* Attach;
  const place = yield* where;
  const folder = yield* attach.folder(place);
  return (yield* DataFolder.make({ data: folder.root })).root;
});

const name = Argument.String("name").pipe(Argument.withDescription("Letters, digits, - and _"));

const whenActive = (isActive: boolean): string =>
  isActive ? "in force now" : "in force when `recollect up` starts the server";

const add = Command.make(
  "add",
  {
    name,
    role: Flag.Literals("role", roles).pipe(
      Flag.withDescription(
        "publisher and reader: one tenant. worker: tasks and what processes share. operator: all but removing events",
      ),
    ),
    tenant,
    password: Flag.Boolean("password").pipe(
      Flag.withDefault(false),
      Flag.withDescription(
        "For clients that cannot sign: a user name and a password that we make, in place of a .creds file",
      ),
    ),
    out: Flag.String("out").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Where what the user needs is written, 0600 (default: in keys/ of the data folder)"),
      Flag.optional,
    ),
    json,
  },
  Effect.fn("cli.access.add")(function* (input) {
    const added = yield* Users.add({
      root: yield* root,
      name: input.name,
      role: input.role,
      tenant: input.tenant,
      form: input.password ? "password" : "creds",
      file: Option.getOrUndefined(input.out),
      now: yield* Clock.currentTimeMillis,
    });
    const { file, isActive, user } = added;
    if (input.json) {
      return yield* Output.json({ name: user.name, role: user.role, tenant: user.tenant, file, active: isActive });
    }
    yield* Output.line(file);
    yield* Output.note(
      `${user.name} is ${user.role} of tenant ${user.tenant}, ${whenActive(isActive)}. Keep it secret: every holder of the file is ${user.name}.`,
    );
    yield* Output.note(
      input.password
        ? "It holds RECOLLECT_NATS_USER, _PASSWORD and _INBOX_PREFIX for the environment of a program."
        : `Use it with --creds ${file}, or RECOLLECT_NATS_CREDS; with the nats command line: nats --nkey ${file} --inbox-prefix _INBOX_${user.name}`,
    );
  }),
).pipe(
  Command.withDescription("Make a user, and write what it needs to a file"),
  Command.withExamples([
    {
      command: "recollect access add ci --role publisher --out ci.creds",
      description: "Credentials for a program that only publishes",
    },
  ]),
);

const list = Command.make(
  "list",
  { json },
  Effect.fn("cli.access.list")(function* (input) {
    const users = yield* Users.list(yield* root);
    if (input.json) {
      return yield* Output.json({
        users: users.map(({ createdAt, name: who, nkey, role, tenant: of }) => ({
          name: who,
          role,
          tenant: of,
          form: nkey === undefined ? "password" : "creds",
          createdAt,
        })),
      });
    }
    if (users.length === 0)
      return yield* Output.note(
        "Nobody but this user of the machine. Make one: recollect access add NAME --role publisher",
      );
    const rows = users.map((user) => [
      user.name,
      user.role,
      user.tenant,
      user.nkey === undefined ? "password" : "creds",
      Output.moment(user.createdAt),
    ]);
    for (const text of Output.table(["name", "role", "tenant", "form", "since (UTC)"], rows)) yield* Output.line(text);
  }),
).pipe(
  Command.withDescription("Who there is"),
  Command.withExamples([{ command: "recollect access list", description: "Who may what" }]),
);

const revoke = Command.make(
  "revoke",
  { name, json },
  Effect.fn("cli.access.revoke")(function* (input) {
    const { isActive } = yield* Users.revoke({ root: yield* root, name: input.name });
    if (input.json) return yield* Output.json({ name: input.name, revoked: true, active: isActive });
    yield* Output.note(`${input.name} is taken out, ${whenActive(isActive)}.`);
  }),
).pipe(
  Command.withDescription("Take a user out: disconnected at once, and refused from then on"),
  Command.withExamples([{ command: "recollect access revoke ci", description: "At once, also for who is connected" }]),
);

const printConfig = Command.make(
  "print-config",
  {},
  Effect.fn("cli.access.printConfig")(function* () {
    const { configFile } = yield* ServerConf.prepare(yield* root);
    const fs = yield* FileSystem.FileSystem;
    const text = yield* Effect.mapError(fs.readFileString(configFile), (cause) =>
      DataFolder.folderTrouble({ path: configFile, cause }),
    );
    yield* Output.line(text);
    yield* Output.note(
      `This is ${configFile}. It holds public keys, and the passwords of users that have one. Recollect's own key for it: --nkey ${configFile.replace(/nats-server\.conf$/, "keys/daemon.nk")}`,
    );
  }),
).pipe(
  Command.withDescription("The nats-server configuration with these users, for a server of your own"),
  Command.withExamples([{ command: "recollect access print-config", description: "What a server of your own needs" }]),
);

export const access = Command.make("access").pipe(
  Command.withDescription(
    "Who else may speak to the store: users of NATS and tokens of HTTP, each with a role and a tenant",
  ),
  Command.withSubcommands([add, list, revoke, token, printConfig]),
  Command.withExamples([
    { command: "recollect access add ana --role publisher --tenant acme", description: "A .creds file for ana" },
    { command: "recollect access add script --role publisher --password", description: "For a few lines of Python" },
    { command: "recollect access revoke ana", description: "At once" },
    { command: "recollect access token create ci --role publisher", description: "A token for HTTP" },
  ]),
);
