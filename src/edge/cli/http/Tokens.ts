/**
 * `recollect access token`: who may ask over HTTP, with which rights.
 *
 * Room: edge.
 */
import { Clock, Effect, Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import * as HttpTokens from "../../../log/access/HttpTokens.ts";
import { roles } from "../../../log/access/Roles.ts";
import * as DataFolder from "../../../machine/DataFolder.ts";
import { Attach } from "../Attach.ts";
import { json, tenant, where } from "../Flags.ts";
import * as Output from "../Output.ts";

/** The folder, made where there is none: tokens may be made before the first start. */
const root = Effect.gen(function* () {
  const attach = yield* Attach;
  const folder = yield* attach.folder(yield* where);
  return (yield* DataFolder.make({ data: folder.root })).root;
});

const name = Argument.String("name").pipe(Argument.withDescription("Letters, digits, - and _"));

const hourMillis = 3_600_000;
/** Ten years: what is to hold for longer has no end. */
const mostHours = 87_600;

const create = Command.make(
  "create",
  {
    name,
    role: Flag.Literals("role", roles).pipe(
      Flag.withDescription(
        "reader: threads, tasks, search. publisher: also writes them. worker: also takes tasks. operator: everything, any tenant",
      ),
    ),
    tenant,
    hours: Flag.Int("hours").pipe(
      Flag.filter(
        (hours) => hours >= 1 && hours <= mostHours,
        () => `it is from 1 to ${mostHours}`,
      ),
      Flag.withMetavar("HOURS"),
      Flag.withDescription("How long it holds (default: until it is revoked)"),
      Flag.optional,
    ),
    json,
  },
  Effect.fn("cli.access.token.create")(function* (input) {
    const now = yield* Clock.currentTimeMillis;
    const expiresAt = Option.getOrUndefined(Option.map(input.hours, (hours) => now + hours * hourMillis));
    const made = yield* HttpTokens.create(yield* root, {
      name: input.name,
      role: input.role,
      tenant: input.tenant,
      now,
      expiresAt,
    });
    if (input.json) return yield* Output.json({ ...made.token, token: made.secret });
    yield* Output.line(made.secret);
    yield* Output.note(
      `${input.name} is ${input.role} of tenant ${input.tenant}, from now on. This is the only time that the token is shown.`,
    );
    yield* Output.note('Use it so: curl -H "Authorization: Bearer TOKEN" …');
  }),
).pipe(
  Command.withDescription("Make a token for programs that ask over HTTP; it is printed once"),
  Command.withExamples([
    { command: "recollect access token create ci --role publisher", description: "For a program that only writes" },
  ]),
);

const list = Command.make(
  "list",
  { json },
  Effect.fn("cli.access.token.list")(function* (input) {
    const tokens = yield* HttpTokens.list(yield* root, yield* Clock.currentTimeMillis);
    if (input.json) return yield* Output.json({ tokens });
    if (tokens.length === 0) {
      return yield* Output.note("No token yet. `recollect up` makes one for this user of the machine.");
    }
    const rows = tokens.map((token) => [
      token.name,
      token.kind === "page" ? "browser" : token.kind,
      token.role,
      token.tenant,
      Output.moment(token.createdAt),
      token.expiresAt === undefined ? "" : Output.moment(token.expiresAt),
    ]);
    for (const text of Output.table(["name", "kind", "role", "tenant", "since (UTC)", "until (UTC)"], rows)) {
      yield* Output.line(text);
    }
  }),
).pipe(
  Command.withDescription("Tokens and signed-in browsers, never the tokens themselves"),
  Command.withExamples([{ command: "recollect access token list", description: "Who may ask over HTTP" }]),
);

const revoke = Command.make(
  "revoke",
  { name, json },
  Effect.fn("cli.access.token.revoke")(function* (input) {
    const revoked = yield* HttpTokens.revoke(yield* root, input.name);
    if (input.json) return yield* Output.json({ name: input.name, revoked });
    yield* Output.note(`${input.name} is refused from now on.`);
  }),
).pipe(
  Command.withDescription("Refuse a token, or the browsers signed in under a name, from the next request on"),
  Command.withExamples([{ command: "recollect access token revoke ci", description: "At once" }]),
);

export const token = Command.make("token").pipe(
  Command.withDescription("Tokens for HTTP, each with a role and a tenant"),
  Command.withSubcommands([create, list, revoke]),
  Command.withExamples([
    { command: "recollect access token create ana --role reader --tenant acme", description: "A token for ana" },
    { command: "recollect access token revoke ana", description: "At once" },
  ]),
);
