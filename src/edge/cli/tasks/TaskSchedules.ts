/**
 * `recollect tasks schedule …`: tasks that are submitted again and again, by the daemon.
 *
 * Room: edge.
 */
import { Clock, Effect, Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { Configuration } from "../../../coordination/config/Configuration.ts";
import { next, type TaskSchedule } from "../../../coordination/config/TaskSchedule.ts";
import { withConfiguration } from "../coordination/Config.ts";
import { BadRequest, NotFound } from "../Failure.ts";
import { given, json, store, storeFromNow, tenant } from "../Flags.ts";
import * as Output from "../Output.ts";

const nameArgument = Argument.String("name").pipe(
  Argument.withDescription("Letters, digits, - and _; its tasks are called NAME@INSTANT"),
);

const text = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.optional);

/** As it is listed: the value of the configuration, and when it comes next (null: paused). */
const listed = (name: string, schedule: TaskSchedule, now: number) => ({
  name,
  ...schedule,
  next: next(schedule, now) ?? null,
});

const when = ({ cron, everyMillis, timezone }: TaskSchedule): string =>
  cron == null ? `every ${Output.duration(everyMillis ?? 0)}` : `${cron} ${timezone ?? "UTC"}`;

const add = Command.make(
  "add",
  {
    name: nameArgument,
    agentType: Argument.String("agent-type").pipe(Argument.withDescription("Which workers may take its tasks")),
    message: Argument.String("message").pipe(Argument.withDescription("What is to be done"), Argument.optional),
    cron: text("cron", "When: five fields from the minute, or six from the second"),
    timezone: text("timezone", "Of the cron expression, as Europe/Berlin (default: UTC)"),
    every: Flag.Finite("every").pipe(
      Flag.withMetavar("SECONDS"),
      Flag.withDescription("When: each so many seconds from now"),
      Flag.optional,
    ),
    missed: Flag.Literals("missed", ["skip", "once"]).pipe(
      Flag.withDescription("What becomes of times at which no daemon ran: nothing, or one task for all of them"),
      Flag.withDefault("skip"),
    ),
    overlap: Flag.Literals("overlap", ["all", "skip", "queue", "replace"]).pipe(
      Flag.withDescription(
        "While an earlier task of it is open: submit all, skip, let one wait behind it, or cancel it (default: all)",
      ),
      Flag.optional,
    ),
    description: text("description", "What lists show"),
    model: text("model", "Model to use"),
    cwd: text("cwd", "Working directory"),
    thread: text("thread", "Thread it works for"),
    priority: Flag.Literals("priority", ["high", "normal", "low"]).pipe(
      Flag.withDescription("What is served first (default: normal)"),
      Flag.optional,
    ),
    maxAttempts: Flag.Int("max-attempts").pipe(
      Flag.withDescription("How often each task is tried (default: 3)"),
      Flag.optional,
    ),
    timeout: Flag.Finite("timeout").pipe(
      Flag.withMetavar("SECONDS"),
      Flag.withDescription("Longest run of one attempt"),
      Flag.optional,
    ),
    tenant,
    json,
  },
  Effect.fn("cli.tasks.schedule.add")(function* (input) {
    if (Option.isSome(input.cron) === Option.isSome(input.every)) {
      return yield* new BadRequest({ message: "When? Give --cron or --every." });
    }
    const work = Effect.gen(function* () {
      const config = yield* Configuration;
      const from = yield* Clock.currentTimeMillis;
      const schedule = {
        request: {
          agentType: input.agentType,
          ...given("message", input.message),
          ...given("description", input.description),
          ...given("model", input.model),
          ...given("workingDirectory", input.cwd),
          ...given("timeoutSeconds", input.timeout),
        },
        ...given("cron", input.cron),
        ...given("timezone", input.timezone),
        ...given(
          "everyMillis",
          Option.map(input.every, (seconds) => Math.round(seconds * 1_000)),
        ),
        from,
        missed: input.missed,
        paused: false,
        ...given("overlap", input.overlap),
        ...given("priority", input.priority),
        ...given("maxAttempts", input.maxAttempts),
        ...given("threadId", input.thread),
      } satisfies TaskSchedule;
      yield* config.set({ [`schedules.${input.name}`]: schedule });
      const shown = listed(input.name, schedule, from);
      yield* input.json ? Output.json(shown) : Output.line(`${input.name}  next ${Output.moment(shown.next ?? from)}`);
    });
    return yield* storeFromNow(withConfiguration(input.tenant, work));
  }),
).pipe(
  Command.withDescription("Submit a task again and again; the same name again replaces the schedule"),
  Command.withExamples([
    {
      command:
        'recollect tasks schedule add nightly reviewer "review the day" --cron "0 2 * * *" --timezone Europe/Berlin',
      description: "At two in the morning",
    },
    { command: "recollect tasks schedule add pulse checker --every 300 --missed once", description: "Each 5 minutes" },
    { command: "recollect tasks schedule add sync syncer --every 60 --overlap skip", description: "One at a time" },
  ]),
);

