/**
 * `recollect config`: what is configured, who changed it, and changing it while everything runs.
 *
 * Room: edge.
 */
import { Effect, Option, Stream } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { valueOf } from "../../../coordination/config/ConfigLayers.ts";
import type { Difference, Version } from "../../../coordination/config/ConfigHistory.ts";
import * as ConfigFile from "../../../coordination/config/ConfigFile.ts";
import { Configuration, type Changed, type Explained } from "../../../coordination/config/Configuration.ts";
import { Attach } from "../Attach.ts";
import { BadRequest, NotFound } from "../Failure.ts";
import { json, store, storeFromNow, tenant, where } from "../Flags.ts";
import * as Output from "../Output.ts";
import { user } from "../User.ts";

/** The configuration of a tenant, over the store and with the data folder's file. */
export const configuration = Effect.fnUntraced(function* (tenantName: string) {
  const { folder } = yield* Attach;
  const { root } = yield* folder(yield* where);
  return ConfigFile.layer({ folder: root, tenant: tenantName, who: yield* user });
});

/** Runs a handler with the configuration of a tenant, as the log has it now. */
export const withConfiguration = <A, E, R>(tenantName: string, handler: Effect.Effect<A, E, R>) =>
  Effect.flatMap(configuration(tenantName), (layer) =>
    // A process that starts while the log is away goes on without the history; an answer must not.
    Configuration.use(({ caughtUp }) => Effect.andThen(caughtUp, handler)).pipe(Effect.provide(layer)),
  );

const shownValue = (value: unknown): string => (value === undefined ? "-" : JSON.stringify(value));

const explainedJson = ({ field, layer, problem, secret, value, variable, version, doc }: Explained) => ({
  field,
  value: value ?? null,
  layer,
  version: version ?? null,
  secret,
  variable: variable ?? null,
  problem: problem ?? null,
  doc,
});

const get = Command.make(
  "get",
  {
    field: Argument.String("field").pipe(Argument.withDescription("Only this field"), Argument.optional),
    tenant,
    json,
  },
  Effect.fn("cli.config.get")(function* (input) {
    const handler = Effect.gen(function* () {
      const config = yield* Configuration;
      const name = Option.getOrUndefined(input.field);
      const found = yield* config.explain(name);
      const version = yield* config.version;
      if (name !== undefined && found.length === 0) {
        return yield* new NotFound({
          message: `Nothing is configured under ${name}.`,
          hint: "recollect config get lists what is.",
        });
      }
      if (input.json) return yield* Output.json({ version, fields: found.map(explainedJson) });
      const [only] = found;
      if (name !== undefined && only !== undefined) {
        yield* Output.line(only.secret ? "(a secret: not shown)" : shownValue(only.value));
        return yield* Output.note(`${only.doc} From: ${only.layer}.`);
      }
      const rows = found.map(({ field, layer, secret, value, version: since }) => [
        field,
        secret ? "(secret)" : Output.clip(shownValue(value), 80),
        layer,
        since === undefined ? "-" : String(since),
      ]);
      for (const text of Output.table(["field", "value", "from", "version"], rows)) yield* Output.line(text);
      for (const { field, problem } of found) {
        if (problem !== undefined)
          yield* Output.note(`${field} was set to what cannot be, and does not hold: ${problem}`);
      }
    });
    yield* store(withConfiguration(input.tenant, handler));
  }),
).pipe(
  Command.withDescription("What holds now, and where it comes from"),
  Command.withExamples([{ command: "recollect config get snapshots.ttlMillis", description: "One value" }]),
);

const why = Flag.String("why").pipe(
  Flag.withMetavar("REASON"),
  Flag.withDescription("The reason, for whoever reads the history"),
  Flag.optional,
);
const who = Flag.String("who").pipe(
  Flag.withMetavar("NAME"),
  Flag.withDescription("Who changes it (default: the user of this terminal)"),
  Flag.optional,
);
const expect = Flag.Int("expect").pipe(
  Flag.filter(
    (version) => version >= 0,
    () => "a version is 0 or more",
  ),
  Flag.withMetavar("VERSION"),
  Flag.withDescription("Only if the configuration is still at this version"),
  Flag.optional,
);

const byOf = (input: {
  readonly who: Option.Option<string>;
  readonly why: Option.Option<string>;
  readonly expect: Option.Option<number>;
}) => ({
  who: Option.getOrUndefined(input.who),
  why: Option.getOrUndefined(input.why),
  expectedVersion: Option.getOrUndefined(input.expect),
});

const tellChanged = Effect.fnUntraced(function* ({ changed, version }: Changed, asJson: boolean) {
  if (asJson) return yield* Output.json({ version, changed });
  yield* Output.line(
    changed.length === 0
      ? `It is so already, since version ${version} or before.`
      : `Version ${version}: ${changed.join(", ")}`,
  );
});

