/**
 * Flags that several commands share, and how a command gets at the store they name.
 *
 * Room: edge.
 */
import { Clock, Effect, Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { defaultTenant } from "../../domain/History.ts";
import * as Shown from "../../client/Shown.ts";
import { maxPage, Query } from "../../query/Query.ts";
import * as Output from "./Output.ts";
import { Attach, type Need, type Where } from "./Attach.ts";
import { BadRequest } from "./Failure.ts";
import { momentHint, recordMomentOf } from "./ParseTime.ts";

const file = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar("FILE"), Flag.withDescription(description), Flag.optional);

/** The root command: `--data` and `--nats-url` are accepted before and after every subcommand. */
export const recollect = Command.make("recollect").pipe(
  Command.withSharedFlags({
    data: Flag.String("data").pipe(
      Flag.withMetavar("DIR"),
      Flag.withDescription("Data folder (default: RECOLLECT_DATA, else the XDG data folder)"),
      Flag.optional,
    ),
    natsUrl: Flag.String("nats-url").pipe(
      Flag.withMetavar("URL"),
      Flag.withDescription("Use this NATS server (default: RECOLLECT_NATS_URL, else the instance's own)"),
      Flag.optional,
    ),
    creds: file("creds", "Credentials for the server, a .creds file (default: RECOLLECT_NATS_CREDS)"),
    nkey: file("nkey", "Credentials for the server, a file with an nkey seed (default: RECOLLECT_NATS_NKEY)"),
    inboxPrefix: Flag.String("inbox-prefix").pipe(
      Flag.withMetavar("PREFIX"),
      Flag.withDescription(
        "Listen for answers below it (default: RECOLLECT_NATS_INBOX_PREFIX, else as the credentials say)",
      ),
      Flag.optional,
    ),
    tlsCa: file("tls-ca", "Whose certificates to trust, PEM (default: RECOLLECT_NATS_TLS_CA, else the system's)"),
    tlsCert: file("tls-cert", "Our own certificate, PEM (default: RECOLLECT_NATS_TLS_CERT)"),
    tlsKey: file("tls-key", "Its key, PEM (default: RECOLLECT_NATS_TLS_KEY)"),
    raw: Flag.Boolean("raw").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Show and export secrets as they are stored, in place of their marks"),
    ),
    asOf: Flag.String("as-of").pipe(
      Flag.withMetavar("SEQUENCE|TIME"),
      Flag.withDescription("Answer from the record as it was after that event of the stream, or at that time"),
      Flag.optional,
    ),
    logFormat: Flag.Literals("log-format", ["text", "json"]).pipe(
      Flag.withDescription("How log lines on stderr are written (default: RECOLLECT_LOG_FORMAT, else text)"),
      Flag.optional,
    ),
  }),
);

export const tenant = Flag.String("tenant").pipe(
  Flag.withDescription("Whose threads and tasks"),
  Flag.withDefault(defaultTenant),
);

export const usualRows = 50;

/** Rows of a list; the next ones come with `--after` where there is one. */
export const limit = Flag.Int("limit").pipe(
  Flag.filter(
    (count) => count >= 1 && count <= maxPage,
    () => `it is from 1 to ${maxPage}`,
  ),
  Flag.withMetavar("COUNT"),
  Flag.withDescription(`At most so many, 1 to ${maxPage} (default: ${usualRows})`),
  Flag.withDefault(usualRows),
);

/** A given value as an option object has it: absent otherwise. */
export const given = <Name extends string, A>(name: Name, value: Option.Option<A>): { readonly [_ in Name]?: A } =>
  Option.isSome(value) ? ({ [name]: value.value } as { readonly [_ in Name]: A }) : {};

export const threadFlag = Flag.String("thread").pipe(Flag.withMetavar("ID"), Flag.withDescription("Only this thread"));

export const threadArgument = Argument.String("thread").pipe(
  Argument.withDescription("Thread id, a beginning of it that no other thread has, or its place in the last list"),
);

export const json = Flag.Boolean("json").pipe(
  Flag.withDefault(false),
  Flag.withDescription("Machine-readable output on stdout"),
);

/** `--as-of`: a sequence (a whole number) or a time. */
const momentAsked = Effect.gen(function* () {
  const { asOf } = yield* recollect;
  if (Option.isNone(asOf)) return undefined;
  const moment = recordMomentOf(asOf.value, yield* Clock.currentTimeMillis);
  if (moment !== undefined) return moment;
  return yield* new BadRequest({
    message: `--as-of ${asOf.value} is neither a sequence nor a time.`,
    hint: `${momentHint} Or a sequence: 1234.`,
  });
});

/** Store that the command line names. */
export const where: Effect.Effect<Where, never, Command.CommandContext<"recollect">> = Effect.map(recollect, (root) => {
  const tls = {
    caFile: Option.getOrUndefined(root.tlsCa),
    certFile: Option.getOrUndefined(root.tlsCert),
    keyFile: Option.getOrUndefined(root.tlsKey),
  };
  return {
    data: Option.getOrUndefined(root.data),
    natsUrl: Option.getOrUndefined(root.natsUrl),
    access: {
      creds: Option.getOrUndefined(root.creds),
      nkey: Option.getOrUndefined(root.nkey),
      inboxPrefix: Option.getOrUndefined(root.inboxPrefix),
      ...(Object.values(tls).some((one) => one !== undefined) ? { tls } : {}),
    },
  };
});

/** Limits what may be shown, on whatever prints: `Output` asks it, and so does what prints without it. */
const showing = <A, E, R>(handler: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const how = { raw: (yield* recollect).raw };
    const shown = yield* Shown.shown(how);
    const query = yield* Query;
    return yield* handler.pipe(
      Effect.provideService(Query, Shown.shownQuery(query, shown)),
      Effect.provideService(Output.Shows, shown),
    );
  });

const attached = <A, E, R>(handler: Effect.Effect<A, E, R>, need: Need) =>
  Effect.gen(function* () {
    const place = yield* where;
    const attach = yield* Attach;
    if ((yield* momentAsked) !== undefined) {
      return yield* new BadRequest({
        message: "--as-of is for commands that only read: this one works with the store as it is now.",
        hint: "Leave it out.",
      });
    }
    return yield* Effect.provide(showing(handler), attach.store(place, need));
  });

/** Runs a handler with the whole store of a folder that has one. */
export const store = <A, E, R>(handler: Effect.Effect<A, E, R>) => attached(handler, "there");

/** Runs a handler with the whole store, begun with it where there is none. */
export const storeFromNow = <A, E, R>(handler: Effect.Effect<A, E, R>) => attached(handler, "any");

/** Runs a handler with the read models. */
export const readModels = <A, E, R>(handler: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const place = { ...(yield* where), asOf: yield* momentAsked };
    const attach = yield* Attach;
    return yield* Effect.provide(showing(handler), attach.readModels(place));
  });

/** Runs a handler with the read models as they lie in the folder, however far they are; starts and waits for nothing. */
export const databaseAsItLies = <A, E, R>(handler: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const place = yield* where;
    const attach = yield* Attach;
    return yield* Effect.provide(showing(handler), attach.databaseAsItLies(place));
  });