const list = Command.make(
  "list",
  { tenant, json },
  Effect.fn("cli.tasks.schedule.list")(function* (input) {
    const work = Effect.gen(function* () {
      const config = yield* Configuration;
      const now = yield* Clock.currentTimeMillis;
      const all = [...(yield* config.family("schedules"))].toSorted(([one], [other]) => one.localeCompare(other));
      const schedules = all.map(([name, schedule]) => listed(name, schedule, now));
      if (input.json) return yield* Output.json({ schedules });
      if (schedules.length === 0) return yield* Output.note("No schedules.");
      const rows = schedules.map((one) => [
        one.name,
        when(one),
        one.next === null ? "paused" : Output.moment(one.next),
        one.request.agentType,
        Output.clip(one.request.description ?? one.request.message ?? "", 60),
      ]);
      for (const line of Output.table(["name", "when", "next (UTC)", "agent", "description"], rows))
        yield* Output.line(line);
    });
    return yield* store(withConfiguration(input.tenant, work));
  }),
).pipe(
  Command.withDescription("List schedules and when they come next"),
  Command.withExamples([
    { command: "recollect tasks schedule list", description: "Every schedule, and when it is due next" },
  ]),
);

/** A change of one schedule; undefined removes it. */
const change = (
  verb: string,
  description: string,
  changed: (schedule: TaskSchedule, now: number) => TaskSchedule | undefined,
) =>
  Command.make(
    verb,
    { name: nameArgument, tenant, json },
    Effect.fn(`cli.tasks.schedule.${verb}`)(function* (input) {
      const work = Effect.gen(function* () {
        const config = yield* Configuration;
        const now = yield* Clock.currentTimeMillis;
        const found = (yield* config.family("schedules")).get(input.name);
        if (found === undefined) {
          const hint = "recollect tasks schedule list shows those there are.";
          return yield* new NotFound({ message: `There is no schedule ${input.name}.`, hint });
        }
        const schedule = changed(found, now);
        yield* config.set({ [`schedules.${input.name}`]: schedule });
        if (input.json)
          yield* Output.json(schedule === undefined ? { name: input.name } : listed(input.name, schedule, now));
      });
      return yield* store(withConfiguration(input.tenant, work));
    }),
  ).pipe(
    Command.withDescription(description),
    Command.withExamples([{ command: `recollect tasks schedule ${verb} nightly`, description }]),
  );

export const schedule = Command.make("schedule").pipe(
  Command.withDescription("Tasks that are submitted again and again, by the daemon"),
  Command.withSubcommands([
    add,
    list,
    change("pause", "Submit no more, until it is resumed", (found) => ({ ...found, paused: true })),
    // Times that passed while it was paused are not missed.
    change("resume", "Submit again, from now on", (found, now) => ({
      ...found,
      paused: false,
      from:
        found.everyMillis == null
          ? now
          : found.from + Math.floor((now - found.from) / found.everyMillis) * found.everyMillis,
    })),
    change("remove", "Remove a schedule; its tasks stay", () => undefined),
  ]),
);