const set = Command.make(
  "set",
  {
    field: Argument.String("field").pipe(Argument.withDescription("The field")),
    value: Argument.String("value").pipe(Argument.withDescription("Its value, as JSON or text"), Argument.optional),
    unset: Flag.Boolean("unset").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Let it fall back to environment, file or default"),
    ),
    why,
    who,
    expect,
    tenant,
    json,
  },
  Effect.fn("cli.config.set")(function* (input) {
    if (Option.isSome(input.value) === input.unset) {
      return yield* new BadRequest({
        message: input.unset ? "A value and --unset do not go together." : "To which value?",
        hint: "recollect config set FIELD VALUE, or recollect config set FIELD --unset",
      });
    }
    const value = Option.getOrUndefined(Option.map(input.value, valueOf));
    const handler = Configuration.use((config) =>
      Effect.flatMap(config.set({ [input.field]: value }, byOf(input)), (changed) => tellChanged(changed, input.json)),
    );
    yield* storeFromNow(withConfiguration(input.tenant, handler));
  }),
).pipe(
  Command.withDescription("Change one field; every process sees it at once"),
  Command.withExamples([
    { command: "recollect config set snapshots.ttlMillis 172800000 --why 'long weekend'", description: "A number" },
    {
      command: `recollect config set limits.search '{"per":["user"],"only":{"tool":"search"},"limit":10,"windowMillis":60000}'`,
      description: "Ten searches a minute for each user",
    },
  ]),
);

const versionJson = ({ at, changes, rolledBackTo, sequence, version, who: by, why: reason }: Version) => ({
  version,
  sequence,
  at,
  who: by,
  why: reason ?? null,
  rolledBackTo: rolledBackTo ?? null,
  changes: changes.map(({ field, value }) => ({ field, value: value ?? null })),
});

const versionLines = ({ at, changes, rolledBackTo, version, who: by, why: reason }: Version): ReadonlyArray<string> => [
  [
    `${String(version).padStart(5)}  ${Output.moment(at)}  ${Output.clip(by, 40)}`,
    ...(rolledBackTo === undefined ? [] : [`back to ${rolledBackTo}`]),
    ...(reason === undefined ? [] : [Output.clip(reason, 100)]),
  ].join("  "),
  ...changes.map(({ field, value }) => `         ${field} = ${Output.clip(shownValue(value), 100)}`),
];

const history = Command.make(
  "history",
  { tenant, json },
  Effect.fn("cli.config.history")(function* (input) {
    const handler = Effect.gen(function* () {
      const versions = yield* (yield* Configuration).history;
      if (input.json) return yield* Output.json({ versions: versions.map(versionJson) });
      if (versions.length === 0) return yield* Output.note("Nothing was ever changed.");
      yield* Output.lines(Stream.fromIterable(versions.toReversed().flatMap(versionLines)));
    });
    yield* store(withConfiguration(input.tenant, handler));
  }),
).pipe(
  Command.withDescription("Every change, the latest first: who, when, why"),
  Command.withExamples([{ command: "recollect config history", description: "Who changed what, when and why" }]),
);

const differenceJson = ({ after, before, field }: Difference) => ({
  field,
  before: before ?? null,
  after: after ?? null,
});

const diff = Command.make(
  "diff",
  {
    from: Argument.Int("from").pipe(Argument.withDescription("A version; 0 is before the first change")),
    to: Argument.Int("to").pipe(Argument.withDescription("Another (default: the latest)"), Argument.optional),
    tenant,
    json,
  },
  Effect.fn("cli.config.diff")(function* (input) {
    const handler = Effect.gen(function* () {
      const config = yield* Configuration;
      const to = Option.isSome(input.to) ? input.to.value : yield* config.version;
      const found = yield* config.diff(input.from, to);
      if (input.json) return yield* Output.json({ from: input.from, to, differences: found.map(differenceJson) });
      if (found.length === 0) return yield* Output.note("They are equal.");
      for (const { after, before, field } of found) {
        yield* Output.line(field);
        yield* Output.line(`  - ${shownValue(before)}`);
        yield* Output.line(`  + ${shownValue(after)}`);
      }
    });
    yield* store(withConfiguration(input.tenant, handler));
  }),
).pipe(
  Command.withDescription("Where two versions differ"),
  Command.withExamples([{ command: "recollect config diff 3 5", description: "What changed between two versions" }]),
);

const rollback = Command.make(
  "rollback",
  {
    version: Argument.Int("version").pipe(
      Argument.withDescription("Whose values to take; 0 for those before any change"),
    ),
    why,
    who,
    expect,
    tenant,
    json,
  },
  Effect.fn("cli.config.rollback")(function* (input) {
    const handler = Configuration.use((config) =>
      Effect.flatMap(config.rollback(input.version, byOf(input)), (changed) => tellChanged(changed, input.json)),
    );
    yield* store(withConfiguration(input.tenant, handler));
  }),
).pipe(
  Command.withDescription("Go back to the values of a version, as one more version"),
  Command.withExamples([
    { command: "recollect config rollback 3", description: "As it was at version 3, as a new version" },
  ]),
);

const watch = Command.make(
  "watch",
  {
    tenant,
    json: Flag.Boolean("json").pipe(Flag.withDefault(false), Flag.withDescription("One JSON object per line")),
  },
  Effect.fn("cli.config.watch")(function* (input) {
    const handler = Effect.gen(function* () {
      const config = yield* Configuration;
      yield* Output.note(`At version ${yield* config.version}; changes as they come.`);
      const lines = Stream.flatMap(config.changes, (version) =>
        Stream.fromIterable(input.json ? [JSON.stringify(versionJson(version))] : versionLines(version)),
      );
      yield* Output.lines(lines);
    });
    yield* store(withConfiguration(input.tenant, handler));
  }),
).pipe(
  Command.withDescription("Changes as they come (Ctrl-C ends)"),
  Command.withExamples([
    {
      command: "recollect config watch snapshots.ttlMillis",
      description: "Its value now, and whenever it is another one",
    },
  ]),
);

export const config = Command.make("config").pipe(
  Command.withDescription("What is configured, and changing it while everything runs"),
  Command.withSubcommands([get, set, history, diff, rollback, watch]),
);
