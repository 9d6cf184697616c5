/**
 * Flags that several commands share, and how a command gets at the store they name.
 *
 * Room: edge. In: Attach. Out: every command.
 */
import { Effect, Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { defaultTenant } from "../../domain/History.ts";
import { Attach, type Where } from "./Attach.ts";

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
  }),
);

export const tenant = Flag.String("tenant").pipe(
  Flag.withDescription("Whose threads and tasks"),
  Flag.withDefault(defaultTenant),
);

export const threadFlag = Flag.String("thread").pipe(Flag.withMetavar("ID"), Flag.withDescription("Only this thread"));

export const threadArgument = Argument.String("thread").pipe(Argument.withDescription("Thread id"));

export const json = Flag.Boolean("json").pipe(
  Flag.withDefault(false),
  Flag.withDescription("Machine-readable output on stdout"),
);

/** Which store the command line names. */
export const where: Effect.Effect<Where, never, Command.CommandContext<"recollect">> = Effect.map(
  recollect,
  (root) => ({
    data: Option.getOrUndefined(root.data),
    natsUrl: Option.getOrUndefined(root.natsUrl),
  }),
);

/** Runs a handler with the whole store attached. */
export const store = <A, E, R>(handler: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const place = yield* where;
    const attach = yield* Attach;
    return yield* Effect.provide(handler, attach.store(place));
  });

/** Runs a handler with the read models only: no NATS is needed or started. */
export const readModels = <A, E, R>(handler: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const place = yield* where;
    const attach = yield* Attach;
    return yield* Effect.provide(handler, attach.readModels(place));
  });
